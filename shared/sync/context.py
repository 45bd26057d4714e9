"""What the engine works with, handed to it by the composition root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from shared.connections.store import Connection
    from shared.control.gates import Flags
    from shared.core.messages import SyncMessage
    from shared.crypto.keyring import DataKey
    from shared.providers.port import CalendarProvider
    from shared.store import database as db


class Queue(Protocol):
    """A lane of work."""

    def send(self, messages: Sequence[SyncMessage]) -> None:
        """Enqueue. Raises TransientError when it cannot: the work stays marked, and dispatch finds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """The three lanes: a person's change never waits behind an initial import."""

    pull: Queue
    push: Queue
    backfill: Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The engine's surroundings.

    `open_provider` is called outside transactions, for it may refresh a token; `data_key` inside one, by connection id.
    `webhook_secrets` signs markers: the first is current, the others still verify.
    """

    database: db.Database
    lanes: Lanes
    flags: Flags
    open_provider: Callable[[Connection], CalendarProvider]
    data_key: Callable[[db.Connection, UUID], DataKey]
    webhook_secrets: Callable[[], Sequence[bytes]]
    webhook_address: Callable[[str], str]
    holder: str
