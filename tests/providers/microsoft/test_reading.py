from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from shared.calendar.event import Availability, Event, EventType, Response, Status, Text, Visibility
from shared.calendar.span import AllDaySpan, TimedSpan
from shared.core.errors import InvalidError
from shared.providers.microsoft import payloads, reading
from shared.providers.microsoft.payloads import EventPayload
from shared.providers.microsoft.writing import CATEGORY, MARKER_PROPERTY
from tests.providers.microsoft import answers


def read(**changes: Any) -> Event:
    return reading.event(answers.event("single", **changes))


def test_a_single_event_is_read_whole() -> None:
    assert read() == Event(
        id="AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AZlnW4RIAV06KYYwlrfNZvQAAKGvwawAA",
        span=TimedSpan(
            start=datetime(2026, 3, 2, 8, tzinfo=UTC), end=datetime(2026, 3, 2, 9, 30, tzinfo=UTC), zone="Europe/Berlin"
        ),
        text=Text(
            title="Dentist 🦷",
            description="Bring the <b>card</b> &amp; the letter",
            is_html=True,
            location="Bahnhofstrasse 1",
        ),
        availability=Availability.OUT_OF_OFFICE,
        visibility=Visibility.PRIVATE,
        event_type=EventType.OUT_OF_OFFICE,
        ical_uid="040000008200E00074C5B7101A82E00800000000D5F4C1B0A61CD501",
        etag='W/"ZlnW4RIAV06KYYwlrfNZvQAAKGWwbw=="',
        updated_at=datetime(2026, 1, 5, 7, 30, 12, 765432, tzinfo=UTC),
    )


@pytest.mark.parametrize("zone", ["UTC", "Dateline Standard Time", "Line Islands Standard Time"])
def test_an_all_day_event_keeps_its_dates_in_every_zone(zone: str) -> None:
    event = read(
        isAllDay=True,
        originalStartTimeZone=zone,
        start={"dateTime": "2026-03-02T00:00:00.0000000", "timeZone": "UTC"},
        end={"dateTime": "2026-03-05T00:00:00.0000000", "timeZone": "UTC"},
    )

    assert event.span == AllDaySpan(start=date(2026, 3, 2), end=date(2026, 3, 5))


def test_a_time_in_another_zone_than_asked_for_is_still_the_same_moment() -> None:
    event = read(
        start={"dateTime": "2026-03-02T09:00:00", "timeZone": "W. Europe Standard Time"},
        end={"dateTime": "2026-03-02T09:00:00", "timeZone": "W. Europe Standard Time"},
    )

    assert isinstance(event.span, TimedSpan)
    assert (event.span.starts_at(), event.span.ends_at()) == (datetime(2026, 3, 2, 8, tzinfo=UTC),) * 2


@pytest.mark.parametrize("zone", ["tzone://Microsoft/Custom", "Customized Time Zone", "", None])
def test_a_single_event_in_a_custom_zone_is_read_in_utc(zone: str | None) -> None:
    event = read(originalStartTimeZone=zone)

    assert isinstance(event.span, TimedSpan)
    assert event.span.zone == "UTC"


@pytest.mark.parametrize(
    ("property_", "value", "field", "expected"),
    [
        ("showAs", "workingElsewhere", "availability", Availability.WORKING_ELSEWHERE),
        ("showAs", "tentative", "availability", Availability.TENTATIVE),
        ("showAs", "unknown", "availability", Availability.BUSY),
        ("showAs", None, "availability", Availability.BUSY),
        ("sensitivity", "normal", "visibility", Visibility.DEFAULT),
        ("sensitivity", "personal", "visibility", Visibility.PRIVATE),
        ("sensitivity", "confidential", "visibility", Visibility.CONFIDENTIAL),
        ("isCancelled", True, "status", Status.CANCELLED),
        ("responseStatus", {"response": "declined"}, "response", Response.DECLINED),
        ("responseStatus", {"response": "tentativelyAccepted"}, "response", Response.TENTATIVE),
        ("responseStatus", {"response": "notResponded"}, "response", Response.NEEDS_ACTION),
        ("responseStatus", {"response": "none"}, "response", Response.NONE),
        ("responseStatus", None, "response", Response.NONE),
        (
            "subject",
            None,
            "text",
            Text(description="Bring the <b>card</b> &amp; the letter", is_html=True, location="Bahnhofstrasse 1"),
        ),
    ],
)
def test_each_property_has_its_meaning(property_: str, value: Any, field: str, expected: Any) -> None:
    assert getattr(read(**{property_: value}), field) == expected


