"""`events.list` and `events.instances`: full listings, incremental ones, pages and tokens.

A plain listing walks the calendar's change log from a position to the number the log had on the first page; what
changes meanwhile is in the next incremental listing, because the sync token stands for that first number. Expanded
or ordered listings are computed once and kept for their next pages.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.local.simulators.credentials import Caller
from infra.local.simulators.exchange import Answer, Call
from infra.local.simulators.google import access, answers, errors, matching, queries, recurrence, resources, times
from infra.local.simulators.google.queries import Query
from infra.local.simulators.google.store import Calendar, Entry, Event, Events, Record, Store
from infra.local.simulators.port import Parts

if TYPE_CHECKING:
    from infra.local.simulators.google.faults import GoogleFaults

_CHANGES_KEPT = timedelta(days=28)
_KEPT_RESULTS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """A request in progress. Changes numbered in (after, until] are listed; a full listing starts after 0."""

    query: Query
    calendar: Calendar
    entry: Entry
    events: Events
    after: int
    until: int
    position: int
    window: tuple[datetime | None, datetime | None]

    @property
    def incremental(self) -> bool:
        return bool(self.query.sync_token)


class Listings:
    """Answers listings of one simulator."""

    def __init__(self, parts: Parts, store: Store) -> None:
        self._parts = parts
        self._store = store
        self._results: OrderedDict[tuple[Any, ...], list[Event]] = OrderedDict()

    def events(self, call: Call, caller: Caller, calendar_id: str) -> Answer:
        """`events.list`."""
        access.require_scope(caller, access.READ_EVENTS)
        calendar, entry = access.calendar_of(self._store, caller.email, calendar_id)
        query = queries.parse(call.query, calendar.time_zone)
        if query.updated_min and query.updated_min < self._parts.clock.now() - _CHANGES_KEPT:
            raise errors.updated_min_too_long_ago()
        listing = self._resume(query, calendar, entry)
        if query.single_events or query.order_by:
            texts, position = self._computed_page(listing)
        else:
            texts, position = self._log_page(listing)
        return answers.listing(call, self._head(listing, position), texts)

    def instances(self, call: Call, caller: Caller, calendar_id: str, event_id: str) -> Answer:
        """`events.instances`: the occurrences of one series, by start."""
        access.require_scope(caller, access.READ_EVENTS)
        calendar, entry = access.calendar_of(self._store, caller.email, calendar_id)
        query = queries.parse(call.query, calendar.time_zone)
        events = self._store.events[calendar.id]
        master = events.find(event_id)
        if master is None:
            raise errors.not_found()
        first = queries.decode(query.page_token, "pageToken")["p"] if query.page_token else 0
        found = [
            event
            for event in sorted(self._occurrences(master, events, calendar, query), key=_by_start(calendar))
            if query.show_deleted or event["status"] != "cancelled"
            if not query.original_start or _starts_originally(event, query.original_start)
        ]
        page = found[first : first + query.max_results]
        head = self._common_head(calendar, entry, query)
        if first + query.max_results < len(found):
            head["nextPageToken"] = queries.encode({"p": first + query.max_results})
        return answers.listing(call, head, [self._text(event, query, entry) for event in page])

    def _resume(self, query: Query, calendar: Calendar, entry: Entry) -> _Listing:
        faults: GoogleFaults = self._parts.switchboard.settings
        events = self._store.events[calendar.id]
        after, until, position = 0, events.seq, 0
        window = query.time_min, query.time_max
        if query.sync_token:
            token = queries.decode(query.sync_token, "syncToken")
            stale = token.get("b") != calendar.born or token.get("e") != self._store.cursor_epoch
            if faults.expire_cursors or stale:
                raise errors.full_sync_required()
            if token["k"] != query.repeated:
                raise errors.invalid("The parameters differ from those the sync token was made with.", "syncToken")
            after = position = token["s"]
            first, last = (datetime.fromisoformat(edge) if edge else None for edge in token["w"])
            window = first, last
        if query.page_token:
            token = queries.decode(query.page_token, "pageToken")
            if token.get("b") != calendar.born or token.get("h") != query.shape:
                raise errors.invalid("Invalid value for: pageToken", "pageToken")
            until, position = token["u"], token["p"]
        return _Listing(
            query=query,
            calendar=calendar,
            entry=entry,
            events=events,
            after=after,
            until=until,
            position=position,
            window=window,
        )

    def _log_page(self, listing: _Listing) -> tuple[list[str], int | None]:
        """The texts of a page and the position of the next one, None after the last."""
        texts: list[str] = []
        position = listing.position
        for record in listing.events.changed(listing.position, listing.until):
            if matching.record(record, listing.query, listing.events, listing.calendar, listing.window):
                if len(texts) == listing.query.max_results:
                    return texts, position
                texts.append(self._record_text(record, listing))
            position = record.seq
        return texts, None

    def _computed_page(self, listing: _Listing) -> tuple[list[str], int | None]:
        query = listing.query
        first = listing.position - listing.after
        key = (listing.calendar.id, listing.calendar.born, query.shape, listing.after, listing.until)
        found = self._results.get(key) if first else None
        if found is None:
            found = self._results[key] = self._compute(listing)
            while len(self._results) > _KEPT_RESULTS:
                self._results.popitem(last=False)
        page = found[first : first + query.max_results]
        more = first + query.max_results < len(found)
        texts = [self._text(event, query, listing.entry) for event in page]
        return texts, listing.position + query.max_results if more else None

    def _compute(self, listing: _Listing) -> list[Event]:
        query, found = listing.query, []
        for record in listing.events.changed(listing.after, listing.until):
            if not query.single_events:
                if matching.record(record, query, listing.events, listing.calendar, listing.window):
                    found.append(record.event)
                continue
            hidden = listing.events.is_gone(record) or record.cancelled
            if hidden and not (query.show_deleted or listing.incremental or query.updated_min):
                continue
            found.extend(event for event in self._singles(record, listing) if matching.content(event, query))
        if query.order_by == "startTime":
            found.sort(key=_by_start(listing.calendar))
        elif query.order_by == "updated":
            found.sort(key=lambda event: str(event["updated"]))
        return found

    def _singles(self, record: Record, listing: _Listing) -> Iterator[Event]:
        if record.is_series:
            yield from self._occurrences(record, listing.events, listing.calendar, listing.query, exceptions=False)
        elif matching.in_window(record.event, listing.window, listing.calendar):
            yield record.event

    def _occurrences(
        self, master: Record, events: Events, calendar: Calendar, query: Query, *, exceptions: bool = True
    ) -> Iterator[Event]:
        """Occurrences in the query's window: unchanged ones, and (unless they are listed on their own) exceptions."""
        if not master.is_series:
            return
        changed = {record.id: record for record in events.exceptions(master.id)}
        if exceptions:
            for record in changed.values():
                if matching.in_window(record.event, (query.time_min, query.time_max), calendar):
                    yield record.event
        for start in recurrence.starts(master.event, calendar.time_zone, query.time_min, query.time_max):
            event = recurrence.instance(master.event, start)
            if event["id"] not in changed:
                yield event

    def _head(self, listing: _Listing, position: int | None) -> dict[str, Any]:
        query, faults = listing.query, self._parts.switchboard.settings
        head = self._common_head(listing.calendar, listing.entry, query)
        if position is None and faults.endless_pages:
            position = listing.until
        if position is not None:
            token = {"b": listing.calendar.born, "h": query.shape, "u": listing.until, "p": position}
            repeat = faults.repeat_page_token and query.page_token
            head["nextPageToken"] = query.page_token if repeat else queries.encode(token)
        elif query.syncable:
            edges = listing.window if faults.token_keeps_window else (None, None)
            token = {
                "b": listing.calendar.born,
                "e": self._store.cursor_epoch,
                "k": query.repeated,
                "s": listing.until,
                "w": [edge.isoformat() if edge else None for edge in edges],
            }
            head["nextSyncToken"] = queries.encode(token)
        return head

    def _common_head(self, calendar: Calendar, entry: Entry, query: Query) -> dict[str, Any]:
        version = self._store.events[calendar.id].seq
        return {
            "kind": "calendar#events",
            "etag": f'"p{version}{calendar.version}"',
            "summary": calendar.summary,
            "description": calendar.description,
            "updated": times.millisecond_text(self._parts.clock.now()),
            "timeZone": query.zone,
            "accessRole": entry.role,
            "defaultReminders": entry.settings.get("defaultReminders", []),
        }

    def _record_text(self, record: Record, listing: _Listing) -> str:
        query = listing.query
        plain = query.max_attendees is None and not record.cancelled and access.at_least(listing.entry.role, "writer")
        if not plain:
            return self._text(record.event, query, listing.entry)
        if record.text_zone != query.zone:
            record.text = answers.text(resources.shown(record.event, query.zone))
            record.text_zone = query.zone
        return record.text

    def _text(self, event: Event, query: Query, entry: Entry) -> str:
        faults: GoogleFaults = self._parts.switchboard.settings
        if event["status"] == "cancelled" and (faults.incomplete_tombstones or not query.show_deleted):
            return answers.text(resources.tombstone(event, query.zone, bare=faults.incomplete_tombstones))
        return answers.text(seen(event, entry, query.zone, max_attendees=query.max_attendees))


def seen(event: Event, entry: Entry, zone: str, *, max_attendees: int | None = None) -> Event:
    """An event as a person with this role sees it: readers see no details of private events."""
    hidden = event.get("visibility") in ("private", "confidential") and not access.at_least(entry.role, "writer")
    if hidden or entry.role == "freeBusyReader":
        event = resources.without_details(event)
    return resources.shown(event, zone, max_attendees=max_attendees)


def _by_start(calendar: Calendar) -> Any:
    return lambda event: (
        times.instant(event["start"], calendar.time_zone) if "start" in event else datetime.max.replace(tzinfo=UTC)
    )


def _starts_originally(event: Event, wanted: str) -> bool:
    original = event["originalStartTime"]
    if "date" in original:
        return bool(original["date"] == wanted)
    try:
        return datetime.fromisoformat(original["dateTime"]) == times.parse_local(wanted)
    except (ValueError, TypeError):
        return False
