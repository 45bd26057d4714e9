"""Asking for a feed, conditionally (RFC 9110, 13.1), and what its refusals mean. No message holds the address: whoever
has it can read the calendar."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.calendar.ical import reading
from shared.core.errors import InvalidError, RateLimitedError, ReauthRequiredError, TransientError
from shared.providers.patience import retry_after
from shared.providers.port import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from shared.calendar.ical.reading import Calendar
    from shared.net.egress import Egress

ACCEPT = "text/calendar, text/plain;q=0.5, */*;q=0.1"
_SCHEMES = {"webcal": "https", "webcals": "https"}
_MAX_VALIDATOR = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A feed as it was answered, with the validators to ask with next time."""

    calendar: Calendar
    etag: str
    modified: str


def normalise(address: str) -> str:
    """The address to ask: webcal:// is https://, and there is no fragment. Raises InvalidError for what is none."""
    scheme, separator, rest = address.strip().partition("://")
    normal = f"{_SCHEMES.get(scheme.lower(), scheme.lower())}://{rest.partition('#')[0]}"
    try:
        has_host = bool(urlsplit(normal).hostname)
    except ValueError:
        has_host = False
    if not separator or not has_host or not normal.startswith(("https://", "http://")):
        raise InvalidError(
            "This is not the address of a calendar feed: it begins with https:// or webcal://.", code="FEED.BAD_ADDRESS"
        )
    return normal


def fetch(egress: Egress, address: str, *, etag: str = "", modified: str = "") -> Fetched | None:
    """The feed; None if it is what it was under these validators. Raises the port's errors."""
    headers = {"accept": ACCEPT}
    if etag:
        headers["if-none-match"] = etag
    if modified:
        headers["if-modified-since"] = modified
    answer = egress.request("GET", address, headers=headers)
    host = urlsplit(address).hostname or "The feed's server"
    if answer.status_code == HTTPStatus.NOT_MODIFIED and (etag or modified):
        return None
    if answer.status_code != HTTPStatus.OK:
        raise _refusal(answer, host)
    try:
        calendar = reading.read(answer.content, charset=answer.charset_encoding)
    except InvalidError:
        raise TransientError(
            f"{host} did not answer with a calendar (it may want a sign-in). Check the feed's address, or wait.",
            code=UNREADABLE,
        ) from None
    return Fetched(
        calendar=calendar,
        etag=_validator(answer.headers, "etag"),
        modified=_validator(answer.headers, "last-modified"),
    )


def _validator(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    return value if len(value) <= _MAX_VALIDATOR and value.isascii() and value.isprintable() else ""


def _refusal(answer: httpx.Response, host: str) -> Exception:
    status = answer.status_code
    told = f"{host} answered {status} for the feed."
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return ReauthRequiredError(f"{told} It is no longer shown to us: connect it again with its present address.")
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        # Servers say so in passing as well; and that a feed is gone proves of no event that it is.
        return TransientError(
            f"{told} If that stays so, connect the feed again with its present address.", code="FEED.NOT_FOUND"
        )
    wait = retry_after(answer.headers)
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.SERVICE_UNAVAILABLE and wait is not None):
        return RateLimitedError(f"{told} It asks to wait.", retry_after=wait)
    return TransientError(f"{told} It is asked again later.")
