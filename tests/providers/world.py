"""What the contract needs of a provider's server: an account with an empty calendar, and the person who owns it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from shared.calendar.mirror import Appearance
    from shared.calendar.span import Span
    from shared.providers.port import CalendarProvider


class World(Protocol):
    """One test's world. Everything but `provider` goes past the adapter, straight to the server."""

    provider: CalendarProvider
    """The adapter under test, signed in as the person."""
    email: str
    """The person's address."""
    calendar_id: str
    """The empty calendar, as the adapter is to name it."""

    @property
    def hook_address(self) -> str:
        """Where notifications are counted."""

    def connect_again(self) -> CalendarProvider:
        """Another adapter for the same account."""

    def add(self, appearance: Appearance, *, guest: str | None = None) -> str:
        """The person adds an event, and perhaps invites somebody; answers its id."""

    def invite(self, appearance: Appearance) -> tuple[str, str]:
        """Somebody else invites the person; answers the calendar in which that stands, and its id there."""

    def retitle(self, event_id: str, title: str) -> None:
        """The person renames an event."""

    def remove(self, event_id: str) -> None:
        """The person deletes an event."""

    def move(self, series_id: str, key: str, span: Span) -> None:
        """The person moves the occurrence with that key."""

    def cancel(self, series_id: str, key: str) -> None:
        """The person deletes the occurrence with that key."""

    def titles(self) -> list[str]:
        """The titles of all events and series in the calendar, sorted."""

    def guests(self, event_id: str) -> list[str]:
        """Whom the event invites."""

    def mails(self) -> int:
        """How many messages the provider has sent to guests."""

    def notifications(self, at_least: int) -> int:
        """How many notifications have arrived, waiting a few seconds for `at_least`."""

    def forget_cursors(self) -> None:
        """Every cursor handed out so far is forgotten."""

    def refuse_token(self) -> None:
        """The access token is refused from now on."""

    def faults(self, **switches: Any) -> None:
        """Turn the simulator's fault switches (notes of /_sim/faults)."""

    def requests(self) -> int:
        """How many calls the provider has counted since the last time this was asked."""
