"""From what is due to provider writes: render each mirror from the newest state of its source, compare, and list."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from shared.calendar import exposure, mask
from shared.core.errors import InvalidError, KalendsError
from shared.providers.port import CancelOccurrence, Delete, Failed, Insert, Update, WriteOccurrence, Written
from shared.sync import links, sealing
from shared.sync import links as of_links
from shared.sync.links import MERGE
from shared.sync.rules import differences, marker, plan
from shared.sync.rules.differences import Applied, Differences
from shared.sync.store import events, journal, undo_items
from shared.sync.store.journal import Intent
from shared.sync.two_way.edits import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from shared.calendar.event import Unit
    from shared.calendar.mask import Mask
    from shared.calendar.mirror import Mirror
    from shared.crypto.keyring import DataKey
    from shared.providers.port import Write
    from shared.store.database import Connection
    from shared.sync.links import Link
    from shared.sync.store import mappings
    from shared.sync.store.calendars import SyncedCalendar


SOURCE_UNKNOWN = "SYNC.SOURCE_UNKNOWN"
"""The code of a mapping whose source vanished between plan and push."""


@dataclass(slots=True, kw_only=True)
class Work:
    """One mirror to bring up to date: what it should look like (None: gone), what must be written for that, answers.

    `rendering` is that of the link under which it was rendered, `on_delete` the link's answer to a mirror that somebody
    deleted by hand, `merges` whether edits of it flow back. `looks_first`: a creation may have been made before, by
    whom nobody knows. `refused` says why this one cannot be rendered, or put back; then nothing is written. `undo_run`
    is the run of kind undo that this is done for; `was_checked` says that an earlier attempt may have written already.
    `entries` are the journal's, by occurrence (None: the root). One that only `remasks` brings what stands in line with
    the link's mask, and settles nothing of what is wanted of the mirror. At the `unanswered` places ("" is the root)
    nobody knows what stands: an earlier write may have been carried out, so they are written again.
    """

    mapping: mappings.Mapping
    marker: str
    rendering: int
    on_delete: str
    merges: bool
    looks_first: bool
    mirror: Mirror | None = None
    differences: Differences | None = None
    refused: KalendsError | None = None
    undo_run: UUID | None = None
    was_checked: bool = False
    remasks: bool = False
    unanswered: frozenset[str] = frozenset()
    root_answer: Written | Failed | None = None
    occurrence_answers: list[tuple[WriteOccurrence | CancelOccurrence, Written | Failed]] = field(default_factory=list)
    entries: dict[str | None, UUID] = field(default_factory=dict)

    @property
    def heeds_deletion(self) -> bool:
        """Whether a mirror that is to stand, and that somebody deleted by hand, is not to be made again."""
        return not self.mapping.is_removal and self.on_delete != links.RESTORE

    @property
    def is_removal(self) -> bool:
        """Whether the mirror is to go."""
        return self.mapping.is_removal and not self.remasks

    @property
    def root_write(self) -> Write | None:
        """The write of the single event or master, if there is one."""
        mapping = self.mapping
        if self.refused is not None:
            return None
        if self.is_removal:
            if mapping.mirror_event_id is not None:
                return Delete(
                    event_id=mapping.mirror_event_id, marker=mapping.marker or self.marker, etag=mapping.mirror_etag
                )
            lost = Delete(event_id=mapping.mirror_key, marker=self.marker, unconfirmed=True)
            return lost if self.looks_first else None
        if self.differences is None or self.differences.root is None:
            return None
        if mapping.mirror_event_id is None:
            return Insert(
                key=mapping.mirror_key,
                marker=self.marker,
                appearance=self.differences.root,
                retried=self.looks_first,
            )
        return Update(
            event_id=mapping.mirror_event_id,
            marker=self.marker,
            appearance=self.differences.root,
            etag=mapping.mirror_etag,
            rule_anew=self.differences.reshaped,
        )

    @property
    def was_accepted(self) -> bool:
        """Whether the provider took a write of it; where there was nothing to write nobody was asked."""
        answers = [self.root_answer, *(answer for _, answer in self.occurrence_answers)]
        return any(isinstance(answer, Written) for answer in answers)

    @property
    def changed_the_mirror(self) -> bool:
        """Whether the provider certainly did something that it announces: a repeated write may find everything done."""
        answer = self.root_answer
        if not isinstance(answer, Written) or answer.event is None or answer.event.etag is None:
            return False
        return (
            not self.looks_first
            if self.mapping.mirror_event_id is None
            else answer.event.etag != self.mapping.mirror_etag
        )

    def intents(self, run_id: UUID, *, key: DataKey) -> list[Intent]:
        """Everything that may be sent, for the journal: of the run that takes another back, or else of this one."""
        operations: dict[str | None, str] = {}
        if self.root_write is not None:
            operations[None] = {Insert: "insert", Delete: "delete"}.get(type(self.root_write), "update")
        if self.differences is not None and self.refused is None:
            for place, appearance in self.differences.occurrences.items():
                operations[place] = "cancel_occurrence" if appearance is None else "write_occurrence"
        # While a conflict waits, what is written shows the target's own values, too.
        is_told_apart = (self.remasks or (self.merges and self.mapping.edit is None)) and bool(operations)
        sent = sealing.seal(self.mirror, self.mapping.id, key=key) if is_told_apart and self.mirror else None
        return [
            Intent(
                run_id=self.undo_run or run_id,
                mapping_id=self.mapping.id,
                operation=operation,
                occurrence=place,
                mirror_event_id=self.mapping.mirror_id,
                sent=sent,
            )
            for place, operation in operations.items()
        ]

    def occurrence_writes(self) -> list[WriteOccurrence | CancelOccurrence]:
        """The writes of occurrences that differ, once the master is there."""
        event_id = self.root_answer.event_id if isinstance(self.root_answer, Written) else self.mapping.mirror_event_id
        if self.differences is None or event_id is None or self.refused or isinstance(self.root_answer, Failed):
            return []
        return [
            CancelOccurrence(series_id=event_id, key=key)
            if appearance is None
            else WriteOccurrence(series_id=event_id, key=key, appearance=appearance)
            for key, appearance in self.differences.occurrences.items()
        ]


def prepare(
    conn: Connection,
    calendar: SyncedCalendar,
    due: Sequence[mappings.Mapping],
    links: Mapping[UUID, Link],
    *,
    source_key: Callable[[UUID], DataKey],
    key: DataKey,
    secrets: Sequence[bytes],
) -> list[Work]:
    """Render what is due. `source_key` gives the data key of a source calendar's connection, `key` is the target's."""
    masks = of_links.with_names(conn, links.values())
    by_source: dict[tuple[UUID, bool], set[str]] = {}
    for mapping in due:
        if mapping.remask or not mapping.is_removal:
            place = (mapping.source_calendar_id, links[mapping.link_id].needs_text)
            by_source.setdefault(place, set()).add(mapping.source_event_id)
    units = {
        place: events.units(conn, place[0], sorted(roots), key=source_key(place[0]), with_text=place[1])
        for place, roots in by_source.items()
    }
    undoing = undo_items.waiting(conn, [mapping.id for mapping in due])
    unanswered = journal.unanswered(conn, [mapping.id for mapping in due])
    work: list[Work] = []
    for mapping in due:
        link = links[mapping.link_id]
        undo_run, was_checked = undoing.get(mapping.id, (None, False))
        one = Work(
            mapping=mapping,
            marker=marker.make(secrets, mapping.id, calendar_id=calendar.remote_id),
            rendering=link.rendering,
            on_delete=link.on_delete,
            merges=link.on_edit == MERGE and not mapping.remask,
            looks_first=mapping.tried or calendar.reconcile_since is not None,
            undo_run=undo_run,
            was_checked=was_checked,
            remasks=mapping.remask,
            unanswered=frozenset(unanswered.get(mapping.id, ())),
        )
        if not one.is_removal:
            unit = units[mapping.source_calendar_id, link.needs_text].get(mapping.source_event_id)
            stays = _stays(mapping, key=key)
            if stays is not None:
                _put_back(one, stays, unit, masks[link.id])
            else:
                _render(one, unit, link, masks[link.id])
            if one.refused is not None and mapping.base is not None and mapping.rendering < link.rendering:
                # Whatever hinders it, what stands at the target must not show what the link hides by now.
                one.refused, one.remasks = None, True
                _put_back(one, sealing.opened(mapping.base, mapping.id, key=key), unit, masks[link.id])
        work.append(one)
    return work


def put_back(mirror: Mirror, mapping: mappings.Mapping, unit: Unit | None, how: Mask) -> Mirror:
    """An earlier mirror as today's mask of the link allows it (promise 12: masked text is never restored)."""
    return _without_ignored(exposure.under(mirror, how, source=unit.root if unit else None), mapping.ignored)


