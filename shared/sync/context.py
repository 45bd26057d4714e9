"""What the engine works with, handed to it by the composition root."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Protocol

from shared.core.errors import ReauthRequiredError
from shared.core.lanes import Lane
from shared.providers import WITH_OAUTH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.connections.store import Connection
    from shared.control.gates import Flags
    from shared.core.messages import SyncMessage
    from shared.crypto.keyring import DataKey
    from shared.providers.port import CalendarProvider
    from shared.store import database as db


RENEWALS = 2
"""So many tokens may end during one piece of work."""
GOOD_FOR_A_WHILE = timedelta(seconds=5)


class Queue(Protocol):
    """A lane of work."""

    def send(self, messages: Sequence[SyncMessage]) -> None:
        """Enqueue. Raises TransientError when it cannot: the work stays marked, and dispatch finds it."""


class OpenProvider(Protocol):
    """Gives a connection's account with a valid token; `refused` says that the last one was not accepted.

    What is not live may make fewer calls, and waits while what goes before it does.
    """

    def __call__(self, connection: Connection, *, refused: bool = False, lane: Lane = Lane.LIVE) -> CalendarProvider:
        """Raises ReauthRequiredError, ConflictError (disconnected), TransientError, QuotaSpentError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """A queue for each lane, so that nothing waits behind what goes after it; live work has one for either task."""

    pull: Queue
    push: Queue
    repair: Queue
    backfill: Queue

    def of(self, task: Literal["pull", "push"], lane: Lane) -> Queue:
        """Where a message for this work goes."""
        match lane:
            case Lane.LIVE:
                return self.pull if task == "pull" else self.push
            case Lane.REPAIR:
                return self.repair
            case Lane.BACKFILL:
                return self.backfill


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The engine's surroundings.

    `now` is the clock: work that lasts reads it as it goes.
    `open_provider` is called outside transactions, for it may refresh a token; `data_key` inside one, by connection id.
    `webhook_secrets` signs markers: the first is current, the others still verify.
    `webhook_address` is where a provider notifies us; None where it cannot, so that its calendars are polled.
    """

    database: db.Database
    lanes: Lanes
    flags: Flags
    open_provider: OpenProvider
    data_key: Callable[[db.Connection, UUID], DataKey]
    webhook_secrets: Callable[[], Sequence[bytes]]
    webhook_address: Callable[[str], str | None]
    holder: str
    now: Callable[[], datetime]

    def addresses(self) -> dict[str, str]:
        """Where the providers that can notify us do so now."""
        found = {provider: self.webhook_address(provider) for provider in WITH_OAUTH}
        return {provider: address for provider, address in found.items() if address is not None}

    def with_provider[Answer](
        self, connection: Connection, work: Callable[[CalendarProvider], Answer], *, lane: Lane = Lane.LIVE
    ) -> Answer:
        """Do repeatable work with the connection's account; a token that the provider refuses is replaced.

        One that was good for a while has ended, also a fresh one if tokens live for seconds. Raises
        ReauthRequiredError when the grant itself is refused, or a fresh token at once.
        """
        provider = self.open_provider(connection, lane=lane)
        for renewed in range(RENEWALS):
            began = self.now()
            try:
                return work(provider)
            except ReauthRequiredError:
                if renewed and self.now() - began < GOOD_FOR_A_WHILE:
                    raise
            provider = self.open_provider(connection, refused=True, lane=lane)
        return work(provider)
