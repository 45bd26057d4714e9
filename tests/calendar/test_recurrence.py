from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.calendar import recurrence
from shared.calendar.event import Event, Status, Unit
from shared.calendar.rules import WEEKDAYS
from shared.calendar.span import AllDaySpan, TimedSpan, Window
from shared.core.errors import InvalidError

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
YEAR_2026 = Window(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2027, 1, 1, tzinfo=UTC))


def timed(start: datetime, *lines: str, hours: float = 1, zone: str | None = None) -> Event:
    span = TimedSpan(start=start, end=start + timedelta(hours=hours), zone=zone or str(start.tzinfo))
    return Event(id="series", span=span, recurrence=lines)


def all_day(start: date, *lines: str, days: int = 1) -> Event:
    return Event(id="series", span=AllDaySpan(start=start, end=start + timedelta(days=days)), recurrence=lines)


def override(root: Event, original_start: datetime | date, span: TimedSpan | AllDaySpan | None) -> Event:
    return Event(
        id="override",
        span=span,
        status=Status.CONFIRMED if span else Status.CANCELLED,
        series_id=root.id,
        original_start=original_start,
    )


def local_starts(root: Event, window: Window, zone: ZoneInfo) -> list[str]:
    return [f"{one.span.starts_at().astimezone(zone):%m-%d %H:%M}" for one in recurrence.expand(root, window)]


@pytest.mark.pain(5)
def test_local_time_holds_when_clocks_go_forward_and_back() -> None:
    weekly = timed(datetime(2026, 3, 16, 9, tzinfo=BERLIN), "RRULE:FREQ=WEEKLY")

    starts = {one.span.starts_at().astimezone(BERLIN).time() for one in recurrence.expand(weekly, YEAR_2026)}
    hours_in_utc = {one.span.starts_at().hour for one in recurrence.expand(weekly, YEAR_2026)}

    assert {f"{start:%H:%M}" for start in starts} == {"09:00"}
    assert hours_in_utc == {7, 8}


def test_a_skipped_time_is_read_with_the_offset_before_the_change() -> None:
    daily = timed(datetime(2026, 3, 7, 2, 30, tzinfo=NEW_YORK), "RRULE:FREQ=DAILY;COUNT=3")

    starts = local_starts(daily, YEAR_2026, NEW_YORK)

    assert starts == ["03-07 02:30", "03-08 03:30", "03-09 02:30"]


def test_a_repeated_time_is_its_first_pass() -> None:
    daily = timed(datetime(2026, 10, 31, 1, 30, tzinfo=NEW_YORK), "RRULE:FREQ=DAILY;COUNT=2")

    keys = [one.key for one in recurrence.expand(daily, YEAR_2026)]

    assert keys == ["20261031T053000Z", "20261101T053000Z"]


def test_a_series_that_starts_in_the_second_pass_keeps_its_first_moment() -> None:
    second_pass = datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK, fold=1)

    keys = [one.key for one in recurrence.expand(timed(second_pass, "RRULE:FREQ=DAILY;COUNT=2"), YEAR_2026)]

    assert keys == ["20261101T063000Z", "20261102T063000Z"]


def test_occurrences_last_as_long_as_the_first_even_through_a_change() -> None:
    nightly = timed(datetime(2026, 3, 27, 22, tzinfo=BERLIN), "RRULE:FREQ=DAILY;COUNT=3", hours=8)

    lengths = {one.span.ends_at() - one.span.starts_at() for one in recurrence.expand(nightly, YEAR_2026)}

    assert lengths == {timedelta(hours=8)}


@pytest.mark.parametrize("until", ["20260121T080000Z", "20260121T090000", "20260121"])
def test_until_is_inclusive_whether_utc_floating_or_a_whole_local_day(until: str) -> None:
    daily = timed(datetime(2026, 1, 19, 9, tzinfo=BERLIN), f"RRULE:FREQ=DAILY;UNTIL={until}")

    assert local_starts(daily, YEAR_2026, BERLIN) == ["01-19 09:00", "01-20 09:00", "01-21 09:00"]
    assert recurrence.last_end(daily) == datetime(2026, 1, 21, 10, tzinfo=BERLIN)


