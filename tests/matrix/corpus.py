"""The recurrence corpus: what calendars in the field hold, each case once and as no provider writes it.

Every case begins in one calendar year and is counted from it, so that the corpus makes sense in any year; starts are
the first days that follow the rule (RFC 5545 leaves undefined what a series means whose start does not).
"""

from __future__ import annotations

from calendar import isleap
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from dateutil.rrule import rrulestr

from tests.matrix import series
from tests.matrix.series import HOME, Case, Change, Series

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.matrix.series import Local

NEW_YORK, SYDNEY, KOLKATA, TROLL = "America/New_York", "Australia/Sydney", "Asia/Kolkata", "Antarctica/Troll"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def cases(year: int) -> list[Case]:
    """The corpus of a year."""
    made = _Year(year)
    return [
        *_daily(made),
        *_weekly(made),
        *_monthly(made),
        *_yearly(made),
        *_dates(made),
        *_changes(made),
        *_splits(made),
        *_days(made),
        *_clocks(made),
        *_zones(made),
        *_singles(made),
    ]


def additions(year: int) -> list[Case]:
    """What is added where the corpus is mirrored to."""
    made = _Year(year)
    return [
        made.case("new-once", "", on=(5, 3)),
        made.case("new-weekly", "FREQ=WEEKLY;COUNT=9", on=(3, 1), moved={2: 3 * HOUR}, cancelled=(4,), renamed=(6,)),
        made.case("new-31st", "FREQ=MONTHLY;BYMONTHDAY=31;COUNT=5", moved={1: -DAY}),
        made.days("new-day", "FREQ=MONTHLY;BYDAY=-1SA;COUNT=7", excluded=(2,)),
    ]


def _daily(year: _Year) -> Iterator[Case]:
    yield year.case("daily-count", "FREQ=DAILY;COUNT=10")
    yield year.case("daily-until", "FREQ=DAILY", until=12)
    yield year.case("daily-until-early", "FREQ=DAILY", until=12, until_earlier=HOUR)
    yield year.case("daily-until-date", "FREQ=DAILY", until=12, until_date=True)
    yield year.case("daily-endless", "FREQ=DAILY")
    yield year.case("daily-every-3", "FREQ=DAILY;INTERVAL=3;COUNT=20")
    yield year.case("daily-workdays", "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;COUNT=23")
    yield year.case("daily-in-january", "FREQ=DAILY;BYMONTH=1;COUNT=40")
    yield year.case("daily-twice", "FREQ=DAILY;BYHOUR=9,15;COUNT=11")


