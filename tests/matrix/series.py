"""A case of the recurrence corpus, as no provider writes it, and what it means. Knows nothing of the product.

What a series means follows RFC 5545 (3.3.10, 3.8.5): dateutil expands its rules on the wall clock of its zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from dateutil.rrule import rruleset, rrulestr

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HOME = "Europe/Berlin"
"""The zone of every calendar of the matrix: what floats happens on its wall clock."""

type Local = datetime | date
"""A time on the wall clock of a series, naive; a date in an all-day series."""


class Occurrence(NamedTuple):
    """What must be the same on both sides. Moments are in UTC; days are dates, the end exclusive."""

    start: Local
    end: Local
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a person did to the occurrence at `at`: moved to `start`, of another length, renamed; or cancelled."""

    at: Local
    start: Local | None = None
    length: timedelta | None = None
    title: str | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series, or a single event where nothing repeats. `rules` are the values of RRULE lines.

    `zone` is an IANA name, None for floating times and for days.
    """

    title: str
    start: Local
    length: timedelta
    zone: str | None = HOME
    rules: tuple[str, ...] = ()
    added: tuple[Local, ...] = ()
    excluded: tuple[Local, ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def is_all_day(self) -> bool:
        """Whether it happens on days."""
        return not isinstance(self.start, datetime)

    @property
    def repeats(self) -> bool:
        """Whether it is a series."""
        return bool(self.rules or self.added)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row of the matrix. `name` is the first word of each of its titles.

    `windows_zone`: the zone's name in iCalendar, as Outlook writes it. `overrides_first`: what differs is listed
    before its series. `utc_exclusions`: EXDATE and RDATE in UTC. `over_change`: an occurrence begins before a change of
    the clocks and ends after it, and lasts as long as the others all the same (RFC 5545, 3.8.5.3).
    """

    name: str
    series: tuple[Series, ...]
    windows_zone: str | None = None
    overrides_first: bool = False
    utc_exclusions: bool = False
    over_change: bool = False


def occurrences(series: Series, until: date) -> list[Occurrence]:
    """Everything that happens up to the end of that day, cancelled occurrences left out."""
    changes = {change.at: change for change in series.changes}
    found: list[Occurrence] = []
    for start in starts(series, until):
        change = changes.get(start, Change(at=start))
        if not change.cancelled:
            length = series.length if change.length is None else change.length
            begin = start if change.start is None else change.start
            found.append(_happening(series, begin, length, change.title or series.title))
    return found


def starts(series: Series, until: date) -> list[Local]:
    """The places of a series' occurrences, EXDATE applied, up to the end of that day."""
    if not series.repeats:
        return [series.start]
    made = _rules(series.rules, midnight(series.start), series.zone)
    found = {midnight(one) for one in series.added} | {midnight(series.start)}
    for moment in made:
        if moment.date() > until:
            break
        found.add(moment)
    found -= {midnight(one) for one in series.excluded}
    ordered = sorted(found)
    return [one.date() for one in ordered] if series.is_all_day else list(ordered)


def inside(found: Iterable[Occurrence], first: date, last: date) -> list[Occurrence]:
    """Those that start in `first` or later and before `last` (days begin at midnight UTC), in order."""
    low, high = _moment(first), _moment(last)
    return sorted(
        (one for one in found if low <= _moment(one.start) < high), key=lambda one: (_moment(one.start), str(one))
    )


def expected(case: Case, first: date, last: date) -> list[Occurrence]:
    """What a calendar that holds the case shows between two days."""
    return inside((one for each in case.series for one in occurrences(each, last)), first, last)


def moment(local: Local, zone: str | None) -> datetime:
    """A local time in UTC. One that the zone skips counts with the offset before (RFC 5545, 3.3.5)."""
    return midnight(local).replace(tzinfo=ZoneInfo(zone or HOME)).astimezone(UTC)


def midnight(local: Local) -> datetime:
    """A naive time; of a date, its midnight."""
    return local if isinstance(local, datetime) else datetime.combine(local, time())


@cache
def _rules(values: Sequence[str], start: datetime, zone: str | None) -> rruleset:
    made = rruleset(cache=True)
    for value in values:
        made.rrule(rrulestr(f"RRULE:{local_until(value, zone)}", dtstart=start))  # type: ignore[arg-type]
    return made


def local_until(value: str, zone: str | None) -> str:
    """The rule with an UNTIL in UTC put on the wall clock; a date means that whole day."""
    parts = dict(part.split("=", 1) for part in value.split(";"))
    until = parts.get("UNTIL")
    if until and until.endswith("Z"):
        ends = datetime.strptime(until, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        parts["UNTIL"] = f"{ends.astimezone(ZoneInfo(zone or HOME)):%Y%m%dT%H%M%S}"
    elif until and "T" not in until:
        parts["UNTIL"] = f"{until}T235959"
    return ";".join(f"{name}={content}" for name, content in parts.items())


def _happening(series: Series, begin: Local, length: timedelta, title: str) -> Occurrence:
    if not isinstance(begin, datetime):
        return Occurrence(begin, begin + length, title)
    start = moment(begin, series.zone)
    return Occurrence(start, start + length, title)


def _moment(local: Local) -> datetime:
    return local if isinstance(local, datetime) else datetime.combine(local, time(), UTC)
