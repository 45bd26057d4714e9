"""The part of the contract about the account: calendars, push, refusals and answers that are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.core.errors import (
    RateLimitedError,
    ReauthRequiredError,
    TransientError,
)
from shared.providers.port import (
    Insert,
)
from tests.providers.samples import (
    MARKER,
    event,
    key,
    refused,
    replica,
    write,
)

if TYPE_CHECKING:
    from tests.providers.world import World


class AccountContract:
    """What every provider does around its calendars."""

    # Accounts and calendars

    def test_the_account_is_named(self, world: World) -> None:
        account = world.provider.account()

        assert account.email == world.email
        assert account.id

    def test_the_persons_calendars_are_listed(self, world: World) -> None:
        calendars = world.provider.list_calendars()

        own = next(calendar for calendar in calendars if calendar.id == world.calendar_id)
        assert own.name
        assert own.can_write
        assert not own.readers
        assert [calendar.can_write for calendar in calendars if calendar.is_primary] == [True]

    # Push

    def test_a_channel_tells_of_changes_until_it_is_stopped(self, world: World) -> None:
        expires = datetime.now(UTC) + timedelta(hours=2)
        channel = world.provider.watch(
            world.calendar_id, channel_id="channel-1", address=world.hook_address, token="secret", expires_at=expires
        )
        opened = world.notifications(0)

        world.add(event("Added"))
        told = world.notifications(opened + 1)
        world.provider.stop(channel)
        world.provider.stop(channel)
        world.add(event("Added later"))

        assert channel.expires_at > datetime.now(UTC)
        assert told > opened
        assert world.notifications(0) == told

    # Refusals

    def test_a_refused_token_asks_for_signing_in_again(self, world: World) -> None:
        writes = [Insert(key=key(number), marker=MARKER, appearance=event("Busy")) for number in (1, 2)]
        world.refuse_token()

        for call in (
            world.provider.account,
            world.provider.list_calendars,
            replica(world).read,
            lambda: world.provider.find_marked(world.calendar_id),
            lambda: world.provider.write(world.calendar_id, writes[:1]),
            lambda: world.provider.write(world.calendar_id, writes),
        ):
            with pytest.raises(ReauthRequiredError, match="invalid_token"):
                call()

    def test_too_many_requests_say_when_to_come_back(self, world: World) -> None:
        world.faults(rate_429=1.0, retry_after=7)

        with pytest.raises(RateLimitedError) as limited:
            replica(world).read()
        outcome = write(world, Insert(key=key(1), marker=MARKER, appearance=event("Busy")))[0]

        assert limited.value.retry_after == 7
        assert isinstance(refused(outcome), RateLimitedError)

    @pytest.mark.parametrize("switches", [{"rate_5xx": 1.0}, {"answer": "html"}, {"answer": "truncated"}])
    def test_answers_that_are_none_are_transient(self, world: World, switches: dict[str, Any]) -> None:
        world.add(event())
        world.faults(**switches)

        with pytest.raises(TransientError):
            replica(world).read()
        with pytest.raises(TransientError):
            world.provider.list_calendars()

    @pytest.mark.parametrize("answer", ["wrong_type", "null"])
    def test_answers_of_another_shape_are_transient_or_skipped(self, world: World, answer: str) -> None:
        world.add(event())
        world.faults(answer=answer)
        copy = replica(world)

        try:
            copy.read()
        except TransientError:
            return

        assert copy.roots == {}
        assert copy.skipped

    @pytest.mark.parametrize(
        ("switches", "patience"), [({"endless_pages": True}, 1000), ({"repeat_page_token": True}, 10)]
    )
    def test_pages_without_end_are_noticed(self, world: World, switches: dict[str, Any], patience: int) -> None:
        for number in range(8):
            world.add(event(f"Event {number}"))
        world.faults(**switches)
        world.requests()

        with pytest.raises(TransientError):
            replica(world, page_size=2).read()
        assert world.requests() <= patience