def test_until_of_an_all_day_series_is_a_date() -> None:
    daily = all_day(date(2026, 1, 19), "RRULE:FREQ=DAILY;UNTIL=20260120")

    assert [one.key for one in recurrence.expand(daily, YEAR_2026)] == ["20260119", "20260120"]
    assert recurrence.last_end(daily) == datetime(2026, 1, 21, tzinfo=UTC)


def test_exdates_are_taken_out_and_rdates_added() -> None:
    weekly = timed(
        datetime(2026, 1, 5, 9, tzinfo=BERLIN),
        "RRULE:FREQ=WEEKLY;COUNT=3",
        "EXDATE;TZID=America/New_York:20260112T030000",
        "RDATE:20260121T080000Z",
    )

    assert local_starts(weekly, YEAR_2026, BERLIN) == ["01-05 09:00", "01-19 09:00", "01-21 09:00"]


def test_a_date_only_exdate_of_a_timed_series_matches_nothing() -> None:
    weekly = timed(datetime(2026, 1, 5, 9, tzinfo=BERLIN), "RRULE:FREQ=WEEKLY;COUNT=2", "EXDATE:20260112")

    assert len(recurrence.expand(weekly, YEAR_2026)) == 2


def test_the_first_span_counts_although_the_rule_does_not_make_it() -> None:
    tuesday_first = timed(datetime(2026, 1, 6, 9, tzinfo=BERLIN), "RRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=3")

    assert local_starts(tuesday_first, YEAR_2026, BERLIN) == ["01-06 09:00", "01-12 09:00", "01-19 09:00"]


def test_a_series_of_dates_alone_needs_no_rule() -> None:
    dates = all_day(date(2026, 1, 19), "RDATE;VALUE=DATE:20260301,20260401", "EXDATE;VALUE=DATE:20260119")

    assert [one.key for one in recurrence.expand(dates, YEAR_2026)] == ["20260301", "20260401"]
    assert recurrence.last_end(dates) == datetime(2026, 4, 2, tzinfo=UTC)


def test_a_series_without_an_end_has_no_last_end() -> None:
    assert recurrence.last_end(timed(datetime(2026, 1, 5, 9, tzinfo=BERLIN), "RRULE:FREQ=YEARLY")) is None


def test_a_series_whose_every_occurrence_is_excluded_ends_with_its_first_span() -> None:
    emptied = all_day(date(2026, 1, 19), "RRULE:FREQ=DAILY;COUNT=2", "EXDATE;VALUE=DATE:20260119,20260120")

    assert recurrence.expand(emptied, YEAR_2026) == []
    assert recurrence.last_end(emptied) == datetime(2026, 1, 20, tzinfo=UTC)


def test_an_occurrence_counts_as_inside_from_its_start_to_before_its_end() -> None:
    root = timed(datetime(2026, 1, 5, 22, tzinfo=UTC), "RRULE:FREQ=YEARLY", hours=4)
    midnight = datetime(2026, 1, 6, tzinfo=UTC)

    def reaches(start: datetime, end: datetime) -> bool:
        return recurrence.touches(Unit(root=root), Window(start=start, end=end))

    assert reaches(midnight, midnight + timedelta(days=1))
    assert not reaches(midnight + timedelta(hours=2), midnight + timedelta(days=1))
    assert not reaches(midnight - timedelta(days=1), midnight - timedelta(hours=2))


def test_a_single_event_is_its_own_only_occurrence() -> None:
    single = timed(datetime(2026, 1, 5, 9, tzinfo=UTC))
    later = Window(start=datetime(2026, 1, 6, tzinfo=UTC), end=None)

    assert [one.span for one in recurrence.expand(single, YEAR_2026)] == [single.span]
    assert recurrence.touches(Unit(root=single), YEAR_2026)
    assert recurrence.expand(single, later) == []
    assert not recurrence.touches(Unit(root=single), later)
    assert recurrence.last_end(single) == datetime(2026, 1, 5, 10, tzinfo=UTC)


