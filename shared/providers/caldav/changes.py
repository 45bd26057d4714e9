"""What changed in a calendar: by sync token (RFC 6578), or by comparing ETags where a server has none.

A page token names where a listing stands and nothing else: the listing is asked for again with the same token, and
read on behind the last name. The cursor that follows is the first answer's, so what changes meanwhile is told again.

Without sync tokens the cursor holds the calendar's ctag and, for 64 groups of names, a digest of the names and one of
their ETags (1.7 kB, whatever the calendar's size). Groups whose ETags differ are read again. A name that is gone leaves
no trace of which it was, and absence proves nothing: then the cursor counts as expired, and a full read asks for every
missing event by name.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape  # only writes XML

from shared.calendar.ical import lines
from shared.core.errors import CursorExpiredError, InvalidError
from shared.providers.caldav import dav, errors, reading
from shared.providers.caldav.dav import CALDAV, DAV, PREFIXES, SERVER
from shared.providers.port import Page, Removed, Skipped, Upserted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shared.calendar.event import Unit
    from shared.providers.caldav.dav import Answer, Dav, Response
    from shared.providers.caldav.reading import Context
    from shared.providers.port import AsLeft

MAX_PAGES = 200
"""A listing longer than this goes round in circles."""
MULTIGET = 100
"""Resources in one request: some servers take long, and some refuse, where it is many more."""

_GROUPS = 64
_GETETAG = "<D:getetag/>"
_STATE = "<D:sync-token/><S:getctag/><D:supported-report-set/><D:resourcetype/>"
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """Names with their ETags (None: gone), and where the calendar then stands. `cut`: the server told only some."""

    entries: Mapping[str, str | None]
    token: str
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where in a listing a call stands. `token` and `cut` are those of the listing's first answer."""

    by: str
    since: str
    token: str | None = None
    cut: bool = False
    after: str | None = None
    number: int = 0

    @classmethod
    def parse(cls, text: str) -> _Place:
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            raise CursorExpiredError("The page token is not one of ours: a full read follows.") from None

    def __str__(self) -> str:
        fields = {name: getattr(self, name) for name in ("by", "since", "token", "cut", "after", "number")}
        return json.dumps(fields)


