"""One switchboard for every fault a simulator can show.

The settings are what `GET` and `PUT /_sim/faults` speak. A provider adds switches of its own by subclassing
`FaultSettings`. Chances are drawn from a seeded generator, so a run can be repeated.
"""

import json
import random
from collections import Counter
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from infra.local.simulators.clock import Clock

type Rate = Annotated[float, Field(ge=0, le=1)]
type Seconds = Annotated[float, Field(ge=0)]
type Mangling = Literal["html", "truncated", "wrong_type", "null"]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Slow(_Settings):
    """Share of API calls that are answered late, and by how many seconds."""

    rate: Rate = 0
    seconds: Seconds = 0


class Notifications(_Settings):
    """Shares of notifications that are lost, sent twice, or overtaken by later ones; and a delay for all."""

    drop: Rate = 0
    duplicate: Rate = 0
    reorder: Rate = 0
    delay_seconds: Seconds = 0


class Quota(_Settings):
    """Calls allowed per window; None is unlimited. A user is an account of one client, a project a client."""

    per_user_minute: int | None = None
    per_project_minute: int | None = None
    per_mailbox_10min: int | None = None
    concurrent_per_mailbox: int | None = None


class FaultSettings(_Settings):
    """The common switches. All off by default.

    rate_429, rate_403, rate_5xx: share of API calls refused before anything happens.
    commit_then_504: share of writes that are done and then answered 504.
    expire_cursors: every sync or delta token is answered 410 while this is on.
    token_lifetime: seconds an access token issued from now on is good for.
    rotate_refresh_tokens: a refresh answers a new refresh token and ends the old one.
    clock_skew: seconds the provider's clock is ahead.
    answer: successful API answers come as an HTML page, cut in half, with wrong types, or as null.
    endless_pages: every page of a listing announces another. repeat_page_token: it is always the same one.
    seed: of the chances; setting it starts the sequence again.
    """

    rate_429: Rate = 0
    retry_after: int = 1
    rate_403: Rate = 0
    rate_5xx: Rate = 0
    commit_then_504: Rate = 0
    slow: Slow = Slow()
    notifications: Notifications = Notifications()
    expire_cursors: bool = False
    token_lifetime: int = 3600
    rotate_refresh_tokens: bool = False
    clock_skew: float = 0
    quota: Quota = Quota()
    seed: int = 1
    answer: Mangling | None = None
    endless_pages: bool = False
    repeat_page_token: bool = False


class Switchboard[S: FaultSettings]:
    """The current settings, the dice, and the quota counters."""

    def __init__(self, settings: S, clock: Clock) -> None:
        self._initial = settings
        self._clock = clock
        self._spent: Counter[tuple[str, str, int]] = Counter()
        self.settings = settings
        self._dice = random.Random(settings.seed)  # noqa: S311  # faults need repeatable chances, not secrets

    def merge(self, patch: dict[str, Any]) -> S:
        """Change the named switches (nested ones too) and answer all.

        Raises pydantic.ValidationError when a switch is unknown or out of range; nothing changes then.
        """
        settings = type(self.settings).model_validate(_merged(self.settings.model_dump(), patch))
        self._adopt(settings)
        if "seed" in patch:
            self._dice.seed(settings.seed)
        return settings

    def reset(self) -> None:
        """All switches as they were at the start."""
        self._adopt(self._initial)
        self._dice.seed(self._initial.seed)
        self._spent.clear()

    def _adopt(self, settings: S) -> None:
        self.settings = settings
        self._clock.skew = timedelta(seconds=settings.clock_skew)

    def happens(self, rate: float) -> bool:
        """Throw the dice. A rate of 0 never happens and throws none; 1 always happens."""
        return rate > 0 and self._dice.random() < rate

    def spread(self, seconds: float) -> float:
        """A random time between 0 and `seconds`."""
        return self._dice.uniform(0, seconds)

    def charge(self, *, client_id: str, mailbox: str, now: datetime) -> str | None:
        """Count one call against every quota; answers the name of the first one that is used up, or None."""
        quota, second = self.settings.quota, int(now.timestamp())
        for name, limit, holder, window in (
            ("per_user_minute", quota.per_user_minute, f"{client_id} {mailbox}", second // 60),
            ("per_project_minute", quota.per_project_minute, client_id, second // 60),
            ("per_mailbox_10min", quota.per_mailbox_10min, f"{client_id} {mailbox}", second // 600),
        ):
            if limit is None:
                continue
            self._spent[name, holder, window] += 1
            if self._spent[name, holder, window] > limit:
                return name
        return None


def mangle(how: Mangling, body: bytes) -> tuple[str, bytes]:
    """A successful JSON answer made unusable: its content type and body.

    `wrong_type` turns each list at the top into text, and an answer without one into a list.
    """
    match how:
        case "html":
            return "text/html", b"<!DOCTYPE html><html><title>Sorry...</title><p>Something went wrong.</html>"
        case "truncated":
            return "application/json", body[: len(body) // 2]
        case "null":
            return "application/json", b"null"
        case "wrong_type":
            answer = json.loads(body or b"null")
            if isinstance(answer, dict) and any(isinstance(value, list) for value in answer.values()):
                answer = {key: "?" if isinstance(value, list) else value for key, value in answer.items()}
            else:
                answer = [answer]
            return "application/json", json.dumps(answer).encode()


def _merged(settings: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    merged = dict(settings)
    for key, value in patch.items():
        kept = merged.get(key)
        merged[key] = _merged(kept, value) if isinstance(kept, dict) and isinstance(value, dict) else value
    return merged