def test_an_event_without_a_time_happens_never_and_says_so() -> None:
    with pytest.raises(InvalidError):
        recurrence.expand(Event(id="timeless", span=None), YEAR_2026)


def test_a_zero_length_occurrence_is_a_moment_inside() -> None:
    root = timed(datetime(2026, 1, 5, 9, tzinfo=UTC), "RRULE:FREQ=DAILY", hours=0)
    nine = datetime(2026, 1, 7, 9, tzinfo=UTC)

    assert recurrence.touches(Unit(root=root), Window(start=nine, end=nine + timedelta(seconds=1)))
    assert not recurrence.touches(Unit(root=root), Window(start=nine - timedelta(seconds=1), end=nine))


def test_moved_and_cancelled_occurrences_decide_what_touches() -> None:
    root = timed(datetime(2026, 1, 5, 9, tzinfo=UTC), "RRULE:FREQ=WEEKLY;COUNT=2")
    second = datetime(2026, 1, 12, 9, tzinfo=UTC)
    week = Window(start=second - timedelta(days=1), end=second + timedelta(days=1))
    far = TimedSpan(start=second + timedelta(days=90), end=second + timedelta(days=91), zone="UTC")

    cancelled = Unit(root=root, overrides=(override(root, second, None),))
    moved = Unit(root=root, overrides=(override(root, second, far),))

    assert recurrence.touches(Unit(root=root), week)
    assert not recurrence.touches(cancelled, week)
    assert not recurrence.touches(moved, week)
    assert recurrence.touches(moved, Window(start=second + timedelta(days=80), end=None))
    assert [one.span for one in recurrence.occurrences(moved, YEAR_2026)][1] == far
    assert len(recurrence.occurrences(cancelled, YEAR_2026)) == 1


def test_exclusions_are_split_off_as_occurrences_that_exist() -> None:
    root = timed(
        datetime(2026, 1, 5, 9, tzinfo=BERLIN),
        "RRULE:FREQ=WEEKLY;WKST=SU",
        "EXDATE;TZID=Europe/Berlin:20260112T090000,20260113T090000",
    )

    lines, excluded = recurrence.split_exclusions(root)

    assert lines == ("RRULE:FREQ=WEEKLY",)
    assert excluded == (datetime(2026, 1, 12, 8, tzinfo=UTC),)


def test_the_span_of_an_occurrence_is_found_by_its_key() -> None:
    root = timed(datetime(2026, 1, 5, 9, tzinfo=BERLIN), "RRULE:FREQ=WEEKLY")
    assert root.span is not None

    summer = recurrence.occurrence_span(root.span, root.recurrence, "20260706T070000Z")

    assert summer is not None
    assert summer.ends_at() == datetime(2026, 7, 6, 10, tzinfo=BERLIN)
    assert recurrence.occurrence_span(root.span, root.recurrence, "20260706T080000Z") is None
    assert recurrence.occurrence_span(root.span, root.recurrence, "20260706") is None
    assert recurrence.occurrence_span(root.span, root.recurrence, "no key") is None


@pytest.mark.parametrize("year", [1583, 1604, 1700, 1899, 1900, 2000, 2024])
@pytest.mark.parametrize("rule", ["FREQ=YEARLY", "FREQ=YEARLY;INTERVAL=1;BYMONTH=3;BYMONTHDAY=1", "FREQ=MONTHLY"])
def test_a_birthday_without_a_year_is_this_year_too(year: int, rule: str) -> None:
    """Outlook and Apple write 1604 where nobody told the year."""
    root = all_day(date(year, 3, 1), f"RRULE:{rule}")
    window = Window(start=datetime(2026, 2, 20, tzinfo=UTC), end=datetime(2026, 3, 10, tzinfo=UTC))

    (found,) = recurrence.occurrences(Unit(root=root), window)

    assert found.original_start == date(2026, 3, 1)


