"""Requests to a simulated account, and everything that can go wrong with one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from shared.core.errors import RateLimitedError, ReauthRequiredError, TransientError
from shared.providers import port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.providers.port import Turns
    from tests.simulation.provider import Account, Server, Token
    from tests.simulation.weather import Weather

DEADLINE = 15.0
"""Seconds after which the product's adapters give a request up."""
BATCH = {"google": 150, "microsoft": 20, "caldav": 1}
"""Requests that travel together: at Google fifty, of which each may count three times; at CalDAV servers none."""
AT_ONCE = 4
"""Requests of a batch that Graph carries out side by side."""
RETRY_AFTER = (None, 5, 20, 60, 200, 600)


class Wire:
    """An account as one access token reaches it, when its `turns` have come."""

    def __init__(
        self, account: Account, *, token: Token, server: Server, weather: Weather, turns: Turns | None
    ) -> None:
        self._account = account
        self._server = server
        self._machine = server.machine
        self._chance = server.chance
        self._weather = weather
        self._token = token
        self._turns = turns or port.no_waiting

    def _ask[Answer](
        self,
        what: str,
        effect: Callable[[], Answer],
        *,
        requests: int = 1,
        is_write: bool = False,
        gap: str | None = None,
        scope: str | None = None,
    ) -> Answer:
        """One request, or a batch of what the provider counts as so many, with whatever befalls it. `gap` is what has
        happened when the worker may be killed next. A limit that is met counts for `scope` only, if there is one."""
        actor = self._machine.actor
        self._call: dict[str, Any] = {
            "at": self._machine.seconds(),
            "account": self._account.name,
            "actor": actor.name if actor else "",
            "actor_began": actor.began if actor else 0.0,
        }
        self._server.calls.append(self._call)
        self._machine.note(f"{self._account.name} {what}")
        with self._taking_turns(requests):
            return self._exchange(effect, is_write=is_write, gap=gap, scope=scope)

    @contextlib.contextmanager
    def _taking_turns(self, requests: int) -> Iterator[None]:
        """Batch after batch when the quotas say so; the last lasts as long as the context, and is the one answered."""
        exchanges = self._call["exchanges"] = []
        left = requests
        while True:
            size = min(left, BATCH[self._account.kind])
            with self._turns(size, at_once=min(AT_ONCE, size)) as granted:
                exchanges.append(exchange := {"at": self._machine.seconds(), "requests": granted})
                left -= granted
                try:
                    if left <= 0:
                        yield
                        return
                    self._travel()
                finally:
                    exchange["until"] = self._machine.seconds()

    def _exchange[Answer](
        self, effect: Callable[[], Answer], *, is_write: bool, gap: str | None, scope: str | None
    ) -> Answer:
        self._travel()
        self._refuse(scope)
        answer = effect()
        if gap is not None and self._weather.strikes(f"killed after {gap}"):
            self._machine.kill(f"after {gap}")
        if is_write and self._weather.strikes("commit, then 504"):
            raise TransientError("504 after the commit", code="PROVIDER.UNAVAILABLE")
        self._travel()
        return answer

    def _travel(self) -> None:
        """The way there, or back."""
        chance = self._chance
        seconds = chance.uniform(0.01, 0.3)
        if self._weather.strikes("slow answer"):
            seconds = chance.uniform(2.0, DEADLINE * 1.3)
        self._machine.pause(min(seconds, DEADLINE))
        if self._weather.strikes("killed at a pause"):
            self._machine.kill("while the provider was at work")
        if seconds > DEADLINE:
            raise TransientError("No answer in time.", code="PROVIDER.TIMEOUT")

    def _refuse(self, scope: str | None) -> None:
        weather = self._weather
        weather.require_working(self._account.kind)
        if weather.strikes("quota spent"):
            self._account.spent_until = self._machine.seconds() + self._chance.uniform(60, 7200)
        if self._machine.seconds() < self._account.spent_until and not weather.calm:
            raise RateLimitedError("403 quotaExceeded", retry_after=None)
        if self._account.kind != "caldav" and weather.strikes("token lapses"):
            self._account.generation += 1
        if weather.strikes("grant is revoked"):
            self._account.is_revoked = True
            self._account.generation += 1
        has_ended = self._token.ends <= self._machine.seconds()
        if self._account.is_revoked or has_ended or self._token.generation != self._account.generation:
            raise ReauthRequiredError("401")
        if weather.strikes("429"):
            raise self._limited(scope=scope)
        if weather.strikes("403 rate"):
            raise RateLimitedError("403 rateLimitExceeded", retry_after=None)
        if weather.strikes("5xx"):
            raise TransientError("500", code="PROVIDER.UNAVAILABLE")

    def _limited(self, *, scope: str | None) -> RateLimitedError:
        retry_after = self._chance.choice(RETRY_AFTER)
        self._call.setdefault("limits", []).append((self._machine.seconds(), scope, retry_after or 0))
        return RateLimitedError("429", retry_after=retry_after)
