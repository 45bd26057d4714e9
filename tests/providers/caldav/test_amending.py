"""What changing a person's own event on a CalDAV server leaves alone, what it refuses, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.calendar.event import Availability, Text
from shared.calendar.patch import Description, Patch
from shared.core.errors import ConflictError, NotFoundError, PreconditionFailedError
from shared.providers.port import HAS_GUESTS, NOT_ORGANIZER, Amend, Withdraw
from tests.providers.caldav.conftest import EMAIL
from tests.providers.replica import happenings
from tests.providers.samples import MONDAYS, accepted, at, days, get, refused, timed, write

if TYPE_CHECKING:
    from datetime import datetime

    from tests.providers.caldav.conftest import CalDavWorld

STAMPS = ("DTSTAMP", "LAST-MODIFIED", "SEQUENCE")
EVENT = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Somebody//EN
X-WR-CALNAME:Mine
BEGIN:VTIMEZONE
TZID:Home
X-LIC-LOCATION:Europe/Berlin
BEGIN:STANDARD
DTSTART:19961027T030000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19810329T020000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
END:VTIMEZONE
BEGIN:VEVENT
UID:own
DTSTAMP:20260101T000000Z
LAST-MODIFIED:20260101T000000Z
CREATED:20250101T000000Z
SEQUENCE:7
DTSTART;TZID=Home:20260316T090000
DURATION:PT1H
RRULE:FREQ=WEEKLY;COUNT=4;BYDAY=MO
EXDATE;TZID=Home:20260330T090000
SUMMARY;LANGUAGE=en:Stand-up
DESCRIPTION:What we said\\, and did
X-ALT-DESC;FMTTYPE=text/html:<p>What we said\\, and did</p>
LOCATION:Bern
GEO:46.9;7.4
X-APPLE-STRUCTURED-LOCATION;VALUE=URI;X-TITLE="Bern":geo:46.9,7.4
CATEGORIES:Work,Daily
ATTACH;FMTTYPE=application/pdf:https://example.com/a.pdf
X-COLOUR;X-SHADE="dark:red":4
BEGIN:VALARM
ACTION:DISPLAY
TRIGGER:-PT15M
DESCRIPTION:Now
END:VALARM
END:VEVENT
BEGIN:VEVENT
UID:own
DTSTAMP:20260101T000000Z
RECURRENCE-ID;TZID=Home:20260323T090000
DTSTART;TZID=Home:20260324T140000
DTEND;TZID=Home:20260324T150000
SUMMARY:On Tuesday
END:VEVENT
BEGIN:VEVENT
UID:own
DTSTAMP:20260101T000000Z
RECURRENCE-ID;TZID=Home:20260406T090000
DTSTART;TZID=Home:20260406T090000
DTEND;TZID=Home:20260406T100000
SUMMARY:Last one
END:VEVENT
END:VCALENDAR
"""
NAME = "own.ics"


def put(world: CalDavWorld, text: str = EVENT) -> None:
    world.put_text(NAME, text.replace("\n", "\r\n"))


def content(world: CalDavWorld) -> list[str]:
    """The lines as they stand, without those that every change renews, in no order."""
    unfolded = world.text(NAME).replace("\r\n ", "").splitlines()
    return sorted(line for line in unfolded if not line.startswith(STAMPS))


def amend(world: CalDavWorld, patch: Patch, occurrence: str | None = None) -> None:
    accepted(write(world, Amend(event_id=NAME, occurrence=occurrence, patch=patch))[0])


@pytest.mark.parametrize(
    ("patch", "gone", "come"),
    [
        (Patch(title="Daily; really"), ("SUMMARY;LANGUAGE",), ["SUMMARY:Daily\\; really"]),
        (Patch(location="Basel"), ("LOCATION", "GEO", "X-APPLE"), ["LOCATION:Basel"]),
        (Patch(description=Description(text="<b>New</b>", is_html=True)), ("X-ALT",), ["DESCRIPTION:New"]),
        (
            Patch(availability=Availability.OUT_OF_OFFICE),
            (),
            ["STATUS:CONFIRMED", "TRANSP:OPAQUE", "X-MICROSOFT-CDO-BUSYSTATUS:OOF"],
        ),
    ],
    ids=["title", "place", "description", "availability"],
)
def test_what_is_not_named_stays_to_the_letter(
    world: CalDavWorld, patch: Patch, gone: tuple[str, ...], come: list[str]
) -> None:
    put(world)
    before = content(world)

    amend(world, patch)

    kept = [line for line in before if not (gone and line.startswith(gone))]
    if patch.description is not None:
        kept.remove("DESCRIPTION:What we said\\, and did")
    assert content(world) == sorted([*kept, *come])
    assert "SEQUENCE:8" in world.text(NAME)
    assert world.text(NAME).count("DTSTAMP:20260101T000000Z") == 2


