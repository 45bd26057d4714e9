"""After the database came back as it was at an earlier moment, the providers know more than it does (promise 13).

What is linked is read on from where it stood, and then in full. The first tells what is gone since; where a mirror may
stand of that, it is removed as ever: on proof, and held if there are many. By the second every mapping is planned
again; a mapping's id follows from its link and source, so the markers of mirrors that the database forgot still name
it, and creations look for them first. Then each target is searched for mirrors of ours that no mapping knows: orphans.
Where a link leads they wait for their person, since their events may only have been left out of what was read, and
absence never deletes (promise 1). Elsewhere no link can have made them that is still there: few are removed, many wait.
The same search finds what a lost database left behind (pain 15).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.audit import record
from shared.core.errors import NotFoundError, TransientError
from shared.core.lanes import Lane
from shared.providers.port import Delete, Failed, Written
from shared.sync import links, sightings
from shared.sync.asking import requests
from shared.sync.rules import guard, marker, plan
from shared.sync.store import calendars, events, journal, mappings, orphans
from shared.sync.store.mappings import Wish

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime
    from uuid import UUID

    from shared.calendar.event import Event
    from shared.providers.port import CalendarProvider
    from shared.store.database import Connection
    from shared.sync.asking.requests import By
    from shared.sync.context import Engine
    from shared.sync.run import Run
    from shared.sync.store.orphans import Orphan

BATCH = 50
"""Orphans removed between two commits."""

UNDECIDED = ("held", "discarded")
"""States in which a mirror stands although its event is gone or hidden."""


def notice_restore(conn: Connection, *, now: datetime) -> int:
    """Begin if this is another cluster, timeline or database than last time; returns how many calendars it is about.

    A restored backup, a recovery to a point in time and a dump read back all differ in one of these; so does a standby
    that took over, and then this finds nothing to do. Needs a transaction across people.
    """
    row = conn.execute(
        """
        INSERT INTO database_identity (system_identifier, timeline, database_oid)
        SELECT s.system_identifier, c.timeline_id, d.oid
          FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d WHERE d.datname = current_database()
        ON CONFLICT (is_this) DO UPDATE
           SET system_identifier = excluded.system_identifier, timeline = excluded.timeline,
               database_oid = excluded.database_oid
        RETURNING old.is_this AND (old.system_identifier, old.timeline, old.database_oid)
                  IS DISTINCT FROM (new.system_identifier, new.timeline, new.database_oid)
        """
    ).fetchone()
    return len(begin(conn, None, now=now)) if row and row[0] else 0


def is_restored(conn: Connection) -> bool:
    """Whether the database came back and nobody has noticed yet. Needs a transaction across people."""
    row = conn.execute(
        """
        SELECT (i.system_identifier, i.timeline, i.database_oid)
               IS DISTINCT FROM (s.system_identifier, c.timeline_id, d.oid)
          FROM database_identity i, pg_control_system() s, pg_control_checkpoint() c, pg_database d
         WHERE d.datname = current_database()
        """
    ).fetchone()
    return row is not None and bool(row[0])


def begin(conn: Connection, calendar_ids: Sequence[UUID] | None, *, now: datetime) -> list[UUID]:
    """Reconcile these calendars, and those that feed them, or all; what is in use is read on, and then in full.

    All, and not only what is linked: by a link that the database forgot there may be mirrors in any of them.
    No push channel is believed: those that the database knows may be gone, and others it does not know.
    """
    rows = conn.execute(
        """
        WITH named AS (
          SELECT unnest(%(ids)s::uuid[]) AS calendar_id
          UNION SELECT calendar_id FROM calendars_in_use WHERE %(ids)s::uuid[] IS NULL
          UNION SELECT id FROM calendars WHERE %(ids)s::uuid[] IS NULL AND can_write AND vanished_at IS NULL
          UNION SELECT l.source_calendar_id FROM links l WHERE l.target_calendar_id = ANY(%(ids)s)
        ), forgotten AS (
          UPDATE webhook_channels SET status = 'silent'
           WHERE status = 'active' AND calendar_id IN (SELECT calendar_id FROM named)
        )
        UPDATE calendar_sync_state s
           SET reconcile_since = %(now)s
          FROM named n WHERE n.calendar_id = s.calendar_id
        RETURNING s.calendar_id,
                  EXISTS (SELECT FROM calendars_in_use u WHERE u.calendar_id = s.calendar_id)
        """,
        {"ids": None if calendar_ids is None else list(calendar_ids), "now": now},
    ).fetchall()
    for calendar_id, is_in_use in rows:
        if is_in_use:  # of the others nothing but our own mirrors is ever read
            calendars.request(conn, [calendar_id])
    return [row[0] for row in rows]


def read_on(conn: Connection, calendar_id: UUID) -> None:
    """A calendar was read to its end: if that began where it stood before the restore, a full read is next."""
    row = conn.execute(
        """
        SELECT FROM calendar_sync_state
         WHERE calendar_id = %s AND NOT needs_full_sync
           AND (last_full_sync_at IS NULL OR last_full_sync_at < reconcile_since)
        """,
        (calendar_id,),
    ).fetchone()
    if row is not None:
        calendars.request_full_read(conn, calendar_id, lane=Lane.REPAIR)


def reconcile(engine: Engine, by: By, calendar_id: UUID | None) -> list[UUID]:
    """Bring a calendar, or all of them, back in step with their providers; answers which. Raises
    NotFoundError."""
    with engine.database.person(by.user_id) as conn:
        if calendar_id is not None:
            calendars.get(conn, calendar_id)
        begun = begin(conn, None if calendar_id is None else [calendar_id], now=by.now)
        _record(conn, by, "calendars.reconciled", calendar_id, calendars=len(begun))
    requests.ask_pull(engine, by, begun)
    requests.ask_push(engine, by, begun)
    return begun


def purge(engine: Engine, by: By, calendar_id: UUID) -> int:
    """Remove the orphans of a calendar, those that were kept on purpose excepted; returns how many. Raises
    NotFoundError."""
    with engine.database.person(by.user_id) as conn:
        calendars.get(conn, calendar_id)
        count = orphans.approve(conn, calendar_id, now=by.now)
        _record(conn, by, "orphans.approved", calendar_id, mirrors=count)
    requests.ask_push(engine, by, [calendar_id])
    return count


def search(run: Run, provider: CalendarProvider) -> bool:
    """Find the mirrors in a calendar that no mapping knows, and remove those that may be; whether that is all done."""
    calendar = run.calendar
    secrets = run.engine.webhook_secrets()
    found = {
        event.id: (mapping_id, event)
        for event in provider.find_marked(calendar.remote_id)
        if (mapping_id := marker.verify(secrets, event.marker, calendar_id=calendar.remote_id)) is not None
    }
    now = run.engine.now()
    with run.transaction(now) as conn:
        named = sorted({mapping_id for mapping_id, _ in found.values()})
        known = mappings.lock(conn, named)
        if recovered := _recover(conn, run, {*named} - known.keys(), now=now):
            known |= mappings.lock(conn, recovered)
        copies = events.own(conn, calendar.id, sorted(found))
        lost: dict[str, UUID] = {}
        for event_id, (mapping_id, event) in found.items():
            mapping = known.get(mapping_id)
            if event_id in copies:
                continue  # somebody made it after a mirror, and it is an event of its own
            if mapping is None or (mapping.state in UNDECIDED and mapping.base is None):
                lost[event_id] = mapping_id  # of the latter nobody knows how to bring it in line with its link
            elif mapping.mirror_event_id is None and not mapping.is_removal and mapping.state != "ignored":
                sightings.adopt(conn, mapping_id, event)
            elif mapping.mirror_event_id != event_id and not (mapping.mirror_event_id is None and mapping.is_due):
                lost[event_id] = mapping_id
        # What they show may follow settings that the database forgot, and nothing else writes them.
        mappings.remask(conn, [one.id for one in known.values() if one.state in UNDECIDED])
        kept = orphans.kept(conn, calendar.id)
        is_target = bool(links.of_target(conn, calendar.id))
        held = is_target or guard.must_hold(len(lost.keys() - kept), mirrors=len(found))
        orphans.save(conn, calendar, lost, state="waiting" if held else "approved", now=now)
        going = orphans.approved(conn, calendar.id, limit=BATCH)
        if not going:
            orphans.finish(conn, calendar.id)
            if is_target:  # what differs in a mirror may have been read before anybody knew that it is one
                calendars.request_full_read(conn, calendar.id, lane=Lane.REPAIR)
            run.finish(conn)
            return True
        entries = {one.event_id: journal.intend_orphan(conn, calendar, one, run_id=run.id) for one in going}
    _remove(run, provider, [(one, found[one.event_id][1]) for one in going], entries)
    return False


def _recover(conn: Connection, run: Run, mapping_ids: AbstractSet[UUID], *, now: datetime) -> list[UUID]:
    """Make those of these mappings anew whose events are there and that nothing else plans any more: what has left the
    window meanwhile, or cannot be read, keeps its mirror. Returns which."""
    recovered: list[UUID] = []
    for link in links.of_target(conn, run.calendar.id) if mapping_ids else ():
        roots = {
            mapping_id: root
            for root in events.without_mapping(conn, link.source_calendar_id, link.id)
            if (mapping_id := marker.mapping_id(link.id, root)) in mapping_ids
        }
        if not roots:
            continue
        key, with_text = run.source_keys(conn)(link.source_calendar_id), link.filters.needs_text
        units = events.units(conn, link.source_calendar_id, list(roots.values()), key=key, with_text=with_text)
        left = {
            mapping_id: root
            for mapping_id, root in roots.items()
            if root not in units
            or plan.decide(units[root], link, is_invited=False, now=now).verdict is not plan.Verdict.ABSENT
        }
        mappings.want(
            conn,
            user_id=link.user_id,
            link_id=link.id,
            source_calendar_id=link.source_calendar_id,
            target_calendar_id=link.target_calendar_id,
            wishes=[Wish(source_event_id=root, wanted="present", reason="", touched=True) for root in left.values()],
            lane=Lane.REPAIR,
        )
        recovered += left
    return recovered


def _remove(run: Run, provider: CalendarProvider, going: list[tuple[Orphan, Event]], entries: dict[str, UUID]) -> None:
    answers = provider.write(
        run.calendar.remote_id,
        [Delete(event_id=one.event_id, marker=event.marker or "", etag=None) for one, event in going],
    )
    gone: list[str] = []
    refused: list[str] = []
    for (one, _), answer in zip(going, answers, strict=True):
        match answer:
            case Written() | Failed(error=NotFoundError()):
                gone.append(one.event_id)
            case Failed(error=TransientError()):
                pass
            case _:
                refused.append(one.event_id)
    now = run.engine.now()
    with run.transaction(now) as conn:
        journal.settle(conn, accepted={entries[one]: one for one in gone}, refused=[entries[one] for one in refused])
        orphans.remove(conn, run.calendar.id, gone)
        orphans.wait(conn, run.calendar.id, refused)
        run.processed += len(gone)
        run.failed += len(refused)
        run.finish(conn)


def _record(conn: Connection, by: By, action: str, calendar_id: UUID | None, **metadata: int) -> None:
    entity = f"calendar:{calendar_id}" if calendar_id else f"person:{by.user_id}"
    record.record(conn, user_id=by.user_id, actor=by.actor, action=action, entity=entity, metadata=metadata)
