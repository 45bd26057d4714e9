"""From a feed's iCalendar to units: single events, and series with the occurrences that differ (RFC 5545, 3.6.1).

Whatever cannot be understood is left out alone, with a reason that holds none of its text. Event ids are UIDs,
`<uid>_<occurrence_key>` for occurrences.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shared.calendar import recurrence
from shared.calendar.event import Event, Response, Text, Unit
from shared.calendar.ical import lines, values
from shared.calendar.ical.time_zones import Zones, iana
from shared.calendar.span import occurrence_key
from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.calendar.ical.lines import Component
    from shared.calendar.span import Span

DESCRIPTION_LENGTH = 32_000
"""Characters of a description that are kept: no provider holds more (Graph's limit is the widest that is known)."""
LINE_LENGTH = 1_000
"""Characters of a title or place that are kept."""
ID_LENGTH = 400
"""A longer UID is known by its hash: ids are indexed."""

# What changes by itself each time a calendar is written.
_VOLATILE = ("DTSTAMP", "LAST-MODIFIED", "CREATED", "SEQUENCE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """One item that could not be understood. `id` is its UID (and occurrence) where that much could be read, else a
    hash of it; `is_known` tells which. `reason` holds no text."""

    id: str
    reason: str
    is_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A calendar as read. `is_whole`: from BEGIN to END, and of nothing in it is unknown which item it is; only then
    does an item's absence mean that it is not there. A root with status CANCELLED says itself that it is gone."""

    units: tuple[Unit, ...]
    unreadable: tuple[Unreadable, ...]
    is_whole: bool
    name: str
    time_zone: str | None


def read(body: bytes | str, *, default_zone: str = "UTC", charset: str | None = None) -> Calendar:
    """Everything in an iCalendar text. `default_zone` (IANA) is the clock of floating times, unless X-WR-TIMEZONE
    names another; `charset` is what a label says where the text is not UTF-8.

    Raises InvalidError if it is not a calendar at all.
    """
    structure = lines.parse(lines.decode(body, charset) if isinstance(body, bytes) else lines.unfold(body))
    if structure is None:
        raise InvalidError("What was read is not an iCalendar text.", code="ICAL.NOT_A_CALENDAR")
    calendar = structure.calendar
    zone = iana(calendar.value("X-WR-TIMEZONE")) if calendar.value("X-WR-TIMEZONE") else None
    reader = _Reader(Zones(calendar, default=lambda: zone or default_zone))
    for component in calendar.components("VEVENT"):
        reader.take(component)
    return Calendar(
        units=reader.units(),
        unreadable=tuple(reader.unreadable),
        is_whole=structure.is_whole and all(one.is_known for one in reader.unreadable),
        name=_line(calendar.text("X-WR-CALNAME") or calendar.text("NAME")),
        time_zone=zone,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """A VEVENT that could be read on its own. `periods` are its occurrences that last otherwise, by key."""

    event: Event
    component: Component
    periods: dict[str, Span]
    revision: tuple[int, str, str]

    @property
    def is_override(self) -> bool:
        return self.component.line("RECURRENCE-ID") is not None


class _Reader:
    """Collects items by UID, so that an override may come before its master."""

    def __init__(self, zones: Zones) -> None:
        self._zones = zones
        self._items: defaultdict[str, list[_Item]] = defaultdict(list)
        self.unreadable: list[Unreadable] = []

    def take(self, component: Component) -> None:
        identity = _identity(component)
        try:
            if component.is_broken:
                raise _invalid("has no end")
            if not all(part.name for part in component.parts):
                raise _invalid("has a line that is no property")
            self._items[identity].append(_item(identity, component, self._zones))
        except InvalidError as error:
            place = component.value("RECURRENCE-ID")
            known = bool(component.value("UID")) and not component.is_broken
            suffix = f"_{place[:20]}" if place else ""
            self.unreadable.append(Unreadable(id=f"{identity}{suffix}", reason=error.message, is_known=known))

    def units(self) -> tuple[Unit, ...]:
        return tuple(unit for uid, items in self._items.items() for unit in self._of_one_uid(uid, items))

    def _of_one_uid(self, uid: str, items: Sequence[_Item]) -> list[Unit]:
        masters = [item for item in items if not item.is_override]
        others = [item for item in items if item.is_override]
        if not masters:
            # Whoever was invited to one occurrence has no more than that: an event of its own.
            return [Unit(root=one) for one in self._overrides(uid, others, None).values() if not one.is_cancelled]
        # One UID is one event (RFC 5545, 3.8.4.7): of several the latest revision counts.
        master = max(masters, key=lambda item: item.revision)
        if not master.event.is_series:
            return [Unit(root=master.event)]
        found = values.period_overrides(master.event, master.periods) | self._overrides(uid, others, master.event)
        return [Unit(root=master.event, overrides=tuple(found[key] for key in sorted(found)))]

    def _overrides(self, uid: str, items: Sequence[_Item], root: Event | None) -> dict[str, Event]:
        found: dict[str, Event] = {}
        for item in sorted(items, key=lambda item: item.revision):
            span = root.span if root else item.event.span
            try:
                if span is None:
                    raise _invalid("names no occurrence")
                place = values.override_place(item.component, span, self._zones)
            except InvalidError as error:
                self.unreadable.append(Unreadable(id=item.event.id, reason=error.message, is_known=True))
                continue
            key = occurrence_key(place)
            if root is None:
                found[key] = replace(item.event, id=f"{uid}_{key}")
            elif item.event.is_cancelled:
                found[key] = values.cancelled(uid, place)
            else:
                found[key] = replace(
                    item.event, id=f"{uid}_{key}", series_id=uid, original_start=place, recurrence=(), marker=None
                )
        return found


def _item(uid: str, component: Component, zones: Zones) -> _Item:
    span = values.span(component, zones)
    periods: dict[str, Span] = {}
    event = Event(
        id=uid,
        span=span,
        status=values.status(component),
        text=Text(
            title=_line(component.text("SUMMARY")),
            description=component.text("DESCRIPTION")[:DESCRIPTION_LENGTH],
            location=_line(component.text("LOCATION")),
        ),
        availability=values.availability(component),
        visibility=values.visibility(component),
        response=Response.NONE,
        ical_uid=uid,
        marker=component.text(values.MARKER).strip() or None,
    )
    if values.is_series(component) and not event.is_cancelled:
        found, periods = values.series(component, span, zones)
        event = replace(event, recurrence=recurrence.normalise(found, span))
    elif component.line("RECURRENCE-ID") is not None:
        values.override_place(component, span, zones)  # what cannot be understood is told with the item
    sequence = component.value("SEQUENCE")
    revision = int(sequence) if re.fullmatch(r"\d{1,9}", sequence, re.ASCII) else 0
    stamps = component.value("LAST-MODIFIED"), component.value("DTSTAMP")
    return _Item(event=event, component=component, periods=periods, revision=(revision, *stamps))


def _identity(component: Component) -> str:
    text = component.text("UID").strip()
    if not text:
        # RFC 5545 wants one. Without it, an item is what it says; what its writer stamps anew each time set aside.
        own = [str(part) for part in component.parts if isinstance(part, lines.Line) and part.name not in _VOLATILE]
        return f"sha256:{hashlib.sha256('\n'.join(own).encode()).hexdigest()}"
    return text if len(text.encode()) <= ID_LENGTH else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _line(text: str) -> str:
    return " ".join(text.split())[:LINE_LENGTH]


def _invalid(what: str) -> InvalidError:
    return InvalidError(f"The event {what}.", code="EVENT.MALFORMED")
