"""msgraph-sdk's own client, unchanged, against the simulator."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import httpx
import pytest
from kiota_abstractions.authentication import AnonymousAuthenticationProvider
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.date_time_time_zone import DateTimeTimeZone
from msgraph.generated.models.day_of_week import DayOfWeek
from msgraph.generated.models.event import Event
from msgraph.generated.models.event_type import EventType
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.patterned_recurrence import PatternedRecurrence
from msgraph.generated.models.recurrence_pattern import RecurrencePattern
from msgraph.generated.models.recurrence_pattern_type import RecurrencePatternType
from msgraph.generated.models.recurrence_range import RecurrenceRange
from msgraph.generated.models.recurrence_range_type import RecurrenceRangeType
from msgraph.generated.models.single_value_legacy_extended_property import SingleValueLegacyExtendedProperty
from msgraph.generated.users.item.calendar_view.delta.delta_request_builder import DeltaRequestBuilder
from msgraph.generated.users.item.events.item.event_item_request_builder import EventItemRequestBuilder
from msgraph.generated.users.item.events.item.instances.instances_request_builder import InstancesRequestBuilder
from msgraph.graph_request_adapter import options
from msgraph_core import GraphClientFactory

from tests.simulators.microsoft.api import MARKER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.simulators.microsoft.api import Api


pytestmark = pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning")


@pytest.fixture
async def client(alex: Api) -> AsyncIterator[GraphServiceClient]:
    """The SDK, speaking for Alex."""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {alex.token}"}) as session:
        sdk_session = GraphClientFactory.create_with_default_middleware(client=session, options=options)
        adapter = GraphRequestAdapter(AnonymousAuthenticationProvider(), client=sdk_session)
        adapter.base_url = f"{alex.simulator.base}/v1.0"
        yield GraphServiceClient(request_adapter=adapter)


def at(moment: str) -> DateTimeTimeZone:
    """A time in Berlin."""
    return DateTimeTimeZone(date_time=moment, time_zone="W. Europe Standard Time")


def lunch() -> Event:
    """A weekly lunch with a body and a marker."""
    pattern = RecurrencePattern(type=RecurrencePatternType.Weekly, interval=1, days_of_week=[DayOfWeek.Monday])
    bounds = RecurrenceRange(type=RecurrenceRangeType.Numbered, number_of_occurrences=4, start_date=date(2026, 3, 2))
    return Event(
        subject="Lunch",
        body=ItemBody(content_type=BodyType.Html, content="Noon"),
        start=at("2026-03-02T12:00:00"),
        end=at("2026-03-02T13:00:00"),
        recurrence=PatternedRecurrence(pattern=pattern, range=bounds),
        single_value_extended_properties=[SingleValueLegacyExtendedProperty(id=MARKER, value="m1")],
    )


async def test_the_sdk_makes_reads_changes_and_deletes_a_series(client: GraphServiceClient) -> None:
    made = await client.me.events.post(lunch())
    assert made
    assert made.id
    item = client.me.events.by_event_id(made.id)
    expand = EventItemRequestBuilder.EventItemRequestBuilderGetQueryParameters(
        expand=[f"singleValueExtendedProperties($filter=id eq '{MARKER}')"]
    )
    window = InstancesRequestBuilder.InstancesRequestBuilderGetQueryParameters(
        start_date_time="2026-03-01T00:00:00Z", end_date_time="2026-04-01T00:00:00Z"
    )

    read = await item.get(RequestConfiguration(query_parameters=expand))
    instances = await item.instances.get(RequestConfiguration(query_parameters=window))
    changed = await item.patch(Event(subject="Late lunch"))
    await item.delete()

    assert made.type == EventType.SeriesMaster
    assert read
    assert read.single_value_extended_properties
    assert read.single_value_extended_properties[0].value == "m1"
    assert instances
    assert [one.type for one in instances.value or []] == [EventType.Occurrence] * 4
    assert changed
    assert changed.subject == "Late lunch"
    with pytest.raises(ODataError) as gone:
        await item.get()
    assert gone.value.response_status_code == 404
    assert gone.value.error
    assert gone.value.error.code == "ErrorItemNotFound"
    assert gone.value.error.inner_error
    assert gone.value.error.inner_error.request_id


async def test_the_sdk_follows_a_delta(client: GraphServiceClient) -> None:
    await client.me.events.post(lunch())
    window = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(
        start_date_time="2026-03-01T00:00:00Z", end_date_time="2026-04-01T00:00:00Z"
    )

    first = await client.me.calendar_view.delta.get(RequestConfiguration(query_parameters=window))
    assert first
    assert first.odata_delta_link
    made = await client.me.events.post(
        Event(subject="x", start=at("2026-03-05T09:00:00"), end=at("2026-03-05T10:00:00"))
    )
    second = await client.me.calendar_view.delta.with_url(first.odata_delta_link).get()

    assert len(first.value or []) == 5
    assert made
    assert second
    assert [one.id for one in second.value or []] == [made.id]