def mirror_of(unit: Unit, link: Link, how: Mask, *, ignored: Sequence[str] = ()) -> Mirror:
    """What readers of the target see of a unit through a link, by its mask `how` with the names that titles hold.

    Occurrences that are `ignored` stay out. Raises InvalidError for a rule nobody can expand.
    """
    return _without_ignored(mask.mirror(unit, how, shows=lambda event: plan.shows(event, link)), ignored)


def _stays(mapping: mappings.Mapping, *, key: DataKey) -> Mirror | None:
    """What the mirror is to look like whatever its source says: where only the mask counts, where a conflict waits and
    neither side's value is touched, and where a run was undone. None: its source decides."""
    if mapping.remask:
        return sealing.opened(mapping.base, mapping.id, key=key) if mapping.base is not None else None
    if mapping.edit is not None:
        return opened(mapping.edit, mapping, key=key).mirror
    return sealing.opened(mapping.undo_to, mapping.id, key=key) if mapping.undo_to is not None else None


def _put_back(work: Work, mirror: Mirror, unit: Unit | None, how: Mask) -> None:
    work.mirror = put_back(mirror, work.mapping, unit, how)
    work.differences = differences.compare(work.mirror, _applied(work, work.mirror))


def _applied(work: Work, mirror: Mirror) -> Applied:
    """What is known to stand: not the places to which something was sent whose answer nobody heard."""
    places = {
        place: ""
        for place in work.unanswered
        if not place or place in mirror.overrides or mask.as_the_rule_has_it(mirror.root, place) is not None
    }
    return Applied.from_json(work.mapping.applied).forget(places)


def _without_ignored(mirror: Mirror, ignored: Sequence[str]) -> Mirror:
    """Occurrences that somebody deleted by hand stay out, as far as the rule still has them."""
    left_out = {key: None for key in ignored if mask.as_the_rule_has_it(mirror.root, key) is not None}
    return replace(mirror, overrides=dict(sorted({**mirror.overrides, **left_out}.items()))) if left_out else mirror


def _render(work: Work, unit: Unit | None, link: Link, how: Mask) -> None:
    if unit is None:
        # The source vanished between plan and push: its own plan will say what follows; nothing is written on a guess.
        work.refused = InvalidError(
            f"Source event of mapping {work.mapping.id} is not known any more: it is planned anew when it is read.",
            code=SOURCE_UNKNOWN,
        )
        return
    try:
        work.mirror = mirror_of(unit, link, how, ignored=work.mapping.ignored)
        work.differences = differences.compare(work.mirror, _applied(work, work.mirror))
    except InvalidError as error:
        work.refused = error
