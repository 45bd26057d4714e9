"""Guests: copies in their calendars, answers, and the mail they would get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulators.google.api import ALEX, SAM
from tests.simulators.google.samples import series, timed

if TYPE_CHECKING:
    from tests.simulators.google.api import Api
    from tests.simulators.running import Simulator

GUEST = "guest@else.example"


async def _mail(simulator: Simulator) -> list[tuple[str, list[str]]]:
    return [(mail["kind"], mail["to"]) for mail in (await simulator.sim("GET", "/mail"))["mail"]]


async def test_a_guest_has_a_copy_with_the_same_id_and_the_shared_fields(alex: Api, sam: Api) -> None:
    properties = {"private": {"mine": "1"}, "shared": {"ours": "2"}}
    reminders = {"useDefault": False, "overrides": [{"method": "popup", "minutes": 5}]}
    body = timed(
        id="lunch", colorId="3", attendees=[{"email": SAM}], extendedProperties=properties, reminders=reminders
    )
    original = await alex.insert(body)

    copy = await sam.get("lunch")

    assert {key: copy[key] for key in ("summary", "start", "iCalUID")} == {
        key: original[key] for key in ("summary", "start", "iCalUID")
    }
    assert copy["organizer"] == {"email": ALEX}
    assert copy["attendees"] == [{"email": SAM, "self": True, "responseStatus": "needsAction"}]
    assert copy["extendedProperties"] == {"shared": {"ours": "2"}}
    assert copy["reminders"] == {"useDefault": True}
    assert "colorId" not in copy


async def test_changes_reach_the_copy_and_leave_what_is_the_guests_own(alex: Api, sam: Api) -> None:
    await alex.insert(timed(id="lunch", attendees=[{"email": SAM}]))
    await sam.patch("lunch", {"extendedProperties": {"private": {"mine": "1"}}, "transparency": "transparent"})

    await alex.patch("lunch", {"summary": "Dinner"})

    copy = await sam.get("lunch")
    assert (copy["summary"], copy["transparency"]) == ("Dinner", "transparent")
    assert copy["extendedProperties"] == {"private": {"mine": "1"}}


async def test_an_answer_reaches_the_organizer(alex: Api, sam: Api) -> None:
    await alex.insert(timed(id="lunch", attendees=[{"email": SAM}, {"email": GUEST}]))

    answers = [{"email": SAM, "responseStatus": "declined"}, {"email": GUEST}]
    await sam.patch("lunch", {"attendees": answers})

    attendees = (await alex.get("lunch"))["attendees"]
    assert attendees[0] == {"email": SAM, "responseStatus": "declined"}


async def test_a_patch_with_attendees_omitted_changes_only_the_answer_it_names(alex: Api, sam: Api) -> None:
    await alex.insert(timed(id="lunch", attendees=[{"email": SAM}, {"email": GUEST}]))

    mine = [{"email": SAM, "responseStatus": "declined"}]
    await sam.patch("lunch", {"attendeesOmitted": True, "attendees": mine})

    seen = await sam.get("lunch")
    assert [(one["email"], one["responseStatus"]) for one in seen["attendees"]] == [
        (SAM, "declined"),
        (GUEST, "needsAction"),
    ]
    assert "attendeesOmitted" not in seen


async def test_a_guest_who_is_removed_or_deletes_has_a_cancelled_copy(alex: Api, sam: Api) -> None:
    await alex.insert(timed(id="lunch", attendees=[{"email": SAM}]))
    await alex.insert(timed(id="dinner", attendees=[{"email": SAM}]))

    await alex.patch("lunch", {"attendees": []})
    await sam.delete("dinner")

    assert (await sam.get("lunch"))["status"] == "cancelled"
    assert (await alex.get("dinner"))["attendees"][0]["responseStatus"] == "declined"


async def test_a_deleted_event_and_a_cancelled_occurrence_go_from_the_copy(alex: Api, sam: Api) -> None:
    await alex.insert(series(id="standup", attendees=[{"email": SAM}]))

    await alex.delete("standup_20260309T080000Z")
    left = (await sam.call("GET", sam.events("standup", "instances"))).body["items"]
    await alex.delete("standup")

    assert len(left) == 3
    assert (await sam.get("standup"))["status"] == "cancelled"
    assert (await sam.list())[0] == []


async def test_guest_permissions_are_the_organizers(alex: Api, sam: Api) -> None:
    await alex.insert(timed(id="lunch", attendees=[{"email": SAM}]))

    changed = await sam.call("PATCH", sam.events("lunch"), {"guestsCanModify": True})
    same = await sam.call("PATCH", sam.events("lunch"), {"guestsCanModify": False})

    assert (changed.status, changed.reason) == (403, "forbiddenForNonOrganizer")
    assert same.status == 200


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({}, []),
        ({"sendUpdates": "none"}, []),
        ({"sendUpdates": "externalOnly"}, [GUEST]),
        ({"sendUpdates": "all"}, [GUEST, SAM]),
        ({"sendNotifications": True}, [GUEST, SAM]),
    ],
)
async def test_guests_get_mail_only_when_the_call_says_so(
    alex: Api, simulator: Simulator, query: dict[str, Any], told: list[str]
) -> None:
    await alex.insert(timed(attendees=[{"email": SAM}, {"email": GUEST}]), **query)

    assert await _mail(simulator) == ([("invitation", told)] if told else [])


async def test_a_person_who_changes_an_event_tells_the_guests(simulator: Simulator) -> None:
    path = "/calendars/alex@example.com/events"
    await simulator.sim("POST", path, timed(id="lunch", attendees=[{"email": GUEST}]))

    await simulator.sim("PATCH", f"{path}/lunch", {"summary": "Dinner"})
    await simulator.sim("PATCH", f"{path}/lunch", {"attendees": [{"email": SAM}]})
    await simulator.sim("DELETE", f"{path}/lunch")

    assert await _mail(simulator) == [
        ("invitation", [GUEST]),
        ("update", [GUEST]),
        ("invitation", [SAM]),
        ("cancellation", [GUEST]),
        ("cancellation", [SAM]),
    ]


async def test_an_unknown_way_of_telling_is_refused(alex: Api) -> None:
    reply = await alex.call("POST", alex.events(), timed(), sendUpdates="everybody")

    assert (reply.status, reply.reason) == (400, "invalid")
