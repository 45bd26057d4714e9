"""No planted secret survives redaction, wherever it stands; facts do."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.redaction import REDACTED, redact, redact_text

SECRET = "pl4nted-S3cret_value.0123456789"


@pytest.mark.parametrize(
    "key",
    [
        "access_token",
        "refresh_token",
        "token",
        "Authorization",
        "auth_token",
        "client_secret",
        "password",
        "passwd",
        "Cookie",
        "set-cookie",
        "code",
        "code_verifier",
        "authorization_code",
        "accessToken",
        "syncToken",
        "x-goog-channel-token",
        "state",
    ],
)
def test_a_key_that_names_a_secret_hides_its_value_at_any_depth(key: str) -> None:
    hidden = redact({"outer": [{key: SECRET}, ({key: [SECRET]},)]})

    assert SECRET not in json.dumps(hidden)
    assert hidden["outer"][0][key] == REDACTED


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f"authorization=bearer {SECRET}",
        f"Basic {SECRET}",
        f"https://example.com/callback?code={SECRET}&scope=calendar",
        f"https://example.com/callback?scope=x&code={SECRET}#there",
        f"https://example.com/callback?state={SECRET}",
        f"GET /v1?access_token={SECRET} failed",
        f"grant_type=refresh_token&refresh_token={SECRET}&client_id=x",
        f"client_id=x&client_secret={SECRET}",
        f'{{"access_token": "{SECRET}", "expires_in": 3599}}',
        f"{{'refresh_token': '{SECRET}'}}",
        json.dumps({"body": json.dumps({"refresh_token": SECRET})}),
        f"redirect=https%3A%2F%2Fa%3Faccess_token%3D{SECRET}",
        f"Cookie: kalends_session={SECRET}; theme=dark",
        f"token: {SECRET}",
        f"password={SECRET}",
        f"postgresql://kalends:{SECRET}@db.example:5432/kalends",
        "kal_" + "Ab3-" * 10,
        "ya29.a0AfH6SMBx-planted",
        "1//0gplanted-planted-planted-planted",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJwbGFudGVkIn0.c2ln",
    ],
)
def test_a_secret_inside_a_text_is_taken_out(text: str) -> None:
    hidden = redact_text(f"before {text} after") if not text.startswith(("grant", "client")) else redact_text(text)

    assert SECRET not in hidden
    assert "planted" not in hidden.lower()
    assert "Ab3-Ab3" not in hidden
    assert REDACTED in hidden


@given(words=st.lists(st.text(max_size=20)), secret=st.from_regex(r"[A-Za-z0-9_.~-]{8,64}", fullmatch=True))
def test_a_secret_between_any_words_is_taken_out(words: list[str], secret: str) -> None:
    text = redact_text(" ".join([*words, f"access_token={secret}", *words]))

    assert f"access_token={REDACTED}" in text


def test_facts_stay() -> None:
    facts = {
        "user_id": "0198c0de-0000-7000-8000-000000000001",
        "error_code": "SYNC.CURSOR_EXPIRED",
        "status_code": 410,
        "tokens_refreshed": 3,
        "token_valid": True,
        "provider": "google",
        "error": "Google answered 410 for calendar 17. A full sync follows.",
        "duration_ms": 12.5,
        "none": None,
        "state_of_things": "active",
    }

    assert redact(facts) == facts


def test_bytes_are_never_logged() -> None:
    assert redact({"payload": b"raw"}) == {"payload": REDACTED}


def test_the_address_of_a_published_feed_is_taken_out() -> None:
    token = "x-_4" * 10 + "abc"

    assert redact_text(f"GET https://kalends.example/feeds/{token}.ics 200") == (
        f"GET https://kalends.example/feeds/{REDACTED}.ics 200"
    )
