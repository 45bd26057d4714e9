"""Which rows of external_calendar_events take time inside a window: the person's own events, never their mirrors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.calendar import codec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.calendar.event import Event
    from shared.store.database import Connection

_FARTHEST_ZONE = timedelta(days=1)
"""Rows keep whole days as those of UTC; in their owner's zone they begin and end up to so much apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which events count: those of `calendars`, and, of the others, those whose mirrors stand in one of `calendars`.

    A mirror happens when its source does, so its source is what is looked at, and once.
    """

    calendars: Sequence[UUID]
    start: datetime
    end: datetime

    @property
    def parameters(self) -> dict[str, Any]:
        """For the queries below."""
        return {
            "calendars": list(self.calendars),
            "start": self.start - _FARTHEST_ZONE,
            "end": self.end + _FARTHEST_ZONE,
        }


_OWN = """e.booking_id IS NULL AND e.sync_status <> 'CANCELLED' AND e.details <> '{}'
           AND (e.calendar_id = ANY(%(calendars)s) OR (e.calendar_id, coalesce(e.series_id, e.external_event_id)) IN (
                SELECT m.source_calendar_id, m.source_event_id FROM event_mappings m
                 WHERE m.target_calendar_id = ANY(%(calendars)s)
                   AND (m.mirror_event_id IS NOT NULL OR m.gives_way)))"""


def singles(conn: Connection, chosen: Chosen) -> Iterator[tuple[UUID, Event]]:
    """The events that do not repeat and may lie inside, with their calendars."""
    rows = conn.execute(
        f"""
        SELECT e.calendar_id, e.external_event_id, e.details FROM external_calendar_events e
         WHERE e.series_id IS NULL AND e.start_time < %(end)s AND e.end_time > %(start)s
           AND e.details->'recurrence' = '[]' AND e.is_busy AND {_OWN}
        """,  # noqa: S608 - a constant
        chosen.parameters,
    )
    for calendar_id, event_id, details in rows:
        yield (
            calendar_id,
            codec.event_from_row(event_id=event_id, series_id=None, occurrence=None, details=details, text=None),
        )


def series(conn: Connection, chosen: Chosen) -> dict[UUID, list[str]]:
    """The roots of series that may have an occurrence inside, by calendar."""
    rows = conn.execute(
        f"""
        SELECT e.calendar_id, array_agg(DISTINCT coalesce(e.series_id, e.external_event_id))
          FROM external_calendar_events e
         WHERE e.start_time < %(end)s
           AND ((e.series_id IS NULL AND e.details->'recurrence' <> '[]')
                OR (e.series_id IS NOT NULL AND e.end_time > %(start)s))
           AND {_OWN}
         GROUP BY e.calendar_id
        """,  # noqa: S608 - a constant
        chosen.parameters,
    )
    return dict(rows.fetchall())


def unreadable(conn: Connection, calendar_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many items of these calendars nobody could read: when they happen is not known."""
    rows = conn.execute(
        """
        SELECT calendar_id, count(*) FROM external_calendar_events
         WHERE calendar_id = ANY(%s) AND booking_id IS NULL AND sync_status = 'FAILED' GROUP BY calendar_id
        """,
        (list(calendar_ids),),
    )
    return dict(rows.fetchall())
