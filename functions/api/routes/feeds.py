"""Feeds: calendars published at a secret address, for calendar programs that read iCalendar."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from pydantic import Field

from functions.api.guard import Here
from functions.api.once import once
from functions.api.routes.links import DaysAhead, DaysBehind, PrivacyName, Title
from functions.api.routing import new_router
from functions.api.shapes import AfterId, IdempotencyKey, In, Limit, OneLine, Out, Page, When, page_of_list
from functions.visit import Visit
from shared.sync.asking import requests
from shared.sync.publishing import contents, feeds

router = new_router()
TAGS = ["feeds"]


class NewFeed(In):
    """Which calendars, how much of them readers see, and how far. `days_ahead` null: without bound."""

    name: Annotated[str, OneLine]
    calendar_ids: Annotated[list[UUID], Field(min_length=1, max_length=feeds.MOST_CALENDARS)]
    privacy: PrivacyName = "busy"
    busy_title: Title = "Busy"
    skip_all_day: bool = False
    skip_free: bool = True
    days_ahead: DaysAhead | None = 365
    days_behind: DaysBehind = 30


class Feed(Out):
    """A feed. `hint` is how its address's token begins; `last_read_at` when a reader asked last, to some minutes."""

    id: UUID
    name: str
    hint: str
    calendar_ids: list[UUID]
    privacy: PrivacyName
    busy_title: str
    skip_all_day: bool
    skip_free: bool
    days_ahead: int | None
    days_behind: int
    created_at: datetime
    rotated_at: datetime | None
    last_read_at: datetime | None
    revoked_at: datetime | None


class MadeFeed(Feed):
    """A feed with its address, which is shown this once; null where the request is answered again."""

    url: str | None


class Seen(Out):
    """An event or series as the feed's readers see it."""

    title: str
    when: When
    location: str
    description: str
    availability: Literal["free", "tentative", "busy", "out_of_office", "working_elsewhere"]
    is_series: bool


class Preview(Out):
    """What readers see: `events` in all, and the first of them, as they would be answered now."""

    events: int
    first: list[Seen]


@router.get("/api/feeds", tags=TAGS)
def list_feeds(visit: Here, after: AfterId = None, limit: Limit = 50) -> Page[Feed]:
    """Your feeds, newest first, revoked ones included."""
    with visit.mine() as conn:
        found = feeds.list_feeds(conn, user_id=visit.principal.user_id)
    return page_of_list(found, limit, after, Feed.model_validate, lambda one: one.id)


@router.post("/api/feeds", status_code=201, tags=TAGS)
def create_feed(visit: Here, body: NewFeed, idempotency_key: IdempotencyKey = None) -> Response[MadeFeed]:
    """Publish calendars. Whoever has the address can read what the feed shows: give it only to those who shall."""

    def make() -> MadeFeed:
        made, token = requests.create_feed(visit.engine, visit.by, **body.model_dump())
        return _made(visit, made, token)

    return once(
        visit,
        idempotency_key,
        make,
        shape=MadeFeed,
        kept=lambda made: made.model_copy(update={"url": None}),
    )


@router.get("/api/feeds/<feed_id>", tags=TAGS)
def get_feed(visit: Here, feed_id: UUID) -> Feed:
    """One feed."""
    with visit.mine() as conn:
        return Feed.model_validate(feeds.get(conn, feed_id))


@router.post("/api/feeds/<feed_id>/rotate", tags=TAGS)
def rotate_feed(visit: Here, feed_id: UUID) -> MadeFeed:
    """Give the feed another address; the one before is dead at once."""
    return _made(visit, *requests.rotate_feed(visit.engine, visit.by, feed_id))


@router.get("/api/feeds/<feed_id>/preview", tags=TAGS)
def preview_feed(visit: Here, feed_id: UUID, limit: Limit = 50) -> Preview:
    """What the feed's readers see now."""
    with visit.mine() as conn:
        feed = feeds.get(conn, feed_id)
        seen = contents.entries(conn, feed, data_key=visit.engine.data_key, now=visit.now)
    roots = sorted((one.mirror.root for one in seen), key=lambda root: root.span.starts_at())
    return Preview(
        events=len(roots),
        first=[
            Seen(
                title=root.text.title,
                when=When.of(root.span),
                location=root.text.location,
                description=root.text.description,
                availability=root.availability.value,
                is_series=bool(root.recurrence),
            )
            for root in roots[:limit]
        ],
    )


@router.delete("/api/feeds/<feed_id>", status_code=204, tags=TAGS)
def revoke_feed(visit: Here, feed_id: UUID) -> Response[None]:
    """Revoke a feed: its address opens nothing any more."""
    requests.revoke_feed(visit.engine, visit.by, feed_id)
    return Response(status_code=204)


def _made(visit: Visit, feed: feeds.Feed, token: str) -> MadeFeed:
    url = feeds.address(visit.application.settings.app_base_url, token)
    return MadeFeed(**Feed.model_validate(feed).model_dump(), url=url)
