"""The schedule shape: work that the clock asks for, reported as facts."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from shared.core import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

log = logging.getLogger(__name__)


def tick(name: str, work: Callable[[datetime], Mapping[str, int]]) -> dict[str, Any]:
    """Do `work` with the time of the clock; log and answer its counts. What it raises, the scheduler sees."""
    started = time.monotonic()
    counts = dict(work(clock.now()))
    log.info(
        "schedule done", extra={"schedule": name, **counts, "duration_ms": round(1000 * (time.monotonic() - started))}
    )
    return counts
