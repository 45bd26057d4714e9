"""Signatures by shared secret (HMAC-SHA256), with the previous secret still accepted while it is being replaced."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING

from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Sequence


def parse_secrets(secret_json: str) -> list[bytes]:
    """Read `{"current": "...", "previous": "..." or null}`: the current secret first. Raises InvalidError."""
    try:
        document = json.loads(secret_json)
        current, previous = document["current"], document.get("previous")
    except (ValueError, KeyError, TypeError, AttributeError):
        current, previous = None, None
    if not isinstance(current, str) or not current or not isinstance(previous, str | None):
        raise InvalidError(
            'A signing secret is malformed: it must read {"current": "<random>", "previous": null}.',
            code="CONFIG.SIGNING_SECRET",
        )
    return [secret.encode() for secret in (current, previous) if secret]


def sign(secret: bytes, message: str) -> str:
    """The signature of `message`, 64 hexadecimal digits."""
    return hmac.new(secret, message.encode(), hashlib.sha256).hexdigest()


def verify(secrets: Sequence[bytes], message: str, signature: str) -> bool:
    """Whether one of `secrets` (current and previous) made `signature`; takes the same time for every answer."""
    given = signature.encode()
    matches = [hmac.compare_digest(sign(secret, message).encode(), given) for secret in secrets]
    return any(matches)
