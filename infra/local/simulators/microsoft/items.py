"""What a mailbox holds: calendars, and items that are single events or series with their exceptions.

Values are frozen: a change makes a new one, so a reader never sees half of it and saving needs no copy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from infra.local.simulators.microsoft import zones
from infra.local.simulators.microsoft.bodies import Body
from infra.local.simulators.microsoft.recurrence import Recurrence, days_between


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When an event is: wall times with the Windows names of their zones. An all-day event runs from midnight
    to midnight of one zone. `starts` and `ends` are the instants, in UTC."""

    start: datetime
    end: datetime
    start_zone: str
    end_zone: str
    all_day: bool = False
    starts: datetime = field(init=False)
    ends: datetime = field(init=False)

    def __post_init__(self) -> None:
        starts, ends = zones.to_utc(self.start, self.start_zone), zones.to_utc(self.end, self.end_zone)
        if ends < starts and self.end >= self.start and self.start_zone == self.end_zone:
            ends = starts + (self.end - self.start)  # the clocks skip the start: the end moves along
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "ends", ends)

    def instants(self, *, floating: bool) -> tuple[datetime, datetime]:
        """Start and end in UTC; with `floating` an all-day event starts at midnight wherever one looks from."""
        if self.all_day and floating:
            return self.start.replace(tzinfo=UTC), self.end.replace(tzinfo=UTC)
        return self.starts, self.ends

    def overlap(self, first: datetime, last: datetime, *, floating: bool) -> bool:
        """Whether the event touches [first, last); one without length counts at its start."""
        starts, ends = self.instants(floating=floating)
        return starts < last and (ends > first or (starts == ends and starts >= first))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """Who changed it when: `version` is the number of the change, from which changeKey is made."""

    created: datetime
    modified: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """Data of applications: extended properties by id, open extensions by name."""

    properties: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An exception: what one occurrence has that differs from its series."""

    content: Mapping[str, Any]
    body: Body | None
    times: Times | None
    stamps: Stamps
    extras: Extras


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A single event, or a series when `recurrence` is there.

    `content` holds properties under their Graph names, defaults included; `exceptions` and `cancelled` are known
    by the occurrences' original days.
    """

    number: int
    mailbox: str
    calendar: int
    uid: str
    content: Mapping[str, Any]
    body: Body
    times: Times
    stamps: Stamps
    extras: Extras = Extras()
    transaction_id: str | None = None
    recurrence: Recurrence | None = None
    exceptions: Mapping[date, Change] = field(default_factory=dict)
    cancelled: frozenset[date] = frozenset()

    def times_on(self, day: date) -> Times:
        """When the series' occurrence of this day is by the pattern."""
        start = datetime.combine(day, self.times.start.time())
        return replace(self.times, start=start, end=start + (self.times.end - self.times.start))

    def occurrence(self, day: date) -> "Occurrence | None":
        """The occurrence of an original day; None when the series has none there, or it was cancelled."""
        if self.recurrence is None or day in self.cancelled or not self.recurrence.holds(day):
            return None
        change = self.exceptions.get(day)
        times = change.times if change and change.times else self.times_on(day)
        return Occurrence(item=self, day=day, times=times, change=change)

    def occurrences(self, first: datetime, last: datetime, *, floating: bool) -> "list[Occurrence]":
        """The series' occurrences that touch [first, last), by original day."""
        if self.recurrence is None:
            return []
        reach = self.times.end - self.times.start + timedelta(days=2)
        days = set(days_between(self.recurrence, (first - reach).date(), (last + timedelta(days=2)).date()))
        candidates = (self.occurrence(day) for day in sorted(days | set(self.exceptions)))
        return [one for one in candidates if one and one.times.overlap(first, last, floating=floating)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One occurrence of a series; an exception when `change` is there."""

    item: Item
    day: date
    times: Times
    change: Change | None

    @property
    def stamps(self) -> Stamps:
        """An exception has stamps of its own; any other occurrence has its series'."""
        return self.change.stamps if self.change else self.item.stamps


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A calendar of a mailbox. `number` is unique in the simulator, `name` what people see, `shared` with whom it is
    shared and in which role."""

    number: int
    id: str
    mailbox: str
    name: str
    zone: str
    primary: bool = False
    color: str = "auto"
    shared: Mapping[str, str] = field(default_factory=dict)
    version: int = 0


def midnight(value: datetime) -> bool:
    """Whether a wall time is a midnight."""
    return value.time() == time()
