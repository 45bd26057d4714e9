"""After the provider answered: what a mapping is now, its lines in the journal, and the mirror's row."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.calendar import mask
from shared.connections.store import wait_after
from shared.core.errors import (
    ForbiddenError,
    KalendsError,
    NotFoundError,
    PreconditionFailedError,
    QuotaSpentError,
    RateLimitedError,
    TransientError,
)
from shared.providers.port import Failed, Written
from shared.sync import by_hand, links, sealing, sight, writes
from shared.sync.rules.differences import CANCELLED, GONE, Applied
from shared.sync.run import AT_DISPATCH
from shared.sync.store import calendars, journal, mirrors, undo_items, written
from shared.sync.two_way.edits import EDITED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from shared.calendar.mirror import Mirror
    from shared.crypto.keyring import DataKey
    from shared.store.database import Connection
    from shared.sync.store.calendars import SyncedCalendar
    from shared.sync.store.mappings import Mapping
    from shared.sync.writes import Work

LOOKS = 2
"""So often, and until its calendar has been read, a mirror whose deletion would be heeded waits to be looked at."""
REMOVAL_ATTEMPTS = 4
"""So often a mirror that may not be touched is tried to be removed; then it is left alone."""
OCCURRENCE_ATTEMPTS = 4
"""So often a series is written anew because one of its occurrences was not found; then it is left until it changes."""


@dataclass(slots=True)
class Saved:
    """Mirrors that were written and whose rows are yet to say so: those of a batch are saved together."""

    standing: list[written.Standing] = field(default_factory=list)
    rows: list[mirrors.Row] = field(default_factory=list)

    def flush(self, conn: Connection, calendar: SyncedCalendar) -> None:
        """Save what was collected."""
        if self.standing:
            written.save_written(conn, self.standing)
        if self.rows:
            mirrors.save(conn, calendar, self.rows)
        self.standing, self.rows = [], []


def settle(
    conn: Connection,
    calendar: SyncedCalendar,
    work: Work,
    standing: Mapping | None,
    saved: Saved,
    *,
    key: DataKey,
    now: datetime,
) -> bool:
    """Record the answers to one mirror's writes, a plain success in `saved`; returns whether something failed.

    `standing` is the mapping as it is now: a pull may have looked at the mirror while it was written.
    """
    if standing is None:
        return False  # its link was deleted meanwhile, and with it everything there is to record
    failed = _settled(conn, calendar, work, standing, saved, key=key, now=now)
    if work.undo_run is not None:
        saved.flush(conn, calendar)
        _note_undone(conn, work, work.undo_run)
    return failed


def _settled(
    conn: Connection,
    calendar: SyncedCalendar,
    work: Work,
    standing: Mapping,
    saved: Saved,
    *,
    key: DataKey,
    now: datetime,
) -> bool:
    if standing.incarnation != work.mapping.incarnation and not (
        work.is_removal or isinstance(work.root_answer, Written)
    ):
        return False  # a pull found it gone meanwhile, and said what follows from that
    error = work.refused or (work.root_answer.error if isinstance(work.root_answer, Failed) else None)
    if work.undo_run is not None and _is_changed(work, error):
        written.keep(conn, work.mapping, rendering=work.rendering)
        return False
    if error is not None and error.error_code == EDITED:
        return False  # nothing was written: the edit is merged first
    if error is not None and error.error_code == writes.SOURCE_UNKNOWN:
        written.save_failed(conn, work.mapping, code=error.error_code, message=error.message, retry_at=None)
        return False
    if error is not None:
        return _failed(conn, calendar, work, error, now=now)
    if work.is_removal:
        written.save_gone(conn, work.mapping, done=True)
        mirrors.mark_cancelled(conn, work.mapping)
        return False
    return _written(conn, calendar, work, standing, saved, key=key, now=now)


def _is_changed(work: Work, error: KalendsError | None) -> bool:
    """Whether somebody else has changed what was to be put back: seen before, or just now by a precondition."""
    if error is None:
        return False
    raced = isinstance(error, PreconditionFailedError) and not work.was_checked
    return raced or error.error_code == undo_items.CHANGED


def _note_undone(conn: Connection, work: Work, undo_run: UUID) -> None:
    """Done or refused, or else it is tried again."""
    refused = work.refused or next(
        (
            answer.error
            for answer in (work.root_answer, *(answer for _, answer in work.occurrence_answers))
            if isinstance(answer, Failed)
        ),
        None,
    )
    if refused is None:
        undo_items.settle(conn, undo_run, work.mapping.id, outcome="done")
    elif written.is_settled(conn, work.mapping):
        reason = f"{refused.error_code}: {refused.message}"
        undo_items.settle(conn, undo_run, work.mapping.id, outcome="refused", reason=reason)


def _written(
    conn: Connection,
    calendar: SyncedCalendar,
    work: Work,
    standing: Mapping,
    saved: Saved,
    *,
    key: DataKey,
    now: datetime,
) -> bool:
    mapping = work.mapping
    event_id = work.root_answer.event_id if isinstance(work.root_answer, Written) else mapping.mirror_event_id
    if work.differences is None or work.mirror is None or event_id is None:
        raise AssertionError(f"mapping {mapping.id} was settled without having been rendered")
    previous = Applied.from_json(mapping.applied)
    marker = work.marker if work.root_answer is not None or mapping.marker is None else mapping.marker
    rewritten = work.differences.reshaped
    overrides = {} if rewritten else dict(previous.overrides)
    observed = dict(mapping.observed or {})
    etag = mapping.mirror_etag
    if isinstance(work.root_answer, Written) and work.root_answer.event is not None:
        observed = ({} if rewritten else observed) | sight.observed(work.root_answer.event, key=key)
        etag = work.root_answer.event.etag
        may_stand = mapping.applied is not None or mapping.tried
        if may_stand and previous.root is None and work.mirror.root.recurrence:
            # A series that Google brings back comes with what differed in it, and no page need tell of that again.
            calendars.ask_for(conn, calendar.id, event_id)
    errors: list[KalendsError] = []
    for write, answer in work.occurrence_answers:
        if isinstance(answer, Failed):
            errors.append(answer.error)
            if rewritten and write.key in previous.overrides:
                overrides[write.key] = ""  # it may stand as it was, and is written again
            continue
        etag = None  # a series' own ETag may have moved with its occurrence
        observed[write.key] = CANCELLED
        if answer.event is not None:
            observed |= sight.observed(answer.event, key=key)
        overrides.pop(write.key, None)
        if write.key in work.differences.applied.overrides:
            overrides[write.key] = work.differences.applied.overrides[write.key]
    applied = replace(work.differences.applied, overrides=overrides if errors else work.differences.applied.overrides)
    observed |= dict.fromkeys(_left_behind(mapping, previous, work.mirror) - applied.overrides.keys(), CANCELLED)
    applied = _undone(applied, work, standing)
    saved.standing.append(
        written.Standing(
            mapping_id=mapping.id,
            mirror_event_id=event_id,
            marker=marker,
            applied=applied.to_json(),
            base=sealing.seal(work.mirror, mapping.id, key=key),
            shown=_shown(work, work.mirror, key=key),
            observed=observed,
            etag=etag,
            finished=not errors,
            rendering=work.rendering,
            done=mapping.done if work.remasks else mapping.requested,
        )
    )
    if errors:
        saved.flush(conn, calendar)
        return _failed(conn, calendar, work, errors[0], now=now, event_id=event_id, applied=applied)
    # Without an answer, too: an earlier write that seemed to fail may have left it as it should be.
    status = "CREATED" if mapping.applied is None and work.root_answer is not None else "UPDATED"
    checksum = work.differences.applied.root or ""
    saved.rows.append(
        mirrors.Row(mapping_id=mapping.id, event_id=event_id, status=status, root=work.mirror.root, checksum=checksum)
    )
    return False


def _left_behind(mapping: Mapping, previous: Applied, mirror: Mirror) -> set[str]:
    """What stays cancelled in a mirror although it is not told to: where the rule has no place for it any more, Google
    shows it again in every full read."""
    cancelled = {place for place, was in (mapping.observed or {}).items() if place and was == CANCELLED}
    displaced = {key for key in cancelled if mask.as_the_rule_has_it(mirror.root, key) is None}
    return {key for key, was in previous.overrides.items() if was in GONE} | displaced


def _shown(work: Work, mirror: Mirror, *, key: DataKey) -> bytes | None:
    """What the target still shows in its own way since the last merge: nothing of what was written just now."""
    if work.mapping.shown is None or work.root_answer is not None:
        return None
    shown = sealing.opened(work.mapping.shown, work.mapping.id, key=key)
    written_now = {write.key: mirror.overrides.get(write.key) for write, _ in work.occurrence_answers}
    overrides = {key_: one for key_, one in {**shown.overrides, **written_now}.items() if key_ in mirror.overrides}
    return sealing.seal(replace(shown, overrides=overrides), work.mapping.id, key=key)


def _undone(applied: Applied, work: Work, standing: Mapping) -> Applied:
    """What stands of a write if a pull saw the mirror changed meanwhile; the mapping is due again then.

    Better one write too many than a change by somebody else that stays. What the pull saw of the root was this very
    write if it saw its ETag.
    """
    if standing.requested == work.mapping.requested or standing.applied is None:
        return applied
    seen = Applied.from_json(standing.applied)
    answer = work.root_answer.event if isinstance(work.root_answer, Written) else None
    is_own = answer is not None and answer.etag is not None and answer.etag == standing.mirror_etag
    before = Applied.from_json(work.mapping.applied).overrides
    forgotten = {
        key: was
        for key, was in seen.overrides.items()
        if (applied.overrides.get(key) != CANCELLED if was in GONE else was == "" or was != before.get(key))
    }
    return replace(
        applied,
        root=None if seen.root is None and not is_own else applied.root,
        overrides={**applied.overrides, **forgotten},
    )


def _failed(
    conn: Connection,
    calendar: SyncedCalendar,
    work: Work,
    error: KalendsError,
    *,
    now: datetime,
    event_id: str | None = None,
    applied: Applied | None = None,
) -> bool:
    """Typed by what must be done: write anew, wait, or leave it until the source changes. Returns True: it failed."""
    mapping = work.mapping
    retry_at: datetime | None = None
    counted, forget_etag = True, False
    match error:
        case PreconditionFailedError() if (work.heeds_deletion or work.merges) and _waits_for_a_look(conn, mapping):
            # Perhaps it was deleted or edited, and an unconditional write would undo that: let a pull look first.
            calendars.request(conn, [calendar.id])
            retry_at, forget_etag = now + wait_after(mapping.attempts + 1), False
        case PreconditionFailedError():
            retry_at, forget_etag = now, True
        case NotFoundError() if applied is None and _is_deleted_by_hand(conn, work):
            if work.on_delete == links.IGNORE or not _waits_for_a_look(conn, mapping):
                by_hand.let_go(conn, mapping, on_delete=links.IGNORE)
                return False
            # What it means for the source is for a pull to say: it sees how many were deleted at once.
            calendars.request(conn, [calendar.id])
            retry_at = now + wait_after(mapping.attempts + 1)
        case NotFoundError() if applied is None and mapping.mirror_event_id is not None:
            written.save_gone(conn, mapping, done=mapping.is_removal)
            return True
        case NotFoundError() if applied is not None and mapping.attempts < OCCURRENCE_ATTEMPTS:
            # The provider lost an occurrence (Graph cannot bring a deleted one back): the rule is written anew.
            written.save_applied(conn, mapping, applied=replace(applied, root=None).to_json())
            retry_at = now + wait_after(mapping.attempts + 1)
        case RateLimitedError() | QuotaSpentError():
            asked = error.retry_after if isinstance(error, RateLimitedError) else None
            retry_at, counted = now + timedelta(seconds=asked or AT_DISPATCH), False
        case TransientError():
            retry_at = now + wait_after(mapping.attempts + 1)
        case ForbiddenError() if not work.is_removal or mapping.attempts < REMOVAL_ATTEMPTS:
            retry_at = now + wait_after(
                mapping.attempts + 1
            )  # a right may come back, and be denied by mistake for a moment
        case _ if work.is_removal:
            # Not ours any more, or out of reach for good: it is left alone, and no longer counted as a mirror.
            written.save_gone(conn, mapping, done=True)
            mirrors.mark_cancelled(conn, mapping)
            return True
        case _:
            pass
    written.save_failed(
        conn,
        mapping,
        code=error.error_code,
        message=error.message,
        retry_at=retry_at,
        counted=counted,
        gives_way=counted and retry_at is not None and retry_at > now,
        forget_etag=forget_etag,
    )
    if retry_at is None or (counted and mapping.attempts + 1 >= mirrors.SHOWN_AFTER):
        mirrors.mark_failed(
            conn,
            calendar,
            mapping,
            event_id=event_id or mapping.mirror_event_id,
            reason=f"{error.error_code}: {error.message}",
        )
    return True


def _waits_for_a_look(conn: Connection, mapping: Mapping) -> bool:
    return mapping.attempts < LOOKS or calendars.is_due(conn, mapping.target_calendar_id)


def _is_deleted_by_hand(conn: Connection, work: Work) -> bool:
    """Whether the link has something follow from a mirror that is gone, and it was not we who removed it."""
    event_id = work.mapping.mirror_event_id
    return (
        work.heeds_deletion
        and event_id is not None
        and not journal.is_removing(conn, work.mapping.id, mirror_event_id=event_id)
    )


def journalled(conn: Connection, work: Iterable[Work]) -> None:
    """Say in the journal what became of what was intended."""
    found: list[tuple[UUID, Written | Failed | None]] = []
    for one in work:
        answers: dict[str | None, Written | Failed | None] = {None: one.root_answer}
        answers |= {write.key: answer for write, answer in one.occurrence_answers}
        found += [(entry_id, answers.get(occurrence)) for occurrence, entry_id in one.entries.items()]
    journal.answered(conn, found)
