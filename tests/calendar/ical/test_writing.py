"""Writing iCalendar: what is written is read back the same, by us and by a library that is not ours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import pytest

from shared.calendar import recurrence
from shared.calendar.event import Availability, Event, Status, Text, Unit
from shared.calendar.ical import reading, vtimezone, writing
from shared.calendar.ical.writing import Entry
from shared.calendar.mask import Mask, mirror
from shared.calendar.mirror import Appearance, Mirror, Privacy
from shared.calendar.span import AllDaySpan, TimedSpan, Window

NOW = datetime(2026, 3, 1, tzinfo=UTC)
YEARS = Window(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2028, 1, 1, tzinfo=UTC))


def timed(zone: str = "Europe/Berlin", *, hour: int = 9) -> TimedSpan:
    start = datetime(2026, 3, 2, hour, tzinfo=ZoneInfo(zone))
    return TimedSpan(start=start, end=start + timedelta(hours=1), zone=zone)


def look(
    text: Text | None = None, span: TimedSpan | AllDaySpan | None = None, *rules: str, **rest: object
) -> Appearance:
    return Appearance(
        span=span or timed(),
        text=text or Text(title="Dentist"),
        availability=rest.get("availability", Availability.BUSY),  # type: ignore[arg-type]
        status=rest.get("status", Status.CONFIRMED),  # type: ignore[arg-type]
        recurrence=rules,
    )


def written(*mirrors: Mirror) -> bytes:
    entries = [Entry(uid=f"{number}@x", mirror=one, stamped_at=NOW) for number, one in enumerate(mirrors)]
    return writing.calendar(entries, name="Ann, busy", refresh=timedelta(hours=1), year=2026)


def back(one: Mirror) -> Unit:
    found = reading.read(written(one))
    assert found.is_whole
    assert not found.unreadable
    (unit,) = found.units
    return unit


@pytest.mark.parametrize(
    "text",
    [
        Text(title="Tea, cake; talk \\ more", description="one\ntwo\r\nthree", location="Room 1"),
        Text(title="🎂" * 60, description="ü" * 500),
        Text(title="x", description="<p>Hello</p>", is_html=True),
        Text(title=""),
        Text(title="bell\x07 and\ttab"),
    ],
)
def test_texts_survive(text: Text) -> None:
    root = back(Mirror(root=look(text), overrides={})).root

    assert root.text is not None
    assert root.text.title == " ".join(text.title.replace("\x07", "").split())
    assert root.text.description == text.description.replace("\r\n", "\n")


@pytest.mark.parametrize(
    "span",
    [timed(), timed("Asia/Kathmandu"), timed("UTC"), AllDaySpan(start=date(2026, 3, 1), end=date(2026, 3, 4))],
)
@pytest.mark.parametrize("rule", ["", "RRULE:FREQ=WEEKLY;COUNT=90", "RRULE:FREQ=MONTHLY;BYDAY=-1SU"])
def test_times_survive_over_both_changes_of_the_clock(span: TimedSpan | AllDaySpan, rule: str) -> None:
    rules = (rule,) if rule else ()
    expected = Event(id="0@x", span=span, recurrence=rules)

    unit = back(Mirror(root=look(None, span, *rules), overrides={}))

    assert [one.span.starts_at() for one in recurrence.occurrences(unit, YEARS)] == [
        one.span.starts_at() for one in recurrence.expand(expected, YEARS)
    ]


def test_moved_and_cancelled_occurrences_survive() -> None:
    root = look(None, timed(), "RRULE:FREQ=WEEKLY;COUNT=4")
    moved = look(Text(title="Moved"), timed(hour=15))

    unit = back(Mirror(root=root, overrides={"20260309T080000Z": None, "20260316T080000Z": moved}))

    starts = [one.span.starts_at().isoformat() for one in recurrence.occurrences(unit, YEARS)]
    assert starts == ["2026-03-02T08:00:00+00:00", "2026-03-02T14:00:00+00:00", "2026-03-23T08:00:00+00:00"]
    assert [one.text.title for one in unit.overrides if one.text] == ["Moved"]


@pytest.mark.parametrize("availability", list(Availability))
def test_what_it_does_to_time_survives(availability: Availability) -> None:
    root = back(Mirror(root=look(availability=availability, status=Status.TENTATIVE), overrides={})).root

    assert root.availability is availability
    assert root.status is Status.TENTATIVE


def test_lines_end_with_crlf_and_have_no_more_than_75_octets() -> None:
    body = written(Mirror(root=look(Text(title="ü🎂x" * 100)), overrides={}))

    lines = body.split(b"\r\n")
    assert lines.pop() == b""
    assert all(len(line) <= 75 and b"\n" not in line and b"\r" not in line for line in lines)
    assert body.decode()


def test_equal_content_gives_equal_bytes_in_whatever_order() -> None:
    entries = [Entry(uid=uid, mirror=Mirror(root=look(), overrides={}), stamped_at=NOW) for uid in ("a", "b", "c")]

    bodies = {
        writing.calendar(order, name="x", refresh=timedelta(hours=1), year=2026) for order in (entries, entries[::-1])
    }

    assert len(bodies) == 1


def test_an_independent_library_reads_the_same() -> None:
    unit = Unit(root=Event(id="a", span=timed(), recurrence=("RRULE:FREQ=WEEKLY;COUNT=4",), text=Text(title="Secret")))

    body = written(mirror(unit, Mask(privacy=Privacy.BUSY), shows=lambda event: True))
    parsed = icalendar.Calendar.from_ical(body)
    (event,) = parsed.walk("VEVENT")

    assert event["SUMMARY"] == "Busy"
    assert b"Secret" not in body
    assert event.decoded("DTSTART") == timed().start
    assert parsed["PRODID"] == writing.PRODID
    assert parsed.walk("VTIMEZONE")


@pytest.mark.parametrize(
    "name",
    [
        *("Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kathmandu", "Europe/Dublin", "Asia/Tokyo"),
        *("America/Sao_Paulo", "Africa/Casablanca", "Pacific/Chatham", "Australia/Lord_Howe", "Asia/Jerusalem"),
    ],
)
def test_a_zones_definition_shows_the_zones_time(name: str) -> None:
    component = icalendar.Timezone.from_ical(str(vtimezone.component(name, first=2025, last=2030)))
    clock = component.to_tz(lookup_tzid=False)  # type: ignore[attr-defined]

    days = [datetime(2025, 1, 2, 12) + timedelta(days=number) for number in range(5 * 365)]  # noqa: DTZ001

    assert [clock.utcoffset(day) for day in days] == [ZoneInfo(name).utcoffset(day) for day in days]


def test_zones_that_change_alike_each_year_have_rules_as_outlook_wants_them() -> None:
    lines = str(vtimezone.component("Europe/Berlin", first=2025, last=2030)).splitlines()

    assert "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU" in lines
    assert "DTSTART:20240331T020000" in lines
    assert len(lines) == 18
