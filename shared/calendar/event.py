"""An event as Kalends speaks of it: the common ground of all providers, without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from shared.calendar.span import Span, Start


class Availability(StrEnum):
    """What the event does to its owner's time. Google knows only free and busy for ordinary events."""

    FREE = "free"
    TENTATIVE = "tentative"
    BUSY = "busy"
    OUT_OF_OFFICE = "out_of_office"
    WORKING_ELSEWHERE = "working_elsewhere"


class Status(StrEnum):
    """RFC 5545, STATUS."""

    CONFIRMED = "confirmed"
    TENTATIVE = "tentative"
    CANCELLED = "cancelled"


class Visibility(StrEnum):
    """RFC 5545, CLASS, with the provider's default kept apart."""

    DEFAULT = "default"
    PUBLIC = "public"
    PRIVATE = "private"
    CONFIDENTIAL = "confidential"


class EventType(StrEnum):
    """Google's eventType; other providers have only DEFAULT (and OUT_OF_OFFICE by availability)."""

    DEFAULT = "default"
    FOCUS_TIME = "focus_time"
    OUT_OF_OFFICE = "out_of_office"
    WORKING_LOCATION = "working_location"
    BIRTHDAY = "birthday"
    FROM_GMAIL = "from_gmail"


class Response(StrEnum):
    """How the calendar's owner answered the invitation; NONE when there was none or the owner organises."""

    NONE = "none"
    NEEDS_ACTION = "needs_action"
    ACCEPTED = "accepted"
    TENTATIVE = "tentative"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What people wrote. Private: it is stored sealed and never logged. `description` is HTML if `is_html`.

    `categories` are the owner's own words (Outlook), or the name of the colour they chose (Google); no mirror has any.
    """

    title: str = ""
    description: str = ""
    is_html: bool = False
    location: str = ""
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One item of a calendar: a single event, the master of a series, or one occurrence that differs.

    `id` is the provider's id and unique in the calendar. For an occurrence that differs (an override), `series_id`
    names the master and `original_start` the place in the series; with status CANCELLED the occurrence is gone.
    Providers without ids for cancelled occurrences use `<series_id>_<occurrence_key>`.
    `recurrence` holds RFC 5545 lines (`RRULE:...`, `EXDATE...`, `RDATE...`) and is empty unless this is a master.
    `marker` is the text Kalends left on its own mirrors, unverified. `text` is None where none was asked for.
    """

    id: str
    span: Span | None
    status: Status = Status.CONFIRMED
    text: Text | None = None
    availability: Availability = Availability.BUSY
    visibility: Visibility = Visibility.DEFAULT
    event_type: EventType = EventType.DEFAULT
    response: Response = Response.NONE
    recurrence: tuple[str, ...] = ()
    series_id: str | None = None
    original_start: Start | None = None
    ical_uid: str | None = None
    etag: str | None = None
    updated_at: datetime | None = None
    marker: str | None = None
    claims_marker: bool = False
    """The provider's visible sign (a category) says that this may be a mirror, but the marker was not delivered."""

    @property
    def is_series(self) -> bool:
        """Whether this is the master of a series."""
        return bool(self.recurrence)

    @property
    def is_override(self) -> bool:
        """Whether this is one occurrence of a series that differs from its rule."""
        return self.series_id is not None

    @property
    def is_cancelled(self) -> bool:
        """Whether this says that something is gone: the event itself, or one occurrence of a series."""
        return self.status is Status.CANCELLED

    @property
    def root_id(self) -> str:
        """The id under which the event is mirrored: its own, or its series' master."""
        return self.series_id or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What is mirrored as one: a single event, or a master with every override known, in order of original start."""

    root: Event
    overrides: tuple[Event, ...] = ()
