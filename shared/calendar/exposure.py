"""What of an event a mask lets through, found by looking: whatever a mask may do, this tells. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.calendar import mask
from shared.calendar.event import Text

if TYPE_CHECKING:
    from shared.calendar.event import Event
    from shared.calendar.mask import Mask

FIELDS = ("title", "description", "location")
"""What people write into an event."""
_PROBE = "3f1c9a-probe"
"""What nobody writes and no mask makes up."""


def hidden(event: Event, how: Mask) -> tuple[str, ...]:
    """The names of what readers of the mirror do not see as it is in the event: of FIELDS, and `availability`.

    The event's own text is not looked at, so that it need not be at hand. Raises ValueError for an event without a
    time, which nobody can show.
    """
    probe = replace(event, text=Text(title=_PROBE, description=_PROBE, location=_PROBE))
    seen = mask.appearance(probe, how)
    names = [name for name in FIELDS if _PROBE not in getattr(seen.text, name)]
    if seen.availability is not event.availability:
        names.append("availability")
    return tuple(names)
