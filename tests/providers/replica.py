"""What a careful reader makes of a provider's changes: the contract's own small memory of a calendar."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.calendar import recurrence
from shared.calendar.event import Event, Unit
from shared.calendar.span import Window, occurrence_key
from shared.providers.port import Removed, Upserted

if TYPE_CHECKING:
    from shared.providers.port import CalendarProvider, Page, Skipped

WINDOW = Window(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2028, 1, 1, tzinfo=UTC))

type Happening = tuple[str, str]


@dataclass(slots=True, kw_only=True)
class Replica:
    """A calendar as read through the port, page by page, changes in whatever order they come."""

    provider: CalendarProvider
    calendar_id: str
    page_size: int = 2500
    cursor: str | None = None
    roots: dict[str, Event] = field(default_factory=dict)
    overrides: dict[str, dict[str, Event]] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)

    def read(self) -> list[Page]:
        """Read everything since the last time; answers the pages."""
        pages: list[Page] = []
        while not pages or pages[-1].next_page is not None:
            page = self.provider.changes(
                self.calendar_id,
                cursor=self.cursor,
                page=pages[-1].next_page if pages else None,
                window=WINDOW,
                page_size=self.page_size,
            )
            assert (page.next_page is None) != (page.cursor is None)
            pages.append(page)
            for change in page.changes:
                self._apply(change)
            self.skipped += page.skipped
        self.cursor = pages[-1].cursor
        return pages

    def unit(self, event_id: str) -> Unit:
        """One event or series as it is known."""
        known = self.overrides.get(event_id, {})
        return Unit(root=self.roots[event_id], overrides=tuple(known[key] for key in sorted(known)))

    def titles(self) -> list[str]:
        """The titles of everything known."""
        return sorted(root.text.title if root.text else "" for root in self.roots.values())

    def happenings(self) -> list[Happening]:
        """When anything happens, as (start, end) in UTC."""
        return sorted(happening for event_id in self.roots for happening in happenings(self.unit(event_id)))

    def _apply(self, change: Upserted | Removed) -> None:
        match change:
            case Removed():
                self.roots.pop(change.event_id, None)
                self.overrides.pop(change.event_id, None)
            case Upserted(event=event) if event.series_id is not None:
                assert event.original_start is not None
                self.overrides.setdefault(event.series_id, {})[occurrence_key(event.original_start)] = event
            case Upserted(event=event):
                self.roots[event.id] = event
                if change.overrides is not None:
                    self.overrides[event.id] = {
                        occurrence_key(one.original_start): one for one in change.overrides if one.original_start
                    }


def happenings(unit: Unit) -> list[Happening]:
    """When an event or series happens."""
    found = recurrence.occurrences(unit, WINDOW)
    return [(one.span.starts_at().isoformat(), one.span.ends_at().isoformat()) for one in found]
