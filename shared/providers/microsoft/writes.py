"""Carrying out writes: each is a short conversation with Graph, and many are held at once, batch by batch.

A conversation is a generator that yields requests and gets answers. Nobody invited is ever mailed: Graph mails every
change of an event to its attendees and has no way to ask it not to, so a mirror to which a person has invited others
is left as it is. An Update with an ETag needs no look for that: reading gives such events none.

Source: Graph v1.0, Create event (transactionId), Update event, Delete event, List instances.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from shared.calendar import patch, zones
from shared.calendar.patch import Field
from shared.calendar.span import AllDaySpan, TimedSpan, parse_occurrence_key
from shared.core.errors import ConflictError, KalendsError, NotFoundError, PreconditionFailedError
from shared.providers.microsoft import errors, payloads, queries, reading, recurrence, writing
from shared.providers.microsoft import graph as wire
from shared.providers.microsoft.graph import Answer, Request
from shared.providers.microsoft.payloads import EventPayload, Recurrence
from shared.providers.patience import WRITING_SECONDS, Patience
from shared.providers.port import (
    CONFERENCE,
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
    from collections.abc import Generator, Sequence

    from shared.calendar.event import Event
    from shared.calendar.mirror import Appearance
    from shared.calendar.span import Start
    from shared.providers.microsoft.graph import Graph

type _Talk[T] = Generator[Request, Answer, T]

_INSERT_ATTEMPTS = 3


def carry_out(graph: Graph, calendar_id: str, writes: Sequence[Write]) -> list[Written | Failed]:
    """Hold every write's conversation; answers in their order. Raises ReauthRequiredError for a dead token."""
    talks = [_talk(calendar_id, write) for write in writes]
    results: dict[int, Written | Failed] = {}
    waiting: dict[int, Request] = {}
    patience = Patience(seconds=WRITING_SECONDS)
    for number, talk in enumerate(talks):
        _go_on(number, talk, None, results=results, waiting=waiting)
    while waiting:
        asked, waiting = waiting, {}
        for number, answer in zip(asked, graph.batch(list(asked.values()), patience=patience), strict=True):
            if isinstance(answer, KalendsError):
                results[number] = Failed(error=answer)
            else:
                _go_on(number, talks[number], answer, results=results, waiting=waiting)
    return [results[number] for number in range(len(writes))]


def decline(graph: Graph, calendar_id: str, event_id: str, *, occurrence: str | None) -> None:
    """Answer an invitation with no, and tell nobody. Raises NotFoundError, ConflictError for what is none."""
    talk = _decline(calendar_id, event_id, occurrence)
    try:
        request = next(talk)
        while True:
            request = talk.send(graph.send(request))
    except StopIteration:
        return


def _decline(calendar_id: str, event_id: str, occurrence: str | None) -> _Talk[None]:
    if occurrence is not None:
        found = yield from _locate(calendar_id, event_id, parse_occurrence_key(occurrence))
        if found is None:
            raise NotFoundError(f"There is no occurrence {occurrence} of series {event_id}.")
        event_id = found.id
    answer = yield queries.get_event(calendar_id, event_id)
    status = payloads.parse(EventPayload, answer.result()).response_status
    response = status.response if status else None
    if response in (None, "none", "organizer"):
        raise ConflictError(f"Nobody invited this account to event {event_id}: there is nothing to decline.")
    if response != "declined":
        path = f"{queries.event(calendar_id, event_id)}/decline"
        sent = yield Request(method="POST", path=path, what=f"event {event_id}", body={"sendResponse": False})
        sent.result()


def _go_on(
    number: int,
    talk: _Talk[Written],
    answer: Answer | None,
    *,
    results: dict[int, Written | Failed],
    waiting: dict[int, Request],
) -> None:
    try:
        waiting[number] = next(talk) if answer is None else talk.send(answer)
    except StopIteration as end:
        results[number] = end.value
    except KalendsError as error:
        results[number] = Failed(error=error)


def _talk(calendar_id: str, write: Write) -> _Talk[Written]:
    match write:
        case Insert():
            return _insert(calendar_id, write)
        case Update():
            return _update(calendar_id, write)
        case Delete():
            return _delete(calendar_id, write)
        case WriteOccurrence():
            return _write_occurrence(calendar_id, write)
        case CancelOccurrence():
            return _cancel_occurrence(calendar_id, write)
        case Amend():
            return _amend(calendar_id, write)
        case Withdraw():
            return _withdraw(calendar_id, write)


