"""From what is due to provider writes: render each mirror from the newest state of its source, compare, and list."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.calendar import mask
from shared.core.errors import InvalidError, KalendsError
from shared.providers.port import CancelOccurrence, Delete, Failed, Insert, Update, WriteOccurrence, Written
from shared.sync import differences, marker, plan
from shared.sync.differences import Applied, Differences
from shared.sync.store import events
from shared.sync.store.journal import Intent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from shared.calendar.event import Unit
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

    `looks_first`: a creation may have been made before, by whom nobody knows.
    `refused` says why this one cannot be rendered at all; then nothing is written. `entries` are the journal's, by
    occurrence (None: the root).
    """

    mapping: mappings.Mapping
    marker: str
    looks_first: bool
    mirror: Mirror | None = None
    differences: Differences | None = None
    refused: KalendsError | None = None
    root_answer: Written | Failed | None = None
    occurrence_answers: list[tuple[WriteOccurrence | CancelOccurrence, Written | Failed]] = field(default_factory=list)
    entries: dict[str | None, UUID] = field(default_factory=dict)

    @property
    def is_removal(self) -> bool:
        """Whether the mirror is to go."""
        return self.mapping.wanted == "absent"

    @property
    def root_write(self) -> Write | None:
        """The write of the single event or master, if there is one."""
        mapping = self.mapping
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

    def intents(self) -> list[Intent]:
        """Everything that may be sent, for the journal."""
        event_id = self.mapping.mirror_event_id or self.mapping.mirror_key
        operations: dict[str | None, str] = {}
        if self.root_write is not None:
            operations[None] = {Insert: "insert", Delete: "delete"}.get(type(self.root_write), "update")
        if self.differences is not None:
            for key, appearance in self.differences.occurrences.items():
                operations[key] = "cancel_occurrence" if appearance is None else "write_occurrence"
        return [
            Intent(mapping_id=self.mapping.id, operation=operation, occurrence=key, mirror_event_id=event_id)
            for key, operation in operations.items()
        ]

    def occurrence_writes(self) -> list[WriteOccurrence | CancelOccurrence]:
        """The writes of occurrences that differ, once the master is there."""
        event_id = self.root_answer.event_id if isinstance(self.root_answer, Written) else self.mapping.mirror_event_id
        if self.differences is None or event_id is None or isinstance(self.root_answer, Failed):
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
    secrets: Sequence[bytes],
) -> list[Work]:
    """Render what is due. `source_key` gives the data key of a source calendar's connection."""
    by_source: dict[tuple[UUID, bool], set[str]] = {}
    for mapping in due:
        if mapping.wanted == "present":
            place = (mapping.source_calendar_id, links[mapping.link_id].mask.needs_text)
            by_source.setdefault(place, set()).add(mapping.source_event_id)
    units = {
        place: events.units(conn, place[0], sorted(roots), key=source_key(place[0]), with_text=place[1])
        for place, roots in by_source.items()
    }
    work: list[Work] = []
    for mapping in due:
        link = links[mapping.link_id]
        one = Work(
            mapping=mapping,
            marker=marker.make(secrets, mapping.id, calendar_id=calendar.remote_id),
            looks_first=mapping.tried or calendar.reconcile_since is not None,
        )
        if mapping.wanted == "present":
            unit = units[mapping.source_calendar_id, link.mask.needs_text].get(mapping.source_event_id)
            _render(one, unit, link)
        work.append(one)
    return work


def _render(work: Work, unit: Unit | None, link: Link) -> None:
    if unit is None:
        # The source vanished between plan and push: its own plan will say what follows; nothing is written on a guess.
        work.refused = InvalidError(
            f"Source event of mapping {work.mapping.id} is not known any more: it is planned anew when it is read.",
            code=SOURCE_UNKNOWN,
        )
        return
    try:
        work.mirror = mask.mirror(unit, link.mask, shows=lambda event: plan.shows(event, link))
        work.differences = differences.compare(work.mirror, Applied.from_json(work.mapping.applied))
    except InvalidError as error:
        work.refused = error
