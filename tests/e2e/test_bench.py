"""The benchmark of latency in small, on the cloud that the end-to-end tests share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.bench.latency import Lane, busy, quiet

if TYPE_CHECKING:
    from tests.e2e.cloud import Cloud

pytestmark = pytest.mark.slow


def test_every_change_of_a_steady_rate_has_its_mirror_also_beside_a_copy(cloud: Cloud) -> None:
    lane = Lane(json.loads((cloud.directory / "ready.json").read_text()))

    (alone,) = quiet(lane, rate=2, seconds=2)
    (beside,) = busy(lane, rate=2, seconds=2, events=60)

    assert alone.ours["changes"] == beside.ours["changes"] == 4
    assert not [unit for row in (alone, beside) for unit in row.ours if "without a mirror" in unit]
    assert beside.ours["calls refused"] == 0, "more than four calls at a time went to one mailbox"