def _weekly(year: _Year) -> Iterator[Case]:
    yield year.case("weekly-count", "FREQ=WEEKLY;COUNT=8")
    yield year.case("weekly-until", "FREQ=WEEKLY", until=9)
    yield year.case("weekly-endless", "FREQ=WEEKLY")
    yield year.case("weekly-mo-we-fr", "FREQ=WEEKLY;BYDAY=MO,WE,FR;COUNT=20")
    yield year.case("weekly-every-2", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;COUNT=14")
    yield year.case("weekly-from-sunday", "FREQ=WEEKLY;INTERVAL=2;COUNT=9;WKST=SU;BYDAY=SU,MO")
    yield year.case("weekly-from-monday", "FREQ=WEEKLY;INTERVAL=2;COUNT=9;WKST=MO;BYDAY=SU,MO")
    yield year.case("weekly-setpos", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1;COUNT=12")


def _monthly(year: _Year) -> Iterator[Case]:
    for name, rule in (
        ("15th", "BYMONTHDAY=15"),
        ("plain", "INTERVAL=1"),
        ("quarterly", "INTERVAL=3;BYMONTHDAY=10"),
        ("29th", "BYMONTHDAY=29"),
        ("30th", "BYMONTHDAY=30"),
        ("31st", "BYMONTHDAY=31"),
        ("last-day", "BYMONTHDAY=-1"),
        ("last-but-one", "BYMONTHDAY=-2"),
        ("1st-and-15th", "BYMONTHDAY=1,15"),
        ("2nd-tuesday", "BYDAY=2TU"),
        ("last-friday", "BYDAY=-1FR"),
        ("5th-monday", "BYDAY=5MO"),
        ("1st-and-3rd-monday", "BYDAY=1MO,3MO"),
        ("setpos-last-workday", "BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"),
        ("setpos-first-weekend", "BYDAY=SA,SU;BYSETPOS=1"),
        ("setpos-second", "BYDAY=TU,TH;BYSETPOS=2"),
        ("setpos-both-ends", "BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1"),
        ("setpos-30-or-last", "BYMONTHDAY=28,29,30;BYSETPOS=-1"),
        ("friday-13th", "BYDAY=FR;BYMONTHDAY=13"),
        ("in-two-months", "BYMONTH=3,6;BYMONTHDAY=10"),
    ):
        yield year.case(f"monthly-{name}", f"FREQ=MONTHLY;{rule};COUNT=14")
    yield year.case("monthly-until", "FREQ=MONTHLY;BYMONTHDAY=7", until=7)
    yield year.case("monthly-endless", "FREQ=MONTHLY;BYDAY=-1TH")


def _yearly(year: _Year) -> Iterator[Case]:
    yield year.case("yearly", "FREQ=YEARLY;COUNT=5")
    yield year.case("yearly-endless", "FREQ=YEARLY", on=(3, 3), years=-12)
    yield year.case("yearly-every-2", "FREQ=YEARLY;INTERVAL=2", on=(4, 4), years=-4)
    leap = next(back for back in range(9) if isleap(year.year - back))
    yield year.case("yearly-29-february", "FREQ=YEARLY", on=(2, 29), years=-leap)
    yield year.case("yearly-last-sunday", "FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU")
    yield year.case("yearly-two-months", "FREQ=YEARLY;BYMONTH=2,8;BYMONTHDAY=4")
    yield year.case("yearly-setpos", "FREQ=YEARLY;BYMONTH=11;BYDAY=TH;BYSETPOS=4")
    yield year.case("yearly-week", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO")
    yield year.case("yearly-day", "FREQ=YEARLY;BYYEARDAY=100,-100")
    yield year.case("yearly-20th-monday", "FREQ=YEARLY;BYDAY=20MO")


def _dates(year: _Year) -> Iterator[Case]:
    weekly = "FREQ=WEEKLY;COUNT=8"
    yield year.case("exdate", weekly, excluded=(2,))
    yield year.case("exdate-many", weekly, excluded=(1, 3, 4))
    yield year.case("exdate-first", weekly, excluded=(0,))
    yield year.case("exdate-last", weekly, excluded=(7,))
    yield year.case("exdate-utc", weekly, excluded=(2, 5), utc_exclusions=True)
    yield year.case("exdate-beside", weekly, excluded=(2,), excluded_too=(3 * DAY,))
    yield year.case("exdate-endless", "FREQ=DAILY", excluded=(5, 40))
    yield year.case("rdate", weekly, added=(2 * DAY,))
    yield year.case("rdate-other-time", weekly, added=(9 * DAY + 3 * HOUR, 100 * DAY))
    yield year.case("rdate-alone", "", added=(2 * DAY, 9 * DAY, 30 * DAY))
    yield year.case("rdate-and-exdate", weekly, added=(2 * DAY, 9 * DAY), excluded=(1,), excluded_too=(9 * DAY,))
    yield year.case("rdate-monthly-31st", "FREQ=MONTHLY;BYMONTHDAY=31;COUNT=5", added=(40 * DAY,))
    yield year.case("two-rules", "FREQ=WEEKLY;COUNT=6", rules_too=("FREQ=MONTHLY;COUNT=4",))


def _changes(year: _Year) -> Iterator[Case]:
    weekly = "FREQ=WEEKLY;COUNT=8"
    yield year.case("moved", weekly, moved={2: 5 * HOUR})
    yield year.case("moved-other-day", weekly, moved={2: 2 * DAY, 4: -2 * DAY})
    yield year.case("moved-past-the-next", weekly, moved={2: 9 * DAY})
    yield year.case("moved-first", weekly, moved={0: 3 * HOUR})
    yield year.case("moved-before-first", weekly, moved={0: -3 * DAY})
    yield year.case("moved-longer", weekly, moved={3: HOUR}, lasting={3: 3 * HOUR, 5: HOUR / 2})
    yield year.case("override-first", weekly, moved={2: 5 * HOUR}, renamed=(4,), overrides_first=True)
    yield year.case("renamed", weekly, renamed=(1, 6))
    yield year.case("cancelled", weekly, cancelled=(2,))
    yield year.case("cancelled-first", weekly, cancelled=(0,))
    yield year.case("cancelled-last", weekly, cancelled=(7,))
    yield year.case("cancelled-all-but-one", weekly, cancelled=(0, 1, 2, 3, 5, 6, 7))
    yield year.case("cancelled-and-moved", weekly, cancelled=(2,), moved={3: -5 * DAY})
    yield year.case("moved-in-endless", "FREQ=DAILY", moved={30: 2 * HOUR}, cancelled=(31,))
    yield year.case("moved-by-setpos", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=12", moved={3: -DAY})
    yield year.case("moved-31st", "FREQ=MONTHLY;BYMONTHDAY=31;COUNT=6", moved={1: DAY}, cancelled=(2,), renamed=(3,))


def _splits(year: _Year) -> Iterator[Case]:
    """ "This and all that follow": a series ends, another goes on."""
    first = year.series("split", "FREQ=WEEKLY", until=6)
    rest = year.series("split afternoon", "FREQ=WEEKLY;COUNT=9", on=(2, 16), at=(14, 30))
    yield Case(name="split", series=(first, rest))
    first = year.series("split-changed", "FREQ=DAILY", until=20, until_earlier=HOUR, moved={3: HOUR})
    second = year.series("split-changed middle", "FREQ=DAILY", on=(1, 24), at=(11, 0), until=14, cancelled=(2,))
    third = year.series("split-changed end", "FREQ=WEEKLY", on=(2, 7), at=(11, 0))
    yield Case(name="split-changed", series=(first, second, third))


def _days(year: _Year) -> Iterator[Case]:
    """All-day series, and days among times."""
    yield year.days("day-weekly", "FREQ=WEEKLY;COUNT=8")
    yield year.days("day-until", "FREQ=DAILY", until=9)
    yield year.days("day-yearly", "FREQ=YEARLY", on=(5, 17), years=-30)
    yield year.days("day-two-days-monthly", "FREQ=MONTHLY;BYDAY=1SA;COUNT=10", length=2)
    yield year.days("day-31st", "FREQ=MONTHLY;BYMONTHDAY=31;COUNT=6")
    yield year.days("day-last", "FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=9")
    yield year.days("day-exdate", "FREQ=WEEKLY;COUNT=8", excluded=(2, 3))
    yield year.days("day-rdate", "FREQ=WEEKLY;COUNT=5", added=(3 * DAY,))
    yield year.days("day-moved", "FREQ=WEEKLY;COUNT=8", moved={2: 2 * DAY}, cancelled=(4,), renamed=(5,))
    yield year.days("day-becomes-hour", "FREQ=WEEKLY;COUNT=6", at_hour={2: 15})


def _clocks(year: _Year) -> Iterator[Case]:
    """Both changes of the clocks: local time holds."""
    yield year.case("dst-spring", "FREQ=DAILY;COUNT=12", on=(3, 24))
    yield year.case("dst-autumn", "FREQ=DAILY;COUNT=12", on=(10, 22))
    yield year.case("dst-weekly", "FREQ=WEEKLY")
    yield year.case("dst-new-york", "FREQ=WEEKLY;BYDAY=TU,FR", zone=NEW_YORK, at=(18, 0))
    yield year.case("dst-sydney", "FREQ=WEEKLY", zone=SYDNEY, at=(8, 15))
    yield year.case("dst-gap", "FREQ=DAILY;COUNT=12", on=(3, 24), at=(2, 30), length=30)
    yield year.case("dst-twice", "FREQ=DAILY;COUNT=12", on=(10, 22), at=(2, 30), length=30, over_change=True)
    yield year.case("dst-overnight", "FREQ=DAILY;COUNT=12", on=(3, 24), at=(22, 0), length=8 * 60, over_change=True)
    yield year.case("dst-moved-across", "FREQ=WEEKLY;COUNT=6", on=(3, 14), moved={1: 6 * DAY}, cancelled=(3,))
    yield year.case("dst-exdate", "FREQ=WEEKLY", on=(3, 1), excluded=(3, 5, 34))
    yield year.case("dst-until", "FREQ=DAILY", on=(10, 20), until=14)
    yield year.case("no-dst", "FREQ=WEEKLY", zone=KOLKATA)
    yield year.case("utc", "FREQ=WEEKLY;COUNT=30", zone="UTC")


def _zones(year: _Year) -> Iterator[Case]:
    """Times without a zone, and zones that go by another name."""
    yield year.case("floating", "FREQ=WEEKLY", zone=None)
    yield year.case("floating-changed", "FREQ=DAILY;COUNT=9", zone=None, moved={2: HOUR}, cancelled=(4,), excluded=(6,))
    yield year.case("floating-once", "", zone=None)
    yield year.case("windows-berlin", "FREQ=WEEKLY", windows_zone="W. Europe Standard Time")
    yield year.case(
        "windows-new-york",
        "FREQ=WEEKLY;COUNT=30",
        zone=NEW_YORK,
        windows_zone="Eastern Standard Time",
        moved={11: HOUR},
        excluded=(4,),
    )
    yield year.case("zone-unknown-to-windows", "FREQ=WEEKLY;COUNT=20", zone=TROLL, moved={3: HOUR})


def _singles(year: _Year) -> Iterator[Case]:
    yield year.case("once", "")
    yield year.case("once-overnight", "", at=(20, 0), length=3 * 24 * 60)
    yield year.case("once-no-length", "", length=0)
    yield year.case("once-unknown-to-windows", "", zone=TROLL)
    yield year.days("once-day", "")
    yield year.days("once-days", "", length=5)


_OF_CASES = ("windows_zone", "overrides_first", "utc_exclusions", "over_change")


class _Year:
    """Makes cases that begin in a year."""

    def __init__(self, year: int) -> None:
        self.year = year

    def case(self, name: str, rule: str, **how: Any) -> Case:
        """A case of one timed series."""
        quirks = {one: how.pop(one) for one in _OF_CASES if one in how}
        return Case(name=name, series=(self.series(name, rule, **how),), **quirks)

    def days(self, name: str, rule: str, *, length: int = 1, **how: Any) -> Case:
        """A case of one all-day series."""
        return Case(name=name, series=(self._made(name, rule, at=None, length=length * DAY, zone=None, **how),))

    def series(
        self,
        title: str,
        rule: str,
        *,
        at: tuple[int, int] = (9, 0),
        length: int = 60,
        zone: str | None = HOME,
        **how: Any,
    ) -> Series:
        """A timed series, `length` in minutes."""
        return self._made(title, rule, at=time(*at), length=timedelta(minutes=length), zone=zone, **how)

    def _made(
        self,
        title: str,
        rule: str,
        *,
        at: time | None,
        length: timedelta,
        zone: str | None,
        on: tuple[int, int] = (1, 5),
        years: int = 0,
        until: int | None = None,
        until_earlier: timedelta = timedelta(),
        until_date: bool = False,
        rules_too: Sequence[str] = (),
        added: Sequence[timedelta] = (),
        excluded: Sequence[int] = (),
        excluded_too: Sequence[timedelta] = (),
        moved: Mapping[int, timedelta] | None = None,
        lasting: Mapping[int, timedelta] | None = None,
        at_hour: Mapping[int, int] | None = None,
        renamed: Sequence[int] = (),
        cancelled: Sequence[int] = (),
    ) -> Series:
        """Occurrences are named by their place, other times by their distance from the first."""
        day = date(self.year + years, *on)
        begin: Local = day if at is None else datetime.combine(day, at)
        begin, places = _places(begin, rule)
        if until is not None:
            rule += f";UNTIL={_until(places[until - 1], zone, earlier=until_earlier, as_date=until_date)}"
        changes = [Change(at=places[one], cancelled=True) for one in cancelled]
        changes += [Change(at=places[one], title=f"{title} renamed") for one in renamed]
        lasting = lasting or {}
        for one in {**(moved or {}), **lasting}:
            start = places[one] + (moved or {}).get(one, timedelta())
            changes.append(Change(at=places[one], start=start, length=lasting.get(one), title=f"{title} moved"))
        for one, hour in (at_hour or {}).items():
            then = datetime.combine(places[one], time(hour))
            changes.append(Change(at=places[one], start=then, length=HOUR, title=f"{title} timed"))
        return Series(
            title=title,
            start=begin,
            length=length,
            zone=zone,
            rules=(*((rule,) if rule else ()), *rules_too),
            added=tuple(begin + shift for shift in added),
            excluded=(*(places[one] for one in excluded), *(begin + shift for shift in excluded_too)),
            changes=tuple(sorted(changes, key=lambda change: change.at)),
        )


def _places(begin: Local, rule: str) -> tuple[Local, list[Local]]:
    """The first start that follows the rule, and the starts from there."""
    if not rule:
        return begin, [begin]
    endless = ";".join(part for part in rule.split(";") if not part.startswith("COUNT="))
    moments = list(islice(rrulestr(f"RRULE:{endless}", dtstart=series.midnight(begin)), 60))
    return (
        (moments[0], moments) if isinstance(begin, datetime) else (moments[0].date(), [one.date() for one in moments])
    )


def _until(last: Local, zone: str | None, *, earlier: timedelta, as_date: bool) -> str:
    if not isinstance(last, datetime) or as_date:
        return f"{last:%Y%m%d}"
    return f"{(last.replace(tzinfo=None) if zone is None else series.moment(last, zone)) - earlier:%Y%m%dT%H%M%S}" + (
        "" if zone is None else "Z"
    )
