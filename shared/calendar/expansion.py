"""Series as single events, for calendars that cannot hold them as series. Pure.

An occurrence that stands for itself is called like one of Google's instances: `<series id>_<occurrence_key>`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.calendar import recurrence
from shared.calendar.event import Unit
from shared.calendar.span import occurrence_key, parse_occurrence_key

if TYPE_CHECKING:
    from shared.calendar.span import Window

SUFFIX = r"_\d{8}(T\d{6}Z)?$"
"""What the name of an occurrence adds to that of its series, as a regular expression of PostgreSQL's."""


def name(series_id: str, key: str) -> str:
    """The id of an occurrence that stands for itself."""
    return f"{series_id}_{key}"


def parse(event_id: str) -> tuple[str, str] | None:
    """Series id and occurrence key, if an id may be that of an occurrence; None if it cannot."""
    series_id, _, key = event_id.rpartition("_")
    try:
        parse_occurrence_key(key)
    except ValueError:
        return None
    return (series_id, key) if series_id else None


def names(unit: Unit, window: Window) -> list[str]:
    """The ids of the occurrences that happen inside, cancelled ones left out. Raises InvalidError as `expand` does."""
    return [name(unit.root.id, one.key) for one in recurrence.occurrences(unit, window)]


def has_strays(unit: Unit) -> bool:
    """Whether an occurrence that differs stands for a place that the rule does not have: some programs move a series
    and leave its changed occurrences behind, and no calendar lets such a one be written into a series.

    Raises InvalidError as `recurrence.expand` does.
    """
    root = unit.root
    if root.span is None:
        return False
    lines, _ = recurrence.split_exclusions(root)
    return any(
        one.original_start is not None
        and not one.is_cancelled
        and recurrence.occurrence_span(root.span, lines, occurrence_key(one.original_start)) is None
        for one in unit.overrides
    )


def single(unit: Unit, key: str) -> Unit | None:
    """One occurrence of a series as a single event; None if it is cancelled, or the series has no such place.

    Raises InvalidError as `recurrence.expand` does.
    """
    root = unit.root
    if not root.is_series or root.span is None:
        return None
    for one in unit.overrides:
        if one.original_start is not None and occurrence_key(one.original_start) == key:
            if one.is_cancelled or one.span is None:
                return None
            return Unit(root=replace(one, id=name(root.id, key), series_id=None, original_start=None))
    span = recurrence.occurrence_span(root.span, root.recurrence, key)
    return None if span is None else Unit(root=replace(root, id=name(root.id, key), span=span, recurrence=()))
