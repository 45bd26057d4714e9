"""Masking: from an event to what readers of the target calendar may see. Pure, and the only place that decides it.

The same function makes the preview that a person is shown before creating a link and the writes that follow, so the
preview is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shared.calendar import recurrence
from shared.calendar.event import Availability, Response, Status, Text
from shared.calendar.mirror import Appearance, Mirror, Privacy
from shared.calendar.span import occurrence_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.calendar.event import Event, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """How much of an event shows: `privacy`, and the title that stands for a hidden or missing one."""

    privacy: Privacy
    busy_title: str = "Busy"

    @property
    def needs_text(self) -> bool:
        """Whether rendering needs what people wrote; a masked link asks for none of it."""
        return self.privacy is not Privacy.BUSY


def mirror(unit: Unit, mask: Mask, *, shows: Callable[[Event], bool]) -> Mirror:
    """The mirror of a single event or a whole series. `shows` says whether an occurrence that differs is shown.

    Cancelled occurrences, EXDATEs and hidden occurrences become None in `overrides`. Overrides of places that the
    rule no longer has are kept: providers show them, too. Raises InvalidError for a rule nobody can expand.
    """
    rules, excluded = recurrence.split_exclusions(unit.root)
    root = appearance(unit.root, mask, rules)
    overrides: dict[str, Appearance | None] = {occurrence_key(start): None for start in excluded}
    for override in unit.overrides:
        if override.original_start is None:
            continue
        key = occurrence_key(override.original_start)
        if override.is_cancelled or override.span is None or not shows(override):
            overrides[key] = None
        else:
            overrides[key] = appearance(override, mask)
            if overrides[key] == as_the_rule_has_it(root, key):
                del overrides[key]  # it differs only in what the mask hides
    return Mirror(root=root, overrides=dict(sorted(overrides.items())))


def narrow(shown: Mirror, mask: Mask) -> Mirror:
    """What is left of what others already see once this mask lies over it as well: never more."""
    return Mirror(
        root=_narrowed(shown.root, mask),
        overrides={key: one and _narrowed(one, mask) for key, one in shown.overrides.items()},
    )


def as_the_rule_has_it(root: Appearance, key: str) -> Appearance | None:
    """The occurrence `key` of a series as it would be without an override; None if the rule has no such place."""
    span = recurrence.occurrence_span(root.span, root.recurrence, key)
    return None if span is None else replace(root, span=span, recurrence=())


def appearance(event: Event, mask: Mask, rules: tuple[str, ...] = ()) -> Appearance:
    """One item under the mask. Raises ValueError for an event without a time, which nobody can show."""
    if event.span is None:
        raise ValueError(f"event {event.id} has no time")
    return Appearance(
        span=event.span,
        text=_text(event.text or Text(), mask),
        availability=_availability(event, mask),
        status=Status.TENTATIVE if _is_undecided(event) else Status.CONFIRMED,
        recurrence=rules,
    )


def _narrowed(one: Appearance, mask: Mask) -> Appearance:
    busy_only = mask.privacy is Privacy.BUSY and one.availability not in (Availability.FREE, Availability.TENTATIVE)
    return replace(one, text=_text(one.text, mask), availability=Availability.BUSY if busy_only else one.availability)


def _text(text: Text, mask: Mask) -> Text:
    match mask.privacy:
        case Privacy.BUSY:
            return Text(title=mask.busy_title)
        case Privacy.TITLE:
            return Text(title=text.title.strip() or mask.busy_title)
        case Privacy.FULL:
            return Text(
                title=text.title.strip() or mask.busy_title,
                description=text.description,
                is_html=text.is_html,
                location=text.location,
            )


def _availability(event: Event, mask: Mask) -> Availability:
    """A masked mirror tells only free, tentative or busy: that somebody is abroad or ill is already private."""
    if event.availability is Availability.FREE:
        return Availability.FREE
    if _is_undecided(event):
        return Availability.TENTATIVE
    return event.availability if mask.privacy is not Privacy.BUSY else Availability.BUSY


def _is_undecided(event: Event) -> bool:
    return (
        event.status is Status.TENTATIVE
        or event.availability is Availability.TENTATIVE
        or event.response in (Response.TENTATIVE, Response.NEEDS_ACTION)
    )
