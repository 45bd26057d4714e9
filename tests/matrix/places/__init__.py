"""Where the corpus is entered, and where it is read again: each provider in its own words, past the product's adapters.

A place is one calendar, with the hand of its owner. It knows nothing of the other side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, timedelta

    from tests.matrix.series import Case, Occurrence


class CannotHoldError(Exception):
    """A person could not enter this case here."""


class Place(Protocol):
    """One calendar."""

    calendar_id: str
    """As the provider's API names it."""

    def enter(self, case: Case) -> Sequence[str]:
        """Enter a case as a person does; answers the ids of its events. Raises CannotHoldError."""

    def read(self, first: date, last: date) -> list[Occurrence]:
        """Everything that starts between two days (midnight UTC, the second left out), as the provider expands it."""

    def move(self, one: Occurrence, by: timedelta) -> None:
        """The owner moves what happens then, an occurrence or a single event, and nothing else."""

    def cancel(self, one: Occurrence) -> None:
        """The owner deletes what happens then, and nothing else."""

    def rename(self, title: str, new: str) -> bool:
        """The owner renames the series or single event of that title; False if there is not exactly one."""

    def is_series(self, title: str) -> bool:
        """Whether what is called so is one series here."""
