"""Mirrors that a page shows as deleted, where the link heeds that: asked for by name before anything follows from it.

A page is a hint only: it may show what was before somebody, or a write of ours, brought the mirror back.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from shared.providers.port import Removed
from shared.sync import by_name, links, reconciliation
from shared.sync.rules import guard
from shared.sync.store import mappings

if TYPE_CHECKING:
    from uuid import UUID

    from shared.providers.port import CalendarProvider, Page
    from shared.sync.run import Run


def doubtful(run: Run, provider: CalendarProvider, page: Page) -> frozenset[UUID]:
    """The mappings whose mirrors stand although a page shows them as deleted. So many that none would be taken at its
    word are not asked for. Of a restored database nobody has noticed yet, all: the reconciliation looks at them."""
    calendar = run.calendar
    gone = {
        change.event_id if isinstance(change, Removed) else change.event.id
        for change in page.changes
        if isinstance(change, Removed) or (change.event.is_cancelled and not change.event.is_override)
    }
    if not gone:
        return frozenset()
    with run.engine.database.person(calendar.user_id) as conn:
        ours = [one for one in mappings.of_mirrors(conn, calendar.id, sorted(gone)).values() if one.mirror_event_id]
        of_links = links.by_ids(conn, sorted({one.link_id for one in ours}))
    heeded = [one for one in ours if of_links[one.link_id].on_delete != links.RESTORE and not one.is_removal]
    if not heeded or calendar.reconcile_since is not None:
        return frozenset()
    with run.engine.database.everyone() as conn:
        if reconciliation.is_restored(conn):
            return frozenset(one.id for one in heeded)
    gone_of = Counter(one.link_id for one in heeded)
    few = [one for one in heeded if not guard.must_hold(gone_of[one.link_id], mirrors=0)]
    return frozenset(one.id for one in few if by_name.stands(run, provider, one.mirror_id))
