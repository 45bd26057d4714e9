"""Windows move on: daily, what has entered a link's window is planned, and fixed windows are read anew in time."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.control import budgets
from shared.core.lanes import Lane
from shared.sync import apply, lanes, links, overlaps
from shared.sync.publishing import feeds
from shared.sync.store import calendars, events, mappings, runs

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.calendar.span import Window
    from shared.sync.context import Engine

BATCH = 500
DAYS_KEPT = timedelta(days=35)
"""So long the requests of each day are kept, to be compared."""


def advance(engine: Engine, *, correlation_id: str, now: datetime) -> dict[str, int]:
    """Plan what entered each link's window, and ask for a full read where the provider's own window runs out.

    Events come into a window as time passes; none of them changes, so no provider tells of it.
    """
    with engine.database.everyone() as conn:
        rows = conn.execute("SELECT id, user_id FROM links WHERE state = 'active' ORDER BY user_id, id").fetchall()
        budgets.forget_days(conn, before=now - DAYS_KEPT)
        shown = feeds.days_shown(conn)
    planned = 0
    reread = sum(
        _reread_if_short(engine, calendar_id, user_id=user_id, days_ahead=days_ahead, now=now)
        for calendar_id, user_id, days_ahead in shown
    )
    for link_id, user_id in rows:
        if _reread_source_if_short(engine, link_id, user_id=user_id, now=now):
            reread += 1
        else:
            planned += _plan(engine, link_id, user_id=user_id, correlation_id=correlation_id, now=now)
    entered = overlaps.advance(engine, now=now)
    return {"links": len(rows), "planned": planned, "reread": reread, "overlaps_looked_at": entered}


def look_again(
    engine: Engine, calendar_id: UUID, window: Window, *, user_id: UUID, correlation_id: str, now: datetime
) -> set[UUID]:
    """Plan every event of a source calendar that touches `window`, as if it had just been read, and try what failed of
    them; answers the calendars that have something to be written."""
    targets: set[UUID] = set()
    after = ""
    while True:
        with engine.database.person(user_id) as conn:
            of_source = links.of_source(conn, calendar_id)
            roots = events.roots_touching(conn, calendar_id, window, after_id=after, limit=BATCH) if of_source else []
            if not roots:
                return targets
            calendar = calendars.get(conn, calendar_id)
            run_id = runs.start(
                conn, kind="pull", user_id=user_id, calendar_id=calendar_id, correlation_id=correlation_id, now=now
            )
            targets |= apply.plan_roots(
                conn,
                calendar,
                of_source,
                roots,
                touched=set(),
                news=set(),
                key=engine.data_key(conn, calendar.connection_id),
                run_id=run_id,
                tally=Counter(),
                lane=Lane.REPAIR,
                now=now,
            )
            mappings.retry_failed(conn, calendar_id, roots)
            targets |= {link.target_calendar_id for link in of_source}
            runs.finish(conn, run_id, outcome="success", processed=0, failed=0, requests=0, now=now)
        after = roots[-1]


def _reread_source_if_short(engine: Engine, link_id: UUID, *, user_id: UUID, now: datetime) -> bool:
    with engine.database.person(user_id) as conn:
        link = links.find(conn, link_id)
    return link is not None and _reread_if_short(
        engine, link.source_calendar_id, user_id=user_id, days_ahead=link.days_ahead, now=now
    )


def _reread_if_short(
    engine: Engine, calendar_id: UUID, *, user_id: UUID, days_ahead: int | None, now: datetime
) -> bool:
    with engine.database.person(user_id) as conn:
        calendar = calendars.get(conn, calendar_id)
        ahead = now + timedelta(days=days_ahead or links.LONGEST_AHEAD)
        # Google's cursor knows no end; Graph fixes the window in the token.
        if calendar.provider == "google" or calendar.window_end is None or calendar.window_end >= ahead:
            return False
        if not calendar.needs_full_sync:
            calendars.request_full_read(conn, calendar.id, lane=Lane.BACKFILL)
        return True


def _plan(engine: Engine, link_id: UUID, *, user_id: UUID, correlation_id: str, now: datetime) -> int:
    planned, after = 0, ""
    while True:
        with engine.database.person(user_id) as conn:
            link = links.find(conn, link_id)
            if link is None:
                return planned
            roots = events.roots_without_mapping(
                conn,
                link.source_calendar_id,
                link.id,
                before=now + timedelta(days=link.days_ahead or links.LONGEST_AHEAD),
                after_id=after,
                limit=BATCH,
            )
            if not roots:
                break
            calendar = calendars.get(conn, link.source_calendar_id)
            key = engine.data_key(conn, calendar.connection_id)
            run_id = runs.start(
                conn,
                kind="pull",
                user_id=user_id,
                calendar_id=calendar.id,
                correlation_id=correlation_id,
                now=now,
            )
            apply.plan_roots(
                conn,
                calendar,
                [link],
                roots,
                touched=set(),
                news=set(),
                key=key,
                run_id=run_id,
                tally=Counter(),
                lane=Lane.BACKFILL,
                now=now,
            )
            runs.finish(conn, run_id, outcome="success", processed=len(roots), failed=0, requests=0, now=now)
        planned += len(roots)
        after = roots[-1]
    lanes.ask_push(engine, user_id, [link.target_calendar_id], correlation_id=correlation_id, now=now)
    return planned
