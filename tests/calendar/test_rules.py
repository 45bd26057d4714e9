from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.calendar import rules
from shared.calendar.rules import Day
from shared.calendar.span import AllDaySpan, Span, TimedSpan
from shared.core.errors import InvalidError

TIMED = TimedSpan(
    start=datetime(2026, 1, 5, 8, tzinfo=UTC), end=datetime(2026, 1, 5, 9, tzinfo=UTC), zone="Europe/Berlin"
)
ALL_DAY = AllDaySpan(start=date(2026, 1, 5), end=date(2026, 1, 6))


def normal(span: Span, *lines: str) -> tuple[str, ...]:
    return rules.parse(lines, span).lines(span.zone if isinstance(span, TimedSpan) else None)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("RRULE:FREQ=WEEKLY", "RRULE:FREQ=WEEKLY"),
        ("rrule:interval=1;freq=weekly;byday=we,mo,we;wkst=su", "RRULE:FREQ=WEEKLY;BYDAY=MO,WE"),
        ("RRULE:FREQ=WEEKLY;WKST=SU;INTERVAL=2;BYDAY=SU,MO", "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU"),
        ("RRULE:FREQ=MONTHLY;BYDAY=+2TU,-1FR;", "RRULE:FREQ=MONTHLY;BYDAY=-1FR,2TU"),
        ("RRULE:FREQ=DAILY;UNTIL=20260301", "RRULE:FREQ=DAILY;UNTIL=20260301T225959Z"),
        ("RRULE:FREQ=DAILY;UNTIL=20260701T090000", "RRULE:FREQ=DAILY;UNTIL=20260701T070000Z"),
        ("EXDATE:20260112T080000Z,20260106T080000Z", "EXDATE;TZID=Europe/Berlin:20260106T090000,20260112T090000"),
        ("EXDATE;TZID=W. Europe Standard Time:20260112T090000", "EXDATE;TZID=Europe/Berlin:20260112T090000"),
        ('RDATE;VALUE=DATE-TIME;TZID="Europe/London":20260112T080000', "RDATE;TZID=Europe/Berlin:20260112T090000"),
    ],
)
def test_timed_lines_have_one_normal_form(written: str, expected: str) -> None:
    assert normal(TIMED, written) == (expected,)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("RRULE:FREQ=DAILY;UNTIL=20260301T235959Z", "RRULE:FREQ=DAILY;UNTIL=20260301"),
        ("RRULE:FREQ=DAILY;BYHOUR=9;BYMINUTE=0", "RRULE:FREQ=DAILY"),
        ("EXDATE:20260112T000000", "EXDATE;VALUE=DATE:20260112"),
        ("RDATE;VALUE=DATE:20260112,20260106", "RDATE;VALUE=DATE:20260106,20260112"),
    ],
)
def test_all_day_lines_have_one_normal_form(written: str, expected: str) -> None:
    assert normal(ALL_DAY, written) == (expected,)


def test_rules_come_before_dates_and_equal_dates_are_one() -> None:
    lines = normal(
        ALL_DAY, "EXDATE;VALUE=DATE:20260112", "RDATE:20260201", "EXDATE;VALUE=DATE:20260112", "RRULE:FREQ=DAILY"
    )

    assert lines == ("RRULE:FREQ=DAILY", "RDATE;VALUE=DATE:20260201", "EXDATE;VALUE=DATE:20260112")


def test_a_time_in_the_second_pass_of_an_hour_stays_in_utc() -> None:
    span = TimedSpan(start=TIMED.start, end=TIMED.end, zone="America/New_York")

    assert normal(span, "EXDATE:20261101T063000Z") == ("EXDATE:20261101T063000Z",)
    assert normal(span, "EXDATE:20261101T053000Z") == ("EXDATE;TZID=America/New_York:20261101T013000",)


def test_a_rule_is_read_into_its_parts() -> None:
    recurrence = rules.parse(["RRULE:FREQ=MONTHLY;INTERVAL=2;BYDAY=MO,-1FR;BYSETPOS=1;COUNT=5"], TIMED)

    (rule,) = recurrence.rules
    assert (rule.frequency, rule.interval, rule.count, rule.by_set_pos) == ("MONTHLY", 2, 5, (1,))
    assert rule.by_day == (Day(-1, "FR"), Day(0, "MO"))
    assert not recurrence.is_endless


@pytest.mark.parametrize(
    "line",
    [
        "",
        "RRULE",
        "RRULE:",
        "RRULE:INTERVAL=2",
        "RRULE:FREQ=SECONDLY",
        "RRULE:FREQ=MINUTELY;COUNT=2",
        "RRULE:FREQ=FORTNIGHTLY",
        "RRULE:FREQ=DAILY;FREQ=WEEKLY",
        "RRULE:FREQ=DAILY;COUNT=2;UNTIL=20260301",
        "RRULE:FREQ=DAILY;COUNT=0",
        "RRULE:FREQ=DAILY;COUNT=many",
        "RRULE:FREQ=DAILY;COUNT=٣",
        "RRULE:FREQ=DAILY;INTERVAL=0",
        "RRULE:FREQ=DAILY;INTERVAL=10001",
        "RRULE:FREQ=DAILY;COUNT=9999999999999",
        "RRULE:FREQ=DAILY;UNTIL=20260230",
        "RRULE:FREQ=DAILY;UNTIL=tomorrow",
        "RRULE:FREQ=DAILY;BYMONTH=0",
        "RRULE:FREQ=DAILY;BYMONTH=13",
        "RRULE:FREQ=MONTHLY;BYMONTHDAY=0",
        "RRULE:FREQ=MONTHLY;BYMONTHDAY=32",
        "RRULE:FREQ=MONTHLY;BYDAY=0MO",
        "RRULE:FREQ=MONTHLY;BYDAY=54MO",
        "RRULE:FREQ=WEEKLY;BYDAY=1MO",
        "RRULE:FREQ=WEEKLY;BYDAY=XX",
        "RRULE:FREQ=WEEKLY;WKST=XX",
        "RRULE:FREQ=YEARLY;BYEASTER=1",
        "RRULE:FREQ=DAILY;BYDAY",
        "EXRULE:FREQ=DAILY",
        "DTSTART:20260105T090000Z",
        "SUMMARY:lunch with Ada",
        "RDATE;VALUE=PERIOD:20260105T090000Z/PT1H",
        "RDATE:20260105",
        "EXDATE;TZID=Nowhere/Land:20260105T090000",
        "EXDATE:lunch with Ada",
    ],
)
def test_what_cannot_be_held_is_refused_without_repeating_it(line: str) -> None:
    with pytest.raises(InvalidError) as refused:
        rules.parse([line], TIMED)

    assert "Ada" not in refused.value.message
    assert refused.value.error_code in ("RECURRENCE.INVALID", "ZONE.UNKNOWN")


def test_an_all_day_series_cannot_repeat_within_the_day() -> None:
    with pytest.raises(InvalidError):
        rules.parse(["RRULE:FREQ=HOURLY"], ALL_DAY)


@given(st.text(max_size=60), st.sampled_from(["", "RRULE:", "RRULE:FREQ=DAILY;", "EXDATE:", "EXDATE;TZID="]))
def test_any_text_is_understood_or_refused(text: str, head: str) -> None:
    try:
        rules.parse([head + text], TIMED)
    except InvalidError as refused:
        assert refused.status == 400
