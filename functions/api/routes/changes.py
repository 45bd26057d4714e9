"""What was done: the writes of late."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from functions.api.guard import Here
from functions.api.routing import new_router
from functions.api.shapes import AfterId, Limit, Out, Page, When, page
from shared.sync import links
from shared.sync.views import activity

router = new_router()


class Change(Out):
    """One write to a provider. `title` and `when` are the mirror's, as others see it.

    `outcome` stays `intended` where no answer was heard: the provider may have taken it.
    """

    id: UUID
    at: datetime
    operation: Literal["insert", "update", "delete", "write_occurrence", "cancel_occurrence", "decline"]
    outcome: Literal["intended", "accepted"]
    occurrence: str | None
    link_id: UUID | None
    source_name: str | None
    target_name: str
    mirror_event_id: str
    title: str | None
    when: When | None


@router.get("/api/changes", tags=["changes"])
def list_changes(
    visit: Here,
    link_id: Annotated[UUID | None, Query(description="Only those of this link.")] = None,
    after: AfterId = None,
    limit: Limit = 50,
) -> Page[Change]:
    """What was written to your calendars, newest first."""
    engine = visit.engine
    with visit.mine() as conn:
        if link_id is not None:
            links.get(conn, link_id)
        found = activity.changes(conn, engine.data_key, link_id=link_id, before=after, limit=limit + 1)
    return page(found, limit, _shape, lambda one: str(one.id))


def _shape(one: activity.Change) -> Change:
    return Change(
        id=one.id,
        at=one.at,
        operation=one.operation,
        outcome=one.outcome,
        occurrence=one.occurrence,
        link_id=one.link_id,
        source_name=one.source_name,
        target_name=one.target_name,
        mirror_event_id=one.mirror_event_id,
        title=one.title,
        when=When.of(one.span) if one.span else None,
    )
