"""Two calendars linked both ways, and what their owner does in either."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.calendar.event import Text
from shared.calendar.span import TimedSpan
from shared.sync.two_way import groups
from tests.sync.world import by, event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from shared.calendar.event import Event
    from tests.sync.world import World


class Pair:
    """A group of calendars, a and b unless others are named."""

    def __init__(self, world: World, names: Sequence[str] = ("a", "b"), **options: Any) -> None:
        self.world, self.names = world, names
        self.ids: dict[str, UUID] = {name: world.calendar(name) for name in names}
        self.group = groups.create(world.engine, by(world), calendar_ids=list(self.ids.values()), **options)
        self.sync()

    def sync(self, *names: str) -> None:
        """Calendars are looked at, and everything follows that follows from it."""
        self.world.look(*(self.ids[name] for name in names or self.names))
        self.world.run()

    def look(self, name: str) -> None:
        """One look at a calendar; what follows stays in the lanes."""
        self.world.look(self.ids[name])
        self.world.pull(self.ids[name])

    def put(self, name: str, event: Event) -> None:
        """Their owner makes an event, and it is copied."""
        self.world.put(self.ids[name], event)
        self.sync()

    def all(self, name: str) -> list[Event]:
        """What stands in a calendar, occurrences that differ included."""
        return sorted(self.world.server.visible(name), key=lambda one: one.id)

    def roots(self, name: str) -> list[Event]:
        """The single events and masters of a calendar."""
        return [one for one in self.all(name) if not one.is_override]

    def one(self, name: str) -> Event:
        """The only single event or master of a calendar."""
        (found,) = self.roots(name)
        return found

    def titles(self) -> dict[str, list[str]]:
        """The titles in all calendars."""
        return {name: sorted(one.text.title if one.text else "" for one in self.roots(name)) for name in self.names}

    def edit(self, name: str, **changes: Any) -> None:
        """Their owner changes the only event of a calendar: its title, description, location, or moves it by hours."""
        one = self.one(name)
        hours = changes.pop("hours", 0)
        text = replace(one.text or Text(), **changes)
        span = one.span
        if hours and isinstance(span, TimedSpan):
            span = replace(span, start=span.start + timedelta(hours=hours), end=span.end + timedelta(hours=hours))
        self.world.server.put(name, replace(one, text=text, span=span))

    def writes(self) -> list[tuple[str, str, str]]:
        """What was written to providers."""
        return self.world.server.writes

    def quiet(self) -> None:
        """After all that, looking again and again writes nothing."""
        before = len(self.writes())
        for _ in range(3):
            self.sync()
        assert self.writes()[before:] == []
        assert self.world.rows("SELECT count(*) FROM event_mappings WHERE edit IS NOT NULL OR requested > done") == [
            (0,)
        ]


def weekly(event_id: str = "series") -> Event:
    """Six Wednesdays, or whatever day it is."""
    return event(event_id, recurrence=("RRULE:FREQ=WEEKLY;COUNT=6",))
