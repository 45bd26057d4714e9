"""What changing a person's own event at Google leaves alone, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar.event import Availability
from shared.calendar.patch import Description, Patch
from shared.core.errors import ConflictError
from shared.providers.google import writing
from shared.providers.port import NOT_ORGANIZER, Amend, Withdraw, Written
from tests.providers.replica import happenings
from tests.providers.samples import MONDAYS, accepted, at, days, event, get, refused, timed, weekly, write

if TYPE_CHECKING:
    from tests.providers.google.conftest import GoogleWorld

OWN = {
    "reminders": {"useDefault": False, "overrides": [{"method": "popup", "minutes": 30}]},
    "colorId": "5",
    "visibility": "private",
    "guestsCanModify": True,
    "extendedProperties": {"private": {"theirs": "1"}, "shared": {"also": "2"}},
}
STAMPS = ("etag", "updated", "sequence")


def kept(world: GoogleWorld, event_id: str) -> dict[str, Any]:
    """The event as Google keeps it, without what every write changes."""
    item = next(one for one in world.items() if one["id"] == event_id)
    return {name: value for name, value in item.items() if name not in STAMPS}


def test_what_is_not_named_stays_to_the_last_property(world: GoogleWorld) -> None:
    event_id = world.add(event("Review"), guest="guest@example.com")
    world.sim("PATCH", world.events(event_id), OWN)
    before = kept(world, event_id)
    mails = world.mails()

    accepted(write(world, Amend(event_id=event_id, patch=Patch(title="Renamed")))[0])

    assert kept(world, event_id) == before | {"summary": "Renamed"}
    assert world.mails() == mails


def test_an_amendment_costs_two_requests_and_one_that_is_done_already_one(world: GoogleWorld) -> None:
    event_id = world.add(event("Review"))
    world.requests()

    write(world, Amend(event_id=event_id, patch=Patch(title="Renamed")))
    first = world.requests()
    write(world, Amend(event_id=event_id, patch=Patch(title="Renamed")))

    assert (first, world.requests()) == (2, 1)


def test_a_guest_who_may_modify_the_event_is_refused_as_well(world: GoogleWorld) -> None:
    calendar_id, event_id = world.invite(event("Review"))
    world.sim("PATCH", f"/calendars/host@example.com/events/{event_id}", {"guestsCanModify": True})

    (outcome,) = world.provider.write(calendar_id, [Amend(event_id=event_id, patch=Patch(title="Mine"))])

    error = refused(outcome)
    assert isinstance(error, ConflictError)
    assert error.error_code == NOT_ORGANIZER


def test_a_cancelled_occurrence_comes_back_with_an_amendment(world: GoogleWorld) -> None:
    event_id = world.add(weekly("Stand-up"))
    world.cancel(event_id, MONDAYS[1])

    back = Patch(title="Again", when=timed(at(23, 10)))
    accepted(write(world, Amend(event_id=event_id, occurrence=MONDAYS[1], patch=back))[0])

    assert len(happenings(get(world, event_id))) == 4


def test_a_cancelled_occurrence_of_somebody_elses_series_stays_cancelled(world: GoogleWorld) -> None:
    calendar_id, event_id = world.invite(weekly("Stand-up"))
    world.sim("POST", f"/calendars/{calendar_id}/events/{event_id}/instances/2026-03-23T08:00:00Z", {"cancelled": True})

    outcomes = world.provider.write(
        calendar_id,
        [
            Amend(event_id=event_id, occurrence=MONDAYS[1], patch=Patch(title="Mine")),
            Withdraw(event_id=event_id, occurrence=MONDAYS[1]),
        ],
    )

    assert isinstance(refused(outcomes[0]), ConflictError)
    assert isinstance(outcomes[1], Written)


@pytest.mark.parametrize(
    ("patch", "body"),
    [
        (Patch(title="New"), {"summary": "New"}),
        (Patch(description=Description(text="<b>x</b>", is_html=True)), {"description": "<b>x</b>"}),
        (Patch(availability=Availability.FREE), {"transparency": "transparent"}),
        (Patch(availability=Availability.TENTATIVE), {"transparency": "opaque", "status": "tentative"}),
        (Patch(availability=Availability.OUT_OF_OFFICE), {"transparency": "opaque", "status": "confirmed"}),
        (Patch(recurrence=()), {"recurrence": None}),
        (
            Patch(when=days(2)),
            {
                "start": {"date": "2026-03-02", "dateTime": None, "timeZone": None},
                "end": {"date": "2026-03-03", "dateTime": None, "timeZone": None},
            },
        ),
        (
            Patch(when=timed(at(2)), recurrence=("RRULE:FREQ=DAILY",)),
            {
                "start": {"date": None, "dateTime": "2026-03-02T09:00:00+01:00", "timeZone": "Europe/Berlin"},
                "end": {"date": None, "dateTime": "2026-03-02T10:00:00+01:00", "timeZone": "Europe/Berlin"},
                "recurrence": ["RRULE:FREQ=DAILY"],
            },
        ),
    ],
)
def test_the_body_holds_what_the_patch_names(patch: Patch, body: dict[str, Any]) -> None:
    assert writing.amendment(patch) == body
