"""msgraph-sdk's models as a judge: every answer must parse, with no field they do not know and none they lose.

The only module that imports the SDK's models, because that takes a while.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

from kiota_abstractions.serialization import Parsable
from kiota_serialization_json.json_parse_node_factory import JsonParseNodeFactory
from kiota_serialization_json.json_serialization_writer import JsonSerializationWriter
from msgraph.generated.models.calendar import Calendar
from msgraph.generated.models.calendar_collection_response import CalendarCollectionResponse
from msgraph.generated.models.calendar_permission_collection_response import CalendarPermissionCollectionResponse
from msgraph.generated.models.event import Event
from msgraph.generated.models.event_collection_response import EventCollectionResponse
from msgraph.generated.models.mailbox_settings import MailboxSettings
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.open_type_extension import OpenTypeExtension
from msgraph.generated.models.subscription import Subscription
from msgraph.generated.models.subscription_collection_response import SubscriptionCollectionResponse
from msgraph.generated.models.user import User
from msgraph.generated.users.item.calendar.get_schedule.get_schedule_post_response import GetSchedulePostResponse
from msgraph.generated.users.item.calendar_view.delta.delta_get_response import DeltaGetResponse
from msgraph.generated.users.item.outlook.supported_time_zones.supported_time_zones_get_response import (
    SupportedTimeZonesGetResponse,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHAPES: tuple[tuple[str, str, type[Parsable]], ...] = (
    ("*", r"/me", User),
    ("*", r"/me/mailboxSettings", MailboxSettings),
    ("*", r"/me/outlook/supportedTimeZones.*", SupportedTimeZonesGetResponse),
    ("GET", r"/me/calendars", CalendarCollectionResponse),
    ("POST", r"/me/calendars", Calendar),
    ("*", r"/me/(calendar|calendars/[^/]+)/calendarPermissions", CalendarPermissionCollectionResponse),
    ("*", r"/me/(calendar|calendars/[^/]+)", Calendar),
    ("*", r"/me/calendar/getSchedule", GetSchedulePostResponse),
    ("*", r".*/calendarView/delta", DeltaGetResponse),
    ("GET", r".*/(events|calendarView|events/[^/]+/instances)", EventCollectionResponse),
    ("*", r".*/events(/[^/]+)?", Event),
    ("*", r".*/events/[^/]+/extensions(/[^/]+)?", OpenTypeExtension),
    ("GET", r"/subscriptions", SubscriptionCollectionResponse),
    ("*", r"/subscriptions(/[^/]+)?", Subscription),
)


def check(method: str, path: str, status: int, body: bytes) -> None:
    """Fail unless the SDK's model of this path knows every field of the answer and keeps every value."""
    shape = ODataError if status >= 400 else _shape(method, re.sub(r"^/users/[^/]+", "/me", path.partition("?")[0]))
    sent = json.loads(body)
    model = JsonParseNodeFactory().get_root_parse_node("application/json", body).get_object_value(shape)
    assert not (unknown := list(_unknown(model, shape.__name__))), f"{method} {path}: unknown fields {unknown}"
    writer = JsonSerializationWriter()
    writer.write_object_value(None, model)
    lost = list(_lost(sent, json.loads(writer.get_serialized_content()), shape.__name__))
    assert not lost, f"{method} {path}: values that the model cannot hold {lost}"


def _shape(method: str, path: str) -> type[Parsable]:
    for wanted, pattern, shape in _SHAPES:
        if wanted in {"*", method} and re.fullmatch(pattern, path):
            return shape
    raise AssertionError(f"no model stands for {method} {path}")


def _unknown(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _unknown(one, where)
    if not isinstance(value, Parsable):
        return
    if not isinstance(value, OpenTypeExtension):  # an open type: its other fields are the application's
        known = ("@odata.", "@removed")
        yield from (f"{where}.{key}" for key in getattr(value, "additional_data", {}) if not key.startswith(known))
    for field in dataclasses.fields(value):  # type: ignore[arg-type]  # the SDK's models are dataclasses
        if field.name not in {"additional_data", "backing_store"}:
            yield from _unknown(getattr(value, field.name), f"{where}.{field.name}")


def _lost(sent: Any, kept: Any, where: str) -> Iterator[str]:
    """Values that went in and did not come out again; times and numbers may come out in another form."""
    if isinstance(sent, dict) and isinstance(kept, dict):
        for key, value in sent.items():
            if value not in (None, [], {}):
                yield from _lost(value, kept.get(key), f"{where}.{key}")
    elif isinstance(sent, list) and isinstance(kept, list) and len(sent) == len(kept):
        for one, other in zip(sent, kept, strict=True):
            yield from _lost(one, other, where)
    elif kept is None and sent not in ({}, []):
        yield where