def _insert(calendar_id: str, write: Insert) -> _Talk[Written]:
    """Create once: the transactionId keeps a repeated POST from making a second event while Graph remembers it, the
    marker for ever."""
    path = f"{queries.calendar(calendar_id)}/events"
    look = write.retried
    for attempt in range(1, _INSERT_ATTEMPTS + 1):
        if look:
            found = yield from _find(calendar_id, write.marker, write.key)
            if found is not None:
                return (yield from _bring(calendar_id, found, write.marker, write.appearance))
        transaction = writing.transaction_id(write.key, attempt)
        body = writing.insertion(write.appearance, marker=write.marker, transaction=transaction)
        answer = yield Request(method="POST", path=path, what=f"a new event in calendar {calendar_id}", body=body)
        if answer.code != errors.DUPLICATE_TRANSACTION:
            payload = payloads.parse(EventPayload, answer.result())
            if answer.status == HTTPStatus.CREATED:
                return _written(payload, write.marker)
            # The original of an earlier attempt, perhaps with an earlier appearance.
            return (yield from _bring(calendar_id, payload, write.marker, write.appearance))
        # Graph remembers the transaction: its event is there, or was deleted since and needs a new transaction.
        look = True
    raise ConflictError(f"Microsoft Graph keeps remembering earlier transactions in calendar {calendar_id}.")


def _find(calendar_id: str, marker: str, key: str) -> _Talk[EventPayload | None]:
    """The mirror with this marker: the one we created rather than a person's copy of it, else the oldest."""
    answer = yield queries.get_marked(calendar_id, marker)
    ours: list[EventPayload] = []
    for item in wire.items(answer.result(), what=answer.request.what):
        one = yield queries.get_event(calendar_id, str(item.get("id")))
        if not one.is_gone:
            payload = payloads.parse(EventPayload, one.result())
            ours += [payload] if reading.marker(payload) == marker else []
    transactions = {writing.transaction_id(key, attempt) for attempt in range(1, _INSERT_ATTEMPTS + 1)}
    created = [payload for payload in ours if payload.transaction_id in transactions] or ours
    return min(created, key=lambda payload: str(payload.created_date_time), default=None)


def _bring(calendar_id: str, payload: EventPayload, marker: str, appearance: Appearance) -> _Talk[Written]:
    """Bring an event that is there to `appearance`, in place."""
    _require_no_guests(payload)
    body = {**writing.looks(appearance), **_changed_times(payload, appearance), **writing.ownership(marker)}
    return _written((yield from _patch(calendar_id, payload.id, body, etag=None)), marker)


def _update(calendar_id: str, write: Update) -> _Talk[Written]:
    appearance, etag = write.appearance, write.etag
    looks = {**writing.looks(appearance), **writing.ownership(write.marker)}
    if etag is not None and not appearance.recurrence:
        body = {**looks, **writing.times(appearance)}
        return _written((yield from _patch(calendar_id, write.event_id, body, etag=etag)), write.marker)
    answer = yield queries.get_event(calendar_id, write.event_id)
    payload = payloads.parse(EventPayload, answer.result())
    _require_no_guests(payload)
    if etag is not None and payload.etag != etag:
        raise PreconditionFailedError(f"Event {write.event_id} changed meanwhile: read it again.")
    if write.rule_anew and payload.recurrence is not None and appearance.recurrence:
        # Whether the same rule, written again, drops cancelled occurrences is documented nowhere; no rule has none.
        payload = yield from _patch(calendar_id, write.event_id, {"recurrence": None}, etag=payload.etag)
    body = {**looks, **_changed_times(payload, appearance)}
    return _written((yield from _patch(calendar_id, write.event_id, body, etag=payload.etag)), write.marker)


def _changed_times(payload: EventPayload, appearance: Appearance) -> dict[str, Any]:
    """What to write about the time: nothing where a series' rule stays, as Exchange drops the occurrences that differ
    with the rule they differ from ([MS-OXOCAL] 3.1.4.7.3.5)."""
    times = writing.times(appearance)
    if payload.recurrence is None or times["recurrence"] is None:
        return times
    try:
        current = reading.event(payload)
    except KalendsError:
        return times  # whatever it is, it is not what is wanted
    wanted = recurrence.to_lines(payloads.parse(Recurrence, times["recurrence"]), appearance.span)
    return {} if current.span and _same_span(current.span, appearance.span) and current.recurrence == wanted else times


