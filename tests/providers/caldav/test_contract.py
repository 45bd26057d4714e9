from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.core.errors import InvalidError
from tests.providers.contract import ProviderContract
from tests.providers.samples import weekly

if TYPE_CHECKING:
    from tests.providers.caldav.conftest import CalDavWorld
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

    def test_a_server_that_schedules_is_told_to_leave_the_organiser_alone(self, world: CalDavWorld) -> None:
        calendar_id, event_id = world.invite(weekly("Review"))

        world.provider.decline(calendar_id, event_id)

        text = world.text(event_id).replace("\r\n ", "")
        (organiser,) = [line for line in text.splitlines() if line.startswith("ORGANIZER")]
        answers = sorted(line for line in text.splitlines() if line.startswith("ATTENDEE"))
        assert "SCHEDULE-AGENT=CLIENT" in organiser
        assert "PARTSTAT=ACCEPTED" in answers[0] and "colleague" in answers[0]
        assert answers[1].count("PARTSTAT=") == 1
        assert "PARTSTAT=DECLINED" in answers[1] and "RSVP=TRUE" in answers[1]
