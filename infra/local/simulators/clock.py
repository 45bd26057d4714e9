"""The simulator's clock: the real one plus a skew that the switchboard may set."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True, kw_only=True)
class Clock:
    """The provider's time. Everything a simulator stamps, expires or checks asks this clock.

    `skew` moves it (seconds ahead when positive): a provider whose clock is wrong, or, with a large value, one
    where days have passed. `source` is the time it is derived from; tests may put a fixed one there.
    """

    skew: timedelta = timedelta(0)
    source: Callable[[], datetime] = field(default=_utc_now)

    def now(self) -> datetime:
        """The provider's present, aware, in UTC."""
        return self.source() + self.skew
