"""Double bookings."""

from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from functions.api.guard import Here
from functions.api.routing import new_router
from functions.api.shapes import After, Limit, Out, Page, cursor, page, place
from shared.core.errors import InvalidError
from shared.sync import overlaps

router = new_router()
TAGS = ["overlaps"]


class Side(Out):
    """One of the two events; of a series the `occurrence`. `title` is null where no text is kept. `response` is your
    answer to the invitation, `none` where there was none."""

    calendar_id: UUID
    calendar_name: str
    event_id: str
    occurrence: str
    starts_at: datetime
    ends_at: datetime
    all_day: bool
    title: str | None
    response: Literal["none", "needs_action", "accepted", "tentative", "declined"]


class Overlap(Out):
    """Two events that both take the time from `starts_at` to `ends_at`. `ignored_at`: you have chosen to ignore it."""

    id: UUID
    starts_at: datetime
    ends_at: datetime
    detected_at: datetime
    ignored_at: datetime | None
    sides: list[Side]


class Slot(Out):
    """A free time."""

    start: datetime
    end: datetime


class Proposals(Out):
    """Free times, the nearest first. Not `complete`: a calendar cannot be relied on, so nothing is known to be free;
    GET /api/availability tells which."""

    slots: list[Slot]
    complete: bool


@router.get("/api/overlaps", tags=TAGS)
def list_overlaps(
    visit: Here,
    state: Annotated[Literal["open", "ignored"], Query(description="Those that stand, or those you ignore.")] = "open",
    all_day: Annotated[bool, Query(description="Also count whole days against timed events.")] = False,
    after: After = None,
    limit: Limit = 50,
) -> Page[Overlap]:
    """Your double bookings of the coming three months, in order. One that no longer stands is gone by itself."""
    where = place(after, 2)
    with visit.mine() as conn:
        found = overlaps.list_page(
            conn,
            visit.engine.data_key,
            after=_place(where) if where else None,
            limit=limit + 1,
            ignored=state == "ignored",
            all_day=all_day,
            now=visit.now,
        )
    return page(found, limit, Overlap.model_validate, lambda one: cursor([one.starts_at.isoformat(), str(one.id)]))


@router.post("/api/overlaps/<overlap_id>/ignore", tags=TAGS)
def ignore_overlap(visit: Here, overlap_id: UUID) -> Overlap:
    """Tell of it no more. That is remembered, also if it goes and comes back."""
    return _ignore(visit, overlap_id, ignored=True)


@router.post("/api/overlaps/<overlap_id>/unignore", tags=TAGS)
def unignore_overlap(visit: Here, overlap_id: UUID) -> Overlap:
    """Tell of it again."""
    return _ignore(visit, overlap_id, ignored=False)


@router.get("/api/overlaps/<overlap_id>/proposals", tags=TAGS)
def list_proposals(
    visit: Here,
    overlap_id: UUID,
    minutes: Annotated[
        int | None, Query(ge=5, le=600, description="How long; as long as the shorter of the two, if left out.")
    ] = None,
) -> Proposals:
    """Free times within a week of it to which one of the two could move: in working hours of your time zone."""
    with visit.mine() as conn:
        found = overlaps.proposals(
            conn,
            visit.engine.data_key,
            overlap_id,
            user_id=visit.principal.user_id,
            flags=visit.application.flags,
            length=timedelta(minutes=minutes) if minutes else None,
            now=visit.now,
        )
    return Proposals(slots=[Slot(start=start, end=end) for start, end in found.slots], complete=found.complete)


def _ignore(visit: Here, overlap_id: UUID, *, ignored: bool) -> Overlap:
    with visit.mine() as conn:
        found = overlaps.ignore(conn, visit.engine.data_key, overlap_id, ignored=ignored, now=visit.now)
    return Overlap.model_validate(found)


def _place(where: list[str]) -> tuple[datetime, UUID]:
    try:
        at, overlap_id = datetime.fromisoformat(where[0]), UUID(where[1])
    except ValueError:
        raise InvalidError("There is no such place in this list: begin again.", code="REQUEST.CURSOR") from None
    return at, overlap_id