def test_intervals_of_years_and_months_keep_their_step_over_centuries() -> None:
    window = Window(start=datetime(2000, 1, 1, tzinfo=UTC), end=datetime(2030, 1, 1, tzinfo=UTC))

    def years(rule: str) -> list[int]:
        found = recurrence.occurrences(Unit(root=all_day(date(1604, 3, 1), rule)), window)
        return [one.original_start.year for one in found]

    assert years("RRULE:FREQ=YEARLY;INTERVAL=7") == [year for year in range(1604, 2030, 7) if year >= 2000]
    assert years("RRULE:FREQ=MONTHLY;INTERVAL=36") == [year for year in range(1604, 2030, 3) if year >= 2000]
    assert years("RRULE:FREQ=YEARLY;COUNT=400") == [2000, 2001, 2002, 2003]


def test_an_old_daily_series_is_not_too_long() -> None:
    since_1990 = timed(datetime(1990, 1, 1, 9, tzinfo=BERLIN), "RRULE:FREQ=DAILY;UNTIL=20590101")

    assert len(recurrence.expand(since_1990, YEAR_2026)) == 365
    assert recurrence.last_end(since_1990) == datetime(2059, 1, 1, 10, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("root", "window"),
    [
        (timed(datetime(2026, 1, 1, tzinfo=UTC), "RRULE:FREQ=DAILY"), Window(start=None, end=None)),
        (timed(datetime(2026, 1, 1, tzinfo=UTC), "RRULE:FREQ=DAILY;COUNT=10001"), Window(start=None, end=None)),
        (
            timed(
                datetime(2026, 1, 1, tzinfo=UTC),
                f"RRULE:FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))};BYMINUTE={','.join(map(str, range(60)))}",
            ),
            YEAR_2026,
        ),
    ],
)
def test_more_occurrences_than_anyone_needs_are_refused(root: Event, window: Window) -> None:
    with pytest.raises(InvalidError) as refused:
        recurrence.expand(root, window)

    assert refused.value.error_code == "RECURRENCE.TOO_LONG"


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=3",
        "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=WEEKLY;BYMONTH=2;BYDAY=MO;BYSETPOS=5",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=7",
    ],
)
def test_a_rule_that_never_matches_ends_soon(rule: str) -> None:
    root = timed(datetime(2026, 1, 5, 9, tzinfo=BERLIN), f"RRULE:{rule}")

    began = time.process_time()
    found = recurrence.expand(root, Window(start=datetime(2026, 2, 1, tzinfo=UTC), end=None))

    assert found == []
    assert time.process_time() - began < 2


@pytest.mark.parametrize("year", [1, 9950])
def test_a_series_in_a_year_no_calendar_has_is_refused(year: int) -> None:
    root = timed(datetime(year, 1, 5, 9, tzinfo=UTC), "RRULE:FREQ=WEEKLY")

    with pytest.raises(InvalidError):
        recurrence.touches(Unit(root=root), YEAR_2026)


RULES = st.fixed_dictionaries(
    {"FREQ": st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])},
    optional={
        "INTERVAL": st.integers(1, 5),
        "BYMONTH": st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True),
        "BYMONTHDAY": st.lists(st.integers(1, 28) | st.integers(-28, -1), min_size=1, max_size=3, unique=True),
        "BYDAY": st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=4, unique=True),
        "BYHOUR": st.lists(st.integers(0, 23), min_size=1, max_size=2, unique=True),
        "WKST": st.sampled_from(["MO", "SU", "WE"]),
    },
)
ENDS = st.sampled_from(["", ";COUNT=7", ";UNTIL=20270630T120000Z"])
STARTS = st.datetimes(datetime(2015, 1, 1), datetime(2027, 12, 31)).map(lambda at: at.replace(microsecond=0))  # noqa: DTZ001
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
SINCE = datetime(2026, 2, 1, tzinfo=UTC)
UNTIL = datetime(2028, 2, 1, tzinfo=UTC)
WINDOW = Window(start=SINCE, end=UNTIL)


