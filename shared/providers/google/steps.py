"""How each kind of write is carried out: as steps that yield a request and are sent its answer.

Steps of many writes advance together, so that a batch takes as many round trips as its longest write: one, two for a
deletion whose ETag is not known and for what is done to a person's own event, three for an insert that finds its id
taken. A step that raises is a write that
failed; only what befalls the connection is raised to the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from shared.calendar import patch
from shared.core.errors import ConflictError, InvalidError, KalendsError, NotFoundError, PreconditionFailedError
from shared.providers.google import errors, reading, writing
from shared.providers.port import (
    HAS_GUESTS,
    NOT_ORGANIZER,
    Amend,
    CancelOccurrence,
    Delete,
    Failed,
    Insert,
    Update,
    Withdraw,
    Write,
    WriteOccurrence,
    Written,
)

if TYPE_CHECKING:
    from googleapiclient.http import HttpRequest

    from shared.providers.google.service import Answer

type Steps = Generator[HttpRequest, Mapping[str, Any], Written]

SILENT = "none"
"""sendUpdates: no guest hears of it."""
_OWNERSHIP = "id,status,etag,extendedProperties/private"
_OF_ANOTHER = f"{reading.FIELDS},organizer(self),attendeesOmitted"
"""What is read of an event before it is changed although it is not ours."""


def carry_out(
    planned: Sequence[Steps], execute_all: Callable[[list[HttpRequest]], list[Answer]]
) -> list[Written | Failed]:
    """Run all steps to their end, together; the outcomes in their order. Raises what `execute_all` raises."""
    outcomes: dict[int, Written | Failed] = {}
    waiting: dict[int, HttpRequest] = {}

    def advance(place: int, resume: Callable[[], HttpRequest]) -> None:
        try:
            waiting[place] = resume()
        except StopIteration as done:
            outcomes[place] = done.value
        except KalendsError as error:
            outcomes[place] = Failed(error=error)

    for place, step in enumerate(planned):
        advance(place, step.__next__)
    while waiting:
        places = list(waiting)
        answers = execute_all([waiting.pop(place) for place in places])
        for place, answer in zip(places, answers, strict=True):
            step = planned[place]
            resume = partial(step.throw, answer) if isinstance(answer, KalendsError) else partial(step.send, answer)
            advance(place, resume)
    return [outcomes[place] for place in range(len(planned))]


def of(events: Any, calendar_id: str, write: Write) -> Steps:
    """The steps of one write. `events` are the API's event methods."""
    calls = _Calls(events, calendar_id)
    match write:
        case Insert():
            return _insert(calls, write)
        case Update():
            return _update(calls, write)
        case Delete():
            return _delete(calls, write)
        case WriteOccurrence():
            return _write_occurrence(calls, write)
        case CancelOccurrence():
            return _cancel_occurrence(calls, write)
        case Amend():
            return _amend(calls, write)
        case Withdraw():
            return _withdraw(calls, write)


class _Calls:
    """Requests about the events of one calendar, with what they have in common."""

    def __init__(self, events: Any, calendar_id: str) -> None:
        self._events = events
        self._calendar_id = calendar_id

    def insert(self, body: dict[str, Any]) -> HttpRequest:
        return self._request("insert", body=body, sendUpdates=SILENT, maxAttendees=1, fields=reading.FIELDS)

    def patch(self, event_id: str, body: dict[str, Any], etag: str | None = None) -> HttpRequest:
        request = self._request(
            "patch", eventId=event_id, body=body, sendUpdates=SILENT, maxAttendees=1, fields=reading.FIELDS
        )
        return _only_if(request, etag)

    def delete(self, event_id: str, etag: str | None = None) -> HttpRequest:
        return _only_if(self._request("delete", eventId=event_id, sendUpdates=SILENT), etag)

    def ownership(self, event_id: str) -> HttpRequest:
        return self._request("get", eventId=event_id, fields=_OWNERSHIP)

    def whole(self, event_id: str) -> HttpRequest:
        return self._request("get", eventId=event_id, fields=_OF_ANOTHER)

    def _request(self, method: str, **arguments: Any) -> HttpRequest:
        request: HttpRequest = getattr(self._events, method)(calendarId=self._calendar_id, **arguments)
        return request


def _insert(calls: _Calls, write: Insert) -> Steps:
    try:
        return _written((yield calls.insert(writing.new_event(write.appearance, key=write.key, marker=write.marker))))
    except ConflictError:
        # An earlier attempt got through, or the mirror was deleted: Google keeps the ids of deleted events.
        existing = yield calls.ownership(write.key)
        if existing.get("status") != "cancelled" or _marker(existing) is not None:
            _require_ours(existing, write.key, write.marker)
        body = writing.changed_event(write.appearance, marker=write.marker)
        return _written((yield calls.patch(write.key, body)))


