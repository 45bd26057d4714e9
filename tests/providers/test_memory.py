"""The provider in memory refuses what the stricter of the real ones refuse."""

from __future__ import annotations

from dataclasses import replace

from shared.calendar.event import Availability, Event, Response, Text
from shared.calendar.patch import Patch
from shared.core.errors import ConflictError, NotFoundError, PreconditionFailedError
from shared.providers.memory import MemoryCalendar, MemoryServer
from shared.providers.port import HAS_GUESTS, NOT_ORGANIZER, Amend, Withdraw
from tests.providers.samples import MONDAYS, accepted, at, refused, timed

SERIES = Event(
    id="one",
    span=timed(at(16)),
    text=Text(title="Stand-up"),
    recurrence=("RRULE:FREQ=WEEKLY;COUNT=4",),
    availability=Availability.BUSY,
)


def test_a_series_and_its_occurrence_are_amended_and_withdrawn() -> None:
    server = MemoryServer()
    etag = server.put("work", SERIES).etag
    calendar = MemoryCalendar(server)
    renamed, special = Patch(title="Renamed"), Patch(title="Special")

    first, again, _, outdated, taken, taken_again = calendar.write(
        "work",
        [
            Amend(event_id="one", patch=renamed, etag=etag),
            Amend(event_id="one", patch=renamed, etag=etag),
            Amend(event_id="one", occurrence=MONDAYS[1], patch=special),
            Withdraw(event_id="one", etag=etag),
            Withdraw(event_id="one", occurrence=MONDAYS[2]),
            Withdraw(event_id="one", occurrence=MONDAYS[2]),
        ],
    )

    assert accepted(first).event == accepted(again).event
    assert isinstance(refused(outdated), PreconditionFailedError)
    assert accepted(taken) == accepted(taken_again)
    titles = {one.id: one.text.title for one in server.visible("work") if one.text}
    assert titles == {"one": "Renamed", f"one_{MONDAYS[1]}": "Special"}


def test_what_others_organise_or_are_invited_to_is_left_alone() -> None:
    server = MemoryServer()
    server.put("work", replace(SERIES, id="theirs", response=Response.ACCEPTED))
    server.put("work", replace(SERIES, id="ours"))
    server.invited.add("ours")

    outcomes = MemoryCalendar(server).write(
        "work", [Amend(event_id=one, patch=Patch(title="x")) for one in ("theirs", "ours", "none")]
    )

    errors = [refused(one) for one in outcomes]
    assert [one.error_code for one in errors if isinstance(one, ConflictError)] == [NOT_ORGANIZER, HAS_GUESTS]
    assert isinstance(errors[2], NotFoundError)
