from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.calendar.event import Availability, Event, Status, Text, Visibility
from shared.calendar.mirror import Appearance
from shared.calendar.span import AllDaySpan, Span, TimedSpan
from shared.core.errors import InvalidError
from shared.providers.microsoft import payloads, reading, writing
from shared.providers.microsoft.payloads import EventPayload


def timed(start: datetime, *, minutes: int = 60) -> TimedSpan:
    zone = start.tzinfo.key if isinstance(start.tzinfo, ZoneInfo) else "UTC"
    moment = start.astimezone(UTC)
    return TimedSpan(start=moment, end=moment + timedelta(minutes=minutes), zone=zone)


NINE = timed(datetime(2026, 3, 2, 9, tzinfo=ZoneInfo("Europe/Zurich")))
BUSY = Appearance(span=NINE, text=Text(title="Busy"), availability=Availability.BUSY)


def read_back(body: dict[str, Any]) -> Event:
    """What Graph would answer: times in UTC beside the name of their zone."""
    zone = body["start"]["timeZone"]
    times = {
        name: {"dateTime": body[name]["dateTime"], "timeZone": "UTC" if body["isAllDay"] else zone}
        for name in ("start", "end")
    }
    answer = {**body, **times, "id": "x", "originalStartTimeZone": zone}
    return reading.event(payloads.parse(EventPayload, answer))


def test_a_new_mirror_is_private_silent_and_ours() -> None:
    body = writing.insertion(BUSY, marker="m.1", transaction="t")

    assert body == {
        "subject": "Busy",
        "body": {"contentType": "text", "content": ""},
        "location": {"displayName": ""},
        "showAs": "busy",
        "sensitivity": "private",
        "isReminderOn": False,
        "reminderMinutesBeforeStart": 0,
        "responseRequested": False,
        "start": {"dateTime": "2026-03-02T09:00:00", "timeZone": "W. Europe Standard Time"},
        "end": {"dateTime": "2026-03-02T10:00:00", "timeZone": "W. Europe Standard Time"},
        "isAllDay": False,
        "categories": ["Kalends"],
        "singleValueExtendedProperties": [{"id": writing.MARKER_PROPERTY, "value": "m.1"}],
        "transactionId": "t",
    }


def test_no_write_ever_speaks_of_attendees() -> None:
    series = replace(BUSY, recurrence=("RRULE:FREQ=DAILY",))

    bodies = [writing.insertion(series, marker="m", transaction="t"), writing.looks(BUSY), writing.times(BUSY)]

    assert all("attendees" not in body for body in bodies)


def test_all_day_is_midnight_to_midnight_in_one_zone() -> None:
    span = AllDaySpan(start=date(2026, 3, 2), end=date(2026, 3, 4))

    times = writing.times(replace(BUSY, span=span, recurrence=("RRULE:FREQ=DAILY",)))

    assert times["start"] == {"dateTime": "2026-03-02T00:00:00", "timeZone": "UTC"}
    assert times["end"] == {"dateTime": "2026-03-04T00:00:00", "timeZone": "UTC"}
    assert times["isAllDay"] is True
    assert times["recurrence"]["range"] == {
        "type": "noEnd",
        "startDate": "2026-03-02",
        "recurrenceTimeZone": "UTC",
    }


def test_a_series_repeats_on_the_clock_of_its_zone() -> None:
    times = writing.times(replace(BUSY, recurrence=("RRULE:FREQ=WEEKLY;BYDAY=MO",)))

    assert times["recurrence"] == {
        "pattern": {"interval": 1, "type": "weekly", "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"},
        "range": {"type": "noEnd", "startDate": "2026-03-02", "recurrenceTimeZone": "W. Europe Standard Time"},
    }


def test_a_single_event_ends_a_series_that_was_there() -> None:
    assert writing.times(BUSY)["recurrence"] is None


def test_a_zone_without_a_windows_name_is_utc_for_a_single_event_and_refused_for_a_series() -> None:
    span = replace(NINE, zone="Antarctica/Troll")

    assert writing.times(replace(BUSY, span=span))["start"] == {"dateTime": "2026-03-02T08:00:00", "timeZone": "UTC"}
    with pytest.raises(InvalidError):
        writing.times(replace(BUSY, span=span, recurrence=("RRULE:FREQ=DAILY",)))


@pytest.mark.parametrize(
    ("availability", "status", "shown"),
    [
        (Availability.FREE, Status.CONFIRMED, "free"),
        (Availability.BUSY, Status.TENTATIVE, "tentative"),
        (Availability.TENTATIVE, Status.CONFIRMED, "tentative"),
        (Availability.OUT_OF_OFFICE, Status.TENTATIVE, "oof"),
        (Availability.WORKING_ELSEWHERE, Status.CONFIRMED, "workingElsewhere"),
    ],
)
def test_availability_is_shown(availability: Availability, status: Status, shown: str) -> None:
    assert writing.looks(replace(BUSY, availability=availability, status=status))["showAs"] == shown


@pytest.mark.parametrize(
    ("visibility", "sensitivity"),
    [(Visibility.DEFAULT, "normal"), (Visibility.PUBLIC, "normal"), (Visibility.CONFIDENTIAL, "confidential")],
)
def test_visibility_becomes_sensitivity(visibility: Visibility, sensitivity: str) -> None:
    assert writing.looks(replace(BUSY, visibility=visibility))["sensitivity"] == sensitivity


def test_html_stays_html() -> None:
    text = Text(title="t", description="<b>x</b>", is_html=True)

    assert writing.looks(replace(BUSY, text=text))["body"] == {"contentType": "html", "content": "<b>x</b>"}


def test_the_same_insert_has_the_same_transaction_and_the_next_attempt_another() -> None:
    key = "0123456789abcdefghijklmnopqrstuv"

    assert writing.transaction_id(key) == writing.transaction_id(key)
    assert writing.transaction_id(key) != writing.transaction_id(key, 2)
    assert writing.transaction_id(key) != writing.transaction_id(key[::-1])


_zone = st.sampled_from(
    ["UTC", "Europe/Zurich", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Auckland", "Antarctica/Troll"]
)
_moment = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)).map(lambda at: at.replace(microsecond=0, tzinfo=UTC))  # noqa: DTZ001
_span: st.SearchStrategy[Span] = st.one_of(
    st.builds(
        lambda start, minutes, zone: TimedSpan(start=start, end=start + timedelta(minutes=minutes), zone=zone),
        _moment,
        st.integers(0, 3000),
        _zone,
    ),
    st.builds(
        lambda start, days: AllDaySpan(start=start, end=start + timedelta(days=days)),
        st.dates(date(2025, 1, 1), date(2028, 1, 1)),
        st.integers(1, 9),
    ),
)


@given(_span)
def test_a_time_written_and_read_back_is_the_same_time(span: Span) -> None:
    event = read_back({**writing.looks(BUSY), **writing.times(replace(BUSY, span=span))})

    assert event.span is not None
    assert event.span.is_all_day == span.is_all_day
    assert (event.span.starts_at(), event.span.ends_at()) == (span.starts_at(), span.ends_at())


def test_the_hour_that_comes_twice_keeps_its_pass() -> None:
    second_pass = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Zurich"), fold=1)

    event = read_back({**writing.looks(BUSY), **writing.times(replace(BUSY, span=timed(second_pass)))})

    assert event.span is not None
    assert event.span.starts_at() == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
