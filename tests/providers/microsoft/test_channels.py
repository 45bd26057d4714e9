from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from shared.core.errors import InvalidError, NotFoundError, TransientError
from shared.providers.microsoft.client import MicrosoftCalendar
from shared.providers.port import HANDSHAKE_FAILED
from tests.providers.samples import event

if TYPE_CHECKING:
    from shared.providers.port import Channel
    from tests.providers.microsoft.conftest import MicrosoftWorld


def test_a_channel_replaces_one_that_graph_still_has(world: MicrosoftWorld) -> None:
    world.faults(refuse_duplicate_subscription=True)
    opened = [watch(world, f"secret-{number}") for number in range(2)]

    told = world.notifications(0)
    world.add(event("Added"))

    assert opened[0].id != opened[1].id
    assert world.notifications(told + 1) == told + 1


def test_a_channel_is_renewed_without_another(world: MicrosoftWorld) -> None:
    channel = watch(world, "secret")

    renewed = provider(world).prolong(channel, expires_at=channel.expires_at + timedelta(hours=1))

    assert renewed is not None
    assert renewed.id == channel.id
    assert renewed.expires_at > channel.expires_at


def test_a_channel_that_died_cannot_be_renewed(world: MicrosoftWorld) -> None:
    channel = watch(world, "secret")
    world.provider.stop(channel)

    with pytest.raises(NotFoundError):
        provider(world).prolong(channel, expires_at=channel.expires_at)


def test_a_webhook_that_does_not_shake_hands_is_tried_again_later(world: MicrosoftWorld) -> None:
    world.hook.close()

    with pytest.raises(TransientError) as refused:
        watch(world, "secret")

    assert refused.value.error_code == HANDSHAKE_FAILED


def test_a_proof_that_graph_cannot_carry_is_refused(world: MicrosoftWorld) -> None:
    with pytest.raises(InvalidError, match="128"):
        watch(world, "x" * 129)


def watch(world: MicrosoftWorld, token: str) -> Channel:
    return world.provider.watch(
        world.calendar_id,
        channel_id="c",
        address=world.hook_address,
        token=token,
        expires_at=datetime.now(UTC) + timedelta(hours=2),
    )


def provider(world: MicrosoftWorld) -> MicrosoftCalendar:
    assert isinstance(world.provider, MicrosoftCalendar)
    return world.provider