@dataclass(slots=True, kw_only=True)
class Reader:
    """One calendar's changes."""

    dav: Dav
    calendar_id: str
    context: Context
    requests: int = field(default=0)

    def page(self, *, cursor: str | None, page: str | None, page_size: int, as_left: AsLeft) -> Page:
        """One page. Raises CursorExpiredError."""
        place = _Place.parse(page) if page is not None else self._begin(cursor)
        listing = self._by_token(place.since) if place.by == "token" else self._by_etags(place.since)
        token = listing.token if place.token is None else place.token
        cut = listing.cut if place.token is None else place.cut
        if cut and token == place.since:
            raise errors.endless("the changes of a calendar")
        names = sorted(name for name in listing.entries if place.after is None or name > place.after)
        taken, rest = names[:page_size], names[page_size:]
        changes: list[Upserted | Removed] = [Removed(event_id=name) for name in taken if listing.entries[name] is None]
        there = {name: etag for name in taken if (etag := listing.entries[name]) is not None}
        ours = {name: etag for name, etag in there.items() if etag and name.startswith(reading.SIGN)}
        known = as_left(ours)
        present, skipped = self.read([name for name in there if name not in known])
        changes += [Upserted(event=one.root, overrides=one.overrides if one.root.is_series else ()) for one in present]
        following: _Place | None = None
        if rest:
            following = _Place(
                by=place.by, since=place.since, token=token, cut=cut, after=taken[-1], number=place.number + 1
            )
        elif cut:
            following = _Place(by=place.by, since=token, number=place.number + 1)
        if following is not None and following.number > MAX_PAGES:
            raise errors.endless("the changes of a calendar")
        return Page(
            changes=tuple(changes),
            skipped=tuple(skipped),
            next_page=None if following is None else str(following),
            cursor=f"{place.by}:{token}" if following is None else None,
            requests=self.requests,
        )

    def read(self, names: Sequence[str]) -> tuple[list[Unit], list[Skipped]]:
        """The events with these names; what is gone meanwhile, and what is no event, is left out."""
        units: list[Unit] = []
        skipped: list[Skipped] = []
        for first in range(0, len(names), MULTIGET):
            for name, etag, text in self._multiget(names[first : first + MULTIGET]):
                try:
                    unit = reading.unit(lines.require(text), event_id=name, etag=etag, context=self.context)
                except InvalidError as error:
                    skipped.append(Skipped(event_id=name, reason=error.message))
                    continue
                if unit is not None:
                    units.append(unit)
        return units, skipped

    def names(self) -> list[str]:
        """Every resource of the calendar."""
        return sorted(self._etags())

    def _begin(self, cursor: str | None) -> _Place:
        if cursor is not None:
            by, _, since = cursor.partition(":")
            if by not in ("token", "etags") or not since:
                raise CursorExpiredError("The cursor is not one of ours: a full read follows.")
            return _Place(by=by, since=since)
        state = self._state()
        reports = state.children(f"{{{DAV}}}supported-report-set")
        has_tokens = f"{{{DAV}}}sync-collection" in reports or bool(state.text(f"{{{DAV}}}sync-token"))
        return _Place(by="token" if has_tokens else "etags", since="")

    def _state(self) -> Response:
        self.requests += 1
        found = self.dav.propfind(self.calendar_id, _STATE, depth=0, what="a calendar").responses
        if not found:
            raise errors.unreadable("a calendar")
        return found[0]

    def _by_token(self, since: str) -> _Listing:
        """A sync-collection report. What is told as 404 is gone: that is a tombstone, and proof."""
        self.requests += 1
        body = (
            f"<D:sync-collection {PREFIXES}><D:sync-token>{escape(since)}</D:sync-token>"
            f"<D:sync-level>1</D:sync-level><D:prop>{_GETETAG}</D:prop></D:sync-collection>"
        )
        answer = self.dav.report(self.calendar_id, body, depth=0, what="the changes of a calendar")
        _require_token(answer, since)
        status = answer.multistatus()
        if not status.sync_token:
            raise errors.unreadable("the changes of a calendar")
        entries: dict[str, str | None] = {}
        cut = False
        for response in status.responses:
            name = dav.name_of(response.url)
            if response.status == HTTPStatus.INSUFFICIENT_STORAGE:
                cut = True  # RFC 6578, 3.6: of the calendar itself
            elif name is not None:
                entries[name] = None if response.status in _GONE else response.text(f"{{{DAV}}}getetag")
        return _Listing(entries=entries, token=status.sync_token, cut=cut)

    def _by_etags(self, since: str) -> _Listing:
        """What differs from the digests in `since`; everything if it is empty. Raises CursorExpiredError when a name is
        gone."""
        ctag = self._state().text(f"{{{SERVER}}}getctag")
        try:
            before: dict[str, Any] = json.loads(since) if since else {}
            groups: list[Any] = before.get("groups", [])
        except (ValueError, AttributeError):
            raise CursorExpiredError("The cursor is not one of ours: a full read follows.") from None
        if ctag and before.get("ctag") == ctag:
            return _Listing(entries={}, token=since)
        etags = self._etags()
        now = _digests(etags)
        token = json.dumps({"ctag": ctag, "groups": now}, separators=(",", ":"))
        if not since:
            return _Listing(entries=etags, token=token)
        if len(groups) != _GROUPS:
            raise CursorExpiredError("The cursor is not one of ours: a full read follows.")
        changed: dict[str, str | None] = {}
        for number, (old, new) in enumerate(zip(groups, now, strict=True)):
            if old == new:
                continue
            members = {name: etag for name, etag in etags.items() if _group(name) == number}
            if old[0] != new[0] and old[0] ^ new[0] not in {_digest(name) for name in members}:
                raise CursorExpiredError("Events may be gone from the calendar: a full read asks for each.")
            changed |= members
        return _Listing(entries=changed, token=token)

    def _etags(self) -> dict[str, str]:
        self.requests += 1
        answer = self.dav.propfind(
            self.calendar_id, f"{_GETETAG}<D:resourcetype/>", depth=1, what="the events of a calendar"
        )
        found: dict[str, str] = {}
        for response in answer.responses:
            name = dav.name_of(response.url)
            if name is not None and not response.children(f"{{{DAV}}}resourcetype"):
                found[name] = response.text(f"{{{DAV}}}getetag")
        return found

    def _multiget(self, names: Sequence[str]) -> Iterable[tuple[str, str | None, str]]:
        """Name, ETag and data of each resource that is there (RFC 4791, 7.9)."""
        if not names:
            return
        self.requests += 1
        addresses = {name: dav.within(self.calendar_id, name) for name in names}
        hrefs = "".join(f"<D:href>{escape(_path(address))}</D:href>" for address in addresses.values())
        body = (
            f"<C:calendar-multiget {PREFIXES}><D:prop>{_GETETAG}<C:calendar-data/></D:prop>{hrefs}"
            "</C:calendar-multiget>"
        )
        answer = self.dav.report(self.calendar_id, body, depth=1, what="events of a calendar").multistatus()
        told: set[str] = set()
        for response in answer.responses:
            name = dav.name_of(response.url)
            data = response.text(f"{{{CALDAV}}}calendar-data")
            if name in addresses and (data or response.status in _GONE):
                told.add(name)
                if data:
                    yield name, response.text(f"{{{DAV}}}getetag") or None, data
        for name in names:
            if name not in told and (single := get(self.dav, self.calendar_id, name)) is not None:
                yield name, single.etag, text_of(single)


def get(dav_: Dav, calendar_id: str, name: str) -> Answer | None:
    """One resource by itself; None if the server says that it does not exist."""
    answer = dav_.send("GET", dav.within(calendar_id, name), what=f"event {name}", headers={"accept": "text/calendar"})
    if answer.status in _GONE:
        return None
    return answer.require()


def text_of(answer: Answer) -> str:
    """The calendar data of a GET. Raises TransientError for what is none, such as a sign-in page."""
    text = answer.body.decode("utf-8", errors="replace")
    if not text.lstrip("\ufeff \r\n\t").upper().startswith("BEGIN:VCALENDAR"):
        raise errors.unreadable(answer.what)
    return text


def _require_token(answer: Answer, since: str) -> None:
    """Raises CursorExpiredError where servers say in their various ways that a token is forgotten."""
    # A 403 that gives no reason may be a lost right as well: then it is one.
    refused = (HTTPStatus.CONFLICT, HTTPStatus.GONE, HTTPStatus.PRECONDITION_FAILED)
    if since and (answer.status in refused or isinstance(answer.error(), CursorExpiredError)):
        raise CursorExpiredError(f"The server forgot the cursor ({answer.status}): a full read follows.")


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest())


def _group(name: str) -> int:
    return _digest(name) % _GROUPS


def _digests(etags: Mapping[str, str]) -> list[list[int]]:
    """Of each group: the names, and the names with their ETags, in no order."""
    groups = [[0, 0] for _ in range(_GROUPS)]
    for name, etag in etags.items():
        group = groups[_group(name)]
        group[0] ^= _digest(name)
        group[1] ^= _digest(f"{name}\n{etag}")
    return groups


def _path(url: str) -> str:
    return urlsplit(url).path
