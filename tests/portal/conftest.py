"""Browsers in front of the pages, with one person's calendars in memory behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.conftest import HASHED, PASSWORD, app, served, world
from tests.portal.browser import Browser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from shared.store.database import Database
    from tests.edge import Edge
    from tests.sync.world import World

__all__ = ["app", "served", "world"]


@pytest.fixture
def stranger(served: Edge) -> Iterator[Browser]:
    with served.client() as client:
        yield Browser(client)


@pytest.fixture
def person(database: Database) -> Callable[..., str]:
    """Give somebody an e-mail address and a password, by which they can sign in."""

    def make(user_id: UUID | None = None, *, email: str = "ada@example.com") -> str:
        with database.everyone() as conn:
            if user_id is None:
                conn.execute("INSERT INTO profiles (email, password_hash) VALUES (%s, %s)", (email, HASHED))
            else:
                conn.execute(
                    "UPDATE profiles SET email = %s, password_hash = %s WHERE id = %s", (email, HASHED, user_id)
                )
        return email

    return make


@pytest.fixture
def ada(stranger: Browser, world: World, person: Callable[..., str]) -> Browser:
    """The world's person, signed in."""
    page = stranger.sign_in(person(world.user_id), PASSWORD)
    assert page.path == "/", page.text
    return stranger
