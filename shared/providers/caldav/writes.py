"""Carrying out writes: each resource is brought up to date by itself, several at a time.

A resource is always written whole, under a precondition (RFC 4791, 5.3.2): a new one only if its name is free, any
other only as it was read. So a lost answer is found out by asking again, and nobody's change is overwritten. All writes
of one call to the same series are one read and one write.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from shared.calendar.ical import lines
from shared.calendar.span import occurrence_key
from shared.core import clock
from shared.core.errors import ConflictError, KalendsError, NotFoundError, PreconditionFailedError, ReauthRequiredError
from shared.providers.caldav import changes, dav, errors, reading, writing
from shared.providers.caldav.dav import AT_ONCE, PREFIXES
from shared.providers.patience import WRITING_SECONDS, Patience
from shared.providers.port import CancelOccurrence, Delete, Failed, Insert, Update, WriteOccurrence, Written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.calendar.event import Unit
    from shared.calendar.ical.lines import Component
    from shared.providers.caldav.dav import Answer, Dav
    from shared.providers.caldav.reading import Context
    from shared.providers.port import Write

type Numbered = tuple[int, Write]
type Outcome = Written | Failed

_ATTEMPTS = 3
"""So often a resource is read and written anew because somebody else wrote in between."""
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


def name_for(key: str) -> str:
    """The resource's name of the mirror with that key: its UID and an ending, as iCloud wants it."""
    return f"{uid_for(key)}.ics"


def uid_for(key: str) -> str:
    """The UID of the mirror with that key."""
    return f"{reading.SIGN}{key}"


def carry_out(dav_: Dav, calendar_id: str, writes: Sequence[Write], *, context: Context) -> list[Outcome]:
    """Carry out writes, answers in their order. Raises ReauthRequiredError for a refused password."""
    writer = _Writer(dav_, calendar_id, context)
    jobs: dict[str, list[Numbered]] = {}
    for number, write in enumerate(writes):
        place = f"series {write.series_id}" if isinstance(write, WriteOccurrence | CancelOccurrence) else str(number)
        jobs.setdefault(place, []).append((number, write))
    outcomes: dict[int, Outcome] = {}
    if len(jobs) == 1:
        found = [writer.resource(job) for job in jobs.values()]
    else:
        with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(jobs) or 1)) as threads:
            found = list(threads.map(writer.resource, jobs.values()))
    for one in found:
        outcomes |= one
    for outcome in outcomes.values():
        if isinstance(outcome, Failed) and isinstance(outcome.error, ReauthRequiredError):
            raise outcome.error
    return [outcomes[number] for number in range(len(writes))]


def decline(dav_: Dav, calendar_id: str, event_id: str, occurrence: str | None, *, context: Context) -> None:
    """Answer an invitation with no. Raises ConflictError where the person is not invited, NotFoundError."""

    def change(calendar: Component) -> None:
        writing.decline(calendar, occurrence, context=context, now=clock.now())

    _Writer(dav_, calendar_id, context).change_any(event_id, change)


