"""Where a meeting could go: free times on people's clocks, the nearest first. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

GRID = timedelta(minutes=15)
EARLIEST, LATEST = time(8), time(18)
"""Nobody is asked to meet outside these hours, on the wall clock of their zone."""
_WEEKEND = (5, 6)


def nearest(
    free: Sequence[tuple[datetime, datetime]], *, length: timedelta, to: datetime, zone: ZoneInfo, limit: int
) -> list[tuple[datetime, datetime]]:
    """At most `limit` times of that length inside the free ones, none of which meet, those nearest to `to` first.

    They begin on quarter hours, within working hours, and on a weekend only if `to` lies on one.
    """
    weekend_too = to.astimezone(zone).weekday() in _WEEKEND
    candidates = sorted(
        {begin for start, end in free for begin in _begins(start, end, length, zone, weekend_too=weekend_too)},
        key=lambda begin: (abs(begin - to), begin),
    )
    chosen: list[datetime] = []
    for begin in candidates:
        if len(chosen) == limit:
            break
        if all(abs(begin - other) >= length for other in chosen):
            chosen.append(begin)
    return [(begin, begin + length) for begin in chosen]


def _begins(
    start: datetime, end: datetime, length: timedelta, zone: ZoneInfo, *, weekend_too: bool
) -> Iterator[datetime]:
    begin = datetime.fromtimestamp(-(-start.timestamp() // GRID.total_seconds()) * GRID.total_seconds(), UTC)
    while begin + length <= end:
        local, over = begin.astimezone(zone), (begin + length).astimezone(zone)
        fits = local.time() >= EARLIEST and over.time() <= LATEST and local.date() == over.date()
        if fits and (weekend_too or local.weekday() not in _WEEKEND):
            yield begin
        begin += GRID
