"""The schedule shape: work that the clock asks for, reported as facts."""

from __future__ import annotations

import logging
import time
import uuid
from typing import TYPE_CHECKING, Any

from functions.observability import add_facts
from shared.core import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

log = logging.getLogger(__name__)


def run(name: str, work: Callable[[str, datetime], Mapping[str, int]]) -> dict[str, Any]:
    """Do `work` under a new correlation id, with the time of the clock; log its counts and answer them.

    What it raises reaches Lambda: EventBridge Scheduler may try again, and the next tick does anyway.
    """
    correlation_id, started = str(uuid.uuid4()), time.monotonic()
    add_facts(correlation_id=correlation_id, schedule=name)
    counts = dict(work(correlation_id, clock.now()))
    log.info("schedule done", extra={**counts, "duration_ms": round(1000 * (time.monotonic() - started))})
    return counts
