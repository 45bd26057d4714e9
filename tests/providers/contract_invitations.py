"""The part of the contract about invitations: they can be declined, and nobody hears of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.calendar.event import Response
from shared.core.errors import ConflictError
from tests.providers.replica import WINDOW
from tests.providers.samples import MONDAYS, event, weekly

if TYPE_CHECKING:
    from shared.calendar.event import Unit
    from tests.providers.world import World


class InvitationContract:
    """What every provider does with an invitation."""

    @pytest.mark.promise(9)
    @pytest.mark.pain(12)
    def test_an_invitation_is_declined_and_nobody_is_mailed(self, world: World) -> None:
        calendar_id, event_id = world.invite(event("Review"))
        before, mails = _get(world, calendar_id, event_id), world.mails()

        world.provider.decline(calendar_id, event_id)
        world.provider.decline(calendar_id, event_id)

        after = _get(world, calendar_id, event_id)
        assert (before.root.response, after.root.response) == (Response.NEEDS_ACTION, Response.DECLINED)
        assert (after.root.span, after.root.text) == (before.root.span, before.root.text)
        assert world.mails() == mails

    def test_one_occurrence_of_an_invitation_is_declined(self, world: World) -> None:
        calendar_id, event_id = world.invite(weekly("Review"))
        mails = world.mails()

        world.provider.decline(calendar_id, event_id, occurrence=MONDAYS[1])

        unit = _get(world, calendar_id, event_id)
        assert unit.root.response is Response.NEEDS_ACTION
        assert [one.response for one in unit.overrides] == [Response.DECLINED]
        assert world.mails() == mails

    def test_an_event_of_ones_own_cannot_be_declined(self, world: World) -> None:
        event_id = world.add(event("Mine"), guest="guest@example.com")
        mails = world.mails()

        with pytest.raises(ConflictError, match="nothing to decline"):
            world.provider.decline(world.calendar_id, event_id)

        assert world.mails() == mails


def _get(world: World, calendar_id: str, event_id: str) -> Unit:
    unit = world.provider.get(calendar_id, event_id, window=WINDOW)
    assert unit is not None
    return unit
