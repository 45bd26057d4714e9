from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from shared.calendar.event import Availability, Status, Text, Visibility
from shared.calendar.mirror import Appearance
from shared.calendar.span import AllDaySpan, Span, TimedSpan
from shared.providers.google import reading, writing

MORNING = TimedSpan(
    start=datetime(2026, 3, 2, 8, tzinfo=UTC), end=datetime(2026, 3, 2, 9, tzinfo=UTC), zone="Europe/Zurich"
)
THREE_DAYS = AllDaySpan(start=date(2026, 3, 2), end=date(2026, 3, 5))
KEY = "0123456789abcdefghijklmnopqrstuv"


def appearance(span: Span = MORNING, **changes: Any) -> Appearance:
    return Appearance(**{"span": span, "text": Text(title="Busy"), "availability": Availability.BUSY} | changes)


def test_a_new_mirror_is_private_silent_and_marked() -> None:
    body = writing.new_event(appearance(recurrence=("RRULE:FREQ=WEEKLY",)), key=KEY, marker="the marker")

    assert body == {
        "id": KEY,
        "status": "confirmed",
        "summary": "Busy",
        "description": "",
        "location": "",
        "start": {"dateTime": "2026-03-02T09:00:00+01:00", "timeZone": "Europe/Zurich"},
        "end": {"dateTime": "2026-03-02T10:00:00+01:00", "timeZone": "Europe/Zurich"},
        "recurrence": ["RRULE:FREQ=WEEKLY"],
        "transparency": "opaque",
        "visibility": "private",
        "reminders": {"useDefault": False, "overrides": []},
        "extendedProperties": {"private": {"kalends": "the marker", "kalendsMirror": "1"}},
    }


def test_a_changed_mirror_clears_what_it_no_longer_has() -> None:
    body = writing.changed_event(appearance(THREE_DAYS), marker="the marker")

    assert body["recurrence"] is None
    assert body["start"] == {"date": "2026-03-02", "dateTime": None, "timeZone": None}
    assert body["end"] == {"date": "2026-03-05", "dateTime": None, "timeZone": None}
    assert (body["description"], body["location"]) == ("", "")


def test_an_occurrence_leaves_rule_visibility_and_marker_to_its_series() -> None:
    body = writing.changed_occurrence(appearance())

    assert body["status"] == "confirmed"
    assert not body.keys() & {"recurrence", "visibility", "extendedProperties", "id"}


@pytest.mark.parametrize("span", [MORNING, THREE_DAYS])
def test_attendees_are_never_written(span: Span) -> None:
    whole = appearance(span, text=Text(title="With ada@example.com", description="guests"))

    bodies = [
        writing.new_event(whole, key=KEY, marker="m"),
        writing.changed_event(whole, marker="m"),
        writing.changed_occurrence(whole),
    ]

    assert "attendees" not in json.dumps(bodies)


@pytest.mark.parametrize(
    ("availability", "status", "expected"),
    [
        (Availability.BUSY, Status.CONFIRMED, ("opaque", "confirmed")),
        (Availability.FREE, Status.CONFIRMED, ("transparent", "confirmed")),
        (Availability.WORKING_ELSEWHERE, Status.CONFIRMED, ("transparent", "confirmed")),
        (Availability.OUT_OF_OFFICE, Status.CONFIRMED, ("opaque", "confirmed")),
        (Availability.TENTATIVE, Status.CONFIRMED, ("opaque", "tentative")),
        (Availability.FREE, Status.TENTATIVE, ("transparent", "tentative")),
    ],
)
def test_google_knows_free_and_busy_and_tentative(
    availability: Availability, status: Status, expected: tuple[str, str]
) -> None:
    body = writing.changed_event(appearance(availability=availability, status=status), marker="m")

    assert (body["transparency"], body["status"]) == expected


@pytest.mark.parametrize("visibility", Visibility)
def test_every_visibility_has_a_name(visibility: Visibility) -> None:
    body = writing.changed_event(appearance(visibility=visibility), marker="m")

    assert body["visibility"] in ("default", "public", "private", "confidential")


def test_a_description_too_long_for_google_is_shortened_between_tags() -> None:
    long = "x" * (writing.MAX_DESCRIPTION - 5) + '<a href="https://example.com">link</a>'

    body = writing.changed_event(appearance(text=Text(description=long, is_html=True)), marker="m")

    assert body["description"] == "x" * (writing.MAX_DESCRIPTION - 5) + "…"


def test_a_description_that_just_fits_is_left_alone() -> None:
    exact = "é" * writing.MAX_DESCRIPTION

    assert writing.changed_occurrence(appearance(text=Text(description=exact)))["description"] == exact


@pytest.mark.parametrize("span", [MORNING, THREE_DAYS])
@pytest.mark.parametrize("recurrence", [(), ("RRULE:FREQ=WEEKLY;COUNT=3",)])
@pytest.mark.parametrize("availability", [Availability.BUSY, Availability.FREE, Availability.TENTATIVE])
def test_what_is_written_is_read_back(span: Span, recurrence: tuple[str, ...], availability: Availability) -> None:
    text = Text(title="Łódź 🦷", description="<p>x</p>", is_html=True, location="here")
    whole = appearance(span, text=text, recurrence=recurrence, availability=availability)

    event = reading.read_event(writing.new_event(whole, key=KEY, marker="m"), time_zone="UTC")

    assert (event.span, event.text, event.recurrence, event.availability) == (span, text, recurrence, availability)
    assert (event.id, event.marker, event.visibility) == (KEY, "m", Visibility.PRIVATE)
