"""A CalDAV account as a calendar provider: iCloud, Fastmail, Nextcloud, Radicale and others.

Requests: one if nothing changed, else one more for each hundred changed events; an insert one; an update, the writes to
one series, or those to one event of a person two; a deletion one with an ETag and two without. A calendar's id is its
address, an event's the name of its resource: UIDs may occur twice, names cannot. There is no push.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.calendar.ical import lines
from shared.core.errors import InvalidError
from shared.providers.caldav import changes, discovery, errors, reading, writes
from shared.providers.caldav.changes import Reader
from shared.providers.caldav.dav import CALDAV, DAV, Dav
from shared.providers.caldav.reading import Context
from shared.providers.port import Account, none_as_left

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from shared.calendar.event import Event, Unit
    from shared.calendar.span import Window
    from shared.net.egress import GuardedTransport
    from shared.providers.port import AsLeft, Channel, Failed, Page, RemoteCalendar, Write, Written

_ABOUT = "<D:resourcetype/><C:calendar-timezone/>"


class CalDavCalendar:
    """Implements `CalendarProvider` for one account. Not thread-safe."""

    def __init__(
        self,
        *,
        url: str,
        username: str,
        password: str,
        transport: GuardedTransport,
    ) -> None:
        """`transport` decides which addresses may be reached. Raises InvalidError CALDAV.ADDRESS for what is none."""
        self._dav = Dav(url=url, username=username, password=password, transport=transport)
        self._username = username
        self._zones: dict[str, str] = {}
        self._seen: set[str] = set()

    def account(self) -> Account:
        """Who this is: the principal's address, and the e-mail address by which the server knows the person."""
        email = self._username
        if "@" not in email:
            email = min(self._found.addresses, default=f"{email}@{urlsplit(self._dav.home).hostname}")
        return Account(id=f"{self._found.principal}#{self._username}", email=email)

    def list_calendars(self) -> list[RemoteCalendar]:
        """Every calendar that holds events. The account is looked up anew: it may have moved."""
        self.__dict__.pop("_found", None)
        return discovery.calendars(self._dav, self._found)

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
        """What changed, series in full. The window bounds nothing."""
        reader = Reader(dav=self._dav, calendar_id=calendar_id, context=self._context(calendar_id))
        return reader.page(cursor=cursor, page=page, page_size=page_size, as_left=as_left)

    def get(self, calendar_id: str, event_id: str, *, window: Window) -> Unit | None:
        """One GET. The answer that an event does not exist counts only if the calendar does."""
        found = changes.get(self._dav, calendar_id, event_id)
        if found is None:
            self._require_calendar(calendar_id)
            return None
        calendar = lines.require(changes.text_of(found))
        return reading.unit(
            calendar, event_id=event_id, etag=found.headers.get("etag"), context=self._context(calendar_id)
        )

    def find_marked(self, calendar_id: str, *, window: Window | None = None) -> list[Event]:
        """Every mirror. All events are read: few servers can search for properties that they do not know."""
        reader = Reader(dav=self._dav, calendar_id=calendar_id, context=self._context(calendar_id))
        units, _ = reader.read(reader.names())
        return [unit.root for unit in units if unit.root.marker is not None]

    def write(self, calendar_id: str, writes_: Sequence[Write]) -> list[Written | Failed]:
        """Carry out writes, eight at a time."""
        return writes.carry_out(self._dav, calendar_id, writes_, context=self._context(calendar_id))

    def decline(self, calendar_id: str, event_id: str, *, occurrence: str | None = None) -> None:
        """Two requests; a server that schedules is told to mail nobody."""
        writes.decline(self._dav, calendar_id, event_id, occurrence, context=self._context(calendar_id))

    def watch(self, calendar_id: str, *, channel_id: str, address: str, token: str, expires_at: datetime) -> Channel:
        """There is no push. Raises InvalidError with code PROVIDER.PUSH."""
        raise InvalidError("CalDAV calendars cannot be watched: they are polled.", code="PROVIDER.PUSH")

    def prolong(self, channel: Channel, *, expires_at: datetime) -> Channel | None:
        """There are no channels."""
        return None

    def stop(self, channel: Channel) -> None:
        """There are no channels: each is already gone."""

    @cached_property
    def _found(self) -> discovery.Found:
        return discovery.find(self._dav)

    def _context(self, calendar_id: str) -> Context:
        return Context(floating_zone=lambda: self._zone(calendar_id), addresses=self._addresses)

    def _addresses(self) -> Collection[str]:
        return {*self._found.addresses, self._username.lower()}

    def _zone(self, calendar_id: str) -> str:
        """The calendar's zone, for times that name none."""
        if calendar_id not in self._zones:
            self._require_calendar(calendar_id)
        return self._zones[calendar_id]

    def _require_calendar(self, calendar_id: str) -> None:
        """Raises NotFoundError unless the calendar is there; asked once per calendar."""
        if calendar_id in self._seen:
            return
        found = self._dav.propfind(calendar_id, _ABOUT, depth=0, what="a calendar").responses
        if not found or f"{{{CALDAV}}}calendar" not in found[0].children(f"{{{DAV}}}resourcetype"):
            raise errors.unreadable("a calendar")
        self._zones[calendar_id] = discovery.zone_of(found[0]) or "UTC"
        self._seen.add(calendar_id)
