"""What of an event a mask lets through, found by looking: whatever a mask may do, this tells. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.calendar import mask
from shared.calendar.event import Event, Text
from shared.calendar.mirror import Mirror

if TYPE_CHECKING:
    from shared.calendar.mask import Mask
    from shared.calendar.mirror import Appearance

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


def under(mirror: Mirror, how: Mask, *, source: Event | None) -> Mirror:
    """An earlier mirror as today's mask allows it: what the mask shows stays as it was, what it hides is not brought
    back. `source` is the event that it stands for, where that is known: some masks look at more than a mirror has."""
    return Mirror(
        root=_under(mirror.root, how, source),
        overrides={key: one and _under(one, how, source) for key, one in mirror.overrides.items()},
    )


def _under(one: Appearance, how: Mask, source: Event | None) -> Appearance:
    event = Event(
        id="",
        span=one.span,
        status=one.status,
        text=one.text,
        availability=one.availability,
        visibility=one.visibility,
        recurrence=one.recurrence,
    )
    seen = mask.appearance(event, how)
    gone = {*hidden(event, how), *(hidden(source, how) if source is not None and source.span is not None else ())}
    text = Text(
        title=seen.text.title if "title" in gone else one.text.title,
        description=seen.text.description if "description" in gone else one.text.description,
        is_html=seen.text.is_html if "description" in gone else one.text.is_html,
        location=seen.text.location if "location" in gone else one.text.location,
    )
    return replace(one, text=text, availability=seen.availability)
