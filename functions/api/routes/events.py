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
from shared.sync.views import activity, explain

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


class LinkExplanation(Out):
    """How an event stands in one link. `sentences` say why, `todo` what to do next (empty: nothing).

    `reason` is a word for programs. `hidden` names the fields that readers of the mirror do not see.
    """

    link_id: UUID
    source_name: str
    target_name: str
    verdict: Literal[
        "mirrored",
        "waiting",
        "held",
        "kept",
        "frozen",
        "undone",
        "ignored",
        "skipped",
        "left_out",
        "outside",
        "gone",
        "mirror",
        "deleting",
    ]
    reason: str
    sentences: list[str]
    todo: str
    mirror_event_id: str | None
    hidden: list[str]
    due_since: datetime | None
    next_attempt_at: datetime | None
    attempts: int
    last_attempt_at: datetime | None
    last_error: str | None
    last_written_at: datetime | None
    proven_at: datetime | None


class Explanation(Out):
    """One event. `mirror_of` is set for a mirror: the event it stands for, which is explained as well."""

    calendar_id: UUID
    calendar_name: str
    event_id: str
    occurrence: str | None
    is_mirror: bool
    mirror_of: str | None
    title: str | None
    when: When | None
    links: list[LinkExplanation]


class Explanations(Out):
    """Several, where an id means several: a mirror and its source, or one id in several calendars."""

    items: list[Explanation]


@router.get("/api/events/explanation", tags=["events"])
def explain_event(
    visit: Here,
    event: Annotated[
        str, Query(min_length=1, max_length=1024, description="The event's id: ours, the provider's, or a mirror's.")
    ],
) -> Explanations:
    """Why an event is mirrored or not, link by link, and what to do next."""
    with visit.mine() as conn:
        found = explain.explain(conn, visit.engine.data_key, event, now=visit.now)
    return Explanations(items=[_explained(one) for one in found])


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


def _explained(one: explain.Explanation) -> Explanation:
    return Explanation(
        calendar_id=one.calendar_id,
        calendar_name=one.calendar_name,
        event_id=one.event_id,
        occurrence=one.occurrence,
        is_mirror=one.is_mirror,
        mirror_of=one.mirror_of,
        title=one.title,
        when=When.of(one.span) if one.span else None,
        links=[LinkExplanation.model_validate(link) for link in one.links],
    )
