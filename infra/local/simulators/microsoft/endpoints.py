"""How fast webhooks answer, and what slow ones get (vendor doc: change-notifications-delivery-webhooks, Throttling).

In a window of ten minutes: more than 10 % of answers slower than ten seconds delay an endpoint's notifications by
ten seconds; more than 15 % drop them, and their subscriptions hear "missed" when that is over. The switch
`slow_answer_seconds` stands for both ten seconds.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from infra.local.simulators.deliveries import Notification
from infra.local.simulators.port import Parts

_WINDOW = timedelta(minutes=10)
_JUDGED_FROM = 5
_SLOW_SHARE, _DROP_SHARE = 0.10, 0.15


@dataclass(slots=True, kw_only=True)
class _Endpoint:
    answers: deque[tuple[datetime, bool]] = field(default_factory=deque)
    missed: set[str] = field(default_factory=set)

    def slow_share(self, now: datetime) -> float:
        while self.answers and self.answers[0][0] <= now - _WINDOW:
            self.answers.popleft()
        if len(self.answers) < _JUDGED_FROM:
            return 0
        return sum(slow for _, slow in self.answers) / len(self.answers)


class Endpoints:
    """Posts to webhooks, unless they are too slow. `missed` is told whose notifications were dropped, once the
    endpoint is good again."""

    def __init__(self, parts: Parts, missed: Callable[[set[str]], None]) -> None:
        self._parts = parts
        self._missed = missed
        self._endpoints: dict[str, _Endpoint] = {}

    def post(self, notification: Notification, subscriptions: Iterable[str]) -> None:
        """Send at once, later, or not at all, by how the endpoint has answered so far."""
        endpoint = self._endpoints.setdefault(urlsplit(notification.address).netloc, _Endpoint())
        limit: float = self._parts.switchboard.settings.slow_answer_seconds

        def note(status: int, seconds: float) -> None:
            del status
            endpoint.answers.append((self._parts.clock.now(), seconds > limit))

        measured = replace(notification, after=note)
        share = endpoint.slow_share(self._parts.clock.now())
        if share > _DROP_SHARE:
            endpoint.missed.update(subscriptions)
        elif share > _SLOW_SHARE:
            asyncio.get_running_loop().call_later(limit, self._parts.deliveries.post, measured)
        else:
            self._parts.deliveries.post(measured)

    def tick(self) -> None:
        """Tell who missed notifications at endpoints that are good again."""
        now = self._parts.clock.now()
        for endpoint in self._endpoints.values():
            if endpoint.missed and endpoint.slow_share(now) <= _DROP_SHARE:
                missed, endpoint.missed = endpoint.missed, set()
                self._missed(missed)
