"""A look into a calendar for a forecast: what the provider shows of it now, within bounds, kept nowhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from shared.calendar.event import Unit
from shared.connections import store as connections
from shared.core.errors import KalendsError
from shared.providers.port import Upserted
from shared.sync.rules import marker
from shared.sync.run import may_start
from shared.sync.store import calendars, mappings

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.calendar.event import Event
    from shared.calendar.span import Window
    from shared.providers.port import Page
    from shared.sync.context import Engine

PAGES = 4
PAGE_SIZE = 500
SECONDS = 12.0
"""So long a person waits for it; the HTTP API ends at 30."""


@dataclass(slots=True, kw_only=True)
class Listing:
    """The source events of a calendar by root id, mirrors of ours left out. `unknown` says what it does not show."""

    roots: dict[str, Event] = field(default_factory=dict)
    overrides: dict[str, list[Event]] = field(default_factory=dict)
    unreadable: int = 0
    unknown: list[str] = field(default_factory=list)

    def units(self) -> dict[str, Unit]:
        """What is mirrored as one."""
        return {
            root_id: Unit(root=root, overrides=tuple(self.overrides.get(root_id, ())) if root.is_series else ())
            for root_id, root in self.roots.items()
        }


def read(engine: Engine, calendar_id: UUID, window: Window, *, user_id: UUID, now: datetime) -> Listing:
    """Read up to PAGES pages. What goes wrong at the provider is told in `unknown`, and not raised."""
    found = Listing()
    with engine.database.person(user_id) as conn:
        calendar = calendars.get(conn, calendar_id)
        connection = connections.get(conn, calendar.connection_id)
        if not may_start(conn, engine, connection, now=now):
            found.unknown.append("The source's account cannot be used now, so only what was read before is counted.")
            return found
    deadline, token = monotonic() + SECONDS, None
    for _ in range(PAGES):
        try:
            page = engine.with_provider(
                connection,
                lambda provider, token=token: provider.changes(  # type: ignore[misc]
                    calendar.remote_id, cursor=None, page=token, window=window, page_size=PAGE_SIZE
                ),
            )
        except KalendsError as error:
            if error.error_code.startswith("DATABASE."):
                raise
            found.unknown.append(
                f"The source could not be read to its end ({error.error_code}); the rest is not counted."
            )
            break
        _take(engine, found, page, calendar_id, remote_id=calendar.remote_id, user_id=user_id)
        token = page.next_page
        if token is None:
            return found
        if monotonic() > deadline:
            break
    if token is not None and not found.unknown:
        found.unknown.append(f"Only the first {len(found.roots)} events of the source were looked at; there are more.")
    return found


def _take(engine: Engine, found: Listing, page: Page, calendar_id: UUID, *, remote_id: str, user_id: UUID) -> None:
    found.unreadable += len(page.skipped)
    shown = [change for change in page.changes if isinstance(change, Upserted)]
    with engine.database.person(user_id) as conn:
        ours = mappings.of_mirrors(conn, calendar_id, [change.event.root_id for change in shown])
    for change in shown:
        event = change.event
        signed = marker.verify(engine.webhook_secrets(), event.marker, calendar_id=remote_id)
        if event.root_id in ours or signed is not None:
            continue
        if event.series_id is not None:
            found.overrides.setdefault(event.series_id, []).append(event)
        elif not event.is_cancelled:
            found.roots[event.id] = event
            if change.overrides is not None:
                found.overrides[event.id] = list(change.overrides)