def written(rule: dict[str, object]) -> str:
    def value(item: object) -> str:
        return ",".join(map(str, item)) if isinstance(item, list) else str(item)

    return ";".join(f"{name}={value(item)}" for name, item in rule.items())


@settings(deadline=None, max_examples=150)
@given(rule=RULES, end=ENDS, start=STARTS)
def test_occurrences_are_those_of_dateutil(rule: dict[str, object], end: str, start: datetime) -> None:
    line = written(rule) + end
    first = start.replace(tzinfo=UTC)
    made = takewhile(lambda at: at < UNTIL, rrule.rrulestr(line, dtstart=first))
    # dateutil leaves out a first span that the rule does not make; here it is always there, and counts.
    expected = sorted({first, *made})[: 7 if "COUNT" in line else None]

    found = recurrence.expand(timed(first, f"RRULE:{line}"), WINDOW)

    assert [one.span.starts_at() for one in found] == [at for at in expected if at + timedelta(hours=1) > SINCE]


@settings(deadline=None, max_examples=100)
@given(rule=RULES, end=ENDS, start=STARTS, zone=ZONES)
def test_the_normal_form_means_the_same_and_stays_as_it_is(
    rule: dict[str, object], end: str, start: datetime, zone: str
) -> None:
    root = timed(start.replace(tzinfo=ZoneInfo(zone)), f"rrule:{written(rule).lower()}{end}")
    assert root.span is not None

    lines = recurrence.normalise(root.recurrence, root.span)

    assert recurrence.normalise(lines, root.span) == lines
    assert recurrence.expand(replace(root, recurrence=lines), WINDOW) == recurrence.expand(root, WINDOW)


@settings(deadline=None, max_examples=100)
@given(rule=RULES, end=ENDS, start=STARTS, zone=ZONES, excluded=st.sets(st.integers(0, 9), max_size=4))
def test_every_view_of_a_series_agrees(
    rule: dict[str, object], end: str, start: datetime, zone: str, excluded: set[int]
) -> None:
    root = timed(start.replace(tzinfo=ZoneInfo(zone)), f"RRULE:{written(rule)}{end}")
    assert root.span is not None
    whole = recurrence.expand(root, WINDOW)
    gone = [one for place, one in enumerate(whole) if place in excluded]
    exdates = tuple(f"EXDATE:{one.key}" for one in gone)
    without = replace(root, recurrence=(*root.recurrence, *exdates))
    cancelled = Unit(root=root, overrides=tuple(override(root, one.original_start, None) for one in gone))

    left = recurrence.expand(without, WINDOW)

    assert left == [one for one in whole if one not in gone]
    assert [one.span for one in recurrence.occurrences(cancelled, WINDOW)] == [one.span for one in left]
    assert recurrence.touches(cancelled, WINDOW) == recurrence.touches(Unit(root=without), WINDOW) == bool(left)
    assert recurrence.split_exclusions(without)[1] == tuple(one.original_start for one in gone)
    for one in whole[:5]:
        assert recurrence.occurrence_span(root.span, root.recurrence, one.key) == one.span


@pytest.mark.pain(6)
@settings(deadline=None, max_examples=60)
@given(hours=st.integers(-12, 14), start=STARTS, days=st.integers(1, 3))
def test_all_day_series_have_the_same_dates_everywhere(hours: int, start: datetime, days: int) -> None:
    zone = ZoneInfo(f"Etc/GMT{-hours:+d}")
    dates = all_day(start.date(), "RRULE:FREQ=DAILY;INTERVAL=3;COUNT=20", days=days)
    midnight = start.replace(hour=0, minute=0, second=0, tzinfo=zone)
    midnights = timed(midnight, "RRULE:FREQ=DAILY;INTERVAL=3;COUNT=20", hours=24 * days)

    all_day_dates = [one.original_start for one in recurrence.expand(dates, Window(start=None, end=None))]
    timed_dates = [
        one.span.starts_at().astimezone(zone).date()
        for one in recurrence.expand(midnights, Window(start=None, end=None))
    ]

    assert all_day_dates == timed_dates
    assert all_day_dates[0] == start.date()
