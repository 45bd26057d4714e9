"""The order in which work goes: what a person waits for, what puts right what stands already, what is a first copy."""

from __future__ import annotations

from enum import IntEnum


class Lane(IntEnum):
    """A lower one goes first: in its own queue, in what is written to a calendar, and where a provider's quota ends.

    `LIVE` is what somebody has just changed. `REPAIR` puts right what stands, or stood, already: mirrors changed or
    deleted by hand, writes that failed, what a link's new settings hide or show, what an undo takes back, whatever is
    read anew because a cursor or the database was lost. `BACKFILL` is a first copy.
    """

    LIVE = 0
    REPAIR = 1
    BACKFILL = 2

    def leaves(self, kept: float) -> float:
        """What this lane leaves to those before it of something of which a backfill leaves `kept`: a repair half."""
        return kept * self / Lane.BACKFILL
