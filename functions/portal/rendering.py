"""Pages from templates: everything is escaped, nothing needs a script."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from functions.http import Response
from functions.portal.filter_form import DAYS, EVENT_TYPES
from shared import providers
from shared.calendar.span import AllDaySpan

if TYPE_CHECKING:
    from functions.visit import Visit
    from shared.calendar.span import Span

HERE = Path(__file__).parent
ASSETS = {
    "kalends.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "zone.js": "text/javascript; charset=utf-8",
}
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def page(
    template: str,
    visit: Visit | None,
    /,
    *,
    status: int = 200,
    cookies: tuple[str, ...] = (),
    real_accounts: bool = False,
    scripted: bool = False,
    **values: Any,
) -> Response:
    """A page. Templates know `signed_in`, `path`, `csrf` for their forms, `now`, and what they are given.

    `real_accounts` warns strangers; to a visit's page it is said where it is so. `scripted` lets zone.js, and no other
    script, run.
    """
    policy = f"{POLICY}; script-src 'self'" if scripted else POLICY
    headers = {"content-security-policy": policy, "referrer-policy": "same-origin"}
    known = visit is not None and visit.visitor is not None
    text = (
        environment()
        .get_template(template)
        .render(
            signed_in=known,
            path=visit.request.path if visit else "",
            csrf=(visit.csrf_token() if visit and known else None) or "",
            now=visit.now if visit else None,
            real_accounts=visit.application.settings.warns_of_real_accounts if visit else real_accounts,
            scripted=scripted,
            **values,
        )
    )
    return Response(status=status, body=text, content_type="text/html; charset=utf-8", headers=headers, cookies=cookies)


def asset(name: str) -> Response | None:
    """A file that all pages share, under an address that changes with it; None if there is no such file."""
    if name not in ASSETS:
        return None
    return Response(
        status=200,
        body=(HERE / "assets" / name).read_text("utf-8"),
        content_type=ASSETS[name],
        headers={"cache-control": "public, max-age=31536000, immutable"},
    )


@cache
def environment() -> Environment:
    """The templates, with what they say times, spans and numbers by."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"ago": ago, "span": span_in_words, "moment": moment, "counted": counted}
    made.globals |= {"asset": _address, "providers": providers.NAMES, "event_types": EVENT_TYPES, "weekdays": DAYS}
    return made


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago, or in how long, roughly: times need no zone this way."""
    if at is None:
        return "never"
    seconds = (now - at).total_seconds()
    if abs(seconds) < 5:
        return "just now"
    size, unit = next((size, unit) for size, unit in _UNITS if abs(seconds) >= size)
    words = counted(int(abs(seconds) / size), unit)
    return f"{words} ago" if seconds > 0 else f"in {words}"


def counted(number: int, one: str, many: str = "") -> str:
    """`3 mirrors`, `1 mirror`, `1,200 mirrors`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def span_in_words(span: Span | None) -> str:
    """`Thu 27 Nov 2026, 14:00–15:00 (Europe/Berlin)`, on the wall clock that the event keeps."""
    if span is None:
        return ""
    if isinstance(span, AllDaySpan):
        last = span.end - timedelta(days=1)
        return _day(span.start) if last == span.start else f"{_day(span.start)} – {_day(last)}"
    zone = ZoneInfo(span.zone)
    start, end = span.start.astimezone(zone), span.end.astimezone(zone)
    until = f"{end:%H:%M}" if end.date() == start.date() else f"{_day(end)}, {end:%H:%M}"
    return f"{_day(start)}, {start:%H:%M}–{until} ({span.zone})"


def moment(at: datetime | None) -> str:
    """A moment in UTC, for lists of what happened."""
    return f"{_day(at.astimezone(UTC))}, {at.astimezone(UTC):%H:%M} UTC" if at else ""


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b %Y}"


@cache
def _address(name: str) -> str:
    return f"/assets/{name}?v={hashlib.sha256((HERE / 'assets' / name).read_bytes()).hexdigest()[:12]}"
