"""The event bus, on which domain events leave the product."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING, Protocol

from shared.aws import session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from types_boto3_events import EventBridgeClient

BATCH = 10
"""PutEvents takes no more."""
SOURCE = "kalends"


@dataclass(frozen=True, slots=True, kw_only=True)
class BusEntry:
    """One event: `type` such as `connection.needs_reauth`, `detail` a JSON object as text."""

    type: str
    detail: str


class EventBus(Protocol):
    """Takes events."""

    def put(self, entries: Sequence[BusEntry]) -> list[str | None]:
        """Publish; for each entry, in order, None or the code of why it was refused."""


class EventBridge:
    """An EventBridge bus."""

    def __init__(self, name: str) -> None:
        self._name = name

    def put(self, entries: Sequence[BusEntry]) -> list[str | None]:
        """Publish; for each entry None or an error code. Raises TransientError if a whole call fails."""
        client: EventBridgeClient = session.client("events")
        outcomes: list[str | None] = []
        for batch in batched(entries, BATCH, strict=False):
            with session.translated(f"event bus {self._name}"):
                answer = client.put_events(
                    Entries=[
                        {"EventBusName": self._name, "Source": SOURCE, "DetailType": entry.type, "Detail": entry.detail}
                        for entry in batch
                    ]
                )
            outcomes += [result.get("ErrorCode") for result in answer["Entries"]]
        return outcomes
