"""calendarView/delta: what is in a window, then what changed (vendor docs: event-delta, delta-query-overview,
delta-query-events; microsoft-graph-docs pull 4501 and issues 6599, 7632).

A round walks the calendar's change log from where the last one ended to where the log ends at its start; its
place is in the link's token, so nothing is kept between calls. A changed series comes as its master, its
exceptions and bare occurrences; an occurrence that was deleted just does not come.
"""

import base64
import hmac
import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode

from infra.local.simulators.credentials import Caller
from infra.local.simulators.exchange import Answer, Call
from infra.local.simulators.microsoft import errors, identifiers, rendering, requests
from infra.local.simulators.microsoft.events import Events
from infra.local.simulators.microsoft.faults import MicrosoftFaults
from infra.local.simulators.microsoft.identifiers import Reference
from infra.local.simulators.microsoft.items import Calendar, Item
from infra.local.simulators.microsoft.mailboxes import Mailboxes
from infra.local.simulators.microsoft.rendering import View
from infra.local.simulators.port import Parts

_PAGE, _LARGEST_PAGE = 10, 1000
_REPLAYED = 3
_KEY = b"simulated delta tokens are opaque, not secret"
_REFUSED = ("$orderby", "$filter", "$select", "$expand", "$search")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """What a token says. The round covers changes after `since` and not after `upto` (None: it has not begun).

    `position` is the last change given whole; of the change `partial` the first `given` entries went already.
    `paused` says that the empty page before this one was given.
    """

    calendar: str
    first: str
    last: str
    generation: int
    since: int = 0
    upto: int | None = None
    position: int = 0
    partial: int = 0
    given: int = 0
    paused: bool = False

    @property
    def window(self) -> tuple[datetime, datetime]:
        """[first, last) as instants."""
        return datetime.fromisoformat(self.first), datetime.fromisoformat(self.last)

    def token(self) -> str:
        """The opaque text; another one each time."""
        data = json.dumps({**asdict(self), "nonce": secrets.token_hex(4)}, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(_seal(data) + data).decode().rstrip("=")


def parse(token: str) -> Cursor:
    """The cursor of a token. Raises Refused with Graph's 400."""
    try:
        data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        seal, data = data[:8], data[8:]
        if not hmac.compare_digest(seal, _seal(data)):
            raise ValueError(token)
        fields = json.loads(data)
        del fields["nonce"]
        return Cursor(**fields)
    except (ValueError, KeyError, TypeError):
        raise errors.refused(400, "ErrorInvalidUrlQueryFilter", "Badly formed token.") from None


def _seal(data: bytes) -> bytes:
    return hmac.digest(_KEY, data, "sha256")[:8]


type _Entries = list[dict[str, Any]]


class Delta:
    """The handler of calendarView/delta, of the primary calendar or of any."""

    def __init__(self, parts: Parts, mailboxes: Mailboxes, events: Events) -> None:
        self._parts = parts
        self._mailboxes = mailboxes
        self._events = events

    def page(self, call: Call, caller: Caller, calendar: str | None = None) -> Answer:
        """GET calendarView/delta, by a window or by a link's token."""
        requests.need_read(caller)
        options = requests.options(call)
        self._refuse_options(options)
        place = self._events.calendar(caller, calendar)
        token = options.get("$deltatoken") or options.get("$skiptoken")
        if token:
            cursor = parse(token)
            if cursor.calendar != place.id:
                raise errors.refused(400, "ErrorInvalidUrlQueryFilter", "The token belongs to another calendar.")
            self._refuse_expired(call, cursor)
        else:
            first, last = options.window()
            generation = self._mailboxes.cursors
            cursor = Cursor(calendar=place.id, first=first.isoformat(), last=last.isoformat(), generation=generation)
        if cursor.upto is None:
            cursor = replace(cursor, upto=self._mailboxes.log(place).last, position=cursor.since)
        if self._faults.empty_pages and not cursor.paused:
            return self._answer(call, [], next_cursor=replace(cursor, paused=True))
        size = self._size(call)
        view = replace(requests.view(call, self._faults), properties=frozenset(), extensions=frozenset())
        entries, after = self._fill(place, cursor, size, view)
        if self._faults.replay_delta:
            entries = self._replayed(place, cursor, entries, view)
        if self._faults.endless_pages or self._faults.repeat_page_token:
            return self._answer(call, entries, next_cursor=replace(cursor, paused=False), token=token)
        if after.upto is None:
            return self._answer(call, entries, delta_cursor=after)
        return self._answer(call, entries, next_cursor=after)

    def refuse_events(self, call: Call, caller: Caller, calendar: str | None = None) -> Answer:
        """events/delta is in beta only."""
        del call, caller, calendar
        raise errors.refused(
            400, "ErrorInvalidUrlQuery", "Change tracking is not supported against 'microsoft.graph.event'."
        )

    @property
    def _faults(self) -> MicrosoftFaults:
        settings: MicrosoftFaults = self._parts.switchboard.settings
        return settings

    def _refuse_options(self, options: requests.Options) -> None:
        if options.get("$top") is not None:
            raise errors.bad_query(
                "The '$top' parameter is not supported with change tracking over the 'CalendarView' resource as page "
                "size cannot be guaranteed. Express page size preferences using the Prefer: odata.maxpagesize= header "
                "instead."
            )
        if any(options.get(name) is not None for name in _REFUSED):
            raise errors.bad_query(
                "The following parameters are not supported with change tracking over the 'CalendarView' resource: "
                "'$orderby, $filter, $select, $expand, $search'."
            )

    def _refuse_expired(self, call: Call, cursor: Cursor) -> None:
        if cursor.generation == self._mailboxes.cursors and not self._faults.expire_cursors:
            return
        if self._faults.gone == "resyncRequired":
            raise errors.refused(410, "resyncRequired", "Resync required. The delta token is no longer valid.")
        window = urlencode({"startDateTime": cursor.first, "endDateTime": cursor.last})
        location = f"{call.base}/v1.0{call.path}?{window}&$deltatoken="
        message = "The sync state generation is not found; a full synchronization is needed."
        raise errors.refused(410, "syncStateNotFound", message, {"Location": location})

    def _size(self, call: Call) -> int:
        wanted = requests.preferences(call).get("odata.maxpagesize", "")
        return min(int(wanted), _LARGEST_PAGE) if wanted.isdecimal() and int(wanted) else _PAGE

    def _fill(self, place: Calendar, cursor: Cursor, size: int, view: View) -> tuple[_Entries, Cursor]:
        """A page's entries, and the cursor after them: one for a new round when this one has ended.

        A series comes whole, over the page's size, unless `split_series` is on.
        """
        entries: _Entries = []
        position, window = cursor.position, cursor.window
        for version, number in self._mailboxes.log(place).since(cursor.position, cursor.upto):
            if len(entries) >= size:
                return entries, replace(cursor, position=position, given=0, paused=False)
            given = cursor.given if version == cursor.partial else 0
            more = self._entries(place, number, window, view, removed=cursor.since > 0)[given:]
            if self._faults.split_series and len(entries) + len(more) > size:
                given += size - len(entries)
                after = replace(cursor, position=position, partial=version, given=given, paused=False)
                return entries + more[: size - len(entries)], after
            entries += more
            position = version
        return entries, replace(cursor, since=cursor.upto or 0, upto=None, given=0, paused=False)

    def _entries(
        self, place: Calendar, number: int, window: tuple[datetime, datetime], view: View, *, removed: bool
    ) -> _Entries:
        """What a round says of one changed item; with `removed` also that it is not in the window."""
        item = self._mailboxes.item(number)
        if item is not None and (found := list(_present(item, *window, view))):
            return found
        if not removed:
            return []
        reference = Reference(number=number)
        id_ = identifiers.event_id(place.mailbox, reference, calendar=place.number, immutable=view.immutable)
        return [{"@odata.type": "#microsoft.graph.event", "id": id_, "@removed": {"reason": "deleted"}}]

    def _replayed(self, place: Calendar, cursor: Cursor, entries: _Entries, view: View) -> _Entries:
        """The entries with some of before among them, in any order."""
        earlier = list(islice(self._mailboxes.log(place).since(0, cursor.position), 1000))
        spread = self._parts.switchboard.spread
        mixed = list(entries)
        for _ in range(min(_REPLAYED, len(earlier))):
            _, number = earlier[int(spread(len(earlier) - 1))]
            mixed += self._entries(place, number, cursor.window, view, removed=cursor.since > 0)
        return sorted(mixed, key=lambda _: spread(1))

    def _answer(
        self,
        call: Call,
        entries: _Entries,
        *,
        next_cursor: Cursor | None = None,
        delta_cursor: Cursor | None = None,
        token: str | None = None,
    ) -> Answer:
        context = f"{call.base}/v1.0/$metadata#Collection(event)"
        resource: dict[str, Any] = {"@odata.context": context, "value": entries}
        link = f"{call.base}/v1.0{quote(call.path, safe='/%()')}"
        if next_cursor is not None:
            kept = token if token and self._faults.repeat_page_token else next_cursor.token()
            resource["@odata.nextLink"] = f"{link}?$skiptoken={kept}"
        if delta_cursor is not None:
            resource["@odata.deltaLink"] = f"{link}?$deltatoken={delta_cursor.token()}"
        return requests.answer(resource, headers=requests.applied(call))


def _present(item: Item, first: datetime, last: datetime, view: View) -> Iterator[dict[str, Any]]:
    """An item as it is in the window: nothing, one entry, or a series' many."""
    kind = {"@odata.type": "#microsoft.graph.event"}
    if item.recurrence is None:
        if item.times.overlap(first, last, floating=view.floating):
            yield kind | rendering.event_json(item, view)
        return
    found = item.occurrences(first, last, floating=view.floating)
    if not found:
        return
    yield kind | rendering.event_json(item, view)
    for occurrence in found:
        if occurrence.change:
            yield kind | rendering.event_json(occurrence, view)
        else:
            yield rendering.slim_json(occurrence, view)
