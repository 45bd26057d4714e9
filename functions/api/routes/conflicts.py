"""Conflicts: what both sides of a link changed, with both values, and who wins."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from functions.api.guard import Here
from functions.api.routing import new_router
from functions.api.shapes import AfterId, In, Limit, Out, Page, When, page
from functions.visit import Visit
from shared.calendar.patch import Patch
from shared.calendar.two_way import Winner
from shared.sync.asking import requests
from shared.sync.two_way import conflicts

router = new_router()
TAGS = ["conflicts"]


class Value(Out):
    """What one side has; of the fields, null is what the conflict is not about. `recurrence` []: it happens once."""

    title: str | None
    description: str | None
    location: str | None
    when: When | None
    availability: str | None
    recurrence: list[str] | None

    @classmethod
    def of(cls, patch: Patch) -> "Value":
        """A value of the product."""
        return cls(
            title=patch.title,
            description=patch.description.text if patch.description is not None else None,
            location=patch.location,
            when=When.of(patch.when) if patch.when is not None else None,
            availability=patch.availability.value if patch.availability is not None else None,
            recurrence=None if patch.recurrence is None else list(patch.recurrence),
        )


class Conflict(Out):
    """What both sides changed. `source` and `target` null: on that side there is no such occurrence.

    `occurrence` is null for the event, or series, itself. `winner` null: it waits for you; a decision is carried out
    with the look at the source that follows, and `resolved_at` set then. `decided_by` is you, the link's `policy`,
    `overtaken` (the event or its mirror went first), `restored` (after a restore of the database the source wins), or
    the code of the error with which the source's provider refused the edit. `title` is the source event's, null where
    no text is kept.
    """

    id: UUID
    link_id: UUID
    source_calendar_id: UUID
    target_calendar_id: UUID
    source_event_id: str
    occurrence: str | None
    title: str | None
    starts_at: datetime | None
    field: Literal["title", "description", "location", "when", "availability", "recurrence", "occurrence"]
    source: Value | None
    target: Value | None
    winner: Literal["source", "target"] | None
    decided_by: str | None
    detected_at: datetime
    resolved_at: datetime | None

    @classmethod
    def of(cls, found: conflicts.Listed, values: conflicts.Values) -> "Conflict":
        """A conflict of the product, opened for its owner."""
        return cls(
            id=found.id,
            link_id=found.link_id,
            source_calendar_id=found.source_calendar_id,
            target_calendar_id=found.target_calendar_id,
            source_event_id=found.source_event_id,
            occurrence=found.occurrence or None,
            title=values.title,
            starts_at=values.starts_at,
            field=found.field,
            source=Value.of(values.source) if values.source is not None else None,
            target=Value.of(values.target) if values.target is not None else None,
            winner=found.winner,
            decided_by=found.decided_by,
            detected_at=found.detected_at,
            resolved_at=found.resolved_at,
        )


class Decision(In):
    """Whose value stays."""

    winner: Literal["source", "target"]


@router.get("/api/conflicts", tags=TAGS)
def list_conflicts(
    visit: Here,
    resolved: Annotated[bool, Query(description="true: also what was resolved in the last 30 days.")] = False,
    after: AfterId = None,
    limit: Limit = 50,
) -> Page[Conflict]:
    """What waits for your decision, newest first, with both values."""
    with visit.mine() as conn:
        found = conflicts.list_page(conn, with_resolved=resolved, before=after, limit=limit + 1)
        values = conflicts.values(conn, visit.engine, found)
    return page(found, limit, lambda one: Conflict.of(one, values[one.id]), lambda one: str(one.id))


@router.get("/api/conflicts/<conflict_id>", tags=TAGS)
def get_conflict(visit: Here, conflict_id: UUID) -> Conflict:
    """One conflict."""
    return _shown(visit, conflict_id)


@router.post("/api/conflicts/<conflict_id>/resolve", tags=TAGS)
def resolve_conflict(visit: Here, conflict_id: UUID, body: Decision) -> Conflict:
    """Say whose value stays on both sides. 409 once it is resolved."""
    requests.resolve_conflict(visit.engine, visit.by, conflict_id, winner=Winner(body.winner))
    return _shown(visit, conflict_id)


def _shown(visit: Visit, conflict_id: UUID) -> Conflict:
    with visit.mine() as conn:
        found = conflicts.get(conn, conflict_id)
        values = conflicts.values(conn, visit.engine, [found])
    return Conflict.of(found, values[found.id])
