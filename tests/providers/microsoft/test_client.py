from __future__ import annotations

from typing import Any

import pytest

from shared import providers
from shared.core.errors import InvalidError, TransientError
from shared.providers.microsoft.client import MicrosoftCalendar
from shared.providers.port import Account, RemoteCalendar
from tests.providers.microsoft import answers, scripted
from tests.providers.microsoft.conftest import endpoints
from tests.providers.microsoft.scripted import Received, Reply

NOBODY = Reply(body={"value": []})


def calendars(answer: Any, permissions: Reply = NOBODY) -> list[RemoteCalendar]:
    """What is made of a listing, where each of one's own calendars has these permissions."""

    def answers_to(request: Received) -> Reply:
        if request.path == "/v1.0/$batch":
            each = {"status": permissions.status, "body": permissions.body}
            return Reply(body={"responses": [{"id": one["id"], **each} for one in request.body["requests"]]})
        return permissions if request.path.endswith("/calendarPermissions") else Reply(body=answer)

    with scripted.serve(answers_to) as server:
        return MicrosoftCalendar(access_token="t", graph_endpoint=f"{server.base}/v1.0").list_calendars()


def account(answer: Any) -> Account:
    with scripted.serve(lambda _: Reply(body=answer)) as server:
        return MicrosoftCalendar(access_token="t", graph_endpoint=f"{server.base}/v1.0").account()


def test_calendars_are_told_with_what_may_be_done_there() -> None:
    primary, own, sams, holidays = calendars(answers.load("calendars"))

    assert primary == RemoteCalendar(
        id="AAMkAGI-PRIMARY=", name="Calendar", time_zone="UTC", can_write=True, is_primary=True, readers=()
    )
    assert own == RemoteCalendar(
        id="AAMkAGI-OWN=", name="Private", time_zone="UTC", can_write=True, color="#2596be", readers=()
    )
    assert (sams.can_write, sams.readers) == (True, ("sam@contoso.example",))
    assert (holidays.can_write, bool(holidays.readers)) == (False, True)


def test_a_calendar_of_another_owner_is_shared_even_if_it_may_be_shared_on() -> None:
    listing = answers.load("calendars")
    listing["value"][2]["canShare"] = True

    assert calendars(listing)[2].readers == ("sam@contoso.example",)


def permission(role: str, name: str = "", address: str | None = None) -> dict[str, Any]:
    return {"role": role, "emailAddress": {"name": name, "address": address}}


def test_whoever_sees_more_of_ones_own_calendar_than_busy_reads_it() -> None:
    shared = [
        permission("freeBusyRead", "My Organization"),
        permission("none", "Nobody", "nobody@contoso.example"),
        permission("limitedRead", "Kim", "kim@outlook.example"),
        permission("delegateWithPrivateEventAccess", "Sam", "sam@contoso.example"),
        permission("newerThanWeAre", "The team"),
        permission("custom"),
    ]

    found = calendars(answers.load("calendars"), Reply(body={"value": shared}))

    assert found[0].readers == found[1].readers
    assert found[0].readers == ("The team", "kim@outlook.example (titles and places)", "others", "sam@contoso.example")


@pytest.mark.parametrize(("status", "code"), [(403, "ErrorAccessDenied"), (404, "ErrorItemNotFound"), (400, "Odd")])
def test_a_mailbox_that_does_not_say_who_reads_is_listed_all_the_same(status: int, code: str) -> None:
    refusal = Reply(status=status, body={"error": {"code": code, "message": "No."}})

    found = calendars(answers.load("calendars"), refusal)

    assert [one.readers for one in found[:2]] == [None, None]


@pytest.mark.parametrize("mail", ["alex@contoso.example", None, ""])
def test_an_account_without_a_mail_address_goes_by_its_principal_name(mail: str | None) -> None:
    found = account({"id": "48d31887", "mail": mail, "userPrincipalName": "alex@outlook.test"})

    assert found == Account(id="48d31887", email=mail or "alex@outlook.test")


@pytest.mark.parametrize("answer", [{"id": 7, "userPrincipalName": "x"}, {"value": []}])
def test_an_account_of_another_shape_is_refused(answer: Any) -> None:
    with pytest.raises(InvalidError):
        account(answer)


def test_calendars_without_their_list_are_passing() -> None:
    with pytest.raises(TransientError):
        calendars({"calendars": []})


def test_the_name_microsoft_leads_here() -> None:
    assert isinstance(
        providers.connect("microsoft", access_token="t", endpoints=endpoints("http://127.0.0.1:9")), MicrosoftCalendar
    )
