"""What is sealed opens again only where it belongs, and only as it was."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.errors import InvalidError
from shared.crypto.keyring import DataKey, DecryptError, KeyRing

K1, K2 = bytes(range(32)), bytes(range(32, 64))
RING = KeyRing(primary="k1", keys={"k1": K1})
KEY = RING.new_data_key(context="connection")


def secret(**keys: str) -> str:
    return json.dumps({"primary": "k1", "keys": keys})


@given(plaintext=st.binary(), aad=st.text())
def test_what_is_sealed_opens_to_what_it_was(plaintext: bytes, aad: str) -> None:
    sealed = KEY.key.seal(plaintext, aad=aad)

    assert KEY.key.open(sealed, aad=aad) == plaintext


@given(plaintext=st.binary(min_size=1), aad=st.text(), other=st.text())
def test_what_is_sealed_as_one_thing_does_not_open_as_another(plaintext: bytes, aad: str, other: str) -> None:
    sealed = KEY.key.seal(plaintext, aad=aad)

    if aad != other:
        with pytest.raises(DecryptError):
            KEY.key.open(sealed, aad=other)


@given(plaintext=st.binary(), position=st.integers(min_value=0), bit=st.integers(0, 7))
def test_one_changed_bit_anywhere_is_noticed(plaintext: bytes, position: int, bit: int) -> None:
    sealed = bytearray(KEY.key.seal(plaintext, aad="x"))
    sealed[position % len(sealed)] ^= 1 << bit

    with pytest.raises(DecryptError):
        KEY.key.open(bytes(sealed), aad="x")


@given(garbage=st.binary())
def test_garbage_is_refused_and_not_an_accident(garbage: bytes) -> None:
    for attempt in (
        lambda: KEY.key.open(garbage, aad="x"),
        lambda: RING.unwrap(garbage, "k1", context="x"),
        lambda: RING.open(garbage, context="x"),
    ):
        with pytest.raises(DecryptError):
            attempt()


def test_the_same_text_never_looks_the_same_twice() -> None:
    assert len({KEY.key.seal(b"lunch", aad="x") for _ in range(100)}) == 100


def test_a_wrapped_key_moved_to_another_connection_does_not_open() -> None:
    with pytest.raises(DecryptError):
        RING.unwrap(KEY.wrapped, KEY.key_id, context="another connection")


def test_an_unwrapped_key_opens_what_the_first_sealed() -> None:
    sealed = KEY.key.seal(b"lunch", aad="x")

    again = RING.unwrap(KEY.wrapped, KEY.key_id, context="connection")

    assert again.open(sealed, aad="x") == b"lunch"
    assert again.checksum(b"lunch") == KEY.key.checksum(b"lunch")


def test_a_rotated_ring_wraps_with_the_new_key_and_still_opens_the_old_ones() -> None:
    rotated = KeyRing(primary="k2", keys={"k1": K1, "k2": K2})
    value = RING.seal(b"verifier", context="state")

    assert rotated.new_data_key(context="c").key_id == "k2"
    assert rotated.unwrap(KEY.wrapped, KEY.key_id, context="connection").checksum(b"") == KEY.key.checksum(b"")
    assert rotated.open(value, context="state") == b"verifier"


def test_a_key_that_left_the_ring_is_named_as_missing() -> None:
    without = KeyRing(primary="k2", keys={"k2": K2})

    with pytest.raises(DecryptError, match="'k1'") as caught:
        without.unwrap(KEY.wrapped, "k1", context="connection")

    assert caught.value.error_code == "CRYPTO.KEY_MISSING"


def test_checksums_tell_texts_apart_and_nothing_about_them_under_another_key() -> None:
    other = RING.new_data_key(context="connection").key

    assert KEY.key.checksum(b"a") != KEY.key.checksum(b"b")
    assert KEY.key.checksum(b"a") != other.checksum(b"a")
    assert len(KEY.key.checksum(b"a")) == 64


@pytest.mark.parametrize("prefix", ["", "base64:"])
def test_the_secret_is_read_with_and_without_its_prefix(prefix: str) -> None:
    ring = KeyRing.parse(secret(k1=prefix + base64.b64encode(K1).decode()))

    assert ring.unwrap(KEY.wrapped, "k1", context="connection").checksum(b"") == KEY.key.checksum(b"")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"primary": "k1"}',
        '{"primary": "k1", "keys": []}',
        secret(k1="not base64, and a planted secret"),
        secret(k1=base64.b64encode(b"planted secret").decode()),
        secret(k2=base64.b64encode(K1).decode()),
    ],
)
def test_a_malformed_secret_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        KeyRing.parse(text)

    assert caught.value.error_code == "CONFIG.KEY_RING"
    assert "planted" not in str(caught.value)
    assert caught.value.__context__ is None or "planted" not in repr(caught.value.__context__)


def test_keys_do_not_print_themselves() -> None:
    printed = repr(RING) + repr(KEY) + repr(DataKey(K1)) + str(KEY.key)

    assert K1.hex() not in printed
    assert repr(K1) not in printed
