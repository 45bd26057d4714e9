"""A feed as a provider: one calendar, to be read only.

A feed tells no changes, only what it holds. What differs from the last time is told as changes; what it no longer
holds is told as removed only where that proves something: the feed was read whole, still has events, and the event
was not over, because many feeds forget what is past. A feed that is suddenly empty proves nothing (promise 1).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.calendar import codec, recurrence
from shared.core import clock
from shared.core.errors import ForbiddenError, InvalidError
from shared.providers.ics import cursor as cursors
from shared.providers.ics import fetching
from shared.providers.ics.cursor import Held, State
from shared.providers.port import Account, Page, RemoteCalendar, Removed, Skipped, Upserted, none_as_left

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from shared.calendar.event import Event, Unit
    from shared.calendar.ical.reading import Calendar
    from shared.calendar.span import Window
    from shared.net.egress import Egress
    from shared.providers.ics.fetching import Fetched
    from shared.providers.port import AsLeft, Channel, Failed, Write, Written

CALENDAR_ID = "feed"
"""The one calendar of a feed."""
_DIGEST = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Feed:
    """A feed that was read: its units by id, those that it says are cancelled apart."""

    fetched: Fetched
    units: dict[str, Unit]
    cancelled: frozenset[str]

    @property
    def calendar(self) -> Calendar:
        return self.fetched.calendar

    @property
    def proves_absence(self) -> bool:
        return self.calendar.is_whole and bool(self.units)


class IcsFeed:
    """The feed at an address, which is its only credential."""

    def __init__(self, *, address: str, egress: Egress, now: Callable[[], datetime] = clock.now) -> None:
        self._address = fetching.normalise(address)
        self._egress = egress
        self._now = now
        self._key = hashlib.sha256(self._address.encode()).digest()
        self._read: _Feed | None = None

    def account(self) -> Account:
        """The feed: its host, and a hash of its address. Nothing is asked."""
        return Account(id=hashlib.sha256(b"account" + self._key).hexdigest()[:32], email=self._host)

    def list_calendars(self) -> list[RemoteCalendar]:
        """The one calendar; the feed is asked, so that this proves it to be there."""
        calendar = self._feed().calendar
        return [
            RemoteCalendar(
                id=CALENDAR_ID,
                name=calendar.name or self._host,
                time_zone=calendar.time_zone or "UTC",
                can_write=False,
                is_primary=True,
                supports_push=False,
            )
        ]

    def changes(
        self,
        calendar_id: str,
        *,
        cursor: str | None,
        page: str | None,
        window: Window,
        page_size: int = 2500,
        as_left: AsLeft = none_as_left,
    ) -> Page:
        """What differs from the last time, in pages. `window` is not needed: a feed has its own."""
        state = cursors.parse(page or cursor)
        asked = 0
        if page is None or self._read is None:
            asked = 1
            fetched = fetching.fetch(self._egress, self._address, etag=state.etag, modified=state.modified)
            if fetched is None:
                return Page(changes=(), cursor=state.text(), requests=asked)
            self._read = _sorted(fetched)
        return self._page(self._read, state, page_size, requests=asked)

    def get(self, calendar_id: str, event_id: str, *, window: Window) -> Unit | None:
        """One event, as the feed held it when this was last asked. Raises InvalidError where its absence proves
        nothing."""
        feed = self._feed()
        if event_id in feed.units:
            return feed.units[event_id]
        if event_id in feed.cancelled or (feed.proves_absence and event_id not in _unreadable(feed)):
            return None
        raise InvalidError(
            f"The feed no longer shows event {event_id}, but it was not read whole: nothing is concluded from that.",
            code="FEED.ABSENCE_UNPROVED",
        )

    def find_marked(self, calendar_id: str, *, window: Window | None = None) -> list[Event]:
        """None: nobody writes to a feed."""
        return []

    def write(self, calendar_id: str, writes: Sequence[Write]) -> list[Written | Failed]:
        """Raises ForbiddenError."""
        raise _read_only()

    def decline(self, calendar_id: str, event_id: str, *, occurrence: str | None = None) -> None:
        """Raises ForbiddenError."""
        raise _read_only()

    def watch(self, calendar_id: str, *, channel_id: str, address: str, token: str, expires_at: datetime) -> Channel:
        """Raises ForbiddenError: feeds tell nobody anything."""
        raise _read_only()

    def prolong(self, channel: Channel, *, expires_at: datetime) -> Channel | None:
        """There are no channels."""
        return None

    def stop(self, channel: Channel) -> None:
        """There are no channels."""

    @property
    def _host(self) -> str:
        return urlsplit(self._address).hostname or "feed"

    def _feed(self) -> _Feed:
        if self._read is None:
            fetched = fetching.fetch(self._egress, self._address)
            if fetched is None:
                raise InvalidError("The feed's server answers 304 to what was asked without a condition.")
            self._read = _sorted(fetched)
        return self._read

    def _page(self, feed: _Feed, state: State, page_size: int, *, requests: int) -> Page:
        items, told = dict(state.items), dict(state.unreadable)
        unreadable = _unreadable(feed)
        changes: list[Upserted | Removed] = []
        skipped: list[Skipped] = []
        whole = True
        for event_id, unit in sorted(feed.units.items()):
            digest = self._digest(unit)
            if event_id in items and items[event_id].digest == digest:
                continue
            if len(changes) >= page_size:
                whole = False
                break
            items[event_id] = Held(digest=digest, over=_over(unit))
            changes += _upserted(unit, unreadable)
        if whole:
            changes += self._vanished(feed, items, unreadable)
            for event_id, reason in unreadable.items():
                mark = self._mac(reason.encode())
                if told.get(event_id) != mark:
                    skipped.append(Skipped(event_id=event_id, reason=reason))
                    told[event_id] = mark
            told = {event_id: mark for event_id, mark in told.items() if event_id in unreadable}
        reached = State(items=items, unreadable=told)
        if not whole:
            return Page(changes=tuple(changes), next_page=reached.text(), requests=requests)
        reached = replace(reached, etag=feed.fetched.etag, modified=feed.fetched.modified)
        return Page(changes=tuple(changes), skipped=tuple(skipped), cursor=reached.text(), requests=requests)

    def _vanished(self, feed: _Feed, items: dict[str, Held], unreadable: dict[str, str]) -> list[Removed]:
        """What is told as gone; it, and what is past and no longer shown, is forgotten in `items`."""
        gone: list[Removed] = []
        minute = int(self._now().timestamp()) // 60
        for event_id in [one for one in items if one not in feed.units and one not in unreadable]:
            over = items[event_id].over
            if event_id in feed.cancelled or (feed.proves_absence and (over is None or over > minute)):
                gone.append(Removed(event_id=event_id))
                del items[event_id]
            elif feed.proves_absence:
                del items[event_id]
        return gone

    def _digest(self, unit: Unit) -> str:
        parts = [
            part
            for event in (unit.root, *unit.overrides)
            for part in (event.id.encode(), codec.content_of(codec.details_json(event), event.text))
        ]
        return self._mac(b"\0".join(parts))

    def _mac(self, content: bytes) -> str:
        return hmac.digest(self._key, content, "sha256")[:_DIGEST].hex()


def _sorted(fetched: Fetched) -> _Feed:
    units = {unit.root.id: unit for unit in fetched.calendar.units if not unit.root.is_cancelled}
    cancelled = frozenset(unit.root.id for unit in fetched.calendar.units if unit.root.is_cancelled)
    return _Feed(fetched=fetched, units=units, cancelled=cancelled)


def _unreadable(feed: _Feed) -> dict[str, str]:
    return {one.id: one.reason for one in feed.calendar.unreadable if one.id not in feed.units}


def _upserted(unit: Unit, unreadable: dict[str, str]) -> list[Upserted | Removed]:
    """A series with all its overrides as one change; as changes of their own where one of them could not be read,
    for then the others are not all there are."""
    if any(event_id.startswith(f"{unit.root.id}_") for event_id in unreadable):
        return [Upserted(event=unit.root), *(Upserted(event=one) for one in unit.overrides)]
    return [Upserted(event=unit.root, overrides=unit.overrides if unit.root.is_series else None)]


def _over(unit: Unit) -> int | None:
    """When it is over, in minutes since 1970."""
    if unit.root.span is None:
        return None
    try:
        last = recurrence.last_end(unit.root) if unit.root.is_series else unit.root.span.ends_at()
    except InvalidError:  # a rule that nobody can expand: then it is never over
        return None
    if last is None:
        return None
    moved = [one.span.ends_at() for one in unit.overrides if one.span is not None]
    return int(max([last, *moved]).timestamp()) // 60


def _read_only() -> ForbiddenError:
    return ForbiddenError("A feed can only be read. Choose another calendar to write to.", gate="feed")
