"""Push channels at the simulated providers, and the notifications that they send: lost, doubled, late, out of order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.core.errors import ForbiddenError, KalendsError, NotFoundError
from shared.providers.port import Channel
from shared.sync.listening.notifications import Notification

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tests.simulation.machine import Machine
    from tests.simulation.provider import Habits, Shelf
    from tests.simulation.weather import Weather

    type Post = Callable[[Notification, Callable[[int, BaseException | None], None]], None]

ATTEMPTS = 4
"""So often a provider tells again what was answered with 5xx."""


@dataclass(slots=True, eq=False)
class _Open:
    id: str
    shelf: Shelf
    token: str
    resource_id: str
    expires_at: datetime
    number: int = 0
    is_silent: bool = False
    is_telling: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A notification that the webhook accepted, of a change at `changed` seconds."""

    calendar: str
    changed: float


class Channels:
    """All channels of all calendars. `post` knocks at the product's door and tells how it answered."""

    def __init__(self, machine: Machine, weather: Weather, *, habits: Habits, post: Post) -> None:
        self._machine = machine
        self._chance = machine.chance("channels")
        self._weather = weather
        self._habits = habits
        self._post = post
        self._open: dict[str, _Open] = {}
        self._count = 0
        self.told: list[Told] = []
        self.untold: set[str] = set()
        """Calendars of which a change was never told: only polling finds it."""

    def open(self, shelf: Shelf, *, channel_id: str, token: str, expires_at: datetime) -> Channel:
        """A new channel; Graph gives it an id of its own, Google tells at once that it is open."""
        self._count += 1
        if self._habits.channel_lives is not None:
            granted = self._chance.uniform(*self._habits.channel_lives)
            expires_at = min(expires_at, self._machine.now() + timedelta(seconds=granted))
        mine = f"sub-{self._chance.getrandbits(40):x}-{self._count}"
        one = _Open(
            id=channel_id if shelf.kind == "google" else mine,
            shelf=shelf,
            token=token,
            resource_id=f"resource-{shelf.name}" if shelf.kind == "google" else "",
            expires_at=expires_at,
        )
        self._open[one.id] = one
        if shelf.kind == "google":
            self._send(one)
        return Channel(id=one.id, resource_id=one.resource_id, expires_at=expires_at)

    def prolong(self, channel: Channel, *, expires_at: datetime) -> Channel | None:
        """As Graph does; None for Google's."""
        one = self._open.get(channel.id)
        if one is None or one.expires_at <= self._machine.now():
            if channel.resource_id:
                return None
            raise NotFoundError("The channel is over.")
        if one.shelf.kind == "google":
            return None
        one.expires_at = expires_at
        return Channel(id=one.id, resource_id=one.resource_id, expires_at=expires_at)

    def close(self, channel_id: str) -> None:
        """No more notifications; an unknown channel is fine."""
        self._open.pop(channel_id, None)

    def changed(self, shelf: Shelf) -> None:
        """Tell everybody who watches this calendar."""
        alive = self._alive(shelf)
        if not alive:
            self.untold.add(shelf.name)
        for one in alive:
            if self._weather.strikes("channel falls silent"):
                one.is_silent = True
                self.untold.add(shelf.name)
            elif self._weather.strikes("channel ends early"):
                self._end(one)
            else:
                self._send(one)

    def is_heard(self, shelf: Shelf) -> bool:
        """Whether somebody would be told of a change in this calendar."""
        return bool(self._alive(shelf))

    def _alive(self, shelf: Shelf) -> list[_Open]:
        watching = [one for one in self._open.values() if one.shelf is shelf]
        return [one for one in watching if one.expires_at > self._machine.now() and not one.is_silent]

    def _end(self, one: _Open) -> None:
        """Graph says so; Google never tells."""
        self.close(one.id)
        self.untold.add(one.shelf.name)
        if one.shelf.kind == "microsoft":
            over = Notification(provider="microsoft", channel_id=one.id, token=one.token, is_over=True)
            self._machine.after(1, lambda: self._deliver(one, over, self._machine.seconds(), attempt=1))

    def _send(self, one: _Open) -> None:
        if one.is_telling:
            return  # the one on its way tells of this, too
        one.is_telling = True
        self._machine.after(self._chance.uniform(0.2, 4.0), lambda: self._leave(one))

    def _leave(self, one: _Open) -> None:
        one.is_telling = False
        one.number += 1
        notification = Notification(
            provider=one.shelf.kind,
            channel_id=one.id,
            token=one.token,
            resource_id=one.resource_id,
            message_number=one.number if one.shelf.kind == "google" else None,
        )
        chance, weather = self._chance, self._weather
        if weather.strikes("notification dropped"):
            self.untold.add(one.shelf.name)
            return
        changed = self._machine.seconds()
        for _ in range(2 if weather.strikes("notification doubled") else 1):
            delay = chance.uniform(5, 900) if weather.strikes("notification late") else chance.uniform(0.05, 1)
            self._machine.after(delay, lambda: self._deliver(one, notification, changed, attempt=1))

    def _deliver(self, one: _Open, notification: Notification, changed: float, *, attempt: int) -> None:
        name = one.shelf.name

        def answered(accepted: int, error: BaseException | None) -> None:
            if error is None and accepted:
                self.told.append(Told(calendar=name, changed=changed))
            elif error is None or isinstance(error, ForbiddenError) or attempt == ATTEMPTS:
                self.untold.add(name)
            elif isinstance(error, KalendsError) or error.__class__.__name__ == "KilledError":
                again = 10.0 * 2**attempt
                self._machine.after(again, lambda: self._deliver(one, notification, changed, attempt=attempt + 1))
            else:
                raise error

        self._post(notification, answered)
