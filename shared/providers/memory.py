"""A provider in memory, for property tests only: the port's behaviour without a network, faults at will.

It behaves like the stricter of the real ones where they differ: tombstones, opaque cursors that can expire, pages,
deterministic ids that collide even after deletion, ETags that change with each write.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.calendar import patch as patches
from shared.calendar import recurrence
from shared.calendar.event import Event, Response, Status, Unit
from shared.calendar.span import occurrence_key, parse_occurrence_key
from shared.core.errors import (
    ConflictError,
    CursorExpiredError,
    KalendsError,
    NotFoundError,
    PreconditionFailedError,
)
from shared.providers.port import (
    HAS_GUESTS,
    NOT_ORGANIZER,
    Account,
    Amend,
    CancelOccurrence,
    Channel,
    Delete,
    Failed,
    Insert,
    Page,
    RemoteCalendar,
    Removed,
    Update,
    Upserted,
    Withdraw,
    WriteOccurrence,
    Written,
    none_as_left,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.calendar.mirror import Appearance
    from shared.calendar.span import Window
    from shared.providers.port import AsLeft, Write


@dataclass(slots=True)
class _Calendar:
    events: dict[str, Event] = field(default_factory=dict)
    changed_at: dict[str, int] = field(default_factory=dict)
    oldest_cursor: int = 0


@dataclass(slots=True)
class MemoryServer:
    """All calendars of all accounts. `before_write` and `after_write` may raise, to play a fault or a kill; what
    `refuse` raises is the answer to that one write."""

    calendars: dict[str, _Calendar] = field(default_factory=dict)
    clock: int = 0
    writes: list[tuple[str, str, str]] = field(default_factory=list)
    channels: dict[str, str] = field(default_factory=dict)
    invited: set[str] = field(default_factory=set)
    """Ids of the events and series to which their owners have invited others."""
    page_size: int = 100
    before_write: Callable[[Write], None] = lambda write: None
    after_write: Callable[[Write], None] = lambda write: None
    refuse: Callable[[Write], None] = lambda write: None

    def put(self, calendar_id: str, event: Event) -> Event:
        """Store an event as its owner would; it gets a new ETag. Of a series, the changed occurrences that lose their
        place in it end."""
        self.clock += 1
        calendar = self.calendars.setdefault(calendar_id, _Calendar())
        stored = replace(event, etag=f'"{self.clock}"', updated_at=datetime.fromtimestamp(self.clock, UTC))
        calendar.events[event.id] = stored
        calendar.changed_at[event.id] = self.clock
        for one in [one for one in calendar.events.values() if one.series_id == event.id and not one.is_cancelled]:
            if not _has_place(stored, one):
                self.put(calendar_id, replace(one, span=None, text=None, status=Status.CANCELLED))
        return stored

    def remove(self, calendar_id: str, event_id: str) -> None:
        """Delete an event as its owner would: a tombstone stays, and a series takes its overrides along."""
        calendar = self.calendars[calendar_id]
        event = calendar.events[event_id]
        self.put(calendar_id, replace(event, status=Status.CANCELLED))
        for override in [one for one in calendar.events.values() if one.series_id == event_id]:
            del calendar.events[override.id], calendar.changed_at[override.id]

    def expire_cursors(self) -> None:
        """Forget every cursor given out so far (410 Gone)."""
        self.clock += 1
        for calendar in self.calendars.values():
            calendar.oldest_cursor = self.clock

    def visible(self, calendar_id: str) -> list[Event]:
        """Everything in a calendar that is not a tombstone."""
        return [one for one in self.calendars.setdefault(calendar_id, _Calendar()).events.values() if not _is_gone(one)]


class MemoryCalendar:
    """One account of a MemoryServer, as the port has it."""

    def __init__(self, server: MemoryServer, *, email: str = "someone@example.com") -> None:
        self._server = server
        self._email = email

    def account(self) -> Account:
        """Who this is."""
        return Account(id=self._email, email=self._email)

    def list_calendars(self) -> list[RemoteCalendar]:
        """Every calendar of the server."""
        return [
            RemoteCalendar(id=one, name=one, time_zone="UTC", can_write=True, readers=())
            for one in self._server.calendars
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
        """In order of change. A page token carries where it began, so that nothing is missed between pages."""
        calendar = self._server.calendars.setdefault(calendar_id, _Calendar())
        since = int(page or cursor or 0)
        if cursor is not None and page is None and since < calendar.oldest_cursor:
            raise CursorExpiredError(f"The cursor of calendar {calendar_id} has expired.")
        full = cursor is None
        order = sorted((at, one) for one, at in calendar.changed_at.items() if at > since)
        limit = min(page_size, self._server.page_size)
        taken, rest = order[:limit], order[limit:]
        changes: list[Upserted | Removed] = []
        known = as_left({one: etag for _, one in taken if (etag := _etag_of_mirror(calendar.events[one]))})
        for _, event_id in taken:
            event = calendar.events[event_id]
            if event_id in known:
                continue
            if not _is_gone(event):
                changes.append(Upserted(event=event))
            elif not full:
                changes.append(Removed(event_id=event_id))
        if rest:
            return Page(changes=tuple(changes), next_page=str(taken[-1][0]))
        return Page(changes=tuple(changes), cursor=str(self._server.clock))

    def get(self, calendar_id: str, event_id: str, *, window: Window) -> Unit | None:
        """An event with its overrides."""
        calendar = self._server.calendars[calendar_id]
        event = calendar.events.get(event_id)
        if event is None or _is_gone(event):
            return None
        overrides = sorted((one for one in calendar.events.values() if one.series_id == event_id), key=lambda e: e.id)
        return Unit(root=event, overrides=tuple(overrides))

    def find_marked(self, calendar_id: str, *, window: Window | None = None) -> list[Event]:
        """Everything with a marker."""
        return [event for event in self._server.visible(calendar_id) if event.marker]

    def write(self, calendar_id: str, writes: Sequence[Write]) -> list[Written | Failed]:
        """One after the other; only `before_write` and `after_write` raise for the whole batch."""
        answers: list[Written | Failed] = []
        for write in writes:
            self._server.before_write(write)
            try:
                self._server.refuse(write)
                answer: Written | Failed = self._write(calendar_id, write)
            except KalendsError as error:
                answer = Failed(error=error)
            answers.append(answer)
            self._server.after_write(write)
        return answers

    def decline(self, calendar_id: str, event_id: str, *, occurrence: str | None = None) -> None:
        """Change the answer of an invitation, or of one occurrence, which differs from then on."""
        calendar = self._server.calendars.setdefault(calendar_id, _Calendar())
        event = calendar.events.get(event_id)
        if event is None or _is_gone(event) or event.span is None:
            raise NotFoundError(f"There is no event {event_id}.")
        if event.response is Response.NONE:
            raise ConflictError(f"Nobody invited this account to event {event_id}.")
        if occurrence is not None:
            span = recurrence.occurrence_span(event.span, event.recurrence, occurrence)
            place = parse_occurrence_key(occurrence)
            override = replace(event, id=f"{event_id}_{occurrence}", series_id=event_id, original_start=place)
            event = self._of_series(calendar, event_id, replace(override, span=span, recurrence=()))
        self._server.put(calendar_id, replace(event, response=Response.DECLINED))
        self._server.writes.append((calendar_id, "decline", event.id))

    def watch(self, calendar_id: str, *, channel_id: str, address: str, token: str, expires_at: datetime) -> Channel:
        """Note the channel; nothing is ever posted."""
        self._server.channels[channel_id] = calendar_id
        return Channel(id=channel_id, resource_id="memory", expires_at=expires_at)

    def prolong(self, channel: Channel, *, expires_at: datetime) -> Channel | None:
        """As Google: another channel must be opened."""
        return None

    def stop(self, channel: Channel) -> None:
        """Forget the channel."""
        self._server.channels.pop(channel.id, None)

    def _write(self, calendar_id: str, write: Write) -> Written:
        calendar = self._server.calendars.setdefault(calendar_id, _Calendar())
        match write:
            case Insert(key=key, marker=marker, appearance=appearance):
                present = calendar.events.get(key)
                if present is not None and present.marker != marker:
                    raise ConflictError(f"Event {key} is there and not ours.")
                return self._put(calendar_id, "insert", _event(key, appearance, marker))
            case Update(event_id=event_id, marker=marker, appearance=appearance, etag=etag):
                present = calendar.events.get(event_id)
                if present is None or _is_gone(present):
                    raise NotFoundError(f"There is no event {event_id}.")
                if etag is not None and present.etag != etag:
                    raise PreconditionFailedError(f"Event {event_id} has changed.")
                return self._put(calendar_id, "update", _event(event_id, appearance, marker))
            case Delete(event_id=event_id, marker=marker):
                present = calendar.events.get(event_id)
                if present is not None and not _is_gone(present):
                    if present.marker != marker:
                        raise ConflictError(f"Event {event_id} is not ours.")
                    self._server.remove(calendar_id, event_id)
                    self._server.writes.append((calendar_id, "delete", event_id))
                return Written(event_id=event_id, event=None)
            case WriteOccurrence(series_id=series_id, key=key, appearance=appearance):
                override = replace(
                    _event(f"{series_id}_{key}", appearance, None),
                    series_id=series_id,
                    original_start=parse_occurrence_key(key),
                )
                return self._put(calendar_id, "write_occurrence", self._of_series(calendar, series_id, override))
            case CancelOccurrence(series_id=series_id, key=key):
                gone = Event(
                    id=f"{series_id}_{key}",
                    span=None,
                    status=Status.CANCELLED,
                    series_id=series_id,
                    original_start=parse_occurrence_key(key),
                )
                series = self._series(calendar, series_id)
                if _has_place(series, gone):
                    self._put(calendar_id, "cancel_occurrence", gone)
                return Written(event_id=gone.id, event=None)
            case Amend():
                return self._amend(calendar_id, write)
            case Withdraw():
                return self._withdraw(calendar_id, write)

    def _amend(self, calendar_id: str, write: Amend) -> Written:
        seen = self._of_another(calendar_id, write.event_id, write.occurrence)
        if seen is None or seen.is_cancelled:
            raise NotFoundError(f"There is no event {write.event_id}, or no occurrence {write.occurrence} of it.")
        if patches.is_shown(write.patch, seen):
            return Written(event_id=seen.id, event=seen)
        self._require_amendable(seen, write.etag)
        wanted = patches.applied(patches.unmasked(seen), write.patch)
        changed = replace(
            seen,
            span=wanted.span,
            text=wanted.text,
            availability=wanted.availability,
            status=wanted.status,
            recurrence=wanted.recurrence,
        )
        return self._put(calendar_id, "amend", changed)

    def _withdraw(self, calendar_id: str, write: Withdraw) -> Written:
        place = write.event_id if write.occurrence is None else f"{write.event_id}_{write.occurrence}"
        seen = self._of_another(calendar_id, write.event_id, write.occurrence)
        if seen is not None and not seen.is_cancelled:
            self._require_amendable(seen, write.etag)
            if write.occurrence is None:
                self._server.remove(calendar_id, seen.id)
            else:
                self._server.put(calendar_id, replace(seen, span=None, text=None, status=Status.CANCELLED))
            self._server.writes.append((calendar_id, "withdraw", seen.id))
        return Written(event_id=place, event=None)

    def _of_another(self, calendar_id: str, event_id: str, occurrence: str | None) -> Event | None:
        """An event, or an occurrence, which has no ETag until it differs."""
        calendar = self._server.calendars.setdefault(calendar_id, _Calendar())
        event = calendar.events.get(event_id)
        if event is None or _is_gone(event) or occurrence is None or event.span is None:
            return None if event is None or _is_gone(event) else event
        known = calendar.events.get(f"{event_id}_{occurrence}")
        span = recurrence.occurrence_span(event.span, event.recurrence, occurrence)
        if known is not None or span is None:
            return known
        place = parse_occurrence_key(occurrence)
        own = replace(event, span=span, recurrence=(), series_id=event_id, original_start=place)
        return replace(own, id=f"{event_id}_{occurrence}", etag=None, marker=None)

    def _require_amendable(self, event: Event, etag: str | None) -> None:
        """The stricter of the real ones: as Graph, which mails guests of every change."""
        if event.response is not Response.NONE:
            raise ConflictError(f"Somebody else organises event {event.id}.", code=NOT_ORGANIZER)
        if event.root_id in self._server.invited:
            raise ConflictError(f"Others are invited to event {event.id}.", code=HAS_GUESTS)
        if etag is not None and event.etag != etag:
            raise PreconditionFailedError(f"Event {event.id} has changed.")

    def _series(self, calendar: _Calendar, series_id: str) -> Event:
        series = calendar.events.get(series_id)
        if series is None or series.span is None or _is_gone(series):
            raise NotFoundError(f"There is no series {series_id}.")
        return series

    def _of_series(self, calendar: _Calendar, series_id: str, override: Event) -> Event:
        if not _has_place(self._series(calendar, series_id), override):
            raise NotFoundError(f"Series {series_id} has no occurrence {override.original_start}.")
        return override

    def _put(self, calendar_id: str, operation: str, event: Event) -> Written:
        stored = self._server.put(calendar_id, event)
        self._server.writes.append((calendar_id, operation, event.id))
        return Written(event_id=event.id, event=stored)


def _event(event_id: str, appearance: Appearance, marker: str | None) -> Event:
    return Event(
        id=event_id,
        span=appearance.span,
        status=appearance.status,
        text=appearance.text,
        availability=appearance.availability,
        visibility=appearance.visibility,
        recurrence=appearance.recurrence,
        marker=marker,
    )


def _has_place(series: Event, override: Event) -> bool:
    return (
        series.span is not None
        and override.original_start is not None
        and recurrence.occurrence_span(series.span, series.recurrence, occurrence_key(override.original_start))
        is not None
    )


def _etag_of_mirror(event: Event) -> str | None:
    may_be_left_out = event.marker and not (event.is_series or event.is_override or event.is_cancelled)
    return event.etag if may_be_left_out else None


def _is_gone(event: Event) -> bool:
    return event.is_cancelled and not event.is_override
