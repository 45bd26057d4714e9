from __future__ import annotations

import pytest

from shared.calendar import recurrence
from shared.calendar.event import Availability, Response, Status, Unit, Visibility
from shared.calendar.ical import lines
from shared.calendar.span import AllDaySpan, TimedSpan, occurrence_key
from shared.core.errors import InvalidError
from shared.providers.caldav import reading
from shared.providers.caldav.reading import Context
from tests.providers.replica import WINDOW, happenings

CONTEXT = Context(floating_zone=lambda: "Europe/Berlin", addresses=lambda: {"pat@example.com"})
HOUR = "DTSTART;TZID=Europe/Berlin:20260302T090000\nDTEND;TZID=Europe/Berlin:20260302T100000"
OUTLOOK = """BEGIN:VTIMEZONE
TZID:{tzid}
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE"""


def resource(*events: str, zone: str = "") -> str:
    """A resource with these VEVENTs."""
    bodies = "\n".join(f"BEGIN:VEVENT\nUID:u\n{event}\nEND:VEVENT" for event in events)
    return "\n".join(part for part in ("BEGIN:VCALENDAR", "VERSION:2.0", zone, bodies, "END:VCALENDAR") if part)


def read(*events: str, zone: str = "") -> Unit:
    """What is read of it."""
    unit = reading.unit(lines.require(resource(*events, zone=zone)), event_id="e.ics", etag='"1"', context=CONTEXT)
    assert unit is not None
    return unit


@pytest.mark.parametrize(
    ("times", "start", "end"),
    [
        ("DTSTART:20260302T080000Z\nDTEND:20260302T090000Z", "2026-03-02T08:00:00", "2026-03-02T09:00:00"),
        ("DTSTART:20260302T080000Z\nDURATION:PT1H30M", "2026-03-02T08:00:00", "2026-03-02T09:30:00"),
        ("DTSTART:20260302T080000Z", "2026-03-02T08:00:00", "2026-03-02T08:00:00"),
        ("DTSTART:20260302T090000\nDURATION:PT1H", "2026-03-02T08:00:00", "2026-03-02T09:00:00"),
        ('DTSTART;TZID="W. Europe Standard Time":20260302T090000', "2026-03-02T08:00:00", "2026-03-02T08:00:00"),
        ("DTSTART;TZID=/mozilla.org/20050126_1/Europe/Berlin:20260302T090000", "2026-03-02T08:00:00", None),
        ("DTSTART;VALUE=DATE:20260302", "2026-03-02T00:00:00", "2026-03-03T00:00:00"),
        ("DTSTART;VALUE=DATE:20260302\nDTEND;VALUE=DATE:20260302", "2026-03-02T00:00:00", "2026-03-03T00:00:00"),
        ("DTSTART;VALUE=DATE:20260302\nDURATION:P1W", "2026-03-02T00:00:00", "2026-03-09T00:00:00"),
    ],
    ids=["utc", "duration", "no end", "floating", "windows", "mozilla", "one day", "ends on itself", "a week"],
)
def test_times_are_read_in_every_form(times: str, start: str, end: str | None) -> None:
    span = read(times).root.span

    assert span is not None
    assert f"{span.starts_at():%Y-%m-%dT%H:%M:%S}" == start
    assert end is None or f"{span.ends_at():%Y-%m-%dT%H:%M:%S}" == end


@pytest.mark.parametrize("tzid", ["Customized Time Zone", "(UTC+01:00) Amsterdam, Bern"])
def test_a_zone_that_only_its_rules_describe_is_found_by_them(tzid: str) -> None:
    times = f'DTSTART;TZID="{tzid}":20260302T090000\nRRULE:FREQ=WEEKLY;COUNT=6'

    unit = read(times, zone=OUTLOOK.format(tzid=tzid))

    assert isinstance(unit.root.span, TimedSpan)
    assert unit.root.span.zone == "Europe/Berlin"
    assert [start[11:16] for start, _ in happenings(unit)] == ["08:00", "08:00", "08:00", "08:00", "07:00", "07:00"]


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ("SUMMARY:Secret", "EVENT.NO_TIME"),
        ("DTSTART:tomorrow\nSUMMARY:Secret", "EVENT.TIME"),
        ("DTSTART:20260230T080000Z\nSUMMARY:Secret", "EVENT.TIME"),
        ("DTSTART:20260302T080000Z\nDTEND:20260301T080000Z\nSUMMARY:Secret", "EVENT.TIME"),
        ("DTSTART;TZID=Nowhere/Secret:20260302T080000", "ZONE.UNKNOWN"),
        (f"{HOUR}\nRRULE:FREQ=SECRETLY", "RECURRENCE.INVALID"),
        (f"{HOUR}\nDURATION:Secret\nBEGIN:VALARM", "EVENT.MALFORMED"),
    ],
)
def test_what_cannot_be_understood_says_why_and_quotes_nothing(event: str, code: str) -> None:
    with pytest.raises(InvalidError) as refused:
        read(event)

    assert refused.value.error_code == code
    assert "secret" not in refused.value.message.lower()


