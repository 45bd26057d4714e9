"""Whether Outlook can hold a series as one: its rule, its zone, and where its occurrences were moved. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from shared.calendar import recurrence, zones
from shared.calendar.span import AllDaySpan, TimedSpan, Window
from shared.core.errors import InvalidError
from shared.providers.microsoft import recurrence as patterns

if TYPE_CHECKING:
    from datetime import date

    from shared.calendar.event import Event, Unit
    from shared.calendar.span import Span, Start

_MARGIN = timedelta(days=2)
"""More than any zone is apart from UTC."""


def holds(unit: Unit) -> bool:
    """Whether a pattern says the rule, in a zone that Windows knows, and each moved occurrence stays between the days
    of those before and after it (Graph: ErrorOccurrenceCrossingBoundary; a cancelled one keeps its place).

    Raises InvalidError for a rule that nobody understands.
    """
    root = unit.root
    if root.span is None:
        return True
    lines, _ = recurrence.split_exclusions(root)
    try:
        patterns.from_lines(lines, root.span)
        if isinstance(root.span, TimedSpan):
            zones.to_windows(root.span.zone)
    except InvalidError:
        return False
    return all(_stays(one, unit, lines, root.span) for one in unit.overrides if not one.is_cancelled)


def _stays(moved: Event, unit: Unit, lines: tuple[str, ...], span: Span) -> bool:
    if moved.span is None or moved.original_start is None:
        return True
    there, place = _day(moved.span, span), _day_of(moved.original_start, span)
    if there == place:
        return True
    first, last = (datetime.combine(day, time(), UTC) for day in sorted((there, place)))
    window = Window(start=first - _MARGIN, end=last + _MARGIN)
    bare = replace(unit.root, recurrence=lines)
    days = {
        _day_of(one.original_start, span): _day_of(one.original_start, span) for one in recurrence.expand(bare, window)
    }
    for one in unit.overrides:
        if one.original_start is not None and one.span is not None and not one.is_cancelled:
            days[_day_of(one.original_start, span)] = _day(one.span, span)
    return all(there > actual if day < place else there < actual for day, actual in days.items() if day != place)


def _day(span: Span, series: Span) -> date:
    """The day on which something starts, on the clock of the series."""
    return span.start if isinstance(span, AllDaySpan) else _day_of(span.starts_at(), series)


def _day_of(start: Start, series: Span) -> date:
    if not isinstance(start, datetime):
        return start
    return start.astimezone(zones.zone(series.zone)).date() if isinstance(series, TimedSpan) else start.date()
