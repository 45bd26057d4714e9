"""When something happens. All-day spans are dates and a type of their own: they have no zone and never shift."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedSpan:
    """From `start` (inclusive) to `end` (exclusive), aware; `zone` is the IANA zone whose wall clock it keeps.

    Zero length is allowed: providers have such events.
    """

    start: datetime
    end: datetime
    zone: str

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a timed span needs aware datetimes")
        if self.end < self.start:
            raise ValueError("a span ends before it starts")

    @property
    def is_all_day(self) -> bool:
        """Always False."""
        return False

    def starts_at(self) -> datetime:
        """The start in UTC."""
        return self.start.astimezone(UTC)

    def ends_at(self) -> datetime:
        """The end in UTC."""
        return self.end.astimezone(UTC)

    def local_start(self) -> datetime:
        """The start on the wall clock of `zone`."""
        return self.start.astimezone(ZoneInfo(self.zone))


@dataclass(frozen=True, slots=True, kw_only=True)
class AllDaySpan:
    """Whole days from `start` (inclusive) to `end` (exclusive, at least one day later), in nobody's zone."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError("an all-day span ends before it starts")

    @property
    def is_all_day(self) -> bool:
        """Always True."""
        return True

    def starts_at(self) -> datetime:
        """Midnight UTC of the first day: for ordering and windows only, never for display."""
        return datetime.combine(self.start, time(), UTC)

    def ends_at(self) -> datetime:
        """Midnight UTC after the last day: for ordering and windows only, never for display."""
        return datetime.combine(self.end, time(), UTC)


Span = TimedSpan | AllDaySpan

type Start = datetime | date
"""The original start of an occurrence: an aware UTC datetime, or a date in an all-day series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a link looks at: `start` inclusive, `end` exclusive; None means without bound."""

    start: datetime | None
    end: datetime | None

    def touches(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether [starts_at, ends_at) lies at least partly inside; zero-length spans count as a moment."""
        effective_end = max(ends_at, starts_at + timedelta(microseconds=1))
        return (self.end is None or starts_at < self.end) and (self.start is None or effective_end > self.start)


def occurrence_key(original_start: Start) -> str:
    """The stable name of an occurrence inside its series: `20260301T090000Z`, or `20260301` in an all-day series.

    It is the suffix Google gives to instance ids (`<master>_20260301T090000Z`).
    """
    if isinstance(original_start, datetime):
        moment = original_start.astimezone(UTC)
        return f"{moment.year:04}{moment:%m%dT%H%M%SZ}"
    return f"{original_start.year:04}{original_start:%m%d}"  # %Y has fewer digits before the year 1000


def parse_occurrence_key(key: str) -> Start:
    """The original start that `occurrence_key` named. Raises ValueError on anything else."""
    if len(key) == len("20260301"):
        return datetime.strptime(key, "%Y%m%d").replace(tzinfo=UTC).date()
    return datetime.strptime(key, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