def _same_span(one: AllDaySpan | TimedSpan, other: AllDaySpan | TimedSpan) -> bool:
    if isinstance(one, TimedSpan) and isinstance(other, TimedSpan):
        same_clock = zones.to_windows(one.zone) == zones.to_windows(other.zone)
        return same_clock and (one.start, one.end) == (other.start, other.end)
    return one == other


def _delete(calendar_id: str, write: Delete) -> _Talk[Written]:
    if write.unconfirmed:
        found = yield from _find(calendar_id, write.marker, write.event_id)
        if found is None:
            return Written(event_id=write.event_id, event=None)
        payload = found
    else:
        answer = yield queries.get_event(calendar_id, write.event_id)
        if answer.is_gone:
            return Written(event_id=write.event_id, event=None)
        payload = payloads.parse(EventPayload, answer.result())
    if reading.marker(payload) != write.marker:
        raise ConflictError(f"Event {payload.id} does not carry our marker: it is left alone.")
    _require_no_guests(payload)
    yield from _remove(calendar_id, payload.id)
    return Written(event_id=payload.id, event=None)


def _write_occurrence(calendar_id: str, write: WriteOccurrence) -> _Talk[Written]:
    start = parse_occurrence_key(write.key)
    found = yield from _locate(calendar_id, write.series_id, start)
    if found is None:
        raise NotFoundError(
            f"Occurrence {write.key} of series {write.series_id} is gone, and Microsoft Graph brings none back: "
            "write the series' rule anew."
        )
    _require_no_guests(found)
    body = {**writing.looks(write.appearance), **writing.occurrence_times(write.appearance.span)}
    path = queries.event(calendar_id, found.id)
    what = f"occurrence {write.key} of series {write.series_id}"
    answer = yield Request(method="PATCH", path=path, what=what, body=body, serial=write.series_id)
    payload = payloads.parse(EventPayload, answer.result())
    return Written(
        event_id=payload.id, event=reading.override(payload, series_id=write.series_id, original_start=start)
    )


def _cancel_occurrence(calendar_id: str, write: CancelOccurrence) -> _Talk[Written]:
    found = yield from _locate(calendar_id, write.series_id, parse_occurrence_key(write.key))
    if found is None:
        return Written(event_id=f"{write.series_id}_{write.key}", event=None)
    _require_no_guests(found)
    yield from _remove(calendar_id, found.id, serial=write.series_id)
    return Written(event_id=found.id, event=None)


def _amend(calendar_id: str, write: Amend) -> _Talk[Written]:
    """Read, then change what is named. A new description would take the conference's block along (Update event:
    "preserve the meeting blob")."""
    payload, start = yield from _of_another(calendar_id, write.event_id, write.occurrence)
    if payload is None:
        raise NotFoundError(f"There is no event {write.event_id}, or no occurrence {write.occurrence} of it any more.")
    seen = _seen(payload, write.event_id, start)
    if patch.is_shown(write.patch, seen):
        return Written(event_id=payload.id, event=seen)
    _require_amendable(payload, write.etag)
    if write.patch.description is not None and payload.is_online_meeting:
        raise ConflictError(
            f"The description of event {payload.id} holds its online meeting: it is left as it is.", code=CONFERENCE
        )
    body = writing.amendment(write.patch)
    wanted = patch.applied(patch.unmasked(seen), write.patch)
    if start is not None and write.patch.when is not None:
        body |= writing.occurrence_times(wanted.span)
    elif start is None and write.patch.fields & {Field.WHEN, Field.RECURRENCE}:
        body |= _changed_times(payload, wanted)
    try:
        serial = write.event_id if start is not None else None
        changed = yield from _patch(calendar_id, payload.id, body, etag=payload.etag, serial=serial)
    except PreconditionFailedError:
        # Perhaps by this very patch, sent again after its first answer was lost.
        payload, _ = yield from _of_another(calendar_id, write.event_id, write.occurrence)
        now = None if payload is None else _seen(payload, write.event_id, start)
        if now is None or not patch.is_shown(write.patch, now):
            raise
        return Written(event_id=now.id, event=now)
    event = replace(_seen(changed, write.event_id, start), marker=seen.marker, claims_marker=seen.claims_marker)
    return Written(event_id=event.id, event=event)


