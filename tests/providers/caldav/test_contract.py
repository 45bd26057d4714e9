from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.core.errors import InvalidError
from tests.providers.contract import ProviderContract

if TYPE_CHECKING:
    from tests.providers.world import World


class TestCalDav(ProviderContract):
    """CalDAV keeps what the port promises, against Radicale."""

    def test_a_channel_tells_of_changes_until_it_is_stopped(self, world: World) -> None:
        """There is no push: calendars say so, and asking for a channel is refused plainly."""
        from datetime import UTC, datetime

        calendars = world.provider.list_calendars()

        assert not any(calendar.supports_push for calendar in calendars)
        with pytest.raises(InvalidError, match="polled"):
            world.provider.watch(
                world.calendar_id, channel_id="c", address="https://x", token="t", expires_at=datetime.now(UTC)
            )