class _Writer:
    """Writes to one calendar."""

    def __init__(self, dav_: Dav, calendar_id: str, context: Context) -> None:
        self._dav = dav_
        self._calendar_id = calendar_id
        self._context = context
        self._patience = Patience(seconds=WRITING_SECONDS)

    def resource(self, job: Sequence[Numbered]) -> dict[int, Outcome]:
        """Everything that is to be done to one resource."""
        number, write = job[0]
        try:
            match write:
                case Insert():
                    return {number: self._insert(write)}
                case Update():
                    return {number: self._update(write)}
                case Delete():
                    return {number: self._delete(write)}
                case WriteOccurrence() | CancelOccurrence():
                    return self._occurrences(write.series_id, job)
        except KalendsError as error:
            return {number: Failed(error=error) for number, _ in job}

    def _insert(self, write: Insert) -> Written:
        """A new resource under its own name. Is one there, it is ours from an earlier attempt, and brought up to date;
        servers that keep a UID only once may have it under another name."""
        name, uid = name_for(write.key), uid_for(write.key)
        made = writing.new(uid, write.appearance, marker=write.marker, now=clock.now())
        answer = self._put(name, made, {"if-none-match": "*"})
        conflict = answer.error()
        if conflict is None:
            return Written(event_id=name, event=self._read_back(name, made, answer).root)
        if not isinstance(conflict, PreconditionFailedError | ConflictError):
            raise conflict
        found = self._find(name, uid)
        if found is None:
            raise ConflictError(f"{conflict.message} Nothing is there under this UID that we may see.")
        return self._bring(found, write)

    def _find(self, name: str, uid: str) -> str | None:
        """The name of the resource with this UID, if the calendar has it."""
        if changes.get(self._dav, self._calendar_id, name) is not None:
            return name
        body = (
            f"<C:calendar-query {PREFIXES}><D:prop><D:getetag/></D:prop><C:filter>"
            '<C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:prop-filter name="UID">'
            f'<C:text-match collation="i;octet">{escape(uid)}</C:text-match>'
            "</C:prop-filter></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
        )
        answer = self._dav.report(self._calendar_id, body, depth=1, what="an event by its UID").multistatus()
        return next((found for one in answer.responses if (found := dav.name_of(one.url)) is not None), None)

    def _bring(self, name: str, write: Insert) -> Written:
        def change(calendar: Component) -> None:
            if reading.marker(calendar) not in (write.marker, None) or reading.uid(calendar) != uid_for(write.key):
                raise ConflictError(f"Event {name} is there and not ours.")
            writing.root(calendar, write.appearance, marker=write.marker, anew=True, now=clock.now())

        return Written(event_id=name, event=self._change(name, change, etag=None).root)

    def _update(self, write: Update) -> Written:
        def change(calendar: Component) -> None:
            writing.root(calendar, write.appearance, marker=write.marker, anew=write.rule_anew, now=clock.now())

        return Written(event_id=write.event_id, event=self._change(write.event_id, change, etag=write.etag).root)

    def _delete(self, write: Delete) -> Written:
        name = name_for(write.event_id) if write.unconfirmed else write.event_id
        gone = Written(event_id=write.event_id, event=None)
        etag = write.etag
        for _ in range(_ATTEMPTS):
            if etag is None:
                found = changes.get(self._dav, self._calendar_id, name)
                if found is None:
                    return gone
                self._require_ours(name, lines.require(changes.text_of(found)), write.marker)
                etag = found.headers.get("etag")
            answer = self._dav.send(
                "DELETE",
                dav.within(self._calendar_id, name),
                what=f"event {name}",
                headers={"if-match": etag} if etag else {},
                patience=self._patience,
            )
            if answer.status in _GONE:
                return gone
            if answer.status != HTTPStatus.PRECONDITION_FAILED:
                answer.require()
                return gone
            etag = None
        raise PreconditionFailedError(f"Event {name} keeps changing: it is tried again later.")

    def _require_ours(self, name: str, calendar: Component, marker: str) -> None:
        """Raises ConflictError unless the resource is our mirror: by its marker, or where a program has dropped that,
        by the name and UID that we gave it. One that others are invited to is left alone: they would be mailed."""
        found = reading.marker(calendar)
        is_by_name = found is None and reading.uid(calendar).startswith(reading.SIGN)
        if found != marker and not (is_by_name and f"{reading.uid(calendar)}.ics" == name):
            raise ConflictError(f"Event {name} does not carry our marker: it is left alone.")
        _require_no_guests(name, calendar)

    def _occurrences(self, series_id: str, job: Sequence[Numbered]) -> dict[int, Outcome]:
        failed: dict[int, Outcome] = {}

        def change(calendar: Component) -> None:
            failed.clear()
            for number, write in job:
                try:
                    if isinstance(write, WriteOccurrence):
                        writing.occurrence(
                            calendar, write.key, write.appearance, context=self._context, now=clock.now()
                        )
                    elif isinstance(write, CancelOccurrence):
                        writing.cancel(calendar, write.key, context=self._context)
                except KalendsError as error:
                    failed[number] = Failed(error=error)

        unit = self._change(series_id, change, etag=None)
        overrides = {occurrence_key(one.original_start): one for one in unit.overrides if one.original_start}
        outcomes: dict[int, Outcome] = dict(failed)
        for number, write in job:
            if number not in failed and isinstance(write, WriteOccurrence | CancelOccurrence):
                event = overrides.get(write.key) if isinstance(write, WriteOccurrence) else None
                outcomes[number] = Written(event_id=f"{series_id}_{write.key}", event=event)
        return outcomes

    def _change(self, name: str, change: Callable[[Component], None], *, etag: str | None) -> Unit:
        """`change_any` for a resource of ours: one that others are invited to is left as it is."""

        def guarded(calendar: Component) -> None:
            _require_no_guests(name, calendar)
            change(calendar)

        return self.change_any(name, guarded, etag=etag)

    def change_any(self, name: str, change: Callable[[Component], None], *, etag: str | None = None) -> Unit:
        """Read a resource, change it, and write it if nobody else has meanwhile. With `etag`, only as it was then."""
        for _ in range(_ATTEMPTS):
            found = changes.get(self._dav, self._calendar_id, name)
            if found is None:
                raise NotFoundError(f"There is no event {name}.")
            known = found.headers.get("etag")
            if etag is not None and known != etag:
                raise PreconditionFailedError(f"Event {name} changed meanwhile: read it again.")
            calendar = lines.require(changes.text_of(found))
            before = str(calendar)
            change(calendar)
            if str(calendar) == before:
                return self._unit(name, calendar, found.etag)
            answer = self._put(name, calendar, {"if-match": known} if known else {})
            refusal = answer.error()
            if refusal is None:
                return self._read_back(name, calendar, answer)
            if not isinstance(refusal, PreconditionFailedError) or etag is not None:
                raise refusal
        raise PreconditionFailedError(f"Event {name} keeps changing: it is tried again later.")

    def _put(self, name: str, calendar: Component, condition: dict[str, str]) -> Answer:
        return self._dav.send(
            "PUT",
            dav.within(self._calendar_id, name),
            what=f"event {name}",
            headers={"content-type": "text/calendar; charset=utf-8", **condition},
            body=str(calendar),
            patience=self._patience,
        )

    def _read_back(self, name: str, sent: Component, answer: Answer) -> Unit:
        """What the server keeps: what was sent if it gives a strong ETag (RFC 4791, 5.3.4), else it is asked."""
        if answer.etag is not None:
            return self._unit(name, sent, answer.etag)
        found = changes.get(self._dav, self._calendar_id, name)
        if found is None:
            raise errors.unreadable(f"event {name}, which was just written")
        return self._unit(name, lines.require(changes.text_of(found)), found.headers.get("etag"))

    def _unit(self, name: str, calendar: Component, etag: str | None) -> Unit:
        unit = reading.unit(calendar, event_id=name, etag=etag, context=self._context)
        if unit is None:
            raise errors.unreadable(f"event {name}, which was just written")
        return unit


def _require_no_guests(name: str, calendar: Component) -> None:
    if reading.has_guests(calendar):
        raise ConflictError(f"Others are invited to event {name} and would be mailed: it is left as it is.")
