"""Access tokens that end while work is under way, however soon; and ones that were never any good."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.connections import store as connections
from shared.core.errors import ReauthRequiredError
from shared.core.lanes import Lane
from tests.sync.world import NOW, World

if TYPE_CHECKING:
    from shared.providers.port import CalendarProvider
    from shared.store.database import Database
    from shared.sync.context import Engine


class Tokens:
    """Hands out the world's account, and remembers whether the last token was refused."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = NOW
        self.opened: list[bool] = []
        with world.database.person(world.user_id) as conn:
            self.connection = connections.get(conn, world.connection_id)

    def open(
        self, connection: connections.Connection, *, refused: bool = False, lane: Lane = Lane.LIVE
    ) -> CalendarProvider:
        self.opened.append(refused)
        return self.world.provider

    def engine(self) -> Engine:
        return replace(self.world.engine, open_provider=self.open, now=lambda: self.now)

    def work(self, seconds: list[float]) -> int:
        """Work that loses its token after so many seconds each time, and succeeds when the list is at its end."""
        attempts = 0

        def attempt(_: CalendarProvider) -> int:
            nonlocal attempts
            attempts += 1
            if attempts <= len(seconds):
                self.now += timedelta(seconds=seconds[attempts - 1])
                raise ReauthRequiredError("invalid_token")
            return attempts

        return self.engine().with_provider(self.connection, attempt)


@pytest.fixture
def tokens(database: Database) -> Tokens:
    return Tokens(World(database))


@pytest.mark.parametrize("lapses", [[0], [20], [0, 20], [20, 20]])
def test_work_goes_on_with_another_token_when_one_has_ended(tokens: Tokens, lapses: list[float]) -> None:
    attempts = tokens.work(lapses)

    assert attempts == len(lapses) + 1
    assert tokens.opened == [False] + [True] * len(lapses)


def test_a_fresh_token_that_is_refused_at_once_needs_the_person(tokens: Tokens) -> None:
    with pytest.raises(ReauthRequiredError):
        tokens.work([0, 0])

    assert tokens.opened == [False, True]


def test_tokens_are_not_renewed_for_ever(tokens: Tokens) -> None:
    with pytest.raises(ReauthRequiredError):
        tokens.work([20] * 9)

    assert len(tokens.opened) == 3