def _update(calls: _Calls, write: Update) -> Steps:
    body = writing.changed_event(write.appearance, marker=write.marker)
    return _written((yield calls.patch(write.event_id, body, write.etag)))


def _delete(calls: _Calls, write: Delete) -> Steps:
    gone = Written(event_id=write.event_id, event=None)
    try:
        if write.etag is not None:
            try:
                yield calls.delete(write.event_id, write.etag)
                return gone
            except PreconditionFailedError:
                pass  # changed since the marker was seen: look again
        existing = yield calls.ownership(write.event_id)
        if existing.get("status") == "cancelled":
            return gone
        _require_ours(existing, write.event_id, write.marker)
        yield calls.delete(write.event_id, existing.get("etag"))
    except NotFoundError:
        return gone
    return gone


def _write_occurrence(calls: _Calls, write: WriteOccurrence) -> Steps:
    instance_id = f"{write.series_id}_{write.key}"
    return _written((yield calls.patch(instance_id, writing.changed_occurrence(write.appearance))))


def _cancel_occurrence(calls: _Calls, write: CancelOccurrence) -> Steps:
    instance_id = f"{write.series_id}_{write.key}"
    with suppress(NotFoundError):
        yield calls.delete(instance_id)
    return Written(event_id=instance_id, event=None)


def _amend(calls: _Calls, write: Amend) -> Steps:
    event_id = _place(write.event_id, write.occurrence)
    existing = yield calls.whole(event_id)
    body = writing.amendment(write.patch)
    if existing.get("status") == "cancelled":
        if write.occurrence is None:
            raise NotFoundError(f"Event {event_id} was deleted.")
        # Google says little of a cancelled occurrence: its series tells whose it is.
        _require_own((yield calls.whole(write.event_id)), write.event_id)
        body.setdefault("status", "confirmed")
    else:
        _require_own(existing, event_id)
        seen = _written(existing)
        if seen.event is not None and patch.is_shown(write.patch, seen.event):
            return seen
    _require_unchanged(existing, event_id, write.etag)
    try:
        return _written((yield calls.patch(event_id, body, existing.get("etag"))))
    except PreconditionFailedError:
        # Perhaps by this very patch, sent again after its first answer was lost.
        now = _written((yield calls.whole(event_id)))
        if now.event is None or now.event.is_cancelled or not patch.is_shown(write.patch, now.event):
            raise
        return now


def _withdraw(calls: _Calls, write: Withdraw) -> Steps:
    event_id = _place(write.event_id, write.occurrence)
    gone = Written(event_id=event_id, event=None)
    try:
        existing = yield calls.whole(event_id)
        if existing.get("status") == "cancelled":
            return gone
        _require_own(existing, event_id)
        guests = [one for one in existing.get("attendees", ()) if one.get("self") is not True]
        if guests or existing.get("attendeesOmitted") is True:
            raise ConflictError(f"Others are invited to event {event_id}: it is left as it is.", code=HAS_GUESTS)
        _require_unchanged(existing, event_id, write.etag)
        yield calls.delete(event_id, existing.get("etag"))
    except NotFoundError:
        return gone
    return gone


def _place(event_id: str, occurrence: str | None) -> str:
    return event_id if occurrence is None else f"{event_id}_{occurrence}"


def _require_own(resource: Mapping[str, Any], event_id: str) -> None:
    """Events: "organizer.self: whether the organizer corresponds to the calendar on which this copy appears".

    A guest who may modify the event is no exception: the change would be in everybody's calendar.
    """
    organizer = resource.get("organizer")
    if not isinstance(organizer, dict) or organizer.get("self") is not True:
        raise ConflictError(f"Somebody else organises event {event_id}: only they change it.", code=NOT_ORGANIZER)


def _require_unchanged(resource: Mapping[str, Any], event_id: str, etag: str | None) -> None:
    if etag is not None and resource.get("etag") != etag:
        raise PreconditionFailedError(f"Event {event_id} changed meanwhile: read it again.")


def _written(answer: Mapping[str, Any]) -> Written:
    try:
        event = reading.read_event(answer, time_zone="UTC")  # mirrors name their zone
    except InvalidError:
        raise errors.unreadable("no event that is understood", during="a write") from None
    return Written(event_id=event.id, event=event)


def _marker(resource: Mapping[str, Any]) -> object:
    properties = resource.get("extendedProperties")
    private = properties.get("private") if isinstance(properties, dict) else None
    return private.get(writing.MARKER) if isinstance(private, dict) else None


def _require_ours(resource: Mapping[str, Any], event_id: str, marker: str) -> None:
    if _marker(resource) != marker:
        raise ConflictError(f"Event {event_id} does not carry the marker of this mirror: it is left alone.")


def _only_if(request: HttpRequest, etag: str | None) -> HttpRequest:
    if etag is not None:
        request.headers = {**(request.headers or {}), "If-Match": etag}
    return request
