"""Google's answers, from `tests/payloads/google`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parents[2] / "payloads" / "google"


def load(name: str) -> Any:
    """A payload by its name."""
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
