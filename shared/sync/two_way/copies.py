"""Copies of mirrors in the mirrors' own calendar: what somebody duplicates there, or splits off a series ("this and all
that follow"), carries the marker of the mirror along, and is an event of its own where links lead both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.providers.port import Upserted
from shared.sync import by_name, links
from shared.sync.rules import marker
from shared.sync.store import events, mappings, orphans
from shared.sync.two_way.edits import may_be_merged

if TYPE_CHECKING:
    from uuid import UUID

    from shared.providers.port import CalendarProvider, Page
    from shared.store.database import Connection
    from shared.sync.run import Run
    from shared.sync.store.mappings import Mapping


def find(run: Run, provider: CalendarProvider, page: Page) -> frozenset[str]:
    """The ids of a page's roots that are such copies: known as such, or proved by the mirror standing beside them."""
    calendar, secrets = run.calendar, run.engine.webhook_secrets()
    marked = [change.event for change in page.changes if isinstance(change, Upserted) and change.event.marker]
    if not marked:
        return frozenset()
    signed = {
        event.id: mapping_id
        for event in marked
        if not event.is_override
        and (mapping_id := marker.verify(secrets, event.marker, calendar_id=calendar.remote_id)) is not None
    }
    with run.engine.database.person(calendar.user_id) as conn:
        known = events.own(conn, calendar.id, sorted({event.root_id for event in marked}))
        mirrors = _mirrors_of(conn, {one: signed[one] for one in signed.keys() - known})
        lost = orphans.among(conn, calendar.id, sorted(mirrors))
    # While a restored database is brought in step nobody knows which of two is the mirror, nor after that of those two.
    proved = set() if calendar.reconcile_since is not None else mirrors.keys() - lost
    return frozenset({*known, *(one for one in proved if by_name.stands(run, provider, mirrors[one]))})


def _mirrors_of(conn: Connection, marked: dict[str, UUID]) -> dict[str, str]:
    """The mirrors that bear the same markers, where edits of them are merged."""
    if not marked:
        return {}
    standing = mappings.lock(conn, sorted(set(marked.values())))
    of_links = links.by_ids(conn, sorted({one.link_id for one in standing.values()}))

    def mirror(mapping: Mapping | None, event_id: str) -> str | None:
        is_merged = mapping is not None and may_be_merged(mapping, of_links[mapping.link_id], is_restored=False)
        other = mapping.mirror_event_id if mapping is not None and is_merged else None
        return None if other == event_id else other

    found = {event_id: mirror(standing.get(mapping_id), event_id) for event_id, mapping_id in marked.items()}
    return {event_id: other for event_id, other in found.items() if other is not None}
