"""Reading iCalendar: what RFC 5545 says, and what calendars in the field write instead."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from shared.calendar import recurrence
from shared.calendar.event import Availability, Status, Visibility
from shared.calendar.ical import reading
from shared.calendar.span import AllDaySpan, TimedSpan, Window, occurrence_key
from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from shared.calendar.event import Event, Unit
    from shared.calendar.ical.reading import Calendar

YEAR = Window(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2027, 1, 1, tzinfo=UTC))

BERLIN_IN_OUTLOOK = """\
BEGIN:VTIMEZONE
TZID:Customized Time Zone
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
"""

NOBODY_KEEPS_THIS = """\
BEGIN:VTIMEZONE
TZID:Ship
BEGIN:STANDARD
DTSTART:20200101T000000
TZOFFSETFROM:+0137
TZOFFSETTO:+0137
END:STANDARD
END:VTIMEZONE
"""


def calendar(*events: str, head: str = "", tail: str = "END:VCALENDAR\n") -> str:
    inner = "".join(f"BEGIN:VEVENT\n{event.strip()}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//y//EN\n{head}{inner}{tail}".replace("\n", "\r\n")


def one(event: str, *, head: str = "") -> Event:
    found = reading.read(calendar(f"UID:a\n{event.strip()}", head=head))
    assert not found.unreadable
    (unit,) = found.units
    return unit.root


def reason(found: Calendar) -> str:
    assert not found.units
    (unreadable,) = found.unreadable
    return unreadable.reason


def unit(found: Calendar) -> Unit:
    assert not found.unreadable
    (only,) = found.units
    return only


def keys(of: Unit) -> list[str]:
    return [one.key for one in recurrence.occurrences(of, YEAR)]


def test_an_event_has_its_time_text_and_signs() -> None:
    text = """
    UID:a
    DTSTART;TZID=Europe/Berlin:20260301T090000
    DTEND;TZID=Europe/Berlin:20260301T103000
    SUMMARY:Tea\\, then\\; talk
    DESCRIPTION:one\\ntwo\\\\three
    LOCATION:Room 1
    STATUS:TENTATIVE
    TRANSP:TRANSPARENT
    CLASS:CONFIDENTIAL""".replace("    ", "")

    event = unit(reading.read(calendar(text))).root

    assert event.span == TimedSpan(
        start=datetime(2026, 3, 1, 8, tzinfo=UTC), end=datetime(2026, 3, 1, 9, 30, tzinfo=UTC), zone="Europe/Berlin"
    )
    assert event.text is not None
    assert (event.text.title, event.text.description, event.text.location) == (
        "Tea, then; talk",
        "one\ntwo\\three",
        "Room 1",
    )
    assert event.status is Status.TENTATIVE
    assert event.availability is Availability.FREE
    assert event.visibility is Visibility.CONFIDENTIAL
    assert event.id == event.ical_uid == "a"


@pytest.mark.parametrize(
    ("lines", "start", "end"),
    [
        ("DTSTART:20260301T090000Z", (9, 0), (9, 0)),
        ("DTSTART:20260301T090000Z\nDURATION:PT45M", (9, 0), (9, 45)),
        ("DTSTART:20260301T090000Z\nDURATION:P1DT1H", (9, 0), (34, 0)),
        ("dtstart:20260301t090000z\ndtend:20260301t100000z", (9, 0), (10, 0)),
        ("DTSTART:20260301T0900Z\nDTEND:20260301T1000Z", (9, 0), (10, 0)),
        ('DTSTART;TZID="Europe/Berlin":20260301T100000\nDURATION:PT1H', (9, 0), (10, 0)),
        ("DTSTART;TZID=W. Europe Standard Time:20260301T100000\nDURATION:PT1H", (9, 0), (10, 0)),
        ("DTSTART;TZID=/mozilla.org/20050126_1/Europe/Berlin:20260301T100000\nDURATION:PT1H", (9, 0), (10, 0)),
        ('DTSTART;VALUE=DATE-TIME;X-A="b:c;d":20260301T090000Z\nDURATION:PT1H', (9, 0), (10, 0)),
    ],
)
def test_times_are_read_however_they_are_written(lines: str, start: tuple[int, int], end: tuple[int, int]) -> None:
    event = one(lines)

    assert event.span is not None
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    assert (event.span.starts_at() - midnight).total_seconds() == start[0] * 3600 + start[1] * 60
    assert (event.span.ends_at() - midnight).total_seconds() == end[0] * 3600 + end[1] * 60


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        ("DTSTART;VALUE=DATE:20260301", date(2026, 3, 2)),
        ("DTSTART;VALUE=DATE:20260301\nDTEND;VALUE=DATE:20260301", date(2026, 3, 2)),
        ("DTSTART;VALUE=DATE:20260301\nDTEND;VALUE=DATE:20260304", date(2026, 3, 4)),
        ("DTSTART;VALUE=DATE:20260301\nDURATION:P3D", date(2026, 3, 4)),
        ("DTSTART:20260301", date(2026, 3, 2)),
        (
            "DTSTART;TZID=Europe/Berlin:20260301T000000\nDTEND;TZID=Europe/Berlin:20260302T000000\n"
            "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE",
            date(2026, 3, 2),
        ),
    ],
)
def test_whole_days_are_dates(lines: str, last: date) -> None:
    assert one(lines).span == AllDaySpan(start=date(2026, 3, 1), end=last)


def test_a_floating_time_is_on_the_calendars_own_clock() -> None:
    event = one("DTSTART:20260301T090000\nDTEND:20260301T100000", head="X-WR-TIMEZONE:America/New_York\n")

    assert event.span == TimedSpan(
        start=datetime(2026, 3, 1, 14, tzinfo=UTC), end=datetime(2026, 3, 1, 15, tzinfo=UTC), zone="America/New_York"
    )


def test_outlooks_free_busy_goes_before_transparency() -> None:
    event = one("DTSTART:20260301T090000Z\nTRANSP:OPAQUE\nX-MICROSOFT-CDO-BUSYSTATUS:OOF")

    assert event.availability is Availability.OUT_OF_OFFICE


def test_a_series_has_its_overrides_whatever_comes_first() -> None:
    text = calendar(
        "UID:s\nRECURRENCE-ID;TZID=Europe/Berlin:20260309T090000\nDTSTART;TZID=Europe/Berlin:20260310T110000\n"
        "DTEND;TZID=Europe/Berlin:20260310T120000",
        "UID:s\nDTSTART;TZID=Europe/Berlin:20260302T090000\nDTEND;TZID=Europe/Berlin:20260302T100000\n"
        "RRULE:FREQ=WEEKLY;COUNT=5\nEXDATE;TZID=Europe/Berlin:20260316T090000\nRDATE:20260318T080000Z",
        "UID:s\nRECURRENCE-ID:20260323T080000Z\nDTSTART:20260323T080000Z\nSTATUS:CANCELLED",
    )

    series = unit(reading.read(text))

    assert series.root.is_series
    assert [one.id for one in series.overrides] == ["s_20260309T080000Z", "s_20260323T080000Z"]
    assert keys(series) == ["20260302T080000Z", "20260309T080000Z", "20260318T080000Z", "20260330T070000Z"]


def test_an_added_period_lasts_as_it_says() -> None:
    series = unit(
        reading.read(
            calendar("UID:s\nDTSTART:20260301T090000Z\nDURATION:PT1H\nRDATE;VALUE=PERIOD:20260305T080000Z/PT3H")
        )
    )

    assert keys(series) == ["20260301T090000Z", "20260305T080000Z"]
    assert [one.span.ends_at().hour for one in recurrence.occurrences(series, YEAR)] == [10, 11]


def test_a_series_keeps_its_local_time_when_clocks_change() -> None:
    text = calendar(
        "UID:s\nDTSTART;TZID=Customized Time Zone:20260302T090000\nDURATION:PT1H\nRRULE:FREQ=MONTHLY;COUNT=3",
        head=BERLIN_IN_OUTLOOK,
    )

    series = unit(reading.read(text))

    assert keys(series) == ["20260302T080000Z", "20260402T070000Z", "20260502T070000Z"]


def test_a_zone_that_no_other_keeps_serves_a_single_event_but_no_series() -> None:
    single = "UID:a\nDTSTART;TZID=Ship:20260301T090000\nDURATION:PT1H"

    event = unit(reading.read(calendar(single, head=NOBODY_KEEPS_THIS))).root
    series = reading.read(calendar(f"{single}\nRRULE:FREQ=DAILY", head=NOBODY_KEEPS_THIS))

    assert event.span is not None
    assert event.span.starts_at() == datetime(2026, 3, 1, 7, 23, tzinfo=UTC)
    assert "clock" in reason(series)


@pytest.mark.parametrize(
    ("recurrence_id", "key"),
    [
        ("RECURRENCE-ID;VALUE=DATE:20260309", "20260309T080000Z"),
        ("RECURRENCE-ID:20260309T090000", "20260309T080000Z"),
        ("RECURRENCE-ID;TZID=America/New_York:20260309T040000", "20260309T080000Z"),
    ],
)
def test_the_place_of_an_override_is_found_however_it_is_written(recurrence_id: str, key: str) -> None:
    text = calendar(
        "UID:s\nDTSTART;TZID=Europe/Berlin:20260302T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY",
        f"UID:s\n{recurrence_id}\nDTSTART:20260309T120000Z\nDURATION:PT1H",
    )

    series = unit(reading.read(text))

    assert [occurrence_key(one.original_start) for one in series.overrides if one.original_start] == [key]


def test_an_override_without_a_master_is_an_event_of_its_own() -> None:
    text = calendar("UID:s\nRECURRENCE-ID:20260309T090000Z\nDTSTART:20260309T120000Z\nDURATION:PT1H")

    event = unit(reading.read(text)).root

    assert (event.id, event.is_override, event.is_series) == ("s_20260309T090000Z", False, False)


def test_of_two_events_with_one_uid_the_latest_revision_counts() -> None:
    text = calendar(
        "UID:a\nSEQUENCE:2\nDTSTART:20260301T090000Z\nSUMMARY:second",
        "UID:a\nSEQUENCE:1\nDTSTART:20260301T080000Z\nSUMMARY:first",
    )

    event = unit(reading.read(text)).root

    assert event.text is not None
    assert event.text.title == "second"


def test_an_event_without_a_uid_keeps_one_identity_while_its_content_stays() -> None:
    first = reading.read(calendar("DTSTAMP:20260101T000000Z\nDTSTART:20260301T090000Z\nSUMMARY:x"))
    later = reading.read(calendar("DTSTAMP:20260202T000000Z\nDTSTART:20260301T090000Z\nSUMMARY:x"))

    assert unit(first).root.id == unit(later).root.id
    assert first.is_whole


def test_a_uid_longer_than_an_index_holds_is_known_by_its_hash() -> None:
    event = unit(reading.read(calendar(f"UID:{'x' * 5000}\nDTSTART:20260301T090000Z"))).root

    assert event.id.startswith("sha256:")


@pytest.mark.parametrize(
    "lines",
    [
        "SUMMARY:secret",
        "DTSTART:20260301T100000Z\nDTEND:20260301T090000Z\nSUMMARY:secret",
        "DTSTART:secret",
        "DTSTART:20261301T090000Z",
        "DTSTART:20260301T250000Z",
        "DTSTART:00010101T000000\nDURATION:PT1H\nX-A:b",
        "DTSTART;VALUE=DATE:20260301\nDTEND:20260302T090000Z",
        "DTSTART;TZID=Middle Earth/Shire:20260301T090000",
        "DTSTART:20260301T090000Z\nDURATION:secret",
        "DTSTART:20260301T090000Z\nDURATION:-PT1H",
        "DTSTART:20260301T090000Z\nDURATION:P999999D\nDURATION:P1D\nDTEND:99999999T000000Z",
        "DTSTART:20260301T090000Z\nRRULE:FREQ=secret",
        "DTSTART:20260301T090000Z\nRRULE:FREQ=SECONDLY",
        "DTSTART:20260301T090000Z\nRRULE:FREQ=DAILY;COUNT=2;UNTIL=20270101T000000Z",
        "DTSTART:20260301T090000Z\nRRULE:FREQ=DAILY;BYSETPOS=0",
        "DTSTART:20260301T090000Z\nEXRULE:FREQ=DAILY",
        "DTSTART:20260301T090000Z\nRDATE;VALUE=PERIOD:20260301T090000Z/secret",
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20260301T090000Z\nDTSTART:20260301T090000Z",
        "DTSTART:20260301T090000Z\nthis secret is no property",
    ],
)
def test_what_cannot_be_understood_is_left_out_alone_with_a_reason_that_tells_no_text(lines: str) -> None:
    found = reading.read(calendar(f"UID:bad\n{lines}", "UID:good\nDTSTART:20260301T090000Z"))

    assert [one.root.id for one in found.units] == ["good"]
    (bad,) = found.unreadable
    assert bad.id.startswith("bad")
    assert "secret" not in bad.reason
    assert "Shire" not in bad.reason
    assert found.is_whole


def test_a_truncated_text_is_not_whole() -> None:
    text = calendar("UID:a\nDTSTART:20260301T090000Z", "UID:b\nDTSTART:20260302T090000Z")

    for length in range(len("BEGIN:VCALENDAR\r\n"), len(text) - len("R\r\n")):
        found = reading.read(text[:length])
        assert not found.is_whole, text[:length]


def test_a_component_that_has_no_end_spoils_no_other() -> None:
    text = (
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART:20260301T090000Z\n"
        "BEGIN:VEVENT\nUID:b\nDTSTART:20260301T090000Z\nBEGIN:VALARM\nTRIGGER:-PT5M\nEND:VEVENT\nEND:VCALENDAR\n"
    )

    found = reading.read(text)

    assert [one.root.id for one in found.units] == ["b"]
    assert [one.id for one in found.unreadable] == ["a"]
    assert not found.is_whole


@pytest.mark.parametrize(
    "text", ["", "<!DOCTYPE html><html><body>Sign in</body></html>", "{}", "BEGIN:VCARD\nEND:VCARD\n"]
)
def test_what_is_no_calendar_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="not an iCalendar"):
        reading.read(text)


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("cp1252"),
        lambda text: text.replace("\r\n", "\n").encode(),
        lambda text: text.replace("\r\n", "\r").encode(),
        # RFC 5545, 3.1: old writers fold between the two bytes of a character.
        lambda text: text.encode().replace("ü".encode(), b"\xc3\r\n \xbc"),
    ],
)
def test_characters_survive_boms_charsets_line_ends_and_folds(encode: object) -> None:
    body = encode(calendar("UID:a\nDTSTART:20260301T090000Z\nSUMMARY:Führung"))  # type: ignore[operator]

    event = unit(reading.read(body)).root

    assert event.text is not None
    assert event.text.title == "Führung"


def test_the_name_and_zone_of_the_calendar_are_told() -> None:
    found = reading.read(calendar(head="X-WR-CALNAME:Team\\, all\nX-WR-TIMEZONE:W. Europe Standard Time\n"))

    assert (found.name, found.time_zone, found.is_whole) == ("Team, all", "Europe/Berlin", True)


def test_a_long_description_is_kept_as_far_as_any_provider_holds_it() -> None:
    event = one(f"DTSTART:20260301T090000Z\nDESCRIPTION:{'long ' * 200_000}")

    assert event.text is not None
    assert len(event.text.description) == reading.DESCRIPTION_LENGTH


def test_ten_thousand_dates_and_five_thousand_events_are_read_in_seconds() -> None:
    dates = ",".join(
        f"2026{1 + n // 28 % 12:02}{1 + n % 28:02}T{n // 336 % 24:02}{n % 60:02}00Z" for n in range(10_000)
    )
    events = [f"UID:{n}\nDTSTART:20260301T090000Z\nSUMMARY:x\nRRULE:FREQ=DAILY;COUNT=9" for n in range(5_000)]

    began = time.process_time()
    found = reading.read(calendar(f"UID:dates\nDTSTART:20260301T090000Z\nRDATE:{dates}", *events))

    assert len(found.units) == 5_001
    assert time.process_time() - began < 6