def test_a_patch_that_is_shown_already_costs_one_request_even_under_an_older_etag(world: CalDavWorld) -> None:
    put(world)
    patch = Patch(title="Stand-up ", description=Description(text="<p>What we said, and did</p>", is_html=True))
    before = world.text(NAME)
    world.requests()

    accepted(write(world, Amend(event_id=NAME, patch=patch, etag='"an older one"'))[0])

    assert world.requests() == 1
    assert world.text(NAME) == before


def test_amendments_of_one_reading_are_one_request_that_writes(world: CalDavWorld) -> None:
    put(world)
    etag = get(world, NAME).root.etag
    world.requests()

    outcomes = write(
        world,
        Amend(event_id=NAME, patch=Patch(title="Renamed"), etag=etag),
        Amend(event_id=NAME, occurrence="20260323T080000Z", patch=Patch(location="Basel"), etag=etag),
        Amend(event_id=NAME, occurrence="20260317T080000Z", patch=Patch(location="Nowhere"), etag=etag),
        Withdraw(event_id=NAME, occurrence="20260406T070000Z", etag=etag),
    )

    assert world.requests() == 2
    assert isinstance(refused(outcomes.pop(2)), NotFoundError)
    assert [accepted(one).event_id for one in outcomes] == [
        NAME,
        f"{NAME}_20260323T080000Z",
        f"{NAME}_20260406T070000Z",
    ]
    unit = get(world, NAME)
    assert unit.root.text and unit.root.text.title == "Renamed"
    assert [one.text for one in unit.overrides if one.text] == [Text(title="On Tuesday", location="Basel")]
    assert len(happenings(unit)) == 2


# Occurrences


def test_an_occurrence_is_made_like_its_series(world: CalDavWorld) -> None:
    put(world)

    amend(world, Patch(title="First one"), occurrence=MONDAYS[0])

    text = world.text(NAME)
    assert [text.count(one) for one in ("BEGIN:VALARM", "X-COLOUR", "ATTACH", "RRULE:FREQ=WEEKLY", "EXDATE")] == [
        2, 2, 2, 1, 1,
    ]  # fmt: skip
    first = next(one for one in get(world, NAME).overrides if one.text and one.text.title == "First one")
    assert first.text == Text(title="First one", description="What we said, and did", location="Bern")
    assert first.span and first.span.starts_at() == at(16)


def test_an_occurrence_that_was_taken_out_is_not_brought_back(world: CalDavWorld) -> None:
    put(world)

    outcome = write(world, Amend(event_id=NAME, occurrence=MONDAYS[2], patch=Patch(title="Back")))[0]

    assert isinstance(refused(outcome), NotFoundError)


def test_an_occurrence_that_differs_is_withdrawn_with_its_own_lines(world: CalDavWorld) -> None:
    put(world)

    accepted(write(world, Withdraw(event_id=NAME, occurrence=MONDAYS[1]))[0])

    assert "On Tuesday" not in world.text(NAME)
    assert [start[:10] for start, _ in happenings(get(world, NAME))] == ["2026-03-16", "2026-04-06"]


# A new start or rule


@pytest.mark.parametrize(
    ("by_day", "start", "last"), [(";BYDAY=MO", at(16, 11), "2026-04-06"), ("", at(17, 11), "2026-04-07")]
)
def test_what_differs_goes_along_with_its_series(world: CalDavWorld, by_day: str, start: datetime, last: str) -> None:
    put(world, EVENT.replace(";BYDAY=MO", by_day))

    amend(world, Patch(when=timed(start)))

    unit = get(world, NAME)
    assert [begin for begin, _ in happenings(unit)] == [
        f"{start:%Y-%m-%d}T10:00:00+00:00",
        "2026-03-24T13:00:00+00:00",
        f"{last}T09:00:00+00:00",
    ]
    assert [one.text.title for one in unit.overrides if one.text] == ["On Tuesday", "Last one"]


