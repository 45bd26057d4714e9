"""Undo: a run's writes are taken back by their journalled inverses, as a run of its own (promise 12).

Nothing is written here. A mapping is told how its mirror was, and the next push puts it back as it writes everything
else: masked as the link masks today, with preconditions and deterministic ids, journalled. Then the mapping rests,
undone, until its source changes or its person says otherwise: no pull or plan redoes what was undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from shared.audit import record
from shared.core.errors import ConflictError, NotFoundError
from shared.sync import by_name, links, sealing, writes
from shared.sync.asking import requests
from shared.sync.sight import differing, of_unit
from shared.sync.store import calendars, events, journal, mappings, runs, undo_items
from shared.sync.two_way import conflicts, undoing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from shared.crypto.keyring import DataKey
    from shared.providers.port import CalendarProvider
    from shared.store.database import Connection, Database
    from shared.sync.asking.requests import By
    from shared.sync.context import Engine
    from shared.sync.run import Run
    from shared.sync.store.journal import Before
    from shared.sync.store.mappings import Mapping
    from shared.sync.store.undo_items import Item
    from shared.sync.writes import Work

KEPT = timedelta(days=30)
"""So long the journal is kept, and a run can be undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """A run that wrote to a calendar, or takes one back. `writes` are those in the journal; `undone_by` names the run
    that took this one back."""

    id: UUID
    kind: str
    calendar_id: UUID
    calendar_name: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    writes: int
    undoes: UUID | None
    undone_by: UUID | None


_LINE = """
    SELECT r.id, r.kind, r.calendar_id, c.name AS calendar_name, r.started_at, r.finished_at, r.outcome, r.undoes,
           (SELECT count(*) FROM sync_journal j WHERE j.run_id = r.id) AS writes,
           (SELECT u.id FROM sync_runs u WHERE u.undoes = r.id) AS undone_by
      FROM sync_runs r JOIN calendars c ON c.id = r.calendar_id
"""


