"""When you are busy."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime

from functions.api.guard import Here
from functions.api.routing import new_router
from functions.api.shapes import Out
from shared.sync.views import availability

router = new_router()


class Interval(Out):
    """From `start` to `end` (exclusive). The kinds are those of RFC 5545, FBTYPE: `out_of_office` is BUSY-UNAVAILABLE,
    `tentative` BUSY-TENTATIVE; `unknown` is a time without events that cannot be relied on."""

    start: datetime
    end: datetime
    kind: Literal["free", "unknown", "tentative", "busy", "out_of_office"]


class Source(Out):
    """A calendar that was asked. `proven_at`: when its provider last told everything there was. `problem`: why it
    cannot be relied on, as a code; null: it can. `unreadable` items of it have no known time."""

    calendar_id: UUID
    name: str
    proven_at: datetime | None
    problem: str | None
    unreadable: int


class Availability(Out):
    """All the time asked for, in order and without gaps. `complete`: every source can be relied on."""

    complete: bool
    intervals: list[Interval]
    sources: list[Source]


@router.get("/api/availability", tags=["availability"])
def get_availability(
    visit: Here,
    start: Annotated[AwareDatetime, Query(alias="from", description="From when on.")],
    end: Annotated[AwareDatetime, Query(alias="to", description="Until when, exclusive; at most 62 days later.")],
    calendars: Annotated[
        list[UUID] | None, Query(description="Of these calendars; of all in a link, if left out.")
    ] = None,
) -> Availability:
    """When you are busy, over all your calendars. Mirrors are not counted: the events behind them are. Where a source
    cannot be relied on, `complete` is false and no time passes as free."""
    with visit.mine() as conn:
        found = availability.read(
            conn,
            user_id=visit.principal.user_id,
            flags=visit.application.flags,
            start=start,
            end=end,
            calendar_ids=calendars,
            now=visit.now,
        )
    return Availability.model_validate(found)
