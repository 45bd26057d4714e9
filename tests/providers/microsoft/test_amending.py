"""What changing a person's own event in Outlook leaves alone, what it refuses, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar.event import Availability, Text
from shared.calendar.patch import Description, Patch
from shared.core.errors import ConflictError, NotFoundError, PreconditionFailedError
from shared.providers.port import CONFERENCE, HAS_GUESTS, Amend, Withdraw
from tests.providers.replica import happenings
from tests.providers.samples import MONDAYS, accepted, at, event, get, refused, timed, weekly, write

if TYPE_CHECKING:
    from tests.providers.microsoft.conftest import MicrosoftWorld

STAMPS = ("@odata.etag", "changeKey", "lastModifiedDateTime")


def kept(world: MicrosoftWorld, event_id: str) -> dict[str, Any]:
    """The event as Outlook keeps it, without what every write changes."""
    item = next(one for one in world.items() if one["id"] == event_id)
    return {name: value for name, value in item.items() if name not in STAMPS}


def test_what_is_not_named_stays_to_the_last_property(world: MicrosoftWorld) -> None:
    event_id = world.make(
        categories=["Red"],
        sensitivity="private",
        isReminderOn=True,
        reminderMinutesBeforeStart=30,
        importance="high",
        isOnlineMeeting=True,
        body={"contentType": "html", "content": "<p>Join <a href='https://example.com/x'>here</a></p>"},
    )
    before = kept(world, event_id)

    accepted(write(world, Amend(event_id=event_id, patch=Patch(title="Renamed")))[0])

    assert kept(world, event_id) == before | {"subject": "Renamed"}


def test_the_description_of_an_online_meeting_is_left_alone(world: MicrosoftWorld) -> None:
    event_id = world.make(isOnlineMeeting=True)

    text = Patch(description=Description(text="New"))
    error = refused(write(world, Amend(event_id=event_id, patch=text))[0])

    assert isinstance(error, ConflictError)
    assert error.error_code == CONFERENCE


def test_an_event_with_guests_is_read_and_nothing_is_sent(world: MicrosoftWorld) -> None:
    event_id = world.add(event("Review"), guest="guest@example.com")
    before, mails = kept(world, event_id), world.mails()
    world.requests()

    error = refused(write(world, Amend(event_id=event_id, patch=Patch(title="Renamed")))[0])

    assert isinstance(error, ConflictError)
    assert error.error_code == HAS_GUESTS
    assert world.requests() == 1
    assert (kept(world, event_id), world.mails()) == (before, mails)


def test_an_occurrence_of_a_series_with_guests_is_left_alone(world: MicrosoftWorld) -> None:
    event_id = world.add(weekly("Stand-up"), guest="guest@example.com")
    mails = world.mails()

    outcomes = write(
        world,
        Amend(event_id=event_id, occurrence=MONDAYS[1], patch=Patch(title="Mine")),
        Withdraw(event_id=event_id, occurrence=MONDAYS[1]),
    )

    assert all(isinstance(refused(one), ConflictError) for one in outcomes)
    assert len(happenings(get(world, event_id))) == 4
    assert world.mails() == mails


@pytest.mark.parametrize("honoured", [True, False])
def test_an_older_etag_is_noticed_whether_graph_does_or_not(world: MicrosoftWorld, honoured: bool) -> None:
    world.faults(honour_if_match=honoured)
    event_id = world.add(event("Review"))
    etag = get(world, event_id).root.etag
    world.retitle(event_id, "Moved on")

    outcomes = write(
        world, Amend(event_id=event_id, patch=Patch(location="Bern"), etag=etag), Withdraw(event_id=event_id, etag=etag)
    )

    assert all(isinstance(refused(one), PreconditionFailedError) for one in outcomes)
    assert get(world, event_id).root.text == Text(title="Moved on")


def test_a_cancelled_occurrence_is_not_brought_back(world: MicrosoftWorld) -> None:
    event_id = world.add(weekly("Stand-up"))
    world.cancel(event_id, MONDAYS[1])

    error = refused(write(world, Amend(event_id=event_id, occurrence=MONDAYS[1], patch=Patch(title="x")))[0])

    assert isinstance(error, NotFoundError)


def test_availability_that_only_outlook_knows_is_written(world: MicrosoftWorld) -> None:
    event_id = world.add(event("Away"))

    accepted(write(world, Amend(event_id=event_id, patch=Patch(availability=Availability.WORKING_ELSEWHERE)))[0])

    assert get(world, event_id).root.availability is Availability.WORKING_ELSEWHERE


def test_a_rule_that_is_there_already_is_not_written_anew(world: MicrosoftWorld) -> None:
    event_id = world.add(weekly("Stand-up"))
    world.move(event_id, MONDAYS[1], timed(at(24, 14)))
    root = get(world, event_id).root

    same = Patch(title="Renamed", when=timed(at(16)), recurrence=root.recurrence)
    accepted(write(world, Amend(event_id=event_id, patch=same))[0])

    assert happenings(get(world, event_id))[1][0] == "2026-03-24T13:00:00+00:00"