def _seen(payload: EventPayload, event_id: str, start: Start | None) -> Event:
    if start is None:
        return reading.event(payload)
    return reading.override(payload, series_id=event_id, original_start=start)


def _withdraw(calendar_id: str, write: Withdraw) -> _Talk[Written]:
    payload, start = yield from _of_another(calendar_id, write.event_id, write.occurrence)
    if payload is None:
        place = write.event_id if write.occurrence is None else f"{write.event_id}_{write.occurrence}"
        return Written(event_id=place, event=None)
    _require_amendable(payload, write.etag)
    serial = write.event_id if start is not None else None
    yield from _remove(calendar_id, payload.id, serial=serial, etag=payload.etag)
    return Written(event_id=payload.id, event=None)


def _of_another(
    calendar_id: str, event_id: str, occurrence: str | None
) -> _Talk[tuple[EventPayload | None, Start | None]]:
    """An event that is not ours, or one occurrence of it and its original start, with all that can forbid a change."""
    start = None
    if occurrence is not None:
        start = parse_occurrence_key(occurrence)
        found = yield from _locate(calendar_id, event_id, start)
        if found is None:
            return None, start
        event_id = found.id
    answer = yield queries.get_of_another(calendar_id, event_id)
    return None if answer.is_gone else payloads.parse(EventPayload, answer.result()), start


def _require_amendable(payload: EventPayload, etag: str | None) -> None:
    if not payload.is_organizer:
        raise ConflictError(f"Somebody else organises event {payload.id}: only they change it.", code=NOT_ORGANIZER)
    _require_no_guests(payload)
    if etag is not None and payload.etag != etag:
        raise PreconditionFailedError(f"Event {payload.id} changed meanwhile: read it again.")


def _locate(calendar_id: str, series_id: str, start: Start) -> _Talk[EventPayload | None]:
    """The occurrence with this original start, wherever it was moved to; None if there is none any more."""
    answer = yield queries.get_instances_near(series_id, start)
    if answer.is_gone:
        return None
    near = wire.items(answer.result(), what=answer.request.what)
    if (found := _at(near, start)) is not None:
        return found
    answer = yield queries.get_series(calendar_id, series_id)
    if answer.is_gone:
        return None
    return _at(payloads.parse(EventPayload, answer.result()).exception_occurrences or (), start)


def _at(items: Sequence[dict[str, Any]], start: Start) -> EventPayload | None:
    zone = "UTC" if isinstance(start, datetime) else None
    for item in items:
        payload = payloads.parse(EventPayload, item)
        if reading.original_start(payload, zone=zone) == start:
            return payload
    return None


def _patch(
    calendar_id: str, event_id: str, body: dict[str, Any], *, etag: str | None, serial: str | None = None
) -> _Talk[EventPayload]:
    answer = yield Request(
        method="PATCH",
        path=queries.event(calendar_id, event_id),
        what=f"event {event_id}",
        body=body,
        headers=_only_if(etag),
        serial=serial,
    )
    return payloads.parse(EventPayload, answer.result())


def _remove(calendar_id: str, event_id: str, *, serial: str | None = None, etag: str | None = None) -> _Talk[None]:
    path, headers = queries.event(calendar_id, event_id), _only_if(etag)
    answer = yield Request(method="DELETE", path=path, what=f"event {event_id}", headers=headers, serial=serial)
    if not answer.is_gone:
        answer.result()


def _only_if(etag: str | None) -> dict[str, str]:
    return {"If-Match": etag} if etag is not None else {}


def _written(payload: EventPayload, marker: str) -> Written:
    """The answer read back; it leaves extended properties out, and the marker is there because we have written it."""
    return Written(event_id=payload.id, event=replace(reading.event(payload), marker=marker, claims_marker=False))


def _require_no_guests(payload: EventPayload) -> None:
    if payload.attendees:
        raise ConflictError(
            f"Others are invited to event {payload.id} and would be mailed: it is left as it is.", code=HAS_GUESTS
        )
