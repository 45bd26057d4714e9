"""What comes: the events of a calendar, or of a link with its mirrors."""

from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime

from functions.api.guard import Here
from functions.api.routing import new_router
from functions.api.shapes import After, Limit, Out, Page, When, cursor, page, place
from shared.calendar.span import Window
from shared.sync import activity

router = new_router()

LONGEST = 92


class AgendaItem(Out):
    """One occurrence. `source` is its owner's, `mirror` is ours and names its link; `title` is null where no text is
    kept."""

    kind: Literal["source", "mirror"]
    calendar_id: UUID
    event_id: str
    occurrence: str | None
    when: When
    title: str | None
    location: str | None
    availability: str
    repeats: bool
    link_id: UUID | None
    source_event_id: str | None


@router.get("/api/events", tags=["events"])
def list_events(
    visit: Here,
    calendar_id: Annotated[UUID | None, Query(description="Of this calendar.")] = None,
    link_id: Annotated[UUID | None, Query(description="Of this link: its source's events, and its mirrors.")] = None,
    start: Annotated[AwareDatetime | None, Query(description="From when on; now, if left out.")] = None,
    days: Annotated[int, Query(ge=1, le=LONGEST, description="How many days.")] = 30,
    after: After = None,
    limit: Limit = 50,
) -> Page[AgendaItem]:
    """What happens in a calendar or along a link, in order; series as their occurrences."""
    engine = visit.engine
    begin: datetime = start or visit.now
    where = place(after, 4)
    with visit.mine() as conn:
        found = activity.agenda(
            conn,
            engine.data_key,
            calendar_id=calendar_id,
            link_id=link_id,
            window=Window(start=begin, end=begin + timedelta(days=days)),
            after=(where[0], where[1], where[2], where[3]) if where else None,
            limit=limit + 1,
        )
    return page(found, limit, _shape, lambda one: cursor(one.place))


def _shape(one: activity.Item) -> AgendaItem:
    return AgendaItem(
        kind=one.kind,
        calendar_id=one.calendar_id,
        event_id=one.event_id,
        occurrence=one.occurrence or None,
        when=When.of(one.span),
        title=one.title,
        location=one.location,
        availability=one.availability.value,
        repeats=one.repeats,
        link_id=one.link_id,
        source_event_id=one.source_event_id,
    )
