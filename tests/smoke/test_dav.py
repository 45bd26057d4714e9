"""The CalDAV server of the smoke run, which the run is judged by: its log, and what a person writes there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.smoke import dav, sightings
from tests.smoke.seeding import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CHOIR = Plan(title="Choir", start=datetime(2026, 3, 2, 9), end=datetime(2026, 3, 2, 10), rule="FREQ=WEEKLY;COUNT=4")  # noqa: DTZ001 - wall times
DAY = timedelta(days=1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dav.Server]:
    with dav.serving(tmp_path) as running:
        yield running


def test_every_write_is_told_with_who_did_it(server: dav.Server) -> None:
    agenda, other = dav.collection(server, "Work"), dav.collection(server, "At home")
    program = httpx.Client(auth=(server.user, server.password), headers={"User-Agent": "a-program/2"})
    event = agenda.add(CHOIR)
    address = f"{server.base}{agenda.calendar}{event}.ics"

    program.put(address, content=dav.text(event, CHOIR), headers={"If-Match": '"stale"'})
    program.put(address, content=dav.text(event, CHOIR)).raise_for_status()
    program.delete(address).raise_for_status()
    other.add(CHOIR)

    writes, last = agenda.writes(0, wait=2)
    assert [(one["origin"], one["operation"], one["event"]) for one in writes] == [
        ("person", "update", event),
        ("api", "update", event),
        ("api", "delete", event),
    ]
    assert server.last() == last == 4
    assert agenda.writes(last) == ([], last)


def test_what_a_person_plans_is_seen(server: dav.Server) -> None:
    agenda = dav.collection(server, "Work")
    choir = agenda.add(CHOIR)
    away = agenda.add(Plan(title="Away", start=date(2026, 3, 5), end=date(2026, 3, 8)))

    agenda.put(choir, replace(CHOIR, moved={1: DAY}, cancelled=(2,)))

    seen = sightings.read("caldav", agenda.items(), NOW, NOW + 60 * DAY)
    assert {one.event for one in seen} == agenda.real == {choir, away}
    assert [one.start for one in seen] == [
        datetime(2026, 3, 2, 8, tzinfo=UTC),
        date(2026, 3, 5),
        datetime(2026, 3, 10, 8, tzinfo=UTC),
        datetime(2026, 3, 23, 8, tzinfo=UTC),
    ]
