"""Push: bring every mirror that is due in one calendar to what its source looks like now.

What to write is rendered when it is written, from the newest state of the source. A worker that dies between the
provider's accept and our commit leaves a mapping that is still due: the next one repeats the same deterministic write
and finds its own mirror (promise 2). What is about to be sent stands in the journal before (promise 12).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from shared.calendar import merge
from shared.connections import store as connections
from shared.core.errors import InvalidError
from shared.core.lanes import Lane
from shared.providers.port import Insert
from shared.store import leases
from shared.sync import by_name, lanes, linking, links, reconciliation, sealing, settle, undo, writes
from shared.sync.listening import silence
from shared.sync.rules import differences
from shared.sync.rules.differences import Applied
from shared.sync.run import Outcome, Run, may_start, start
from shared.sync.store import calendars, journal, mappings, undo_items, written
from shared.sync.two_way import edits

if TYPE_CHECKING:
    from uuid import UUID

    from shared.calendar.mirror import Mirror
    from shared.providers.port import CalendarProvider
    from shared.store.database import Connection
    from shared.sync.context import Engine
    from shared.sync.store.calendars import SyncedCalendar
    from shared.sync.writes import Work

BATCH = {Lane.LIVE: 50, Lane.REPAIR: 20, Lane.BACKFILL: 20}
"""Mirrors brought up to date between two commits: Google's largest batch, and Graph's; live work waits for no more."""
LARGEST_BATCH = 100
QUICK = timedelta(milliseconds=250)
"""After a batch behind live work that took no longer, the next may have twice as many: nobody would notice, and what
each batch costs by itself is most of what a provider that is near costs."""
BUDGET = 20.0
"""Seconds of work in one call; the rest is left to the next message."""


def push(engine: Engine, calendar_id: UUID, *, user_id: UUID, correlation_id: str) -> Outcome:
    """Write what is due in one calendar. Provider failures are recorded, not raised; database errors are raised."""
    now = engine.now()
    with engine.database.person(user_id) as conn:
        calendars.take_up(conn, calendar_id, "push")
        calendar = calendars.get(conn, calendar_id)
        connection = connections.get(conn, calendar.connection_id)
        lane = mappings.has_due(conn, calendar_id, now=now)
        is_searched = lane is None and calendar_id in calendars.to_be_searched(conn, [calendar_id])
        if lane is None and not is_searched:
            linking.finish_deletions(conn, calendar_id)
            return Outcome.DONE
        if not may_start(conn, engine, connection, now=now):
            return Outcome.PARKED
        run = start(
            conn,
            engine,
            task="push",
            lane=Lane.REPAIR if lane is None else lane,
            calendar=calendar,
            connection=connection,
            correlation_id=correlation_id,
            now=now,
        )
        if run is None:
            return Outcome.BUSY
    outcome = run.guarded(lambda: _search(run) if is_searched else _write_all(run))
    now = engine.now()
    with engine.database.person(user_id) as conn:
        leases.release(conn, run.lease)
        linking.finish_deletions(conn, calendar_id)
    if outcome is not Outcome.FAILED:
        before = run.lane if outcome is Outcome.PARKED else None
        lanes.ask_push(engine, user_id, [calendar_id], correlation_id=correlation_id, now=now, before=before)
    return outcome


def _search(run: Run) -> Outcome:
    deadline = monotonic() + BUDGET
    while not run.with_provider(lambda provider: reconciliation.search(run, provider)):
        if monotonic() >= deadline:
            return Outcome.MORE
    return Outcome.DONE


def _write_all(run: Run) -> Outcome:
    """Batch after batch, looking before each which lane is next; what goes after the run's own is left to its queue."""
    deadline = monotonic() + BUDGET
    own = run.lane
    following: Lane | None = own
    sizes = dict(BATCH)
    while following is not None and following <= own and monotonic() < deadline:
        run.lane = following
        size, began = sizes[run.lane], run.engine.now()
        following = run.with_provider(partial(_write_batch, run, size))
        if not run.is_live:
            is_quick = run.engine.now() - began <= QUICK
            sizes[run.lane] = min(2 * size, LARGEST_BATCH) if is_quick else BATCH[run.lane]
    return Outcome.DONE if following is None else Outcome.MORE


