from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.calendar.event import Availability, Event, EventType, Response, Status, Text, Visibility
from shared.calendar.span import AllDaySpan, TimedSpan
from shared.core.errors import InvalidError
from shared.providers.google import reading
from shared.providers.port import Removed, Skipped, Upserted
from tests.providers.google import payloads


def single(**changes: Any) -> Any:
    item = payloads.load("single") | changes
    return {name: value for name, value in item.items() if value is not ...}


def read(item: Any) -> Event:
    return reading.read_event(item, time_zone="Europe/Zurich")


def change(item: Any, *, incremental: bool = True) -> Upserted | Removed | Skipped:
    return reading.read_change(item, time_zone="Europe/Zurich", incremental=incremental)


def test_a_single_event_is_read_whole() -> None:
    event = read(payloads.load("single"))

    assert event == Event(
        id="3u9fq5m2k1c8r0d7a6b4e5f1g2",
        span=TimedSpan(
            start=datetime(2026, 3, 2, 8, tzinfo=UTC), end=datetime(2026, 3, 2, 9, 30, tzinfo=UTC), zone="Europe/Zurich"
        ),
        text=Text(
            title="Zahnarzt 🦷 ",
            description="Bring the <b>card</b> &amp; the letter",
            is_html=True,
            location="Bahnhofstrasse 1, Zürich",
        ),
        availability=Availability.FREE,
        visibility=Visibility.PRIVATE,
        ical_uid="3u9fq5m2k1c8r0d7a6b4e5f1g2@google.com",
        etag='"3541234567890000"',
        updated_at=datetime(2026, 1, 5, 7, 30, 11, 512000, tzinfo=UTC),
    )


def test_an_all_day_event_keeps_its_dates() -> None:
    event = read(payloads.load("all_day"))

    assert event.span == AllDaySpan(start=date(2026, 3, 2), end=date(2026, 3, 5))


def test_a_mirror_shows_its_marker_and_that_it_is_tentative() -> None:
    event = read(payloads.load("mirror"))

    assert event.marker == "v1.somewhere.signature"
    assert not event.claims_marker
    assert (event.status, event.availability) == (Status.TENTATIVE, Availability.TENTATIVE)
    assert event.span is not None
    assert event.span.starts_at() == event.span.ends_at()


def test_a_sign_without_marker_is_a_claim() -> None:
    event = read(single(extendedProperties={"private": {"kalendsMirror": "1"}}))

    assert event.marker is None
    assert event.claims_marker


@pytest.mark.parametrize(
    ("answer", "is_organizer", "expected"),
    [
        ("declined", False, Response.DECLINED),
        ("tentative", False, Response.TENTATIVE),
        ("accepted", False, Response.ACCEPTED),
        ("needsAction", False, Response.NEEDS_ACTION),
        ("accepted", True, Response.NONE),
        ("needsAction", True, Response.NONE),
        ("declined", True, Response.DECLINED),
        ("something new", False, Response.NONE),
    ],
)
def test_the_owners_answer_is_read(answer: str, is_organizer: bool, expected: Response) -> None:
    invitation = payloads.load("invitation")
    invitation["attendees"][1] |= {"responseStatus": answer, "organizer": is_organizer}

    assert read(invitation).response is expected


def test_an_event_without_the_owner_among_its_guests_has_no_answer() -> None:
    invitation = payloads.load("invitation")
    del invitation["attendees"][1]

    assert read(invitation).response is Response.NONE


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("default", EventType.DEFAULT),
        ("focusTime", EventType.FOCUS_TIME),
        ("outOfOffice", EventType.OUT_OF_OFFICE),
        ("workingLocation", EventType.WORKING_LOCATION),
        ("birthday", EventType.BIRTHDAY),
        ("fromGmail", EventType.FROM_GMAIL),
        ("something new", EventType.DEFAULT),
    ],
)
def test_event_types_are_read(name: str, expected: EventType) -> None:
    event = read(single(eventType=name, transparency="opaque"))

    assert event.event_type is expected
    assert (event.availability is Availability.OUT_OF_OFFICE) == (expected is EventType.OUT_OF_OFFICE)


@pytest.mark.parametrize(
    ("description", "is_html"),
    [
        ("plain\ntext", False),
        ("a < b and c > d", False),
        ("Tom & Jerry", False),
        ("<ada@example.com>", False),
        ("line<br>line", True),
        ('<a href="https://example.com">link</a>', True),
        ("<html-blob><u></u>", True),
        ("caf&eacute;", True),
        ("&#39;", True),
    ],
)
def test_a_description_is_html_if_it_has_markup(description: str, is_html: bool) -> None:
    text = read(single(description=description)).text

    assert text is not None
    assert text.is_html is is_html


def test_what_is_missing_has_its_documented_default() -> None:
    event = read({"id": "x", "start": {"date": "2026-03-02"}, "end": {"date": "2026-03-02"}})

    assert event.text == Text()
    assert event.availability is Availability.BUSY
    assert event.visibility is Visibility.DEFAULT
    assert event.span == AllDaySpan(start=date(2026, 3, 2), end=date(2026, 3, 3))


