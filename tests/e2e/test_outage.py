"""The database stops for a moment: that is said while it lasts, and over when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.e2e.cloud import Cloud

pytestmark = pytest.mark.slow


def test_the_first_request_after_an_outage_is_answered_by_processes_that_lived_through_it(cloud: Cloud) -> None:
    def ready() -> int:
        return httpx.get(f"{cloud.base_url}/readyz", timeout=30).status_code

    before = ready()
    cloud.stop_database()
    try:
        during = ready()
    finally:
        cloud.start_database()
    after = ready()

    assert (before, during, after) == (200, 503, 200)
