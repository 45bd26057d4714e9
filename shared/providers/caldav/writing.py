"""From an appearance to the lines of a resource, new or there already. Pure. No attendees, no alarms: never.

Of a resource that is there only our own lines are replaced; what else a person or program has put into it stays.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import nh3

from shared.calendar.event import Availability, Status
from shared.calendar.ical.lines import Component, Line, split, text_line
from shared.calendar.ical.values import BUSY_STATUSES, CLASSES, MARKER
from shared.calendar.ical.writing import PRODID
from shared.core.errors import NotFoundError
from shared.providers.caldav import resource
from shared.providers.caldav.resource import OF_A_SERIES, STAMPS, TIMES, Series

if TYPE_CHECKING:
    from datetime import datetime

    from shared.calendar.mirror import Appearance
    from shared.providers.caldav.reading import Context

_LOOKS = (
    *TIMES, "SUMMARY", "DESCRIPTION", "X-ALT-DESC", "LOCATION", "STATUS", "TRANSP",
    "X-MICROSOFT-CDO-BUSYSTATUS", "X-MICROSOFT-CDO-ALLDAYEVENT", *STAMPS,
)  # fmt: skip
FREE = (Availability.FREE, Availability.WORKING_ELSEWHERE)
_BREAKS = re.compile(r"<br\s*/?>|</(?:p|div|li|tr|h[1-6]|blockquote)>", re.IGNORECASE)
_TEXT_ONLY = nh3.Cleaner(tags=set(), attributes={}, clean_content_tags={"script", "style", "title"}, link_rel=None)


def new(uid: str, appearance: Appearance, *, marker: str, now: datetime) -> Component:
    """The resource of a mirror that is not there yet."""
    event = Component("VEVENT", [Line("UID", "", uid)])
    calendar = Component(
        "VCALENDAR",
        [Line("VERSION", "", "2.0"), Line("PRODID", "", PRODID), Line("CALSCALE", "", "GREGORIAN"), event],
    )
    root(calendar, appearance, marker=marker, anew=True, now=now)
    return calendar


def root(calendar: Component, appearance: Appearance, *, marker: str, anew: bool, now: datetime) -> None:
    """Bring the single event or master to `appearance`. Occurrences that differ stay, unless it is written `anew` or
    is no series any more. Raises InvalidError for a resource without one."""
    master = resource.master(calendar)
    rules = [split(line) for line in appearance.recurrence]
    given = [*_looks(appearance, now, in_series=bool(rules)), *_class(appearance), *rules]
    dropped = {*_LOOKS, *OF_A_SERIES, "CLASS", MARKER}
    if anew or not rules:
        dropped.add("EXDATE")
        calendar.parts = [
            part
            for part in calendar.parts
            if not (isinstance(part, Component) and part.name == "VEVENT" and part is not master)
        ]
    master.replace(dropped, [*given, text_line(MARKER, marker)])
    resource.raise_sequence(master)
    resource.require_zones(calendar, now)


def occurrence(calendar: Component, key: str, appearance: Appearance, *, context: Context, now: datetime) -> None:
    """Make one occurrence differ. Raises NotFoundError if the series has no such place."""
    series = Series.of(calendar, key, context)
    series.include()
    found = series.override()
    if found is None:
        uid = series.master.value("UID")
        found = Component("VEVENT", [Line("UID", "", uid), series.named("RECURRENCE-ID")])
        calendar.parts.append(found)
    found.replace((*_LOOKS, "CLASS"), [*_looks(appearance, now, in_series=True), *_class(appearance)])
    resource.raise_sequence(found)
    resource.require_zones(calendar, now)


def cancel(calendar: Component, key: str, *, context: Context) -> None:
    """Take one occurrence out; one that is gone already is fine, and so is a place that the series does not have (any
    more): nothing is there to take out."""
    try:
        series = Series.of(calendar, key, context)
    except NotFoundError:
        return
    series.exclude()
    resource.raise_sequence(series.master)


def _looks(appearance: Appearance, now: datetime, *, in_series: bool) -> list[Line]:
    text, availability = appearance.text, appearance.availability
    is_open = availability is Availability.TENTATIVE or appearance.status is Status.TENTATIVE
    undecided = is_open and availability is Availability.BUSY
    description = plain(text.description) if text.is_html else text.description
    return [
        *resource.times(appearance.span, in_series=in_series),
        text_line("SUMMARY", text.title),
        *([text_line("DESCRIPTION", description)] if description else []),
        *([text_line("LOCATION", text.location)] if text.location else []),
        Line("STATUS", "", "TENTATIVE" if is_open else "CONFIRMED"),
        Line("TRANSP", "", "TRANSPARENT" if availability in FREE else "OPAQUE"),
        Line("X-MICROSOFT-CDO-BUSYSTATUS", "", "TENTATIVE" if undecided else BUSY_STATUSES[availability]),
        *resource.stamps(now),
    ]


def _class(appearance: Appearance) -> list[Line]:
    """Who may read it. An occurrence that differs inherits nothing: without a line of its own it is public (RFC 5545,
    3.8.1.3)."""
    class_ = CLASSES.get(appearance.visibility)
    return [Line("CLASS", "", class_)] if class_ else []


def plain(description: str) -> str:
    """HTML as the plain text that DESCRIPTION holds."""
    return html.unescape(_TEXT_ONLY.clean(_BREAKS.sub("\n", description))).strip()