@pytest.mark.parametrize("zone", [..., "Mars/Olympus"])
def test_a_single_event_needs_no_known_zone(zone: Any) -> None:
    start = {"dateTime": "2026-03-02T09:00:00+01:00", "timeZone": zone}
    item = single(start={name: value for name, value in start.items() if value is not ...})

    span = read(item).span

    assert isinstance(span, TimedSpan)
    assert span.zone == ("Europe/Zurich" if zone is ... else "UTC")
    assert span.start == datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_a_master_keeps_its_lines_in_their_normal_form() -> None:
    event = read(payloads.load("series")["master"])

    assert event.is_series
    assert event.recurrence == (
        "RRULE:FREQ=WEEKLY;UNTIL=20261231T225959Z;BYDAY=MO",
        "EXDATE;TZID=Europe/Zurich:20260316T090000",
    )


def test_a_moved_occurrence_keeps_its_place_in_the_series() -> None:
    event = read(payloads.load("series")["moved"])

    assert event.series_id == "5seriesseriesseriesseriess"
    assert event.original_start == datetime(2026, 3, 9, 8, tzinfo=UTC)
    assert event.span is not None
    assert event.span.starts_at() == datetime(2026, 3, 10, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    "missing", [(), ("status",), ("originalStartTime",), ("recurringEventId", "originalStartTime")]
)
def test_a_cancelled_occurrence_is_an_override_that_is_gone(missing: tuple[str, ...]) -> None:
    item = {name: value for name, value in payloads.load("series")["cancelled"].items() if name not in missing}

    upserted = change(item)

    assert isinstance(upserted, Upserted)
    assert upserted.event.is_cancelled
    assert upserted.event.span is None
    assert upserted.event.series_id == "5seriesseriesseriesseriess"
    assert upserted.event.original_start == datetime(2026, 3, 30, 7, tzinfo=UTC)


def test_a_cancelled_occurrence_of_an_all_day_series_is_a_date() -> None:
    upserted = change(payloads.load("series")["cancelled_all_day"])

    assert isinstance(upserted, Upserted)
    assert upserted.event.original_start == date(2026, 3, 9)


def test_an_instance_id_alone_names_the_cancelled_occurrence() -> None:
    upserted = change({"id": "5series_R20260302T080000_20260330T070000Z"})

    assert isinstance(upserted, Upserted)
    assert upserted.event.is_cancelled
    assert upserted.event.series_id == "5series_R20260302T080000"


@pytest.mark.parametrize("item", [{"id": "gone"}, {"id": "gone", "etag": '"1"'}, {"id": "gone", "status": "cancelled"}])
def test_a_deleted_event_may_carry_nothing_but_its_id(item: dict[str, str]) -> None:
    assert change(item) == Removed(event_id="gone")


def test_a_deleted_event_that_still_has_its_details_is_removed() -> None:
    assert isinstance(change(single(status="cancelled")), Removed)


def test_an_id_alone_deletes_nothing_in_a_full_read() -> None:
    assert isinstance(change({"id": "broken"}, incremental=False), Skipped)


@pytest.mark.parametrize(
    "broken",
    [
        {"start": ...},
        {"end": ...},
        {"start": {"dateTime": "Zahnarzt"}},
        {"start": {"date": "2026-02-30"}, "end": {"date": "2026-03-01"}},
        {"start": {"dateTime": "2026-03-02T11:00:00+01:00"}},
        {"start": "Zahnarzt"},
        {"summary": 7},
        {"summary": ["Zahnarzt"]},
        {"description": {"Zahnarzt": 1}},
        {"recurrence": "RRULE:FREQ=DAILY"},
        {"recurrence": ["RRULE:FREQ=SECONDLY"]},
        {"recurrence": ["Zahnarzt"]},
        {"recurrence": ["RRULE:FREQ=DAILY"], "start": {"dateTime": "2026-03-02T09:00:00+01:00", "timeZone": "Mars"}},
        {"extendedProperties": {"private": {"kalends": 1}}},
        {"updated": "Zahnarzt"},
        {"recurringEventId": "series", "originalStartTime": {}},
    ],
)
def test_a_broken_item_is_skipped_with_a_reason_that_repeats_nothing(broken: dict[str, Any]) -> None:
    skipped = change(single(**broken))

    assert isinstance(skipped, Skipped)
    assert skipped.event_id == "3u9fq5m2k1c8r0d7a6b4e5f1g2"
    assert skipped.reason
    assert "Zahnarzt" not in skipped.reason


@pytest.mark.parametrize("item", [None, 1, "Zahnarzt", [], {}, {"id": None}, {"id": 7}])
def test_an_item_without_an_id_is_skipped(item: Any) -> None:
    assert isinstance(change(item), Skipped)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(name=st.sampled_from(sorted(payloads.load("single") | payloads.load("series")["moved"])), value=JSON)
def test_no_value_of_any_field_breaks_the_page(name: str, value: Any) -> None:
    for item in (payloads.load("single"), payloads.load("series")["moved"], payloads.load("series")["master"]):
        assert isinstance(change(item | {name: value}), Upserted | Removed | Skipped)


def test_reading_an_event_that_is_broken_raises() -> None:
    with pytest.raises(InvalidError):
        read(single(start=...))
