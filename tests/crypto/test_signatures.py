"""Signatures hold under the current and the previous secret, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.errors import InvalidError
from shared.crypto import opaque, passwords, signatures


@given(secret=st.binary(min_size=1), message=st.text())
def test_a_signature_verifies(secret: bytes, message: str) -> None:
    assert signatures.verify([secret], message, signatures.sign(secret, message))


@given(message=st.text(), signature=st.text())
def test_an_invented_signature_does_not(message: str, signature: str) -> None:
    assert not signatures.verify([b"secret"], message, signature)


def test_the_previous_secret_is_still_accepted_and_an_older_one_is_not() -> None:
    signature = signatures.sign(b"old", "message")

    assert signatures.verify([b"new", b"old"], "message", signature)
    assert not signatures.verify([b"newest", b"new"], "message", signature)


def test_the_secret_is_read_with_and_without_a_previous_one() -> None:
    assert signatures.parse_secrets('{"current": "a", "previous": null}') == [b"a"]
    assert signatures.parse_secrets('{"current": "a"}') == [b"a"]
    assert signatures.parse_secrets('{"current": "b", "previous": "a"}') == [b"b", b"a"]


@pytest.mark.parametrize(
    "text", ["", "planted", "[]", "{}", '{"current": ""}', '{"current": 1}', '{"current": "a", "previous": 1}']
)
def test_a_malformed_secret_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        signatures.parse_secrets(text)

    assert "planted" not in str(caught.value)


def test_a_password_is_recognised_and_a_wrong_one_is_not() -> None:
    encoded = passwords.hash("correct horse battery")

    assert encoded.startswith("$argon2id$")
    assert passwords.verify(encoded, "correct horse battery")
    assert not passwords.verify(encoded, "incorrect horse battery")
    assert not passwords.needs_rehash(encoded)


def test_without_an_account_no_password_is_right_not_even_the_one_compared_with() -> None:
    assert not passwords.verify(None, "nobody's password")


def test_a_hash_of_weaker_parameters_asks_to_be_renewed() -> None:
    weak = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$eNzlHbLLSlXbRBXCAoyvK1vyOOEgGTnLOWjcFFXTwhY"

    assert passwords.needs_rehash(weak)


def test_opaque_tokens_are_unique_long_and_found_by_their_digest() -> None:
    tokens = {opaque.new("kal_") for _ in range(100)}

    assert len(tokens) == 100
    assert all(len(token) == 47 and token.startswith("kal_") for token in tokens)
    assert {len(opaque.digest(token)) for token in tokens} == {32}
