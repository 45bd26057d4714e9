"""Decide, then act: what should happen to the mirror of one event in one link. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from shared.calendar import recurrence
from shared.calendar.event import Availability
from shared.calendar.span import Window

if TYPE_CHECKING:
    from datetime import datetime

    from shared.calendar.event import Event, Unit
    from shared.sync.rules.filters import Filters


class Scope(Protocol):
    """What links and feeds have in common: which events they show, and how far they look."""

    @property
    def filters(self) -> Filters:
        """What else is left out."""

    @property
    def skip_all_day(self) -> bool:
        """Whether whole days are left out."""

    @property
    def skip_free(self) -> bool:
        """Whether what leaves its time free is left out."""

    @property
    def days_ahead(self) -> int | None:
        """None: without bound."""

    @property
    def days_behind(self) -> int:
        """So far what is over still counts."""


class Verdict(StrEnum):
    """What a link wants of an event's mirror."""

    PRESENT = "present"
    ABSENT = "absent"
    OUTSIDE = "outside"
    """Neither: the event lies outside the window. No mirror is made, and none that is there is removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A verdict and, for anything but PRESENT, why: one of a few fixed words that people are shown."""

    verdict: Verdict
    reason: str = ""


INVITED = "invited"
BY_NAME = frozenset(
    {
        "declined",
        "unanswered",
        "event type",
        "private",
        "title",
        "category",
        "working hours",
        "all-day",
        "free",
        INVITED,
    }
)
"""Reasons for which a mirror goes although nothing was said of its event: a person has just chosen to leave such events
out, or the meeting stands in the target itself. Nothing is lost by that, so it is not held as a mass deletion."""


def decide(unit: Unit | None, link: Scope, *, is_invited: bool, now: datetime) -> Decision:
    """What `link` wants of the mirror of `unit`; None stands for an event that is proved to be gone.

    `is_invited`: the same meeting stands in the target calendar itself.
    """
    if unit is None or unit.root.is_cancelled or unit.root.span is None:
        return Decision(verdict=Verdict.ABSENT, reason="deleted")
    if hidden := hidden_because(unit.root, link):
        return Decision(verdict=Verdict.ABSENT, reason=hidden)
    if is_invited and link.filters.skip_invited:
        return Decision(verdict=Verdict.ABSENT, reason=INVITED)
    if not recurrence.touches(unit, window(link, now=now)):
        return Decision(verdict=Verdict.OUTSIDE, reason="window")
    return Decision(verdict=Verdict.PRESENT)


def hidden_because(event: Event, link: Scope) -> str:
    """The filter that hides an event from a link, or "" if none does. Holds for overridden occurrences, too."""
    if link.skip_all_day and event.span is not None and event.span.is_all_day:
        return "all-day"
    if link.skip_free and event.availability is Availability.FREE:
        return "free"
    return link.filters.hide(event)


def shows(event: Event, link: Scope) -> bool:
    """Whether a link shows this event or occurrence at all."""
    return not event.is_cancelled and not hidden_because(event, link)


def window(link: Scope, *, now: datetime) -> Window:
    """The link's window at `now`: start inclusive, end exclusive."""
    return Window(
        start=now - timedelta(days=link.days_behind),
        end=None if link.days_ahead is None else now + timedelta(days=link.days_ahead),
    )
