"""What the smoke run begins with is what it says, and the oracle's eyes see it as both providers show it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

from infra.local.simulators import port
from infra.local.simulators.google.faults import GoogleFaults
from infra.local.simulators.google.provider import Google
from infra.local.simulators.microsoft.faults import MicrosoftFaults
from infra.local.simulators.microsoft.provider import Microsoft
from tests.smoke import seeding, shapes, sightings
from tests.smoke.texts import Canaries

if TYPE_CHECKING:
    from tests.smoke.seeding import Plan

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OWNERS = {"google": "alex@example.com", "microsoft": "alex@contoso.example"}


def plans(count: int, *, seed: int = 1, now: datetime = NOW) -> tuple[list[Plan], Canaries]:
    """Plans and what was planted in them."""
    random = Random(seed)
    canaries = Canaries(random, most=50)
    return seeding.plans(count, now=now, random=random, canaries=canaries), canaries


def simulator(provider: str) -> Google | Microsoft:
    """A simulated provider with its demo accounts, not listening."""
    if provider == "google":
        google = Google(port.parts(GoogleFaults(), state=None), require_https=False)
        google.load()
        return google
    return Microsoft(port.parts(MicrosoftFaults(), state=None), require_https=False)


def test_same_seed_gives_the_same_plans() -> None:
    assert plans(300)[0] == plans(300)[0]
    assert plans(300)[0] != plans(300, seed=2)[0]


def test_plans_are_mixed_as_promised() -> None:
    made, canaries = plans(300)

    assert len(made) == 300
    assert sum(bool(plan.rule) for plan in made) == 30
    assert sum(bool(plan.moved) for plan in made) > 12
    assert sum(bool(plan.cancelled) for plan in made) > 12
    assert sum(not isinstance(plan.start, datetime) for plan in made) >= 100
    assert {plan.zone for plan in made} == set(seeding.ZONES)
    assert sum(plan.free for plan in made) > 2
    assert any(plan.start == plan.end for plan in made)
    assert len(set(canaries.planted)) == 50


@pytest.mark.parametrize("provider", ["google", "microsoft"])
@pytest.mark.parametrize(
    "now", [NOW, datetime(2026, 9, 28, tzinfo=UTC), datetime(2027, 11, 22, 23, tzinfo=UTC)], ids=lambda now: f"{now:%B}"
)
def test_oracle_sees_what_the_provider_shows_to_people(provider: str, now: datetime) -> None:
    simulated, owner = simulator(provider), OWNERS[provider]
    calendar = next(one for one in simulated.calendars(owner) if one["primary"])["id"]
    made, _ = plans(300, now=now)

    resources = simulated.insert_many(calendar, [shapes.event(provider, plan, owner=owner) for plan in made])
    for plan, resource in zip(made, resources, strict=True):
        for edit in shapes.edits(provider, plan):
            simulated.edit_occurrence(calendar, resource["id"], edit.original_start, dict(edit.body))

    first, last = now - timedelta(days=500), now + timedelta(days=500)
    seen = sightings.read(provider, simulated.items(calendar), first, last)
    shown = simulated.agenda(calendar, first.date() - timedelta(days=2), 1004)
    by_oracle = sorted(_shown(one.start, one.end, one.title) for one in seen)
    by_people = sorted(_shown(item.start, item.end, item.title) for item in shown)
    inside = [line for line in by_people if f"{first + timedelta(days=2)}" < line < f"{last - timedelta(days=2)}"]
    assert len(inside) > 700
    assert inside == [line for line in by_oracle if inside[0] <= line <= inside[-1]]


def _shown(start: datetime | date, end: datetime | date, title: str) -> str:
    return " ".join(str(one.astimezone(UTC) if isinstance(one, datetime) else one) for one in (start, end)) + title
