"""Bad weather is what it says, ends when it is told to, and a run without it is no proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from infra.local.simulators import google
from tests.providers import simulated
from tests.smoke.simulator import Simulator
from tests.smoke.weather import REQUIRED, TOKEN_SECONDS, Weather

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with simulated.serve(google.build) as base:
        yield Simulator(provider="google", base=base)


@pytest.fixture
def weather(simulator: Simulator) -> Weather:
    return Weather(simulators=[simulator], seed=1)


def test_ten_percent_of_calls_two_of_writes_and_twenty_of_notifications_suffer(
    weather: Weather, simulator: Simulator
) -> None:
    weather.shorten_tokens()
    weather.worsen()

    faults = simulator.call("GET", "/faults")

    assert faults["rate_429"] + faults["rate_403"] + faults["rate_5xx"] == pytest.approx(0.1)
    assert faults["commit_then_504"] == 0.02
    assert sum(faults["notifications"][kind] for kind in ("drop", "duplicate", "reorder")) == pytest.approx(0.2)
    assert (faults["token_lifetime"], faults["rotate_refresh_tokens"]) == (TOKEN_SECONDS, True)


def test_fair_weather_is_as_it_was_before(weather: Weather, simulator: Simulator) -> None:
    before = simulator.call("GET", "/faults")
    weather.shorten_tokens()
    weather.worsen()

    weather.clear()

    assert simulator.call("GET", "/faults") == before


def test_a_run_in_which_nothing_happened_proves_nothing(weather: Weather) -> None:
    assert [sentence.split()[1] for sentence in weather.missing()] == list(REQUIRED)


def test_what_happened_is_counted_and_not_missing(weather: Weather, simulator: Simulator) -> None:
    httpx.get(f"{simulator.base}/calendar/v3/colors", headers={"Authorization": "Bearer of nothing"})

    injected = weather.injected()

    assert injected["token_refused"] == 1
    assert len(weather.missing()) == len(REQUIRED)
