"""How long one call keeps at a provider that fails: a few repeats within seconds, before a refusal counts.

A refusal that counts puts the account to sleep for a minute at least, and further ones for longer. Providers drop
single requests all the time and ask for exactly this (Calendar API, "Handle API errors": exponential backoff; Graph,
"Throttling guidance"), so only what lasts for seconds is a failure of the connection.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from shared.core.errors import ForbiddenError, KalendsError, RateLimitedError, TransientError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

REPEATS, FORBIDDEN_REPEATS = 4, 2
FIRST_WAIT = 0.25
"""Seconds, doubled with each repeat; half to all of it, so that those who failed together do not come back together."""
SECONDS = 8.0
"""From the beginning of a call: less than a time-out, after which nothing is repeated; five calendars that wait so long
one after the other still fit into a worker's minute."""
WRITING_SECONDS = 20.0
"""For fifty writes, which take many round trips; well inside a lease."""
LONGEST_WAIT = 86_400.0
"""Seconds: whoever asks for more than a day has made a mistake, and an account would sleep for good."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that an answer asks to wait (RFC 9110, 10.2.3), LONGEST_WAIT at most: a number, or a date, counted
    from the answer's own Date because clocks differ. None if it asks for nothing, or for what is neither."""
    found = {name.lower(): value.strip() for name, value in headers.items()}
    asked = found.get("retry-after", "")
    if asked.isascii() and asked.isdigit():
        return min(float(asked), LONGEST_WAIT)
    until, sent = _date(asked), _date(found.get("date", ""))
    if until is None or sent is None:
        return None
    return min(max((until - sent).total_seconds(), 0.0), LONGEST_WAIT)


def may_pass(answer: object, *, repeats: int) -> bool:
    """Whether the same request may be answered otherwise at once. A refused access is asked about again, but less."""
    return isinstance(answer, TransientError) or (isinstance(answer, ForbiddenError) and repeats < FORBIDDEN_REPEATS)


@dataclass(slots=True)
class Patience:
    """The patience of one call, however many requests it takes."""

    seconds: float = SECONDS
    began: float = field(default_factory=lambda: time.monotonic())

    def grants(self, refusals: Collection[KalendsError], *, repeats: int) -> bool:
        """Wait, and return True, if what was refused should be sent again; `repeats` counts how often it has been.

        Never shorter than the longest Retry-After. One that is longer than the patience is left to whoever can wait.
        """
        if repeats >= REPEATS or not all(may_pass(one, repeats=repeats) for one in refusals):
            return False
        asked = [one.retry_after or 0.0 for one in refusals if isinstance(one, RateLimitedError)]
        own = FIRST_WAIT * 2**repeats * random.uniform(0.5, 1)  # noqa: S311 - spreads load, hides nothing
        wait = max([own, *asked])
        if time.monotonic() + wait > self.began + self.seconds:
            return False
        time.sleep(wait)
        return True


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)