def test_our_category_claims_a_marker_until_the_marker_is_delivered() -> None:
    marker = {"id": MARKER_PROPERTY.upper(), "value": "m.1"}

    claimed = read(categories=["Red", CATEGORY])
    proved = read(categories=[CATEGORY], singleValueExtendedProperties=[marker])

    assert (claimed.claims_marker, claimed.marker) == (True, None)
    assert (proved.claims_marker, proved.marker) == (False, "m.1")


def test_a_foreign_extended_property_is_no_marker() -> None:
    event = read(singleValueExtendedProperties=[{"id": "String {x} Name kalends", "value": "m.1"}])

    assert event.marker is None


def test_an_event_with_guests_has_no_etag_so_that_every_write_looks_first() -> None:
    guest = {"type": "required", "emailAddress": {"address": "guest@contoso.example"}}

    assert read(attendees=[guest]).etag is None


def test_an_event_after_the_last_year_is_refused_by_name() -> None:
    late = {"dateTime": "9999-12-31T23:00:00.0000000", "timeZone": "Pacific Standard Time"}

    with pytest.raises(InvalidError, match="year"):
        read(start=late, end=late)


def test_reading_twice_gives_the_same_event() -> None:
    assert read() == read()


@pytest.mark.parametrize(
    "changes",
    [
        {"start": None},
        {"end": ...},
        {"end": {"dateTime": "2026-03-02T07:00:00", "timeZone": "UTC"}},
        {"start": {"dateTime": "2026-03-02T08:00:00", "timeZone": "Nowhere Standard Time"}},
        {"isAllDay": True},
        {"type": "occurrence"},
    ],
)
def test_an_event_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        read(**changes)


@pytest.mark.parametrize(
    "changes",
    [{"id": 7}, {"type": "party"}, {"start": "tomorrow"}, {"categories": "Kalends"}, {"body": ["x"]}, {"subject": 5}],
)
def test_a_payload_of_the_wrong_type_is_refused_without_repeating_it(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidError) as refused:
        read(**changes)

    assert next(iter(changes)) in refused.value.message
    assert "Dentist" not in refused.value.message
    assert "tomorrow" not in refused.value.message


@pytest.mark.parametrize("answer", [None, [], "text", 7])
def test_what_is_no_object_is_refused(answer: Any) -> None:
    with pytest.raises(InvalidError):
        payloads.parse(EventPayload, answer)


@pytest.mark.parametrize(
    ("original", "day"),
    [
        ("2026-06-05T00:00:00Z", date(2026, 6, 5)),  # UTC
        ("2026-06-05T07:00:00Z", date(2026, 6, 5)),  # Los Angeles
        ("2026-06-05T10:00:00Z", date(2026, 6, 5)),  # Honolulu
        ("2026-06-04T22:00:00Z", date(2026, 6, 5)),  # Berlin
        ("2026-06-04T12:00:00Z", date(2026, 6, 5)),  # Auckland
    ],
)
def test_the_original_start_of_an_all_day_occurrence_is_midnight_in_a_zone_nobody_tells(
    original: str, day: date
) -> None:
    payload = answers.event("single", type="exception", isAllDay=True, originalStart=original)

    assert reading.original_start(payload, zone=None) == day


def test_the_day_in_an_occurrence_id_counts_more_than_the_moment() -> None:
    payload = answers.event("single", originalStart="2026-06-04T10:00:00Z", occurrenceId="OID.AAMk.x=.2026-06-05")

    assert reading.original_start(payload, zone=None) == date(2026, 6, 5)


def test_an_unknown_kind_of_occurrence_id_is_refused() -> None:
    with pytest.raises(InvalidError):
        reading.occurrence_day("AAMk=")
