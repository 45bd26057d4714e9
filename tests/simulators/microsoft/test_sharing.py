"""With whom calendars are shared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulators.microsoft import api as graph_api

if TYPE_CHECKING:
    from tests.simulators.microsoft.api import Api
    from tests.simulators.running import Simulator

KIM = "kim@outlook.example"
ORGANIZATION = "My Organization"


async def share(simulator: Simulator, calendar: str, address: str, role: str, *, expect: int = 200) -> None:
    await simulator.sim("POST", f"/calendars/{calendar}/share", {"address": address, "role": role}, expect=expect)


def roles(permissions: list[dict[str, Any]]) -> dict[str, str]:
    return {one["emailAddress"].get("address", one["emailAddress"]["name"]): one["role"] for one in permissions}


async def test_the_owner_sees_with_whom_a_calendar_is_shared_and_how(alex: Api, simulator: Simulator) -> None:
    team = await alex.calendar_id("Team")
    path = f"/me/calendars/{team}/calendarPermissions"

    before = await alex.call("GET", path)
    await share(simulator, team, "sam@contoso.example", "write")
    await share(simulator, team, KIM, "limitedRead")
    shared = await alex.call("GET", path)
    await share(simulator, team, KIM, "none")
    after = await alex.call("GET", path)

    assert before.value == []
    assert roles(shared.value) == {"sam@contoso.example": "write", KIM: "limitedRead"}
    assert [one["isInsideOrganization"] for one in shared.value] == [True, False]
    assert roles(after.value) == {"sam@contoso.example": "write"}


async def test_a_primary_calendar_is_shared_with_the_organisation_and_a_personal_one_with_nobody(
    alex: Api, simulator: Simulator
) -> None:
    kim = await graph_api.sign_in(simulator, email=KIM)

    organisations = await alex.call("GET", "/me/calendar/calendarPermissions")
    personal = await kim.call("GET", "/me/calendar/calendarPermissions")

    (organization,) = organisations.value
    assert (organization["emailAddress"], organization["role"]) == ({"name": ORGANIZATION}, "freeBusyRead")
    assert organization["isRemovable"] is False
    assert personal.value == []


async def test_a_role_that_a_recipient_cannot_have_is_refused(alex: Api, simulator: Simulator) -> None:
    team = await alex.calendar_id("Team")

    await share(simulator, team, KIM, "write", expect=400)
    await share(simulator, team, "sam@contoso.example", "delegateWithPrivateEventAccess", expect=400)

    assert (await alex.call("GET", f"/me/calendars/{team}/calendarPermissions")).value == []
