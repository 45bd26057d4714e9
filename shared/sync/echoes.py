"""Our own writes, told back: most of what a target says has changed is what we have just written to it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shared.store import leases
from shared.sync.store import mappings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.sync.run import Run

PATIENCE = 2.0
"""Seconds that a pull waits for a push to say what it wrote: shorter than asking for each event by itself, and what a
person changed in the same calendar waits no longer."""
LOOK_AGAIN = 0.1
"""Seconds between two looks whether it has."""


def as_left(run: Run, etags: Mapping[str, str]) -> set[str]:
    """Which of these events are mirrors of single ones that still have the ETag of our last write (`port.AsLeft`). The
    ETag of a series says too little: it may hold what somebody changed before we wrote.

    A provider tells of a write before whoever made it could record that: as long as the calendar is written to, those
    that nobody knows yet are waited for.
    """
    if not etags:
        return set()
    calendar, began = run.calendar, time.monotonic()
    while True:
        with run.engine.database.person(calendar.user_id) as conn:
            known = mappings.with_etags(conn, calendar.id, etags)
            is_written_to = leases.is_held(conn, f"push:{calendar.id}", now=run.engine.now())
        left = {event_id for event_id, is_as_left in known.items() if is_as_left}
        is_known = len(known) == len(etags)
        if is_known or not is_written_to or time.monotonic() - began > PATIENCE:
            return left
        time.sleep(LOOK_AGAIN)
