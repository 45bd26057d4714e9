"""Calendars of the connected accounts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from functions.api.guard import Here
from functions.api.routing import new_router
from functions.api.shapes import AfterId, Limit, Out, Page, page_of_list
from shared.connections import calendars

router = new_router()


class Calendar(Out):
    """One calendar. `is_shared`: others can read it, so mirrors in it are read by others: `readers`, as its provider
    names them; both are null where the provider does not say it. `vanished_at`: its account lists it no more."""

    id: UUID
    connection_id: UUID
    name: str
    time_zone: str
    color: str | None
    can_write: bool
    is_primary: bool
    is_shared: bool | None
    readers: list[str] | None
    vanished_at: datetime | None


@router.get("/api/calendars", tags=["calendars"])
def list_calendars(
    visit: Here,
    connection_id: Annotated[UUID | None, Query(description="Only those of this account.")] = None,
    after: AfterId = None,
    limit: Limit = 50,
) -> Page[Calendar]:
    """Your calendars, by account, the primary one first."""
    with visit.mine() as conn:
        found = calendars.list_calendars(conn, user_id=visit.principal.user_id, connection_id=connection_id)
    return page_of_list(found, limit, after, Calendar.model_validate, lambda one: one.id)
