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
from shared.providers.caldav import amending, changes, dav, errors, reading, resource, writing
from shared.providers.caldav.dav import AT_ONCE, PREFIXES
from shared.providers.patience import WRITING_SECONDS, Patience
from shared.providers.port import (
    Amend,
    CancelOccurrence,
    Delete,
    Failed,
    Insert,
    Update,
    Withdraw,
    WriteOccurrence,
    Written,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.calendar.event import Unit
    from shared.calendar.ical.lines import Component
    from shared.providers.caldav.dav import Answer, Dav
    from shared.providers.caldav.reading import Context
    from shared.providers.port import Write

type Numbered = tuple[int, Write]
type Outcome = Written | Failed
type Change = Callable[[Component, str | None], None]
"""Changes a resource, or leaves it as it is, and is told its ETag."""

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
        jobs.setdefault(_resource_of(number, write), []).append((number, write))
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

    def change(calendar: Component, _: str | None) -> None:
        amending.decline(calendar, occurrence, context=context, now=clock.now())

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
                case Withdraw(occurrence=None):
                    return {number: self._withdraw(write)}
                case Amend() | Withdraw():
                    return self._amendments(write.event_id, job)
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
            answer = self._remove(name, etag)
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
        def apply(write: Write, calendar: Component, _: str | None) -> None:
            if isinstance(write, WriteOccurrence):
                writing.occurrence(calendar, write.key, write.appearance, context=self._context, now=clock.now())
            elif isinstance(write, CancelOccurrence):
                writing.cancel(calendar, write.key, context=self._context)

        unit, outcomes = self._together(series_id, job, apply, guard=_require_no_guests)
        overrides = {occurrence_key(one.original_start): one for one in unit.overrides if one.original_start}
        for number, write in job:
            if number not in outcomes and isinstance(write, WriteOccurrence | CancelOccurrence):
                event = overrides.get(write.key) if isinstance(write, WriteOccurrence) else None
                outcomes[number] = Written(event_id=f"{series_id}_{write.key}", event=event)
        return outcomes

    def _amendments(self, event_id: str, job: Sequence[Numbered]) -> dict[int, Outcome]:
        """Changes of a person's own event: all of them of one reading, whose ETag they share."""

        def guard(name: str, calendar: Component) -> None:
            amending.require_own(calendar, name, context=self._context)

        def apply(write: Write, calendar: Component, etag: str | None) -> None:
            if isinstance(write, Amend):
                amending.amend(calendar, write, etag=etag, context=self._context, now=clock.now())
            elif isinstance(write, Withdraw):
                amending.take_out(calendar, write, etag=etag, context=self._context, now=clock.now())

        try:
            unit, outcomes = self._together(event_id, job, apply, guard=guard)
        except NotFoundError as error:
            return {
                number: _gone(write) if isinstance(write, Withdraw) else Failed(error=error) for number, write in job
            }
        for number, write in job:
            if number not in outcomes and isinstance(write, Withdraw):
                outcomes[number] = _gone(write)
            elif number not in outcomes and isinstance(write, Amend):
                event = amending.seen(unit, write.occurrence)
                outcomes[number] = Written(event_id=_place(event_id, write.occurrence), event=event)
        return outcomes

    def _withdraw(self, write: Withdraw) -> Written:
        """Delete a person's own event, as it was last seen."""
        name = write.event_id
        found = changes.get(self._dav, self._calendar_id, name)
        if found is None:
            return _gone(write)
        amending.require_own(lines.require(changes.text_of(found)), name, context=self._context)
        etag = found.headers.get("etag")
        resource.require_unchanged(name, etag, write.etag)
        answer = self._remove(name, etag)
        if answer.status not in _GONE:
            answer.require()
        return _gone(write)

    def _together(
        self,
        name: str,
        job: Sequence[Numbered],
        apply: Callable[[Write, Component, str | None], None],
        *,
        guard: Callable[[str, Component], None],
    ) -> tuple[Unit, dict[int, Outcome]]:
        """Several changes of one resource, as one; with it those of them that failed."""
        failed: dict[int, Outcome] = {}

        def change(calendar: Component, etag: str | None) -> None:
            failed.clear()
            guard(name, calendar)
            for number, write in job:
                try:
                    apply(write, calendar, etag)
                except KalendsError as error:
                    failed[number] = Failed(error=error)

        return self.change_any(name, change), failed

    def _change(self, name: str, change: Callable[[Component], None], *, etag: str | None) -> Unit:
        """`change_any` for a resource of ours: one that others are invited to is left as it is. With `etag`, only as
        it was then."""

        def guarded(calendar: Component, known: str | None) -> None:
            resource.require_unchanged(name, known, etag)
            _require_no_guests(name, calendar)
            change(calendar)

        return self.change_any(name, guarded)

    def change_any(self, name: str, change: Change) -> Unit:
        """Read a resource, change it, and write it if nobody else has meanwhile; else it is read and changed anew,
        which finds what was written if an answer was lost."""
        for _ in range(_ATTEMPTS):
            found = changes.get(self._dav, self._calendar_id, name)
            if found is None:
                raise NotFoundError(f"There is no event {name}.")
            known = found.headers.get("etag")
            calendar = lines.require(changes.text_of(found))
            before = str(calendar)
            change(calendar, known)
            if str(calendar) == before:
                return self._unit(name, calendar, found.etag)
            answer = self._put(name, calendar, {"if-match": known} if known else {})
            refusal = answer.error()
            if refusal is None:
                return self._read_back(name, calendar, answer)
            if not isinstance(refusal, PreconditionFailedError):
                raise refusal
        raise PreconditionFailedError(f"Event {name} keeps changing: it is tried again later.")

    def _remove(self, name: str, etag: str | None) -> Answer:
        return self._dav.send(
            "DELETE",
            dav.within(self._calendar_id, name),
            what=f"event {name}",
            headers={"if-match": etag} if etag else {},
            patience=self._patience,
        )

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


def _resource_of(number: int, write: Write) -> str:
    """What a write is done together with: the others to the same series, or to the same event of a person."""
    match write:
        case WriteOccurrence() | CancelOccurrence():
            return f"series {write.series_id}"
        case Amend() | Withdraw(occurrence=str()):
            return f"event {write.event_id}"
    return str(number)


def _place(event_id: str, occurrence: str | None) -> str:
    return event_id if occurrence is None else f"{event_id}_{occurrence}"


def _gone(write: Withdraw) -> Written:
    return Written(event_id=_place(write.event_id, write.occurrence), event=None)


def _require_no_guests(name: str, calendar: Component) -> None:
    if reading.has_guests(calendar):
        raise ConflictError(f"Others are invited to event {name} and would be mailed: it is left as it is.")
