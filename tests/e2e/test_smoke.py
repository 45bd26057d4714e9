"""The smoke run in small, on the cloud that the end-to-end tests share."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.smoke import dav, privacy
from tests.smoke.run import Run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.cloud import Cloud

pytestmark = pytest.mark.slow


def test_accounts_stay_in_step_nothing_is_lost_doubled_or_leaked(cloud: Cloud, tmp_path: Path) -> None:
    facts = json.loads((cloud.directory / "ready.json").read_text())
    with dav.serving(tmp_path) as server:
        run = Run(facts, server=server, events=60, changes=24, seed=2, say=print)

        report = run.everything()
    needles = privacy.needles(cloud.directory, run.world.canaries.planted, run.kalends.secrets)
    in_queues, _ = privacy.in_queues(needles, cloud.aws("sqs"))
    dsn = privacy.superuser(cloud.directory, cloud.dsn_owner)
    in_database = privacy.in_database(needles, dsn, tmp_path / "database.sql")
    time.sleep(3)  # the last lines of the Lambdas' logs arrive

    assert report.wrong == []
    assert report.initial["events"] == 60
    assert report.live["changes"] == 24
    assert report.caldav["changes"] == 11
    assert (report.two_way["changes"], report.two_way["flowed_back"]) == (10, 6)
    assert report.writes_after_quiet == 0
    assert set(report.counts.values()) == {0}
    assert len(run.world.canaries.planted) > 20
    assert in_queues + in_database + privacy.in_files(needles, cloud.logs) == []
