"""Envelope encryption: a ring of master keys wraps data keys, and a data key seals what belongs to one connection.

AES-256-GCM throughout (NIST SP 800-38D), a fresh random nonce for each seal. What a sealed value belongs to is bound
in as associated data, so that a value moved to another row or column does not open. The first byte of everything
sealed names the layout.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.core.errors import InvalidError, KalendsError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LAYOUT = b"\x01"
_KEY_BYTES = 32
_NONCE_BYTES = 12


class DecryptError(KalendsError):
    """Something sealed does not open: it was altered, moved, or its key is not in the ring. No provider's fault."""

    code = "CRYPTO.DECRYPT_FAILED"


class DataKey:
    """A key that seals values of one connection. Never stored as it is, never printed."""

    __slots__ = ("_cipher", "_secret", "_sum_key")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._cipher = AESGCM(_derive(secret, b"seal"))
        self._sum_key = _derive(secret, b"checksum")

    def __repr__(self) -> str:
        return "DataKey()"

    def seal(self, plaintext: bytes, *, aad: str) -> bytes:
        """Encrypt; `aad` says what the value is (such as `refresh_token`) and must be the same when it is opened."""
        return _seal(self._cipher, plaintext, aad)

    def open(self, sealed: bytes, *, aad: str) -> bytes:
        """Decrypt. Raises DecryptError if the value was altered, cut, or sealed as something else."""
        return _open(self._cipher, sealed, aad)

    def checksum(self, data: bytes) -> str:
        """Keyed HMAC-SHA256 in hex: equal for equal data under this key, and tells nothing about the data."""
        return hmac.new(self._sum_key, data, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedKey:
    """A new data key with the form in which it may be stored: `wrapped`, and the master key's `key_id`."""

    key: DataKey
    wrapped: bytes
    key_id: str


class KeyRing:
    """The master keys by id. The primary one wraps; every one in the ring unwraps, so that keys can be rotated."""

    def __init__(self, *, primary: str, keys: Mapping[str, bytes]) -> None:
        if primary not in keys:
            raise InvalidError(f"The key ring's primary key {primary!r} is not among its keys.", code="CONFIG.KEY_RING")
        for key_id, key in keys.items():
            if len(key) != _KEY_BYTES:
                raise InvalidError(
                    f"Key {key_id!r} of the key ring has {len(key)} bytes instead of {_KEY_BYTES}.",
                    code="CONFIG.KEY_RING",
                )
        self.primary = primary
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}

    @classmethod
    def parse(cls, secret_json: str) -> KeyRing:
        """Read `{"primary": "k1", "keys": {"k1": "<base64 of 32 bytes, optionally after base64:>"}}`.

        Raises InvalidError, which never repeats the secret.
        """
        try:
            document = json.loads(secret_json)
            primary, encoded = str(document["primary"]), dict(document["keys"])
            keys = {str(key_id): _decode(key) for key_id, key in encoded.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InvalidError(
                'The key ring is malformed: it must read {"primary": "k1", "keys": {"k1": "<base64 of 32 bytes>"}}.',
                code="CONFIG.KEY_RING",
            ) from None
        return cls(primary=primary, keys=keys)

    def __repr__(self) -> str:
        return f"KeyRing(primary={self.primary!r}, keys={sorted(self._ciphers)!r})"

    def new_data_key(self, *, context: str) -> WrappedKey:
        """A fresh data key for `context` (the connection's id), wrapped by the primary key."""
        secret = secrets.token_bytes(_KEY_BYTES)
        wrapped = _seal(self._ciphers[self.primary], secret, _binding("data-key", context))
        return WrappedKey(key=DataKey(secret), wrapped=wrapped, key_id=self.primary)

    def unwrap(self, wrapped: bytes, key_id: str, *, context: str) -> DataKey:
        """The data key that was wrapped for `context`. Raises DecryptError, also if `key_id` left the ring."""
        return DataKey(_open(self._cipher(key_id), wrapped, _binding("data-key", context)))

    def seal(self, plaintext: bytes, *, context: str) -> bytes:
        """Seal a short-lived value that has no data key of its own; the result names its master key."""
        key_id = self.primary.encode()
        return bytes([len(key_id)]) + key_id + _seal(self._ciphers[self.primary], plaintext, _binding("value", context))

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Open what `seal` made for the same `context`. Raises DecryptError."""
        end = 1 + (sealed[0] if sealed else 0)
        cipher = self._cipher(sealed[1:end].decode(errors="replace"))
        return _open(cipher, sealed[end:], _binding("value", context))

    def _cipher(self, key_id: str) -> AESGCM:
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise DecryptError(
                f"The key ring has no key {key_id!r}: put the old key back beside the primary one.",
                code="CRYPTO.KEY_MISSING",
            )
        return cipher


def _binding(purpose: str, context: str) -> str:
    return f"kalends:{purpose}:{context}"


def _seal(cipher: AESGCM, plaintext: bytes, aad: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _LAYOUT + nonce + cipher.encrypt(nonce, plaintext, _LAYOUT + aad.encode())


def _open(cipher: AESGCM, sealed: bytes, aad: str) -> bytes:
    layout, nonce, ciphertext = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    if layout != _LAYOUT:
        raise DecryptError("A sealed value has an unknown layout: it was cut or written by a newer release.")
    try:
        return cipher.decrypt(nonce, ciphertext, layout + aad.encode())
    except (InvalidTag, ValueError):
        raise DecryptError("A sealed value does not open: it was altered, or belongs to something else.") from None


def _derive(secret: bytes, purpose: bytes) -> bytes:
    """A subkey for one purpose; HMAC of a uniformly random key is HKDF-Expand's first block (RFC 5869)."""
    return hmac.new(secret, b"kalends:" + purpose + b"\x01", hashlib.sha256).digest()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text.removeprefix("base64:"), validate=True)
    except binascii.Error as error:
        raise ValueError from error
