"""Mirrors asked for by name. A page is a hint only: it may show what was before somebody, or a write of ours."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.calendar.span import Window
from shared.core.errors import InvalidError
from shared.sync import links

if TYPE_CHECKING:
    from shared.calendar.event import Unit
    from shared.providers.port import CalendarProvider
    from shared.sync.run import Run


def look(run: Run, provider: CalendarProvider, event_id: str) -> Unit | None:
    """A mirror in the run's calendar as it is now, with its occurrences as far ahead as any link reaches; None if it is
    gone. Raises InvalidError if nobody can understand it."""
    now = run.engine.now()
    window = Window(start=now - timedelta(days=1), end=now + timedelta(days=links.LONGEST_AHEAD))
    return provider.get(run.calendar.remote_id, event_id, window=window)


def stands(run: Run, provider: CalendarProvider, event_id: str) -> bool:
    """Whether something is there, understood or not."""
    try:
        return look(run, provider, event_id) is not None
    except InvalidError:
        return True
