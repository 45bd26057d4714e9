from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sync.two_way.pair import Pair
from tests.sync.world import World

if TYPE_CHECKING:
    from shared.store.database import Database


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def pair(world: World) -> Pair:
    """Two calendars, a and b, that are linked both ways with all they show."""
    return Pair(world, privacy="full")
