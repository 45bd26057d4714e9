"""After a restore: bringing calendars back in step, and the mirrors that nothing knows any more."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from functions.api.guard import Here
from functions.api.routing import new_router
from functions.api.shapes import In, Limit, Out, Page, page
from shared.sync import reconciliation
from shared.sync.store import calendars, orphans

router = new_router()
TAGS = ["reconciliation"]


class ReconcileRequest(In):
    """A calendar, or, without one, all of them: a link that was lost may have written to any."""

    calendar_id: UUID | None = None


class ReconcileAsked(Out):
    """The calendars that are read in full, and searched for mirrors that nothing knows."""

    calendar_ids: list[UUID]


class Orphan(Out):
    """A mirror that no link knows. `waiting`: for you to purge it; `approved`: it is being removed; `kept`: it stays,
    because its link was deleted without it."""

    event_id: str
    state: Literal["waiting", "approved", "kept"]
    found_at: datetime


class Purged(Out):
    """So many mirrors are being removed."""

    mirrors: int


@router.post("/api/reconcile", status_code=202, tags=TAGS)
def reconcile(visit: Here, body: ReconcileRequest) -> ReconcileAsked:
    """Bring calendars back in step with their providers. A restored database is noticed without this."""
    return ReconcileAsked(calendar_ids=reconciliation.reconcile(visit.engine, visit.by, body.calendar_id))


@router.get("/api/calendars/<calendar_id>/orphans", tags=TAGS)
def list_orphans(
    visit: Here,
    calendar_id: UUID,
    after: Annotated[str, Query(description="Continue after this event id.")] = "",
    limit: Limit = 50,
) -> Page[Orphan]:
    """The mirrors in a calendar that no link knows, by event id, as the last search found them."""
    with visit.mine() as conn:
        calendars.get(conn, calendar_id)
        found = orphans.list_page(conn, calendar_id, after=after, limit=limit + 1)
    return page(found, limit, Orphan.model_validate, lambda one: one.event_id)


@router.post("/api/calendars/<calendar_id>/orphans/purge", status_code=202, tags=TAGS)
def purge(visit: Here, calendar_id: UUID) -> Purged:
    """Remove those that wait, after another look at each: nothing goes that does not carry our mark."""
    return Purged(mirrors=reconciliation.purge(visit.engine, visit.by, calendar_id))
