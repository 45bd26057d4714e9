"""Posts notifications to webhooks as providers do: soon, with retries, and with the faults of the switchboard."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from infra.local.simulators.faults import Switchboard

_log = logging.getLogger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=30)
_RETRIED = frozenset({500, 502, 503, 504})
_RETRY_DELAYS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
_OVERTAKEN_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One POST. `after` is called with the status of each attempt (0 when nobody answered) and its seconds.

    `insistent`: any status but 2xx is retried, as Microsoft does; otherwise most end the delivery.
    """

    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    insistent: bool = False
    after: Callable[[int, float], None] | None = None


@dataclass(slots=True, kw_only=True)
class Counts:
    """How notifications ended since the last reset."""

    delivered: int = 0
    dropped: int = 0
    duplicated: int = 0
    reordered: int = 0
    refused: int = 0
    given_up: int = 0
    retries: int = 0


class Deliveries:
    """Sends in the background. 2xx is the end; 500, 502, 503, 504 and silence are retried with growing delays;
    any other status is the end as well (Google: push guide, "Responding to notifications")."""

    def __init__(self, switchboard: Switchboard[Any]) -> None:
        self._switchboard = switchboard
        self._session: aiohttp.ClientSession | None = None
        self._running: set[asyncio.Task[None]] = set()
        self.counts = Counts()

    async def start(self) -> None:
        """Open the connections; call inside the running loop."""
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)

    async def close(self) -> None:
        """Stop: what is still on its way is lost, as in a provider's outage."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def reset(self) -> None:
        """Forget what is on its way or waits to be tried again, and count from zero."""
        for task in self._running:
            task.cancel()
        self.counts = Counts()

    def post(self, notification: Notification) -> None:
        """Send soon. Answers at once; the faults drop, duplicate, delay and reorder are drawn here."""
        faults = self._switchboard.settings.notifications
        if self._switchboard.happens(faults.drop):
            self.counts.dropped += 1
            return
        delay = faults.delay_seconds
        if self._switchboard.happens(faults.reorder):
            self.counts.reordered += 1
            delay += self._switchboard.spread(_OVERTAKEN_SECONDS)
        copies = 2 if self._switchboard.happens(faults.duplicate) else 1
        self.counts.duplicated += copies - 1
        for _ in range(copies):
            task = asyncio.get_running_loop().create_task(self._deliver(notification, delay))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _deliver(self, notification: Notification, delay: float) -> None:
        if delay:
            await asyncio.sleep(delay)
        for wait in (*_RETRY_DELAYS, None):
            status = await self._attempt(notification)
            if 200 <= status < 300:
                self.counts.delivered += 1
                return
            if status and status not in _RETRIED and not notification.insistent:
                self.counts.refused += 1
                _log.warning("a webhook refused a notification with %d", status)
                return
            if wait is not None:
                self.counts.retries += 1
                await asyncio.sleep(wait)
        self.counts.given_up += 1
        _log.warning("gave up a notification after %d attempts", len(_RETRY_DELAYS) + 1)

    async def _attempt(self, notification: Notification) -> int:
        if self._session is None:
            raise RuntimeError("the deliveries are not started: run the application, or call start()")
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with self._session.post(
                notification.address,
                data=notification.body,
                headers=notification.headers,
                allow_redirects=False,
            ) as answer:
                await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        if notification.after is not None:
            notification.after(status, loop.time() - started)
        return status

    async def ask(self, address: str, *, headers: Mapping[str, str], seconds: float) -> tuple[int, str, str]:
        """POST an empty body and answer status, content type and text: a handshake. Status 0 when nobody answers."""
        if self._session is None:
            raise RuntimeError("the deliveries are not started: run the application, or call start()")
        try:
            async with (
                asyncio.timeout(seconds),
                self._session.post(address, headers=headers, allow_redirects=False) as answer,
            ):
                return answer.status, answer.content_type, await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return 0, "", ""
