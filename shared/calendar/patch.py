"""What changes in an event, field by field and nothing else: an edit on its way to the other side of a link. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from shared.calendar import zones
from shared.calendar.event import Availability, Status, Text
from shared.calendar.mirror import Appearance
from shared.calendar.span import TimedSpan
from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Collection

    from shared.calendar.event import Event
    from shared.calendar.span import Span


class Field(StrEnum):
    """What is merged as one. `when` is start, end, whole days or not, and the zone; `availability` says tentative, too.

    Not among them: visibility, reminders and guests, which a mirror has of its own or not at all. OCCURRENCE is
    whether an occurrence of a series happens at all.
    """

    TITLE = "title"
    DESCRIPTION = "description"
    LOCATION = "location"
    WHEN = "when"
    AVAILABILITY = "availability"
    RECURRENCE = "recurrence"
    OCCURRENCE = "occurrence"


OF_OCCURRENCES = (Field.TITLE, Field.DESCRIPTION, Field.LOCATION, Field.WHEN, Field.AVAILABILITY)
"""The fields that one occurrence of a series can have of its own."""
OF_ROOTS = (*OF_OCCURRENCES, Field.RECURRENCE)
"""The fields of a single event or master."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A description; HTML if `is_html`."""

    text: str
    is_html: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """The new values of the fields that change; None leaves a field as it is, `recurrence=()` ends a series.

    Raises ValueError for a rule without `when`: what a rule means depends on the start and the zone it counts from.
    """

    title: str | None = None
    description: Description | None = None
    location: str | None = None
    when: Span | None = None
    availability: Availability | None = None
    recurrence: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.recurrence and self.when is None:
            raise ValueError("a rule needs the start and zone that it counts from")

    @property
    def fields(self) -> frozenset[Field]:
        """The fields that change."""
        return frozenset(field for field in OF_ROOTS if getattr(self, field.value) is not None)

    def __bool__(self) -> bool:
        return bool(self.fields)


def of(one: Appearance, fields: Collection[Field]) -> Patch:
    """The patch that brings these fields to what `one` shows; a rule brings along when it starts."""
    named = {*fields, Field.WHEN} if Field.RECURRENCE in fields and one.recurrence else set(fields)
    text = one.text
    return Patch(
        title=text.title if Field.TITLE in named else None,
        description=Description(text=text.description, is_html=text.is_html) if Field.DESCRIPTION in named else None,
        location=text.location if Field.LOCATION in named else None,
        when=one.span if Field.WHEN in named else None,
        availability=availability(one) if Field.AVAILABILITY in named else None,
        recurrence=one.recurrence if Field.RECURRENCE in named else None,
    )


def applied(one: Appearance, patch: Patch) -> Appearance:
    """`one` once the patch is written."""
    text = one.text
    if patch.description is not None:
        text = replace(text, description=patch.description.text, is_html=patch.description.is_html)
    if patch.title is not None:
        text = replace(text, title=patch.title)
    if patch.location is not None:
        text = replace(text, location=patch.location)
    free_or_not, status = one.availability, one.status
    if patch.availability is not None:
        free_or_not = patch.availability
        status = Status.TENTATIVE if free_or_not is Availability.TENTATIVE else Status.CONFIRMED
    return replace(
        one,
        text=text,
        span=one.span if patch.when is None else patch.when,
        availability=free_or_not,
        status=status,
        recurrence=one.recurrence if patch.recurrence is None else patch.recurrence,
    )


def overlay(one: Appearance, other: Appearance, fields: Collection[Field]) -> Appearance:
    """`one` with these fields as `other` has them."""
    text, theirs = one.text, other.text
    if Field.TITLE in fields:
        text = replace(text, title=theirs.title)
    if Field.DESCRIPTION in fields:
        text = replace(text, description=theirs.description, is_html=theirs.is_html)
    if Field.LOCATION in fields:
        text = replace(text, location=theirs.location)
    with_availability = Field.AVAILABILITY in fields
    return replace(
        one,
        text=text,
        span=other.span if Field.WHEN in fields else one.span,
        availability=other.availability if with_availability else one.availability,
        status=other.status if with_availability else one.status,
        recurrence=other.recurrence if Field.RECURRENCE in fields else one.recurrence,
    )


def availability(one: Appearance | Event) -> Availability:
    """What it does to its owner's time: providers say that an event is not certain by either of two properties."""
    is_open = one.status is Status.TENTATIVE and one.availability is not Availability.FREE
    return Availability.TENTATIVE if is_open else one.availability


def same(field: Field, one: Appearance | Event, other: Appearance | Event) -> bool:
    """Whether both show the same in this field. Line ends and spaces at the edges, which providers tidy, do not count;
    nor do fractions of a second, names of one clock, and the zone of what happens once."""
    mine, others = one.text or Text(), other.text or Text()
    match field:
        case Field.TITLE:
            return tidy(mine.title) == tidy(others.title)
        case Field.LOCATION:
            return tidy(mine.location) == tidy(others.location)
        case Field.DESCRIPTION:
            is_alike = mine.is_html == others.is_html or not mine.description.strip()
            return is_alike and tidy(mine.description) == tidy(others.description)
        case Field.WHEN:
            return same_span(one.span, other.span, with_zone=bool(one.recurrence or other.recurrence))
        case Field.AVAILABILITY:
            return availability(one) is availability(other)
        case Field.RECURRENCE:
            return one.recurrence == other.recurrence
        case Field.OCCURRENCE:
            return True


def same_span(one: Span | None, other: Span | None, *, with_zone: bool) -> bool:
    """Whether both happen at the same time; `with_zone`: and on the same wall clock, as a series does."""
    if not isinstance(one, TimedSpan) or not isinstance(other, TimedSpan):
        return one == other
    moments, others = (
        tuple(moment.replace(microsecond=0) for moment in (span.starts_at(), span.ends_at())) for span in (one, other)
    )
    return moments == others and (not with_zone or _clock(one.zone) == _clock(other.zone))


def is_shown(patch: Patch, event: Event) -> bool:
    """Whether the event shows already what the patch brings: a write whose answer was lost has been carried out."""
    if event.span is None:
        return False
    seen = unmasked(event)
    return all(same(field, applied(seen, patch), seen) for field in patch.fields)


def unmasked(event: Event) -> Appearance:
    """All that an event shows. Raises ValueError for one without a time."""
    if event.span is None:
        raise ValueError(f"event {event.id} has no time")
    return Appearance(
        span=event.span,
        text=event.text or Text(),
        availability=event.availability,
        status=event.status,
        recurrence=event.recurrence,
    )


def tidy(text: str) -> str:
    """Text without what providers tidy: one kind of line end and of space, nothing at the ends of lines."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " ").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip()


def _clock(zone: str) -> str:
    """The Windows name, which several IANA zones of one clock share; the name itself where there is none."""
    try:
        return zones.to_windows(zone)
    except InvalidError:
        return zone
