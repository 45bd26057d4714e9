from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import icalendar
import pytest

from shared.calendar.event import Text
from shared.calendar.span import parse_occurrence_key
from shared.core.errors import ConflictError
from shared.providers.caldav import writing
from shared.providers.port import CancelOccurrence, Update, WriteOccurrence
from tests.providers.replica import happenings
from tests.providers.samples import MARKER, MONDAYS, accepted, at, event, get, insert, refused, timed, weekly, write

if TYPE_CHECKING:
    from tests.providers.caldav.conftest import CalDavWorld

ALARM = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nDESCRIPTION:Now\r\nEND:VALARM\r\n"


def test_what_others_put_into_a_mirror_survives_our_updates(world: CalDavWorld) -> None:
    series = insert(world, weekly("Busy"))
    text = world.text(series.id)
    world.put_text(series.id, text.replace("END:VEVENT", f"X-COLOUR;X-SHADE=dark:red\r\n{ALARM}END:VEVENT"))

    accepted(write(world, Update(event_id=series.id, marker=MARKER, appearance=weekly("Renamed")))[0])
    accepted(write(world, CancelOccurrence(series_id=series.id, key=MONDAYS[1]))[0])

    kept = world.text(series.id)
    assert "X-COLOUR;X-SHADE=dark:red" in kept
    assert "TRIGGER:-PT15M" in kept
    assert "SUMMARY:Renamed" in kept


def test_an_independent_reader_finds_what_was_meant(world: CalDavWorld) -> None:
    series = insert(world, weekly("Busy; really, \\ yes", timed(at(16, zone="America/New_York"))))
    write(world, WriteOccurrence(series_id=series.id, key="20260323T130000Z", appearance=event("Moved")))

    calendar = icalendar.Calendar.from_ical(world.text(series.id))

    master, moved = calendar.walk("VEVENT")
    assert str(master["summary"]) == "Busy; really, \\ yes"
    assert master["dtstart"].dt.astimezone(UTC) == at(16, zone="America/New_York").astimezone(UTC)
    assert str(master["dtstart"].params["TZID"]) == "America/New_York"
    assert moved["recurrence-id"].dt.astimezone(UTC) == parse_occurrence_key("20260323T130000Z")
    assert moved["uid"] == master["uid"]
    assert [str(one["class"]) for one in (master, moved)] == ["PRIVATE", "PRIVATE"]
    assert not any(name in one for one in (master, moved) for name in ("ATTENDEE", "ORGANIZER", "VALARM"))
    assert {str(one["tzid"]) for one in calendar.walk("VTIMEZONE")} == {"America/New_York", "Europe/Berlin"}


def test_writes_to_one_series_are_one_request_that_writes(world: CalDavWorld) -> None:
    series = insert(world, weekly("Busy"))
    world.requests()

    write(world, *[CancelOccurrence(series_id=series.id, key=key) for key in MONDAYS[:3]])

    assert world.requests() == 2
    assert [start[:10] for start, _ in happenings(get(world, series.id))] == ["2026-04-06"]


def test_one_occurrence_that_is_not_there_spoils_no_other(world: CalDavWorld) -> None:
    series = insert(world, weekly("Busy"))

    wrong, right = write(
        world,
        WriteOccurrence(series_id=series.id, key="20260317T080000Z", appearance=event("Nowhere")),
        CancelOccurrence(series_id=series.id, key=MONDAYS[1]),
    )

    assert "no occurrence" in str(refused(wrong))
    accepted(right)
    assert len(happenings(get(world, series.id))) == 3


def test_a_mirror_that_others_were_invited_to_is_left_as_it_is(world: CalDavWorld) -> None:
    mirror = insert(world, event("Busy"))
    invited = "ORGANIZER:mailto:pat@example.com\r\nATTENDEE:mailto:guest@example.com\r\nEND:VEVENT"
    world.put_text(mirror.id, world.text(mirror.id).replace("END:VEVENT", invited))

    outcome = write(world, Update(event_id=mirror.id, marker=MARKER, appearance=event("Changed")))[0]

    assert isinstance(refused(outcome), ConflictError)
    assert world.titles() == ["Busy"]


def test_a_mirror_whose_marker_a_program_dropped_is_still_ours(world: CalDavWorld) -> None:
    mirror = insert(world, event("Busy"))
    kept = [line for line in world.text(mirror.id).splitlines() if not line.startswith(("X-KALENDS", " "))]
    world.put_text(mirror.id, "\r\n".join(kept) + "\r\n")

    again = insert(world, event("Busy, later"), retried=True)

    assert again.id == mirror.id
    assert world.titles() == ["Busy, later"]


def test_html_becomes_the_text_that_it_shows() -> None:
    assert writing.plain("<p>Hello <b>you</b> &amp; me</p><ul><li>one</li></ul>") == "Hello you & me\none"


@pytest.mark.parametrize("text", ["a\x00b\x07c", "x" * 500, "漢字" * 60, "a\r\nb\rc"])
def test_every_text_makes_lines_that_any_parser_reads(text: str) -> None:
    made = writing.new("u", event(text=Text(title=text)), marker=MARKER, now=datetime(2026, 1, 1, tzinfo=UTC))

    (read,) = icalendar.Calendar.from_ical(str(made)).walk("VEVENT")

    assert all(len(line.encode()) <= 75 for line in str(made).split("\r\n"))
    assert str(read["summary"]) == text.replace("\x00", "").replace("\x07", "").replace("\r\n", "\n").replace(
        "\r", "\n"
    )
