"""Mirrors to merge: a review at noon, once or weekly."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from shared.calendar import merge, two_way
from shared.calendar.event import Availability, Text
from shared.calendar.mirror import Appearance, Mirror
from shared.calendar.patch import OF_ROOTS, Field
from shared.calendar.span import AllDaySpan, TimedSpan
from shared.calendar.two_way import Outcome, Policy, Side

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVERYTHING = frozenset(OF_ROOTS)
WEEKS = [f"202603{day:02}T120000Z" for day in (2, 9, 16, 23)]


def hours(hour: int = 0, length: int = 1, zone: str = "Europe/Berlin") -> TimedSpan:
    start = NOON + timedelta(hours=hour)
    return TimedSpan(start=start, end=start + timedelta(hours=length), zone=zone)


def days(day: int = 2, count: int = 1) -> AllDaySpan:
    return AllDaySpan(start=date(2026, 3, day), end=date(2026, 3, day) + timedelta(days=count))


def one(title: str = "Review", **changes: Any) -> Appearance:
    fields: dict[str, Any] = {
        "span": hours(),
        "text": Text(title=title, description="Notes", location="Bern"),
        "availability": Availability.BUSY,
    }
    return Appearance(**fields | changes)


def single(title: str = "Review", **changes: Any) -> Mirror:
    return Mirror(root=one(title, **changes), overrides={})


def series(overrides: dict[str, Appearance | None] | None = None, *, count: int = 4, **changes: Any) -> Mirror:
    rule = (f"RRULE:FREQ=WEEKLY;COUNT={count}",)
    return Mirror(root=one(**{"recurrence": rule} | changes), overrides=overrides or {})


def week(number: int, *, later: int = 0, **changes: Any) -> Appearance:
    return one(**{"span": hours(24 * 7 * number + later)} | changes)


def merged(
    base: Mirror,
    source: Mirror,
    target: Mirror,
    *,
    policy: Policy = Policy.NEWEST,
    exposed: frozenset[Field] = EVERYTHING,
    **settings: Any,
) -> Outcome:
    return merge.merge(
        Side(base=base, now=source), Side(base=base, now=target), exposed=exposed, policy=policy, **settings
    )


def after(source: Mirror, target: Mirror, outcome: Outcome) -> tuple[Mirror, Mirror]:
    return two_way.written(source, outcome.source), two_way.written(target, outcome.target)
