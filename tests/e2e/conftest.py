"""One local cloud for all end-to-end tests of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e import cloud as clouds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.cloud import Cloud


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """The whole system, running: leave its people alone, make your own."""
    with clouds.folder() as directory, clouds.started(directory) as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One test process for all of these: they share one deployed cloud, and two would fight for the cores."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("cloud"))