def test_a_series_tells_what_is_excluded_moved_and_cancelled() -> None:
    unit = read(
        f"{HOUR}\nRRULE:FREQ=WEEKLY;COUNT=5\nEXDATE;TZID=Europe/Berlin:20260309T090000\nSUMMARY:Weekly",
        "RECURRENCE-ID;TZID=Europe/Berlin:20260316T090000\nDTSTART:20260317T080000Z\nDTEND:20260317T090000Z",
        f"RECURRENCE-ID:20260323T080000Z\n{HOUR}\nSTATUS:CANCELLED",
    )

    assert unit.root.recurrence == ("RRULE:FREQ=WEEKLY;COUNT=5",)
    assert [start[:10] for start, _ in happenings(unit)] == ["2026-03-02", "2026-03-17", "2026-03-30"]
    assert [(one.id, one.is_cancelled) for one in unit.overrides] == [
        ("e.ics_20260309T080000Z", True),
        ("e.ics_20260316T080000Z", False),
        ("e.ics_20260323T080000Z", True),
    ]


def test_an_added_period_lasts_as_it_says() -> None:
    unit = read(f"{HOUR}\nRDATE;VALUE=PERIOD:20260305T080000Z/PT3H,20260306T080000Z/20260306T090000Z")

    assert [(start[5:13], end[11:13]) for start, end in happenings(unit)] == [
        ("03-02T08", "09"),
        ("03-05T08", "11"),
        ("03-06T08", "09"),
    ]


def test_occurrences_without_their_series_are_just_these() -> None:
    one, other = (
        f"RECURRENCE-ID;VALUE=DATE:202603{day}\nDTSTART;VALUE=DATE:202603{day}\nSUMMARY:Guest" for day in ("09", "23")
    )

    single, both = read(one), read(other, one)

    assert not single.root.is_series
    assert isinstance(single.root.span, AllDaySpan)
    assert [occurrence_key(one.original_start) for one in recurrence.expand(both.root, WINDOW)] == [
        "20260309",
        "20260323",
    ]


def test_a_date_names_the_occurrence_of_that_day() -> None:
    unit = read(f"{HOUR}\nRRULE:FREQ=DAILY;COUNT=2", f"RECURRENCE-ID;VALUE=DATE:20260303\n{HOUR}\nSTATUS:CANCELLED")

    assert [one.id for one in unit.overrides] == ["e.ics_20260303T080000Z"]


@pytest.mark.parametrize(
    ("properties", "availability", "status"),
    [
        ("", Availability.BUSY, Status.CONFIRMED),
        ("TRANSP:TRANSPARENT", Availability.FREE, Status.CONFIRMED),
        ("STATUS:TENTATIVE", Availability.TENTATIVE, Status.TENTATIVE),
        ("X-MICROSOFT-CDO-BUSYSTATUS:OOF", Availability.OUT_OF_OFFICE, Status.CONFIRMED),
        ("X-MICROSOFT-CDO-BUSYSTATUS:FREE\nTRANSP:OPAQUE", Availability.BUSY, Status.CONFIRMED),
        ("STATUS:CANCELLED", Availability.BUSY, Status.CANCELLED),
    ],
)
def test_availability_and_status_are_read(properties: str, availability: Availability, status: Status) -> None:
    root = read(f"{HOUR}\n{properties}\nCLASS:PRIVATE").root

    assert (root.availability, root.status, root.visibility) == (availability, status, Visibility.PRIVATE)


@pytest.mark.parametrize(
    ("answer", "response"),
    [("DECLINED", Response.DECLINED), ("TENTATIVE", Response.TENTATIVE), ("NEEDS-ACTION", Response.NEEDS_ACTION)],
)
def test_the_persons_own_answer_counts_and_nobody_elses(answer: str, response: Response) -> None:
    root = read(
        f"{HOUR}\nORGANIZER:mailto:boss@example.com\nATTENDEE;PARTSTAT=ACCEPTED:mailto:boss@example.com\n"
        f'ATTENDEE;CN="Pat; P";PARTSTAT={answer}:MAILTO:Pat@Example.com'
    ).root

    assert root.response is response
    assert root.etag is None


def test_a_task_is_no_event() -> None:
    text = "BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:t\nEND:VTODO\nEND:VCALENDAR"

    assert reading.unit(lines.require(text), event_id="t.ics", etag=None, context=CONTEXT) is None