def test_what_a_new_rule_has_no_place_for_ends(world: CalDavWorld) -> None:
    put(world)

    amend(world, Patch(when=timed(at(16)), recurrence=("RRULE:FREQ=WEEKLY;INTERVAL=3;COUNT=3",)))

    unit = get(world, NAME)
    assert [start[:10] for start, _ in happenings(unit)] == ["2026-03-16", "2026-04-06", "2026-04-27"]
    assert [one.text.title for one in unit.overrides if one.text] == ["Last one"]
    assert "EXDATE" not in world.text(NAME)


def test_a_series_of_whole_days_keeps_what_was_taken_out(world: CalDavWorld) -> None:
    put(world, EVENT.replace("COUNT=4", "UNTIL=20260406T070000Z"))

    amend(world, Patch(when=days(16)))

    assert "EXDATE;VALUE=DATE:20260330" in world.text(NAME)
    assert "UNTIL=20260406;" in world.text(NAME)
    assert [start[:10] for start, _ in happenings(get(world, NAME))] == ["2026-03-16", "2026-03-24", "2026-04-06"]


# Whose it is


def test_an_event_to_which_nobody_else_is_invited_is_amended(world: CalDavWorld) -> None:
    alone = f"ORGANIZER:mailto:{EMAIL}\nATTENDEE;PARTSTAT=ACCEPTED:MAILTO:{EMAIL.upper()}\nSUMMARY"
    put(world, EVENT.replace("SUMMARY", alone, 1))

    amend(world, Patch(title="Mine"))

    assert world.titles() == ["Mine"]
    assert "MAILTO:" in world.text(NAME)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (f"ORGANIZER:mailto:{EMAIL}\nATTENDEE:mailto:guest@example.com", HAS_GUESTS),
        ("ORGANIZER:mailto:boss@example.com", NOT_ORGANIZER),
    ],
)
def test_one_occurrence_with_others_protects_the_series(world: CalDavWorld, lines: str, code: str) -> None:
    put(world, EVENT.replace("SUMMARY:Last one", f"{lines}\nSUMMARY:Last one"))
    before = world.text(NAME)
    etag = get(world, NAME).root.etag or "unknown"

    outcomes = write(
        world,
        Amend(event_id=NAME, patch=Patch(title="Mine")),
        Withdraw(event_id=NAME, occurrence=MONDAYS[1]),
        Withdraw(event_id=NAME, etag=etag),
    )

    errors = [refused(one) for one in outcomes]
    assert [one.error_code for one in errors if isinstance(one, ConflictError)] == [code] * 3
    assert world.text(NAME) == before


def test_an_occurrence_of_a_series_that_changed_meanwhile_is_left_alone(world: CalDavWorld) -> None:
    put(world)
    etag = get(world, NAME).root.etag
    world.retitle(NAME, "Moved on")

    outcomes = write(
        world,
        Amend(event_id=NAME, occurrence=MONDAYS[1], patch=Patch(title="Mine"), etag=etag),
        Withdraw(event_id=NAME, occurrence=MONDAYS[0], etag=etag),
    )

    assert all(isinstance(refused(one), PreconditionFailedError) for one in outcomes)
    assert len(happenings(get(world, NAME))) == 3


def test_the_places_of_a_series_without_a_zone_have_none_either(world: CalDavWorld) -> None:
    head = EVENT.partition("BEGIN:VTIMEZONE")[0]
    start = "DTSTART:20260316T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=5\nSUMMARY:Stand-up\n"
    put(world, f"{head}BEGIN:VEVENT\nUID:own\nDTSTAMP:20260101T000000Z\n{start}END:VEVENT\nEND:VCALENDAR\n")

    accepted(write(world, Withdraw(event_id=NAME, occurrence="20260323T080000Z"))[0])
    amend(world, Patch(title="Renamed"), occurrence="20260330T070000Z")
    amend(world, Patch(title="Daily"))

    lines = content(world)
    assert "EXDATE:20260323T090000" in lines
    assert "RECURRENCE-ID:20260330T090000" in lines
    assert [start[:10] for start, _ in happenings(get(world, NAME))] == [
        "2026-03-16",
        "2026-03-30",
        "2026-04-06",
        "2026-04-13",
    ]
