"""Pull: ask a provider what changed in a calendar, and plan what follows from it.

A message is only a hint that something may have changed; what counts is `requested` > `done` in the database. The
lease keeps a second worker out, and whoever gives it up looks once more, so no notification is lost (promise 7).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from shared.calendar.span import Window
from shared.connections import store as connections
from shared.core.errors import InvalidError, PreconditionFailedError
from shared.providers.port import Removed, Skipped, Upserted, none_as_left
from shared.store import leases
from shared.sync import apply, by_hand, deletions, echoes, lanes, links, overlaps, reconciliation, undo
from shared.sync.listening import channels, silence
from shared.sync.publishing import feeds
from shared.sync.run import Outcome, Run, may_start, start
from shared.sync.store import calendars, events, runs
from shared.sync.store import edits as noted_edits
from shared.sync.two_way import copies, edits, flow_back

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.providers.port import CalendarProvider, Page
    from shared.sync.by_hand import SourceWrite
    from shared.sync.context import Engine
    from shared.sync.rules.plan import Scope
    from shared.sync.two_way.edits import Looks

PAGES_PER_CALL = 20
"""A live pull that finds more pages than this leaves the rest to the next message."""
PROVEN_PER_CALL = 200
"""So many events missing from a full read are asked for one by one in one call."""
SLACK_AHEAD = timedelta(days=30)
"""A full read looks so much further than the widest window, so that windows may move before it is repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByMirrors:
    """What people did to mirrors, as far as it concerns a pull: what is `asked` of its calendar as a source, the
    mappings whose mirrors were `edited`, and whether a link merges edits of mirrors in it (`merges`)."""

    asked: Sequence[SourceWrite]
    edited: Sequence[UUID]
    merges: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was asked about a page before it is applied: mirrors that it shows as edited, None where no link merges
    edits, copies of mirrors, and the mappings of mirrors that stand although it shows them as deleted."""

    looks: Looks | None
    copies: frozenset[str]
    standing: frozenset[UUID]


def pull(engine: Engine, calendar_id: UUID, *, user_id: UUID, correlation_id: str) -> Outcome:
    """Pull what is due in one calendar. Failures are recorded on the connection and the run; nothing is raised for
    them, because time, and not another delivery of the message, mends them. Database errors are raised."""
    now = engine.now()
    with engine.database.person(user_id) as conn:
        calendars.take_up(conn, calendar_id, "pull")
        calendar = calendars.get(conn, calendar_id)
        connection = connections.get(conn, calendar.connection_id)
        if calendar.requested <= calendar.done and not calendar.needs_full_sync:
            return Outcome.DONE
        if not may_start(conn, engine, connection, now=now):
            return Outcome.PARKED
        if not feeds.is_in_use(conn, calendar_id):
            calendars.forget_requests(conn, calendar_id)
            return Outcome.DONE
        run = start(
            conn,
            engine,
            task="pull",
            lane=calendar.pull_lane,
            calendar=calendar,
            connection=connection,
            correlation_id=correlation_id,
            now=now,
        )
        if run is None:
            return Outcome.BUSY
        by_mirrors = ByMirrors(
            asked=by_hand.due(conn, calendar_id),
            edited=noted_edits.due(conn, calendar_id, now=now, limit=flow_back.AT_ONCE),
            merges=links.merge_into(conn, calendar_id),
        )
    tally: Counter[UUID] = Counter()
    outcome = run.guarded(lambda: run.with_provider(lambda provider: _read(run, provider, tally, by_mirrors)))
    if outcome is Outcome.DONE and calendar.lacks_channel:
        channels.ensure(engine, calendar_id, user_id=user_id, now=engine.now())
    if outcome is Outcome.DONE and not calendar.needs_full_sync and calendar.times_until is None:
        now = engine.now()
        overlaps.catch_up(engine, calendar_id, since=now, user_id=user_id, now=now)
    with engine.database.person(user_id) as conn:
        leases.release(conn, run.lease)
    # Only now: who was turned away while the lease was being given back has marked the calendar before this.
    with engine.database.person(user_id) as conn:
        is_due = calendars.is_due(conn, calendar_id)
    if is_due and outcome not in (Outcome.FAILED, Outcome.PARKED):
        lanes.ask_pull(engine, user_id, [calendar_id], correlation_id=correlation_id)
    return outcome


def _read(run: Run, provider: CalendarProvider, tally: Counter[UUID], by_mirrors: ByMirrors) -> Outcome:
    """`tally` counts the deletions of this run by link, over all its pages. What was done `by_mirrors` comes first, so
    that what it changes is read at once."""
    full = run.calendar.needs_full_sync
    by_hand.carry_out(run, provider, by_mirrors.asked)
    undoing = {one.undo_run for one in by_mirrors.asked if one.undo_run is not None}
    if undoing:
        with run.transaction(run.engine.now()) as conn:
            undo.finish(conn, undoing, now=run.engine.now())
    flow_back.merge_all(run, provider, by_mirrors.edited, tally)
    asked = run.engine.now()
    window = _window(run, now=asked)
    for _ in range(1 if full else PAGES_PER_CALL):
        page = provider.changes(
            run.calendar.remote_id,
            cursor=None if full else run.calendar.sync_token,
            page=run.calendar.page_token,
            window=window,
            as_left=none_as_left if full else partial(echoes.as_left, run),
        )
        if run.calendar.reads_on:
            page = _not_shown(run, page)
        if page.cursor is not None and run.calendar.unfinished:
            page = _asked(run, provider, page, run.calendar.unfinished, window)
        if page.cursor is not None and full:
            page = _prove_missing(run, provider, page, window)
        seen = Seen(
            looks=edits.look(run, provider, page, asked=asked) if by_mirrors.merges else None,
            copies=copies.find(run, provider, page),
            standing=deletions.doubtful(run, provider, page),
        )
        _save(run, page, window, tally, seen, asked=asked)
        if page.cursor is not None:
            return Outcome.DONE
    return Outcome.MORE


def _save(run: Run, page: Page, window: Window, tally: Counter[UUID], seen: Seen, *, asked: datetime) -> None:
    """Everything that follows from a page, and the cursor that stands behind it, in one transaction. The calendar is
    proved current as of when it was `asked` for."""
    now = run.engine.now()
    calendar = run.calendar
    full = calendar.needs_full_sync
    with run.transaction(now) as conn:
        applied = apply.page(
            conn,
            calendar.for_unseen if calendar.reads_on else calendar,
            page,
            key=run.key,
            source_key=run.source_keys(conn),
            secrets=run.engine.webhook_secrets(),
            run_id=run.id,
            tally=tally,
            is_full=full,
            now=now,
            looks=seen.looks,
            copies=seen.copies,
            standing=seen.standing,
        )
        if applied.changed and not full and calendar.last_synced_at is not None:
            silence.expect(conn, calendar.id, since=calendar.last_synced_at, now=now)
        # The calendar's row comes last: webhooks wait for it, and a page may take seconds.
        if full and calendar.page_token is None and window.start is not None:
            calendars.start_full_read(conn, calendar, start=window.start, end=window.end)
        saved = calendars.save_page(
            conn,
            calendar,
            next_page=page.next_page,
            cursor=page.cursor,
            unfinished=applied.unfinished,
            now=asked,
        )
        run.processed += applied.items
        run.failed += applied.skipped
        run.requests += page.requests
        if page.cursor is not None and saved and calendar.reconcile_since is not None:
            reconciliation.read_on(conn, calendar.id)
        if full:
            runs.advance_job(conn, calendar, items=applied.items, finished=page.cursor is not None, now=now)
        if page.cursor is not None or full:
            connections.mark_success(conn, run.connection.id, now=now)
            run.finish(conn)
    if not saved:
        raise PreconditionFailedError(f"Calendar {calendar.id} was reset while it was read: it is read anew.")
    run.calendar = replace(calendar, page_token=page.next_page, unfinished=applied.unfinished)
    # At once: after the last page there may be a channel to open.
    lanes.ask_push(run.engine, calendar.user_id, applied.targets, correlation_id=run.correlation_id, now=now)
    lanes.ask_pull(run.engine, calendar.user_id, applied.sources, correlation_id=run.correlation_id)


def _not_shown(run: Run, page: Page) -> Page:
    """What a cursor from before a full read tells of events that this did not show. Of the others it may tell what was
    before: a listing may be behind the last one, and only the cursor of the full read tells what changes after that."""
    changed = [change.event_id if isinstance(change, Removed) else change.event.root_id for change in page.changes]
    with run.engine.database.person(run.calendar.user_id) as conn:
        seen = events.seen(conn, run.calendar, [*changed, *(skipped.event_id for skipped in page.skipped)])
    return replace(
        page,
        changes=tuple(change for change, event_id in zip(page.changes, changed, strict=True) if event_id not in seen),
        skipped=tuple(skipped for skipped in page.skipped if skipped.event_id not in seen),
    )


def _prove_missing(run: Run, provider: CalendarProvider, page: Page, window: Window) -> Page:
    """Absence never deletes: whatever a full read did not show is asked for by name, and only a "no" counts."""
    shown = {change.event.id for change in page.changes if isinstance(change, Upserted)}
    with run.engine.database.person(run.calendar.user_id) as conn:
        missing = [one for one in events.unseen(conn, run.calendar, window, limit=PROVEN_PER_CALL) if one not in shown]
    return _asked(run, provider, page, missing, window)


def _asked(run: Run, provider: CalendarProvider, page: Page, event_ids: Sequence[str], window: Window) -> Page:
    """A page with these events as they are, whatever it says of them itself."""
    named = frozenset(event_ids)
    there = tuple(one for one in page.changes if not (isinstance(one, Upserted) and one.event.root_id in named))
    proven: list[Upserted | Removed] = []
    unreadable: list[Skipped] = []
    for event_id in event_ids:
        try:
            unit = provider.get(run.calendar.remote_id, event_id, window=window)
        except InvalidError as error:
            unreadable.append(Skipped(event_id=event_id, reason=error.message))
            continue
        proven.append(
            Removed(event_id=event_id) if unit is None else Upserted(event=unit.root, overrides=unit.overrides)
        )
    return replace(
        page,
        changes=(*there, *proven),
        skipped=(*page.skipped, *unreadable),
        requests=page.requests + len(event_ids),
    )


def _window(run: Run, *, now: datetime) -> Window:
    """What a full read covers: the widest window of the calendar's links and feeds, with slack ahead. It begins where
    the calendar was last proven current: what has passed since may have mirrors that a restored database forgot."""
    calendar = run.calendar
    if not calendar.needs_full_sync or (calendar.page_token is not None and calendar.window_start is not None):
        return Window(start=calendar.window_start, end=calendar.window_end)
    with run.engine.database.person(calendar.user_id) as conn:
        of_calendar: list[Scope] = [*links.touching(conn, calendar.id), *feeds.showing(conn, calendar.id)]
    behind = max((one.days_behind for one in of_calendar), default=1)
    ahead = max((one.days_ahead or links.LONGEST_AHEAD for one in of_calendar), default=365)
    begin = min(now, calendar.last_synced_at or now)
    return Window(start=begin - timedelta(days=behind), end=now + timedelta(days=ahead) + SLACK_AHEAD)