def _write_batch(run: Run, size: int, provider: CalendarProvider) -> Lane | None:
    """Bring up to `size` mirrors up to date; returns the lane of what is due next, None if nothing is."""
    work = _known(run, provider, _claim(run, size))
    _check_undone(run, provider, [one for one in work if one.undo_run is not None])
    edits.check(run, provider, work)
    began = run.engine.now()
    _write(provider, run.calendar, work)
    now = run.engine.now()
    with run.transaction(now) as conn:
        standing = mappings.lock(conn, [one.mapping.id for one in work])
        settle.journalled(conn, work)
        saved = settle.Saved()
        for one in work:
            failed = settle.settle(conn, run.calendar, one, standing.get(one.mapping.id), saved, key=run.key, now=now)
            run.failed += failed
            run.processed += not failed
        saved.flush(conn, run.calendar)
        undo.finish(conn, {one.undo_run for one in work if one.undo_run is not None}, now=now)
        if any(one.changed_the_mirror for one in work):
            silence.expect(conn, run.calendar.id, since=began, now=now)
        if any(one.was_accepted for one in work):
            connections.mark_success(conn, run.connection.id, now=now)
        run.finish(conn)
        return mappings.has_due(conn, run.calendar.id, now=now)


def _known(run: Run, provider: CalendarProvider, work: list[Work]) -> list[Work]:
    """Without those that only their target knows: nobody recorded what they were created as, and their source is gone.
    What they show there is noted, so that the mask of their link can be laid over it next. One that nobody can read
    stays as it is."""
    shown: dict[UUID, Mirror] = {}
    for one in work:
        mapping = one.mapping
        is_recorded = mapping.base is not None or mapping.mirror_event_id is None
        if not one.remasks or one.refused is None or is_recorded:
            continue
        with suppress(InvalidError):
            unit = by_name.look(run, provider, mapping.mirror_id)
            if unit is not None:
                shown[mapping.id] = merge.shown(unit)
    if shown:
        with run.transaction(run.engine.now()) as conn:
            for mapping_id, mirror in shown.items():
                applied = differences.compare(mirror, Applied.from_json(None)).applied
                base = sealing.seal(mirror, mapping_id, key=run.key)
                written.save_base(conn, mapping_id, base, applied=applied.to_json())
    return [one for one in work if one.mapping.id not in shown]


def _check_undone(run: Run, provider: CalendarProvider, work: list[Work]) -> None:
    """Looked at first, and noted: a worker killed in between must not take its own write for somebody else's."""
    if not work:
        return
    undo.check(run, provider, work)
    with run.transaction(run.engine.now()) as conn:
        undo_items.mark_checked(conn, [one.mapping.id for one in work if one.refused is None])
        _announce(conn, run, work)


def _claim(run: Run, size: int) -> list[Work]:
    """What is due now in the lane that is next, rendered: no live change waits behind anything else (promise 11)."""
    now = run.engine.now()
    with run.transaction(now) as conn:
        due = mappings.due(conn, run.calendar.id, lane=run.lane, now=now, limit=size)
        work = writes.prepare(
            conn,
            run.calendar,
            due,
            links.by_ids(conn, sorted({mapping.link_id for mapping in due})),
            source_key=run.source_keys(conn),
            key=run.key,
            secrets=run.engine.webhook_secrets(),
        )
        _announce(conn, run, [one for one in work if one.undo_run is None])
    return work


def _announce(conn: Connection, run: Run, work: list[Work]) -> None:
    """Note what is about to be sent, so that whoever is killed after the provider's accept leaves word of it."""
    creations = {one.mapping.id: edits.intended(one, key=run.key) for one in work if isinstance(one.root_write, Insert)}
    if creations:
        written.mark_tried(conn, creations)
    entries = journal.intend(conn, [intent for one in work for intent in one.intents(run.id, key=run.key)])
    for one in work:
        one.entries = entries.get(one.mapping.id, {})


def _write(provider: CalendarProvider, calendar: SyncedCalendar, work: list[Work]) -> None:
    """Masters first, then the occurrences that differ, each as one batch."""
    roots = [(one, one.root_write) for one in work if one.root_write is not None]
    if roots:
        answers = provider.write(calendar.remote_id, [write for _, write in roots])
        for (one, _), answer in zip(roots, answers, strict=True):
            one.root_answer = answer
    occurrences = [(one, write) for one in work for write in one.occurrence_writes()]
    if occurrences:
        answers = provider.write(calendar.remote_id, [write for _, write in occurrences])
        for (one, write), answer in zip(occurrences, answers, strict=True):
            one.occurrence_answers.append((write, answer))
