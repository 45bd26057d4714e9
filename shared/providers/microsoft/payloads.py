"""What Microsoft Graph v1.0 answers, as far as Kalends reads it. Properties nobody asked for are left alone.

Source: Graph v1.0, resource types event, patternedRecurrence, calendar, user and subscription.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from shared.core.errors import InvalidError

DayName = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def _or_empty(value: Any) -> Any:
    """Graph says null where it has nothing."""
    return "" if value is None else value


Words = Annotated[str, BeforeValidator(_or_empty)]


class Payload(BaseModel):
    """Common ground: camelCase outside, read-only, unknown properties ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class Moment(Payload):
    """dateTimeTimeZone: a wall-clock time, and the zone it is meant in."""

    date_time: datetime
    time_zone: str


class Pattern(Payload):
    """recurrencePattern. What does not belong to the type is zero, empty or `first`."""

    type: Literal["daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly"]
    interval: int = Field(default=1, ge=1)
    month: int = Field(default=0, ge=0, le=12)
    day_of_month: int = Field(default=0, ge=0, le=31)
    days_of_week: tuple[DayName, ...] = ()
    first_day_of_week: DayName = "sunday"
    index: Literal["first", "second", "third", "fourth", "last"] = "first"


class Range(Payload):
    """recurrenceRange. `end_date` is 0001-01-01 where there is none."""

    type: Literal["noEnd", "endDate", "numbered"]
    end_date: str = ""
    number_of_occurrences: int = 0
    recurrence_time_zone: Words = ""


class Recurrence(Payload):
    """patternedRecurrence."""

    pattern: Pattern
    range: Range


class Body(Payload):
    """itemBody."""

    content_type: str
    content: Words


class Location(Payload):
    """location."""

    display_name: Words = ""


class ResponseStatus(Payload):
    """responseStatus."""

    response: str | None = None


class ExtendedProperty(Payload):
    """singleValueLegacyExtendedProperty."""

    id: str
    value: Words = ""


class EventPayload(Payload):
    """event. A delta gives occurrences only as id, seriesMasterId, type, start and end."""

    id: str
    type: Literal["singleInstance", "occurrence", "exception", "seriesMaster"] | None = None
    etag: str | None = Field(default=None, alias="@odata.etag")
    start: Moment | None = None
    end: Moment | None = None
    is_all_day: bool = False
    is_cancelled: bool = False
    is_organizer: bool = False
    is_online_meeting: bool = False
    subject: Words = ""
    body: Body | None = None
    location: Location | None = None
    show_as: str | None = None
    sensitivity: str | None = None
    response_status: ResponseStatus | None = None
    attendees: tuple[dict[str, Any], ...] = ()
    categories: tuple[str, ...] = ()
    recurrence: Recurrence | None = None
    series_master_id: str | None = None
    original_start: AwareDatetime | None = None
    original_start_time_zone: Words = ""
    occurrence_id: str | None = None
    transaction_id: str | None = None
    i_cal_uid: str | None = Field(default=None, alias="iCalUId")
    created_date_time: AwareDatetime | None = None
    last_modified_date_time: AwareDatetime | None = None
    single_value_extended_properties: tuple[ExtendedProperty, ...] = ()
    exception_occurrences: tuple[dict[str, Any], ...] | None = None
    cancelled_occurrences: tuple[str, ...] | None = None


class Owner(Payload):
    """emailAddress of a calendar's owner."""

    address: Words = ""


class CalendarPayload(Payload):
    """calendar."""

    id: str
    name: Words = ""
    hex_color: Words = ""
    is_default_calendar: bool = False
    can_edit: bool = False
    can_share: bool = False
    owner: Owner | None = None


class Shared(Payload):
    """emailAddress of whoever a calendar is shared with; "My Organization" has no address."""

    name: Words = ""
    address: Words = ""


class PermissionPayload(Payload):
    """calendarPermission."""

    role: Words = ""
    email_address: Shared | None = None


class UserPayload(Payload):
    """user."""

    id: str
    mail: str | None = None
    user_principal_name: str


class SubscriptionPayload(Payload):
    """subscription."""

    id: str
    resource: str = ""
    expiration_date_time: AwareDatetime


def parse[P: Payload](model: type[P], answer: Any) -> P:
    """Read an answer. Raises InvalidError naming the properties that are not as documented, never their values."""
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        names = sorted({".".join(map(str, item["loc"])) or model.__name__ for item in error.errors()})
        raise InvalidError(
            f"Microsoft Graph sent something else than documented in: {', '.join(names)}.", code="PROVIDER.PAYLOAD"
        ) from None
