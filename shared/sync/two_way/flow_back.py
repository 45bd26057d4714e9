"""Edits of mirrors flow back: merged three ways, field by field, and written by the pull of the source.

Everything is decided anew with every attempt, from what both sides are by then. A worker that is killed between the
provider's accept and our commit finds the source as the mirror has it, and both agree (promise 2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.calendar import codec, merge, patch, showing, two_way
from shared.calendar.patch import OF_OCCURRENCES, OF_ROOTS, Field
from shared.calendar.span import Window
from shared.calendar.two_way import ROOT, Conflict, Policy, Side, Winner
from shared.connections.store import wait_after
from shared.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PreconditionFailedError,
    ReauthRequiredError,
    TransientError,
)
from shared.providers.port import Amend, Failed, Page, Upserted, Withdraw, Written
from shared.sync import apply, expansion, lanes, links, reconciliation, sealing, sightings, writes
from shared.sync.rules import differences
from shared.sync.rules.differences import Applied
from shared.sync.run import OF_ACCOUNT
from shared.sync.sight import differing
from shared.sync.store import calendars, edits, events, journal, mappings, seen
from shared.sync.store.journal import AtSource
from shared.sync.two_way import conflicts
from shared.sync.two_way.edits import Edit, opened

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Sequence
    from collections.abc import Mapping as Dictionary
    from uuid import UUID

    from shared.calendar.event import Unit
    from shared.calendar.mask import Mask
    from shared.calendar.mirror import Mirror
    from shared.calendar.two_way import Outcome, Writes
    from shared.core.errors import KalendsError
    from shared.crypto.keyring import DataKey
    from shared.providers.port import CalendarProvider, Write
    from shared.store.database import Connection
    from shared.sync.links import Link
    from shared.sync.run import Run
    from shared.sync.store.mappings import Mapping

AT_ONCE = 50
"""Edits merged in one pull; the rest has the next."""
TRIES = 3
"""So often an edit is merged anew in one pull because its source has changed in between."""
EDITS_LIMIT = 30
"""A mirror edited so often within EDITS_PERIOD is frozen: no person does that, but two programs that fight."""
EDITS_PERIOD = timedelta(hours=1)
_FOR_GOOD = (ConflictError, InvalidError, ForbiddenError, NotFoundError)
"""Errors after which the same edit is not tried again."""
_WHOLE = Window(start=None, end=None)


@dataclass(slots=True, kw_only=True)
class Merging:
    """One edit, merged: what is to be written to the source, and the ids of the journal's entries for it. `event_id` is
    the source event, which is a series also where the mapping is that of an occurrence alone."""

    mapping: Mapping
    event_id: str
    link: Link
    how: Mask
    edit: Edit
    source: Side
    target: Side
    outcome: Outcome
    writes: dict[str, Amend | Withdraw]
    entries: dict[str, UUID]
    target_key: DataKey
    is_restored: bool


def merge_all(run: Run, provider: CalendarProvider, due: Sequence[UUID], tally: Counter[UUID]) -> None:
    """Merge the edits of these mappings, whose source is the calendar of a pull. What the source's provider refuses for
    good is recorded, and the mirror put right; what it does not take now is tried again later, and nothing else waits
    for that (promise 10). What is wrong with the whole account is raised."""
    if due and _is_unnoticed_restore(run):
        return  # the reconciliation that dispatch is about to begin looks at all of it
    for mapping_id in due:
        for tried in range(1, TRIES + 1):
            if not _merge(run, provider, mapping_id, tally, is_last=tried == TRIES):
                break


def _merge(run: Run, provider: CalendarProvider, mapping_id: UUID, tally: Counter[UUID], *, is_last: bool) -> bool:
    """Returns whether to do so once more: the source has changed meanwhile, and is read anew by then."""
    with run.transaction(run.engine.now()) as conn:
        merging = _begin(conn, run, mapping_id)
    if merging is None:
        return False
    answers = _write(run, provider, merging)
    errors = {place: answer.error for place, answer in answers.items() if isinstance(answer, Failed)}
    unsettled = next((error for error in errors.values() if not isinstance(error, _FOR_GOOD)), None)
    fresh = None
    if answers and not isinstance(unsettled, TransientError | ReauthRequiredError):
        try:
            fresh = provider.get(run.calendar.remote_id, merging.event_id, window=_WHOLE)
        except InvalidError as error:  # nobody can read it by now: that edit waits, and not its calendar (promise 10)
            unsettled = error
    targets: set[UUID] = set()
    is_again = isinstance(unsettled, PreconditionFailedError) and not is_last
    now = run.engine.now()
    with run.transaction(now) as conn:
        journal.answered(conn, [(entry_id, answers.get(place)) for place, entry_id in merging.entries.items()])
        if fresh is not None:
            targets |= _take_over(conn, run, fresh, tally)
        if unsettled is None:
            targets |= _settle(conn, run, merging, errors)
        elif not is_again and not isinstance(unsettled, OF_ACCOUNT):
            wait = wait_after(merging.mapping.attempts + 1)
            reason = f"{unsettled.error_code}: {unsettled.message}"
            edits.postpone(conn, merging.mapping, until=now + wait, reason=reason)
    lanes.ask_push(run.engine, run.calendar.user_id, sorted(targets), correlation_id=run.correlation_id, now=now)
    if isinstance(unsettled, OF_ACCOUNT):
        raise unsettled
    return is_again


def _is_unnoticed_restore(run: Run) -> bool:
    with run.engine.database.everyone() as conn:
        return reconciliation.is_restored(conn)


def _begin(conn: Connection, run: Run, mapping_id: UUID) -> Merging | None:
    """Decide, and note in the journal what is about to be written; None if there is nothing to merge any more."""
    mapping = mappings.lock(conn, [mapping_id]).get(mapping_id)
    if mapping is None or mapping.edit is None or not mapping.edit_due:
        return None
    link = links.get(conn, mapping.link_id)
    unit = _source(conn, run, mapping, link)
    if unit is None:
        edits.drop(conn, mapping)  # gone, or on its way: its own plan says what becomes of the mirror
        return None
    target_key = run.source_keys(conn)(mapping.target_calendar_id)
    edit = opened(mapping.edit, mapping, key=target_key)
    how = links.with_names(conn, [link])[link.id]
    target_calendar = calendars.get(conn, mapping.target_calendar_id)
    is_restored = run.calendar.reconcile_since is not None or target_calendar.reconcile_since is not None
    event_id, alone = expansion.place(conn, run.calendar.id, mapping.source_event_id)
    standing = events.versions(conn, run.calendar.id, event_id)
    try:
        source = Side(
            base=edit.base,
            now=writes.mirror_of(unit, link, how, ignored=mapping.ignored),
            changed_at=max((one.changed_at for one in standing.values() if one.changed_at), default=None),
        )
        left = edit.mirror if link.on_delete == links.WITHDRAW else _with_deleted(edit.mirror, edit.shown)
        target = Side(base=showing.as_shown(edit.shown, left), now=left, changed_at=edit.changed_at)
        outcome = merge.merge(
            source,
            target,
            exposed=merge.exposed_by(how),
            policy=Policy(link.on_conflict),
            decided=conflicts.decisions(conn, mapping.id),
        )
        whole = merge.shown(unit)
    except InvalidError:
        edits.drop(conn, mapping)  # a rule that nobody can expand: the push records why (promise 10)
        return None
    etags = {place: one.etag for place, one in standing.items()}
    wanted = _with_hidden(outcome.source, source.now, whole, exposed=merge.exposed_by(how))
    to_write = {} if is_restored else _to_write(event_id, alone, wanted, etags)
    intents = [
        AtSource(
            run_id=run.id,
            mapping_id=mapping.id,
            calendar_id=run.calendar.id,
            event_id=event_id,
            operation="withdraw" if isinstance(write, Withdraw) else "amend",
            occurrence=write.occurrence,
            inverse=_inverse(whole, place, write, mapping, key=run.key),
        )
        for place, write in to_write.items()
    ]
    return Merging(
        mapping=mapping,
        event_id=event_id,
        link=link,
        how=how,
        edit=edit,
        source=source,
        target=target,
        outcome=outcome,
        writes=to_write,
        entries=dict(zip(to_write, journal.intend_at_source(conn, intents), strict=True)),
        target_key=target_key,
        is_restored=is_restored,
    )


def _source(conn: Connection, run: Run, mapping: Mapping, link: Link) -> Unit | None:
    ids = [mapping.source_event_id]
    return events.units(conn, run.calendar.id, ids, key=run.key, with_text=link.needs_text).get(ids[0])


def _with_deleted(now: Mirror, shown: Mirror) -> Mirror:
    """An edited mirror with the occurrences that were deleted in it: what follows from that the link says apart."""
    gone = {key for key, one in shown.overrides.items() if one is None}
    deleted = [key for key, one in now.overrides.items() if one is None and key not in gone]
    back = {key: shown.overrides.get(key) for key in deleted}
    kept = {key: one for key, one in {**now.overrides, **back}.items() if key not in back or one is not None}
    return replace(now, overrides=dict(sorted(kept.items())))


def _with_hidden(wanted: Writes, rendered: Mirror, whole: Mirror, *, exposed: Collection[Field]) -> Writes:
    """What to write to the source, whose occurrences that the link hides stay as they are: to the mirror they are gone,
    and a new start or rule would take them out."""
    kept: Writes = {}
    for place, change in wanted.items():
        hidden = showing.at(whole, place) if place and change is None and showing.at(rendered, place) is None else None
        kept[place] = change if hidden is None else patch.of(hidden, {*OF_OCCURRENCES} & {*exposed})
    return kept


def _to_write(
    event_id: str, alone: str, wanted: Writes, etags: Dictionary[str, str | None]
) -> dict[str, Amend | Withdraw]:
    """By place. One write changes the ETag that the next would need: only a single one is bound to what we know.
    `alone` is the occurrence of which the mapping is ("": it is of the whole event)."""
    is_single = len(wanted) == 1
    found: dict[str, Amend | Withdraw] = {}
    for place, change in wanted.items():
        occurrence = place or alone
        etag = etags.get(occurrence) if is_single or place == ROOT else None
        if change is None:
            found[place] = Withdraw(event_id=event_id, occurrence=occurrence or None, etag=etag)
        else:
            found[place] = Amend(event_id=event_id, patch=change, occurrence=occurrence or None, etag=etag)
    return dict(sorted(found.items()))


def _inverse(whole: Mirror, place: str, write: Amend | Withdraw, mapping: Mapping, *, key: DataKey) -> bytes | None:
    """None: what is deleted does not come back by a change."""
    before = showing.at(whole, place) if place else whole.root
    if isinstance(write, Withdraw) or before is None:
        return None
    both = codec.patches_to_json(patch.of(before, write.patch.fields), write.patch)
    return key.seal(both, aad=str(mapping.id))


def _write(run: Run, provider: CalendarProvider, merging: Merging) -> dict[str, Written | Failed]:
    """The event or series first: what befalls it befalls its occurrences."""
    answers: dict[str, Written | Failed] = {}
    rest: list[tuple[str, Write]] = [(place, write) for place, write in merging.writes.items() if place != ROOT]
    if ROOT in merging.writes:
        (answer,) = provider.write(run.calendar.remote_id, [merging.writes[ROOT]])
        answers[ROOT] = answer
        if isinstance(answer, Failed):
            return answers | {place: answer for place, _ in rest}
    if rest:
        found = provider.write(run.calendar.remote_id, [write for _, write in rest])
        answers |= dict(zip([place for place, _ in rest], found, strict=True))
    return answers


def _take_over(conn: Connection, run: Run, unit: Unit, tally: Counter[UUID]) -> set[UUID]:
    """The source as it is by now: for this link and every other, and known before any page shows it."""
    applied = apply.page(
        conn,
        replace(run.calendar.for_unseen, unfinished=[]),  # what waits for the end of a listing goes on waiting
        Page(changes=(Upserted(event=unit.root, overrides=unit.overrides),)),
        key=run.key,
        source_key=run.source_keys(conn),
        secrets=run.engine.webhook_secrets(),
        run_id=run.id,
        tally=tally,
        is_full=False,
        now=run.engine.now(),
        copies={unit.root.id},  # whatever marker it bears: it is a source
    )
    return set(applied.targets)


def _settle(conn: Connection, run: Run, merging: Merging, errors: Dictionary[str, KalendsError]) -> set[UUID]:
    """Record what both sides are now; answers the target if something is still to be written to it."""
    mapping, outcome, edit, now = merging.mapping, merging.outcome, merging.edit, run.engine.now()
    standing = mappings.lock(conn, [mapping.id]).get(mapping.id)
    unit = _source(conn, run, mapping, merging.link)
    if standing is None or unit is None:
        edits.drop(conn, mapping)
        return set()
    if merging.is_restored:
        conflicts.settle(conn, mapping, _kept(merging), refused={}, key=run.key, now=now, by=conflicts.RESTORED)
        edits.drop(conn, mapping)
        applied = Applied.from_json(standing.applied).forget(edit.observed)
        seen.leave(conn, mapping.id, observed=edit.observed, ignored=())
        seen.disturb(conn, mapping.id, applied=applied.to_json(), etag=standing.mirror_etag)
        return {mapping.target_calendar_id}
    is_overwritten = edit.is_overwritten(standing)
    refused = {place: error.error_code for place, error in errors.items()}
    found = [*outcome.conflicts, *_refused(merging, refused)]
    conflicts.settle(conn, mapping, found, refused=refused, key=run.key, now=now)
    if not outcome.source and not found:
        # Nothing of it means the source: it is put right as in a one-way link, and frozen where that never ends.
        edits.drop(conn, mapping)
        left = differing(standing, edit.observed)
        if is_overwritten:
            applied = Applied.from_json(standing.applied).forget({}, everything=True)
            seen.disturb(conn, mapping.id, applied=applied.to_json(), etag=standing.mirror_etag)
        elif left:
            seen.leave(conn, mapping.id, observed=left, ignored=())
            sightings.restore(conn, standing, Applied.from_json(standing.applied).forget(left), now=now)
        return {mapping.target_calendar_id}
    wanted = writes.mirror_of(unit, merging.link, merging.how, ignored=mapping.ignored)
    final = outcome.mirror if outcome.held else wanted
    places = two_way.unlike(final, edit.mirror)
    # What stays because a conflict waits was merged before, and we may have written the mirror since.
    observed = (standing.observed or {}) if is_overwritten or edit.held else edit.observed
    before = Applied.from_json(standing.applied)
    is_gone = standing.applied is not None and before.root is None
    # Or it was brought in line meanwhile, or somebody has deleted it since.
    is_anew = is_overwritten or is_gone or edit.rendering != merging.link.rendering
    applied = differences.compare(final, before).applied.forget(
        {place: observed.get(place, "") for place in places}, everything=is_anew
    )
    stays = None
    if outcome.held:
        bases = two_way.bases(outcome, merging.source, merging.target, source_now=wanted, target_now=final)
        stays = replace(
            edit, mirror=final, base=bases[0], shown=bases[1], rendering=merging.link.rendering, held=outcome.held
        )
    thawed = edits.save_merged(
        conn,
        mapping,
        # Nobody knows what the target shows by now: until it is written again, nothing of it is merged.
        base=None if is_overwritten else sealing.seal(wanted, mapping.id, key=merging.target_key),
        shown=None if is_overwritten else sealing.seal(edit.mirror, mapping.id, key=merging.target_key),
        applied=applied.to_json(),
        observed=observed,
        stays=None if stays is None else stays.seal(mapping, key=merging.target_key),
        is_due=bool(places) or is_anew,
        is_new=not edit.held,
        now=now,
        period_start=now - EDITS_PERIOD,
        limit=EDITS_LIMIT,
    )
    if not thawed:
        sightings.tell_frozen(conn, mapping)
    return {mapping.target_calendar_id}


def _kept(merging: Merging) -> list[Conflict]:
    """What the target shows otherwise than the source, of what it may have from there."""
    source, target = merging.source.now, merging.edit.mirror
    exposed = merge.exposed_by(merging.how)
    found: list[Conflict] = []
    for place in (ROOT, *sorted({**source.overrides, **target.overrides})):
        here, there = (showing.at(one, place) if place else one.root for one in (source, target))
        if here is None or there is None:
            continue  # whether an occurrence happens is nobody's text
        for one in OF_OCCURRENCES if place else OF_ROOTS:
            if one in exposed and not showing.may_show(one, here, there):
                values = patch.of(here, (one,)), patch.of(there, (one,))
                winner = Winner.SOURCE
                found.append(Conflict(place=place, field=one, source=values[0], target=values[1], winner=winner))
    return found


def _refused(merging: Merging, refused: Dictionary[str, str]) -> list[Conflict]:
    """What the source's provider did not take, with both values, so that nothing is lost."""
    whole, found = merging.source.now, []
    for place in refused:
        write = merging.writes[place]
        before = showing.at(whole, place) if place else whole.root
        change = write.patch if isinstance(write, Amend) else None
        for one in (Field.OCCURRENCE,) if change is None else change.fields:
            found.append(
                Conflict(
                    place=place,
                    field=one,
                    source=None if before is None else patch.of(before, (one,)),
                    target=change,
                    winner=Winner.SOURCE,
                )
            )
    return found