def get(conn: Connection, run_id: UUID) -> RunLine:
    """One run. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(RunLine)) as cursor:
        found = cursor.execute(f"{_LINE} WHERE r.id = %s", (run_id,)).fetchone()
    if found is None:
        raise NotFoundError(f"There is no run {run_id}. List yours: kalends runs list.", code="RUN.NOT_FOUND")
    return found


def list_page(conn: Connection, *, before: UUID | None, limit: int) -> list[RunLine]:
    """The newest runs that wrote something or take something back, before the one named."""
    with conn.cursor(row_factory=class_row(RunLine)) as cursor:
        return cursor.execute(
            f"""
            {_LINE} WHERE (%(before)s::uuid IS NULL OR r.id < %(before)s)
               AND (r.kind = 'undo' OR EXISTS (SELECT FROM sync_journal j WHERE j.run_id = r.id))
             ORDER BY r.id DESC LIMIT %(limit)s
            """,
            {"before": before, "limit": limit},
        ).fetchall()


def undo(engine: Engine, by: By, run_id: UUID) -> RunLine:
    """Take a run back; answers the run that does so. A second time it answers the same.

    Whatever cannot be taken back is refused, item by item, with its reason; the others are. Raises NotFoundError, and
    ConflictError for a run that wrote nothing or is older than the journal.
    """
    with engine.database.person(by.user_id) as conn:
        conn.execute("SELECT FROM sync_runs WHERE id = %s FOR UPDATE", (run_id,))
        run = get(conn, run_id)
        if run.undone_by is not None:
            return get(conn, run.undone_by)
        if run.started_at < by.now - KEPT:
            raise ConflictError(
                f"Run {run_id} is older than {KEPT.days} days: its journal is gone.", code="UNDO.TOO_OLD"
            )
        wrote = journal.before_run(conn, run_id)
        if not wrote:
            raise ConflictError(f"Run {run_id} wrote nothing that could be undone.", code="UNDO.NOTHING")
        undone_by = runs.start(
            conn,
            kind="undo",
            user_id=by.user_id,
            calendar_id=run.calendar_id,
            correlation_id=by.correlation_id,
            now=by.now,
            undoes=run_id,
        )
        target = calendars.get(conn, run.calendar_id)
        key = engine.data_key(conn, target.connection_id)
        standing = mappings.lock(conn, [one.mapping_id for one in wrote])
        for one in wrote:
            mapping = standing.get(one.mapping_id)
            reason = _refused(conn, one, mapping)
            if mapping is not None and reason is None and one.at_source:
                reason = undoing.ask(conn, engine, mapping, run_id=run_id, undone_by=undone_by)
            parks = (
                mapping is not None
                and reason is None
                and not one.at_source
                and _put_back(conn, engine, mapping, one, key=key)
            )
            undo_items.add(
                conn,
                undone_by,
                one.mapping_id,
                user_id=by.user_id,
                parks=parks,
                at_source=one.at_source,
                reason=reason,
            )
        finish(conn, {undone_by}, now=by.now)
        _record(conn, by, "run.undone", undone_by, undoes=str(run_id))
        made = get(conn, undone_by)
    requests.ask_pull(engine, by, [run.calendar_id])
    requests.ask_push(engine, by, [run.calendar_id])
    return made


def follow_again(engine: Engine, by: By, run_id: UUID) -> int:
    """ "Sync again": what a run of kind undo put back follows its sources again; returns how many mirrors did not."""
    with engine.database.person(by.user_id) as conn:
        run = get(conn, run_id)
        if run.kind != "undo":
            raise ConflictError(f"Run {run_id} is no undo: there is nothing that rests.", code="UNDO.NOTHING")
        count = mappings.follow(conn, [one.mapping_id for one in undo_items.of_run(conn, run_id)])
        _record(conn, by, "run.followed_again", run_id, mirrors=count)
    requests.ask_push(engine, by, [run.calendar_id])
    return count


def items(conn: Connection, run_id: UUID) -> list[Item]:
    """What became of each mirror of a run of kind undo."""
    return undo_items.of_run(conn, run_id)


def check(run: Run, provider: CalendarProvider, work: Sequence[Work]) -> None:
    """Before anything is put back: what somebody else has changed since is left alone.

    Once only: after an attempt whose end nobody saw, what differs is most likely our own write.
    """
    for one in work:
        event_id = one.mapping.mirror_event_id
        if one.undo_run is None or one.was_checked or event_id is None or one.refused is not None:
            continue
        unit = by_name.look(run, provider, event_id)
        if unit is None:
            if not one.is_removal:
                one.refused = _changed("was deleted")
            continue
        if differing(one.mapping, of_unit(unit, key=run.key)):
            one.refused = _changed("was changed")


def finish(conn: Connection, run_ids: set[UUID], *, now: datetime) -> None:
    """Close the runs of kind undo that wait for nothing more."""
    for run_id in sorted(run_ids):
        outcomes = [one.outcome for one in undo_items.of_run(conn, run_id)]
        if "waiting" not in outcomes:
            refused = outcomes.count("refused")
            runs.finish(
                conn,
                run_id,
                outcome="partial" if refused else "success",
                processed=len(outcomes) - refused,
                failed=refused,
                requests=0,
                now=now,
            )


def expire(database: Database, *, now: datetime) -> dict[str, int]:
    """Forget the journal, and with it the sealed inverses, after KEPT; and plans that nobody can apply any more."""
    with database.everyone() as conn:
        entries = conn.execute("DELETE FROM sync_journal WHERE written_at < %s", (now - KEPT,)).rowcount
        conflicts.expire(conn, before=now - KEPT)
        finish(conn, set(undo_items.unfinished(conn)), now=now)
        plans = conn.execute("DELETE FROM sync_plans WHERE expires_at < %s", (now - KEPT,)).rowcount
    return {"entries": entries, "plans": plans}


def _refused(conn: Connection, one: Before, mapping: Mapping | None) -> str | None:
    if mapping is None:
        return "UNDO.LINK_GONE: Its link was deleted, and with it what is known of the mirror."
    if links.get(conn, mapping.link_id).state == "deleting":
        return "UNDO.LINK_GONE: Its link is being deleted."
    if one.at_source:
        return None  # the source decides
    if not one.is_known:
        return "UNDO.NOT_KEPT: How the mirror looked before was not kept."
    if mapping.state == "held":
        return "UNDO.HELD: Its deletion is held: decide about that first."
    if mapping.state == "ignored":
        return f"{undo_items.CHANGED}: The mirror was deleted by somebody else since: it is left alone."
    if mapping.edit is not None:
        return f"{undo_items.CHANGED}: The mirror was edited by somebody since: it is left alone."
    if mapping.is_due:
        return "UNDO.SOURCE_CHANGED: Its source has changed since, and that waits to be written."
    if journal.written_since(conn, one):
        return "UNDO.WRITTEN_SINCE: The mirror was written again since: undo the later run first."
    return None


def _put_back(conn: Connection, engine: Engine, mapping: Mapping, one: Before, *, key: DataKey) -> bool:
    """Whether it rests there then; it need not, where that is just what its source says anyway."""
    if one.inverse is None:
        mappings.undo(conn, mapping.id, undo_to=None, is_parked=mapping.wanted == "present")
        return mapping.wanted == "present"
    link = links.get(conn, mapping.link_id)
    source = calendars.get(conn, mapping.source_calendar_id)
    unit = events.units(
        conn,
        source.id,
        [mapping.source_event_id],
        key=engine.data_key(conn, source.connection_id),
        with_text=link.needs_text,
    ).get(mapping.source_event_id)
    how = links.with_names(conn, [link])[link.id]
    mirror = writes.put_back(sealing.opened(one.inverse, mapping.id, key=key), mapping, unit, how)
    follows = (
        unit is not None
        and mapping.wanted == "present"
        and writes.mirror_of(unit, link, how, ignored=mapping.ignored) == mirror
    )
    sealed = sealing.seal(mirror, mapping.id, key=key)
    mappings.undo(conn, mapping.id, undo_to=sealed, is_parked=not follows)
    return not follows


def _changed(what: str) -> ConflictError:
    return ConflictError(f"The mirror {what} by somebody else since: it is left alone.", code=undo_items.CHANGED)


def _record(conn: Connection, by: By, action: str, run_id: UUID, **facts: object) -> None:
    record.record(conn, user_id=by.user_id, actor=by.actor, action=action, entity=f"run:{run_id}", metadata=facts)
