"""Redaction: whatever looks like a secret is taken out of what is about to be logged (runbook 004, S4-36).

The second line of defence: the first is that nobody logs bodies, headers or event texts to begin with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from typing import Any

REDACTED = "[REDACTED]"

_SECRET_KEY = re.compile(
    r"token|authorization|secret|passw|cookie|credential|assertion|^(auth\w*_)?code(_|$)|^state$", re.I
)

_NAMED = r"[\w.-]*(?:token|secret|passw(?:or)?d|authorization|cookie|credential|assertion|client_assertion)[\w.-]*"
_IN_TEXT = (
    # Authorization: Bearer x; and the scheme alone, as in a header's value.
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.I), rf"\1 {REDACTED}"),
    # "access_token": "x", access_token=x, kalends_session=x, also percent-encoded or inside JSON in a string.
    (
        re.compile(
            rf"""({_NAMED}|kalends_session)(\\*["']?\s*(?:[:=]|%3[Aa]|%3[Dd])\s*\\*["']?)([^\s"'&,;}}\\]+)""", re.I
        ),
        rf"\1\2{REDACTED}",
    ),
    # The parameters of an authorization response, which are secrets only in a URL or form.
    (re.compile(r"(^|[?&])((?:code|state|code_verifier|id_token|key)=)[^&\s\"'#]+", re.I), rf"\1\2{REDACTED}"),
    # Well-known shapes: ours, Google's access and refresh tokens, JSON Web Tokens, passwords in addresses.
    (re.compile(r"\bkal_[\w-]{20,}|\bya29\.[\w.-]+|\b1//[\w-]{20,}|\beyJ[\w-]{10,}\.[\w-]+\.[\w-]*"), REDACTED),
    (re.compile(r"(\b\w+://[^\s/:@]+:)[^\s/@]+@"), rf"\1{REDACTED}@"),
    # The address of a published feed.
    (re.compile(r"(/feeds/)[\w-]{43}"), rf"\1{REDACTED}"),
)


def redact(value: Any) -> Any:
    """A copy of `value` without secrets: under keys that name one, and inside every string, at any depth.

    Numbers and booleans stay, also under such keys (`tokens_refreshed: 3` is a fact).
    """
    match value:
        case str():
            return redact_text(value)
        case Mapping():
            return {key: _redact_item(key, item) for key, item in value.items()}
        case list() | tuple() | Set():
            return [redact(item) for item in value]
        case bytes() | bytearray():
            return REDACTED
    return value


def redact_text(text: str) -> str:
    """`text` with the values of named secrets, bearer tokens and well-known token shapes taken out."""
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def _redact_item(key: object, item: Any) -> Any:
    if isinstance(key, str) and _SECRET_KEY.search(key) and not isinstance(item, int | float | None):
        return REDACTED
    return redact(item)
