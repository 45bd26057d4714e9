"""What every route's bodies and pages have in common."""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from pydantic import BaseModel, ConfigDict, StringConstraints

from shared.calendar.span import AllDaySpan, Span
from shared.core.errors import InvalidError

LARGEST_PAGE = 200


class In(BaseModel):
    """A body that comes in: an unknown field is a mistake, and no error repeats what was sent."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Out(BaseModel):
    """A body that goes out, made from a value of the product by its attributes."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Page[T](Out):
    """Some of a list. `next` goes into the next request's `after`; null: that was all."""

    items: list[T]
    next: str | None = None


class When(Out):
    """When something happens. All-day: dates, the end exclusive, in nobody's zone."""

    start: datetime | date
    end: datetime | date
    all_day: bool
    time_zone: str | None

    @classmethod
    def of(cls, span: Span) -> "When":
        """The span as JSON has it: times in UTC, with the zone whose wall clock they keep."""
        if isinstance(span, AllDaySpan):
            return cls(start=span.start, end=span.end, all_day=True, time_zone=None)
        return cls(start=span.starts_at(), end=span.ends_at(), all_day=False, time_zone=span.zone)


OneLine = StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")

Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="How many items at most.")]
AfterId = Annotated[UUID | None, Query(description="`next` of the page before.")]
After = Annotated[str | None, Query(max_length=2000, description="`next` of the page before.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same key with the same body is carried out once; kept for 24 hours.",
    ),
]
IfMatch = Annotated[str | None, Header(alias="If-Match", description="Only if the ETag is still this one (412).")]


def page[S, T](found: Sequence[S], limit: int, shape: Callable[[S], T], key: Callable[[S], str]) -> Page[T]:
    """A page of what was found; the caller asked the service for one more than `limit`."""
    shown = found[:limit]
    return Page(items=[shape(one) for one in shown], next=key(shown[-1]) if len(found) > limit else None)


def page_of_list[S, T](
    everything: Sequence[S], limit: int, after: UUID | None, shape: Callable[[S], T], key: Callable[[S], UUID]
) -> Page[T]:
    """A page of a list that is short by nature (accounts, tokens). Raises InvalidError for an `after` that is not in
    it."""
    begin = 0
    if after is not None:
        places = [number for number, one in enumerate(everything) if key(one) == after]
        if not places:
            raise InvalidError("There is no such place in this list: begin again.", code="REQUEST.CURSOR")
        begin = places[0] + 1
    return page(everything[begin : begin + limit + 1], limit, shape, lambda one: str(key(one)))


def cursor(place: Sequence[str]) -> str:
    """A place in an order, opaque to the caller."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def place(cursor: str | None, length: int) -> list[str] | None:
    """The inverse of `cursor`. Raises InvalidError for anything else."""
    if cursor is None:
        return None
    try:
        found: Any = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        found = None
    if not (isinstance(found, list) and len(found) == length and all(isinstance(part, str) for part in found)):
        raise InvalidError("There is no such place in this list: begin again.", code="REQUEST.CURSOR")
    return found


def etag(version: int) -> str:
    """A version as an entity tag (RFC 9110, 8.8.3)."""
    return f'"{version}"'


def version(if_match: str | None) -> int | None:
    """The version that If-Match names; None for none and for `*`. Raises InvalidError for what is no tag of ours."""
    if if_match is None or if_match.strip() == "*":
        return None
    digits = if_match.strip().removeprefix("W/").strip('"')
    if not digits.isdecimal():
        raise InvalidError("If-Match must be the ETag that was read.", code="REQUEST.IF_MATCH")
    return int(digits)
