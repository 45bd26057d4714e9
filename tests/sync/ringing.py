"""A world with a clock of its own, whose provider notifies: each change rings the channels that are not silent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.core import lanes as priorities
from shared.core.errors import NotFoundError
from shared.providers.memory import MemoryCalendar, MemoryServer
from shared.sync import dispatch
from shared.sync.listening import channels, notifications
from shared.sync.listening.notifications import Notification
from tests.sync.world import NOW, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from shared.calendar.event import Event
    from shared.core.errors import KalendsError
    from shared.providers.port import Channel, Page
    from shared.store.database import Database

MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Server(MemoryServer):
    """Calendars that tell of each change."""

    changed: Callable[[str], None] = lambda calendar_id: None
    looks: Counter[str] = field(default_factory=Counter)
    opened: Counter[str] = field(default_factory=Counter)

    def put(self, calendar_id: str, event: Event) -> Event:
        stored = MemoryServer.put(self, calendar_id, event)
        self.changed(calendar_id)
        return stored


class Provider(MemoryCalendar):
    """Counts what it is asked; `refuses` is raised instead of opening a channel, `prolongs` as Graph does."""

    def __init__(self, server: Server, world: Ringing) -> None:
        super().__init__(server)
        self._server: Server = server
        self._world = world
        self.refuses: KalendsError | None = None
        self.prolongs = False
        self.stops_fail: KalendsError | None = None

    def changes(self, calendar_id: str, **arguments: Any) -> Page:
        self._server.looks[calendar_id] += 1
        return super().changes(calendar_id, **arguments)

    def watch(self, calendar_id: str, *, channel_id: str, address: str, token: str, expires_at: datetime) -> Channel:
        self._server.opened[calendar_id] += 1
        if self.refuses is not None:
            raise self.refuses
        self._world.tokens[channel_id] = token
        return super().watch(calendar_id, channel_id=channel_id, address=address, token=token, expires_at=expires_at)

    def prolong(self, channel: Channel, *, expires_at: datetime) -> Channel | None:
        if not self.prolongs:
            return None
        if channel.id not in self._server.channels:
            raise NotFoundError("The channel is over.")
        return replace(channel, expires_at=expires_at)

    def stop(self, channel: Channel) -> None:
        if self.stops_fail is not None:
            raise self.stops_fail
        super().stop(channel)


class Ringing(World):
    """`pass_minutes` lets time go by: notifications arrive `delay` after their change, schedules tick, workers work."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.time = NOW
        self.tokens: dict[str, str] = {}
        self.silent: set[str] = set()
        self.delay = timedelta(0)
        self._numbers: Counter[str] = Counter()
        self._coming: list[tuple[datetime, str]] = []
        self.server: Server = Server(changed=self._changed)
        self.provider: Provider = Provider(self.server, self)
        self.engine = replace(self.engine, now=lambda: self.time)

    def pass_minutes(self, count: int) -> None:
        """Minute by minute, as the schedules do."""
        for _ in range(count):
            self.time += MINUTE
            self._deliver()
            dispatch.dispatch(self.engine, correlation_id="test", now=self.time)
            self.run()
            if not (self.time - NOW) % timedelta(minutes=15):
                channels.renew(self.engine, now=self.time)

    def minutes_until(self, holds: Callable[[], bool], limit: int = 120) -> int:
        """How many minutes go by until something holds."""
        for minutes in range(limit):
            if holds():
                return minutes
            self.pass_minutes(1)
        raise AssertionError(f"it does not hold within {limit} minutes")

    def open_channels(self, calendar_id: UUID) -> set[str]:
        """The ids of a calendar's channels at the provider."""
        return {one for one, name in self.server.channels.items() if name == self.remote[calendar_id]}

    def fall_silent(self, calendar_id: UUID) -> set[str]:
        """The calendar's channels say nothing from now on; answers which."""
        mute = self.open_channels(calendar_id)
        self.silent |= mute
        return mute

    def tell(self, channel_id: str, **lifecycle: bool) -> int:
        """The provider posts a notification; answers how many were accepted."""
        self._numbers[channel_id] += 1
        told = Notification(
            provider="google",
            channel_id=channel_id,
            token=self.tokens[channel_id],
            message_number=self._numbers[channel_id],
            **lifecycle,
        )
        return notifications.receive(
            self.database,
            [told],
            queues={lane: self.lanes.of("pull", lane) for lane in priorities.Lane},
            flags=self.engine.flags,
            correlation_id="hook",
            now=self.time,
        )

    def _changed(self, name: str) -> None:
        for channel_id, watched in self.server.channels.items():
            if watched == name and channel_id not in self.silent:
                self._coming.append((self.time + self.delay, channel_id))

    def _deliver(self) -> None:
        due = [channel_id for at, channel_id in self._coming if at <= self.time]
        self._coming = [one for one in self._coming if one[0] > self.time]
        for channel_id in due:
            self.tell(channel_id)
