"""What a mirror should look like, independent of any provider, and its parts' fingerprints."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, is_dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from shared.calendar.event import Availability, Status, Text, Visibility

if TYPE_CHECKING:
    from shared.calendar.span import Span


class Privacy(StrEnum):
    """What others see of a mirrored event: only that the time is taken, also the title, or everything written."""

    BUSY = "busy"
    TITLE = "title"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """One item as readers of the target calendar see it. No attendees, reminders, links or attachments: never."""

    span: Span
    text: Text
    availability: Availability
    status: Status = Status.CONFIRMED
    visibility: Visibility = Visibility.PRIVATE
    recurrence: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """SHA-256 over everything that is written: equal fingerprints mean that there is nothing to write."""
        parts = [_values(part) if is_dataclass(part) else part for part in _values(self)]
        return hashlib.sha256(json.dumps(parts, default=_plain).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A whole mirror: the root, and for a series what differs per occurrence, by `occurrence_key`.

    In `overrides` None stands for a cancelled occurrence.
    """

    root: Appearance
    overrides: dict[str, Appearance | None]


def _values(one: Any) -> list[Any]:
    """The fields of a dataclass with slots; `asdict` copies whatever it meets."""
    return [getattr(one, name) for name in one.__slots__]


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
