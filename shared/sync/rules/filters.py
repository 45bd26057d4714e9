"""Which events a link leaves out, apart from all-day and free ones. Pure.

Patterns are RE2's, which never backtracks: a match takes time proportional to the title, whatever somebody has written
(https://github.com/google/re2). Texts that a pattern or a category list needs are loaded only for links that have one.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import re2  # type: ignore[import-untyped]
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from shared.calendar import recurrence, zones
from shared.calendar.event import EventType, Response, Visibility
from shared.calendar.span import AllDaySpan, Span, Window
from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from shared.calendar.event import Event, Text

LONGEST_PATTERN = 200
LARGEST_PATTERN = 1 << 20
"""Bytes that a compiled pattern may take."""
LONGEST_TITLE = 2000
"""Characters of a title that a pattern is shown."""
MOST_CATEGORIES = 50

_FEW_WEEKS, _SOME_YEARS = timedelta(days=35), timedelta(days=7 * 366)


class Day(StrEnum):
    """RFC 5545, weekday."""

    MO = "MO"
    TU = "TU"
    WE = "WE"
    TH = "TH"
    FR = "FR"
    SA = "SA"
    SU = "SU"


_DAYS = tuple(Day)


def _pattern(value: str) -> str:
    try:
        _compiled(value)
    except re2.error:
        raise ValueError("is no regular expression that RE2 understands: no look-around, no back-references") from None
    return value


def _zone(value: str) -> str:
    try:
        return zones.resolve(value)
    except InvalidError:
        raise ValueError("is not the name of a time zone, such as Europe/Zurich") from None


Pattern = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_PATTERN), AfterValidator(_pattern)]
Category = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Categories = Annotated[tuple[Category, ...], Field(max_length=MOST_CATEGORIES)]


class Setting(BaseModel):
    """Read-only; an unknown setting is a mistake, and no error repeats what was sent."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class WorkingHours(Setting):
    """Only events that touch these hours of these days, on the wall clock of `zone` (IANA)."""

    days: tuple[Day, ...] = Field(default=_DAYS[:5], min_length=1, max_length=7)
    start: time = time(9)
    end: time = time(17)
    zone: Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start.tzinfo or self.end.tzinfo or self.start >= self.end:
            raise ValueError("start must come before end, both on the wall clock of zone")
        return self

    def touch(self, span: Span) -> bool:
        """Whether anything of `span` lies inside; all-day events do on each of the days."""
        if isinstance(span, AllDaySpan):
            length = min((span.end - span.start).days, 7)
            return any(_DAYS[(span.start + timedelta(days=n)).weekday()] in self.days for n in range(length))
        zone = zones.zone(self.zone)
        first, last = span.start.astimezone(zone), span.end.astimezone(zone)
        for n in range(min((last.date() - first.date()).days, 7) + 1):
            day = first.date() + timedelta(days=n)
            opens, closes = datetime.combine(day, self.start, zone), datetime.combine(day, self.end, zone)
            inside = first < closes and (last > opens or first == last >= opens)
            if _DAYS[day.weekday()] in self.days and inside:
                return True
        return False


class Filters(Setting):
    """What a link leaves out. Hold for single events, series, and occurrences that differ.

    Patterns are searched for in the title without regard to case. Categories are Outlook's, or the name of Google's
    colour. `declined` and `unanswered` say what becomes of an event by the answer of the calendar's owner.
    `skip_invited` leaves out a meeting that stands in the target calendar itself, because its account is invited, too.
    """

    skip_event_types: tuple[EventType, ...] = (EventType.WORKING_LOCATION, EventType.BIRTHDAY)
    skip_private: bool = False
    title_include: Pattern | None = None
    title_exclude: Pattern | None = None
    only_categories: Categories = ()
    skip_categories: Categories = ()
    working_hours: WorkingHours | None = None
    declined: Literal["hidden", "free"] = "hidden"
    unanswered: Literal["tentative", "free", "hidden"] = "tentative"
    skip_invited: bool = True

    @property
    def needs_text(self) -> bool:
        """Whether deciding needs what people wrote."""
        return bool(self.title_include or self.title_exclude or self.only_categories or self.skip_categories)

    @property
    def free_responses(self) -> frozenset[Response]:
        """The answers whose events show as free."""
        answers = {Response.DECLINED: self.declined, Response.NEEDS_ACTION: self.unanswered}
        return frozenset(answer for answer, shown in answers.items() if shown == "free")

    def hide(self, event: Event) -> str:
        """Why an event is left out, in one of a few fixed words; "" if it is not. Raises InvalidError for a rule that
        nobody can expand."""
        if event.response is Response.DECLINED and self.declined == "hidden":
            return "declined"
        if event.response is Response.NEEDS_ACTION and self.unanswered == "hidden":
            return "unanswered"
        if event.event_type in self.skip_event_types:
            return "event type"
        if self.skip_private and event.visibility in (Visibility.PRIVATE, Visibility.CONFIDENTIAL):
            return "private"
        if event.text is not None and (reason := self._hide_text(event.text)):
            return reason
        if self.working_hours is not None and not _ever(event, self.working_hours):
            return "working hours"
        return ""

    def _hide_text(self, text: Text) -> str:
        """A text that is not kept (it is past, and no link needed it) decides nothing."""
        title = text.title[:LONGEST_TITLE]
        if self.title_include is not None and not _compiled(self.title_include).search(title):
            return "title"
        if self.title_exclude is not None and _compiled(self.title_exclude).search(title):
            return "title"
        categories = {one.casefold() for one in text.categories}
        if self.only_categories and not categories & {one.casefold() for one in self.only_categories}:
            return "category"
        return "category" if categories & {one.casefold() for one in self.skip_categories} else ""


def parse(settings: dict[str, Any]) -> Filters:
    """Settings as they come from a person. Raises InvalidError naming every bad one, never what was sent."""
    try:
        return Filters.model_validate(settings)
    except ValidationError as error:
        fields = {f"filters.{'.'.join(map(str, one['loc']))}": one["msg"] for one in error.errors()}
        message = "; ".join(f"{name}: {told}" for name, told in sorted(fields.items()))
        raise InvalidError(f"The filters are not understood. {message}.", code="LINK.FILTERS", fields=fields) from None


def to_json(filters: Filters) -> dict[str, Any]:
    """What differs from the defaults, for the link's row."""
    return filters.model_dump(mode="json", exclude_defaults=True)


def _ever(event: Event, hours: WorkingHours) -> bool:
    """Whether an event touches the hours; a series if one of its first occurrences does, so that in doubt it shows."""
    if event.span is None or not event.recurrence:
        return event.span is not None and hours.touch(event.span)
    begin = event.span.starts_at()
    for reach in (_FEW_WEEKS, _SOME_YEARS):
        first = recurrence.expand(event, Window(start=begin, end=begin + reach))
        if any(hours.touch(one.span) for one in first):
            return True
        if len(first) > 1:
            return False
    return False


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = LARGEST_PATTERN
    return re2.compile(pattern, options)
