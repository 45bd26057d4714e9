"""The calendars that the smoke run begins with, made up by a seed: the same number always gives the same calendars."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import holidays
from dateutil.rrule import rrulestr

from tests.smoke.texts import ODD_DESCRIPTIONS, ODD_TITLES, PLACES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from random import Random

    from tests.smoke.texts import Canaries

type Resource = dict[str, Any]

ZONES = ("Europe/Zurich", "America/New_York", "Australia/Sydney", "Pacific/Auckland")
COUNTRIES = ("AL", "IN", "JP", "KR", "TH")
_BYDAY = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An event as a person thinks of it, before a provider gives it a shape.

    Dates mean all day, the end exclusive; otherwise wall times in `zone`. `rule` is an RRULE's value; `moved` shifts
    occurrences by their number, `cancelled` takes them away. `answer` is the owner's own, among `guests`.
    """

    title: str
    start: datetime | date
    end: datetime | date
    zone: str = ZONES[0]
    description: str = ""
    place: str = ""
    rule: str = ""
    moved: dict[int, timedelta] = field(default_factory=dict)
    cancelled: tuple[int, ...] = ()
    free: bool = False
    tentative: bool = False
    guests: tuple[str, ...] = ()
    answer: str = ""


def plans(count: int, *, now: datetime, random: Random, canaries: Canaries) -> list[Plan]:
    """That many events: a third real holidays, a tenth series, the rest of every kind."""
    series = list(islice(_series(now, random, canaries), count // 10))
    whole_days = list(islice(_days(now, random, canaries), count // 20))
    special = list(islice(_special(now, random, canaries), count // 10))
    found = [*islice(_holidays(now), count // 3), *series, *whole_days, *special]
    return [*found, *islice(_ordinary(now, random, canaries), count - len(found))]


def _holidays(now: datetime) -> Iterator[Plan]:
    """Public holidays of the coming year, of one country after the other."""
    years = (now.year, now.year + 1)
    first, last = now.date() + timedelta(days=1), now.date() + timedelta(days=360)
    calendars = [sorted(holidays.country_holidays(country, years=years).items()) for country in COUNTRIES]
    coming = [[(day, name) for day, name in calendar if first <= day <= last] for calendar in calendars]
    for rank in range(max(map(len, coming))):
        for calendar in coming:
            if rank < len(calendar):
                day, name = calendar[rank]
                yield Plan(title=name, start=day, end=day + timedelta(days=1))


def _ordinary(now: datetime, random: Random, canaries: Canaries) -> Iterator[Plan]:
    """Single events with a start and an end, at working hours of their zone."""
    for number, title, description, place in zip(
        range(10**6), cycle(ODD_TITLES), cycle(ODD_DESCRIPTIONS), cycle(PLACES), strict=False
    ):
        start = _start(now, random, days=range(1, 360))
        planted = number % 5
        yield Plan(
            title=canaries.hide(title) if planted == 0 else title,
            start=start,
            end=start + timedelta(minutes=random.choice((15, 25, 30, 45, 60, 90, 480))),
            zone=random.choice(ZONES),
            description=canaries.hide(description) if planted == 1 else description,
            place=canaries.hide(place) if planted == 2 else place,
            guests=(canaries.word() or "Kim",) if planted == 3 else (),
        )


def _days(now: datetime, random: Random, canaries: Canaries) -> Iterator[Plan]:
    """All-day events over several days."""
    while True:
        first = now.date() + timedelta(days=random.randrange(1, 340))
        last = first + timedelta(days=random.randrange(1, 15))
        yield Plan(title=canaries.hide("Ferien 🏖"), start=first, end=last, description="Weg bis Ende der Woche")


def _special(now: datetime, random: Random, canaries: Canaries) -> Iterator[Plan]:
    """What filters, windows and narrow conversions are tried by."""
    kinds: tuple[Callable[[Plan], Resource], ...] = (
        lambda plan: {"end": plan.start, "title": "Zero length"},
        lambda plan: {"tentative": True, "title": "Perhaps"},
        lambda plan: {"free": True, "title": canaries.hide("Free")},
        lambda plan: {"guests": ("Sam",), "answer": "declined", "title": canaries.hide("Declined")},
        lambda plan: _shifted(plan, timedelta(days=-400), "Long ago"),
        lambda plan: _shifted(plan, timedelta(days=400), "Far away"),
        lambda plan: {"end": _wall(plan.start) + timedelta(days=2, hours=3), "title": "Over two nights"},
        lambda plan: {"start": _wall(plan.start).replace(hour=23, minute=30), "end": _midnight_after(plan.start)},
    )
    for kind in cycle(kinds):
        start = _start(now, random, days=range(2, 300))
        plan = Plan(title="Special", start=start, end=start + timedelta(hours=1), zone=random.choice(ZONES))
        changes = kind(plan)
        yield Plan(**{name: changes.get(name, getattr(plan, name)) for name in Plan.__slots__})


def _series(now: datetime, random: Random, canaries: Canaries) -> Iterator[Plan]:
    """Series of every pattern that both providers hold, most with moved and cancelled occurrences.

    Each begins on a day of its rule; occurrences move by less than reaches their neighbours.
    """
    hour, day = timedelta(hours=1), timedelta(days=1)
    for turn in range(10**6):
        zone, begin = ZONES[turn % len(ZONES)], _start(now, random, days=range(2, 40))
        begin += day if (begin.month, begin.day) == (2, 29) else 0 * day
        long_ago = begin - timedelta(weeks=30)
        weekday, middle = _BYDAY[begin.weekday()], begin.replace(day=15)
        second_tuesday, last_friday = _nth(begin, 1, 2), _last(begin, 4)
        until = (begin + timedelta(days=20)).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        kinds: tuple[tuple[datetime, str, dict[int, timedelta], tuple[int, ...]], ...] = (
            (long_ago, f"FREQ=WEEKLY;BYDAY={_BYDAY[long_ago.weekday()]}", {32: 2 * hour, 35: day}, (33,)),
            (begin, f"FREQ=WEEKLY;INTERVAL=2;BYDAY={weekday};COUNT=20", {1: day, 3: -hour}, (2, 7)),
            (_next(begin, 0), "FREQ=WEEKLY;BYDAY=MO,WE,FR;WKST=MO;COUNT=60", {4: hour}, (5, 9)),
            (second_tuesday, "FREQ=MONTHLY;BYDAY=2TU", {2: day}, (3,)),
            (middle, "FREQ=MONTHLY;BYMONTHDAY=15;COUNT=10", {1: 2 * day, 2: -hour}, (4,)),
            (last_friday, "FREQ=MONTHLY;BYDAY=-1FR", {}, (1,)),
            (begin, "FREQ=YEARLY", {}, ()),
            (begin, "FREQ=DAILY;COUNT=30", {3: hour, 8: -hour}, (4, 11, 12)),
            (begin, f"FREQ=DAILY;UNTIL={until:%Y%m%dT%H%M%SZ}", {2: hour}, (1,)),
            (begin, "FREQ=DAILY;INTERVAL=3;COUNT=25", {1: day}, ()),
        )
        start, rule, moved, cancelled = kinds[turn % len(kinds)]
        title = canaries.hide(f"Series {turn}") if turn % 3 == 0 else f"Series {turn} 🔁"
        if turn % 5 == 4:  # all-day: whole days move by whole days
            rule = rule.partition(";UNTIL")[0] + f";UNTIL={until:%Y%m%d}" if "UNTIL" in rule else rule
            moved = {number: shift for number, shift in moved.items() if shift >= day}
            yield Plan(
                title=title, start=start.date(), end=start.date() + day, rule=rule, moved=moved, cancelled=cancelled
            )
        else:
            yield Plan(
                title=title,
                start=start,
                end=start + timedelta(minutes=random.choice((15, 30, 60))),
                zone=zone,
                rule=rule,
                moved=moved,
                cancelled=cancelled,
                description=canaries.hide("Every time:") if turn % 4 == 0 else "",
            )


def _start(now: datetime, random: Random, *, days: range) -> datetime:
    """A wall time within working hours: away from where clocks change."""
    day = now.date() + timedelta(days=random.choice(days))
    return datetime.combine(day, time(random.randrange(7, 19), random.choice((0, 15, 30))))


def _nth(begin: datetime, weekday: int, which: int) -> datetime:
    first = begin.replace(day=1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (which - 1))


def _last(begin: datetime, weekday: int) -> datetime:
    end = (begin.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    return end - timedelta(days=(end.weekday() - weekday) % 7)


def _next(begin: datetime, weekday: int) -> datetime:
    return begin + timedelta(days=(weekday - begin.weekday()) % 7)


def _wall(moment: datetime | date) -> datetime:
    return moment if isinstance(moment, datetime) else datetime.combine(moment, time())


def _midnight_after(moment: datetime | date) -> datetime:
    return datetime.combine(_wall(moment).date() + timedelta(days=1), time())


def _shifted(plan: Plan, by: timedelta, title: str) -> Resource:
    return {"start": _wall(plan.start) + by, "end": _wall(plan.end) + by, "title": title}


def starts(plan: Plan) -> Iterable[datetime | date]:
    """When the occurrences of a series start by its rule, as `start` says it."""
    local = plan.rule
    if "UNTIL" in local and isinstance(plan.start, datetime):
        until = datetime.strptime(local.partition("UNTIL=")[2], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        local = f"{local.partition('UNTIL=')[0]}UNTIL={until.astimezone(ZoneInfo(plan.zone)):%Y%m%dT%H%M%S}"
    for moment in rrulestr(local, dtstart=_wall(plan.start)):
        yield moment if isinstance(plan.start, datetime) else moment.date()
