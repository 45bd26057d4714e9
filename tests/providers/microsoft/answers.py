"""Microsoft's answers, from `tests/payloads/microsoft`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.providers.microsoft import payloads
from shared.providers.microsoft.payloads import EventPayload

_FOLDER = Path(__file__).parents[2] / "payloads" / "microsoft"


def load(name: str) -> Any:
    """A payload by its name."""
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def event(name: str, **changes: Any) -> EventPayload:
    """An event's payload with some properties changed; `...` leaves one out."""
    item = load(name) | changes
    return payloads.parse(EventPayload, {key: value for key, value in item.items() if value is not ...})
