from __future__ import annotations

from typing import Any

import pytest

from shared import providers
from shared.core.errors import InvalidError, TransientError
from shared.providers.microsoft.client import MicrosoftCalendar
from shared.providers.port import Account, RemoteCalendar
from tests.providers.microsoft import answers, scripted
from tests.providers.microsoft.conftest import endpoints
from tests.providers.microsoft.scripted import Reply


def calendars(answer: Any) -> list[RemoteCalendar]:
    with scripted.serve(lambda _: Reply(body=answer)) as server:
        return MicrosoftCalendar(access_token="t", graph_endpoint=f"{server.base}/v1.0").list_calendars()


def account(answer: Any) -> Account:
    with scripted.serve(lambda _: Reply(body=answer)) as server:
        return MicrosoftCalendar(access_token="t", graph_endpoint=f"{server.base}/v1.0").account()


def test_calendars_are_told_with_what_may_be_done_there() -> None:
    primary, own, sams, holidays = calendars(answers.load("calendars"))

    assert primary == RemoteCalendar(
        id="AAMkAGI-PRIMARY=", name="Calendar", time_zone="UTC", can_write=True, is_primary=True
    )
    assert own == RemoteCalendar(id="AAMkAGI-OWN=", name="Private", time_zone="UTC", can_write=True, color="#2596be")
    assert (sams.can_write, sams.is_shared) == (True, True)
    assert (holidays.can_write, holidays.is_shared) == (False, True)


def test_a_calendar_of_another_owner_is_shared_even_if_it_may_be_shared_on() -> None:
    listing = answers.load("calendars")
    listing["value"][2]["canShare"] = True

    assert calendars(listing)[2].is_shared


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
