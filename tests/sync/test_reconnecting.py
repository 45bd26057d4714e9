"""A grant that ends: one notice, no retries, and nothing lost once the person has connected again (pain 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import installation
from tests.sync.account import Account

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Logins


@pytest.fixture(params=["google", "microsoft"])
def account(request: pytest.FixtureRequest, logins: Logins) -> Iterator[Account]:
    with installation.install(logins) as installed:
        yield Account(installed, str(request.param))


def end_the_grant(account: Account) -> None:
    """At the provider, at once: its access token, and what would give another."""
    account.simulator.sim("POST", "/tokens/revoke", {"email": account.email})
    account.simulator.sim("POST", "/tokens/expire", {"email": account.email})


@pytest.mark.pain(7)
def test_the_person_is_told_once_and_the_provider_is_left_alone(account: Account) -> None:
    end_the_grant(account)
    account.add("during")

    first = account.round()
    later = [account.round() for _ in range(3)]

    assert first <= 8
    assert later == [0, 0, 0]
    assert account.rows("SELECT status, backoff_until FROM external_calendar_connections") == [("needs_reauth", None)]
    notices = "SELECT payload->>'provider' FROM outbox WHERE event_type = 'connection.needs_reauth'"
    assert account.rows(notices) == [(account.name,)]


@pytest.mark.pain(7)
def test_after_connecting_again_everything_goes_on_where_it_stood(account: Account) -> None:
    cursors = account.rows("SELECT calendar_id, generation FROM calendar_sync_state ORDER BY 1")
    end_the_grant(account)
    account.round()
    account.add("during")
    account.round()

    account.connect()
    for _ in range(2):
        account.round()

    assert account.titles("Target") == ["before", "during"]
    assert account.is_well()
    assert account.rows("SELECT calendar_id, generation FROM calendar_sync_state ORDER BY 1") == cursors
