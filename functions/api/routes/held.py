"""Held changes: deletions so many that you must confirm them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from functions.api.guard import Here
from functions.api.routing import new_router
from functions.api.shapes import AfterId, Limit, Out, Page, page
from shared.sync import held
from shared.sync.asking import requests

router = new_router()
TAGS = ["held"]


class Held(Out):
    """`deletions` of a link's `mirrors` wait for a decision; `resolution` null: it is still open."""

    id: UUID
    link_id: UUID
    target_calendar_id: UUID
    deletions: int
    mirrors: int
    created_at: datetime
    resolution: Literal["approved", "discarded"] | None
    resolved_at: datetime | None


@router.get("/api/held", tags=TAGS)
def list_held(
    visit: Here,
    state: Annotated[Literal["open", "all"], Query(description="Those that wait, or decided ones as well.")] = "open",
    after: AfterId = None,
    limit: Limit = 50,
) -> Page[Held]:
    """What waits for your decision, oldest first."""
    with visit.mine() as conn:
        found = held.list_page(conn, after=after, limit=limit + 1, open_only=state == "open")
    return page(found, limit, Held.model_validate, lambda one: str(one.id))


@router.post("/api/held/<held_id>/approve", tags=TAGS)
def approve(visit: Here, held_id: UUID) -> Held:
    """The mirrors are deleted, as in the source."""
    return Held.model_validate(requests.resolve_held(visit.engine, visit.by, held_id, approved=True))


@router.post("/api/held/<held_id>/discard", tags=TAGS)
def discard(visit: Here, held_id: UUID) -> Held:
    """The mirrors stay, although their sources are gone."""
    return Held.model_validate(requests.resolve_held(visit.engine, visit.by, held_id, approved=False))
