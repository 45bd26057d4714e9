"""What writing to Outlook has of its own, at the simulator and with answers written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar.event import Text
from shared.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PreconditionFailedError,
    ReauthRequiredError,
    TransientError,
)
from shared.providers.microsoft.client import MicrosoftCalendar
from shared.providers.microsoft.writing import MARKER_PROPERTY
from shared.providers.port import CancelOccurrence, Delete, Insert, Update, WriteOccurrence, Written
from tests.providers.microsoft import answers, scripted
from tests.providers.microsoft.scripted import Received, Reply
from tests.providers.replica import happenings
from tests.providers.samples import (
    MARKER,
    MONDAYS,
    accepted,
    at,
    days,
    event,
    get,
    insert,
    key,
    refused,
    timed,
    weekly,
    write,
)

if TYPE_CHECKING:
    from shared.providers.port import Failed, Write
    from tests.providers.microsoft.conftest import MicrosoftWorld


def kept(world: MicrosoftWorld, event_id: str) -> dict[str, Any]:
    """The event as Outlook keeps it."""
    return next(item for item in world.items() if item["id"] == event_id)


# Creating


def test_a_mirror_in_outlook_is_private_silent_and_without_guests(world: MicrosoftWorld) -> None:
    mirror = kept(world, insert(world, event("Busy")).id)

    assert {
        name: mirror[name]
        for name in ("sensitivity", "isReminderOn", "reminderMinutesBeforeStart", "attendees", "categories", "showAs")
    } == {
        "sensitivity": "private",
        "isReminderOn": False,
        "reminderMinutesBeforeStart": 0,
        "attendees": [],
        "categories": ["Kalends"],
        "showAs": "busy",
    }


def test_a_mirror_costs_one_request(world: MicrosoftWorld) -> None:
    world.requests()

    insert(world, event("Busy"))

    assert world.requests() == 1


@pytest.mark.parametrize("answer", ["original", "conflict"])
@pytest.mark.parametrize("status", [400, 409])
def test_a_repeated_transaction_brings_the_event_that_it_made(world: MicrosoftWorld, answer: str, status: int) -> None:
    world.faults(transaction_id_answer=answer, transaction_id_status=status)
    first = insert(world, event("Busy"))

    again = insert(world, event("Busy, later"))

    assert again.id == first.id
    assert world.titles() == ["Busy, later"]


def test_the_marker_suffices_when_graph_has_forgotten_the_transaction(world: MicrosoftWorld) -> None:
    world.faults(transaction_id_lifetime=0)
    first = insert(world, event("Busy"))

    again = insert(world, event("Busy"), retried=True)

    assert again.id == first.id
    assert world.titles() == ["Busy"]


@pytest.mark.parametrize("answer", ["original", "conflict"])
def test_a_deleted_mirror_comes_back_although_graph_remembers_its_transaction(
    world: MicrosoftWorld, answer: str
) -> None:
    world.faults(transaction_id_answer=answer)
    first = insert(world, event("Busy"))
    world.remove(first.id)

    insert(world, event("Busy again"), retried=True)

    assert world.titles() == ["Busy again"]


def test_a_persons_copy_of_a_mirror_is_not_taken_for_it(world: MicrosoftWorld) -> None:
    first = insert(world, event("Busy"))
    world.make(subject="Copy", singleValueExtendedProperties=[{"id": MARKER_PROPERTY, "value": MARKER}])

    again = insert(world, event("Busy, later"), retried=True)

    assert again.id == first.id
    assert world.titles() == ["Busy, later", "Copy"]


def test_a_marker_that_differs_in_case_only_is_another(world: MicrosoftWorld) -> None:
    world.make(subject="Other", singleValueExtendedProperties=[{"id": MARKER_PROPERTY, "value": MARKER.upper()}])

    insert(world, event("Busy"), retried=True)

    assert world.titles() == ["Busy", "Other"]


def test_many_retried_mirrors_are_found_again(world: MicrosoftWorld) -> None:
    writes: list[Write] = [
        Insert(key=key(number), marker=f"m{number}.x", appearance=event(f"Busy {number}")) for number in range(25)
    ]
    write(world, *writes)

    outcomes = write(world, *(replace(one, retried=True) for one in writes if isinstance(one, Insert)))

    assert all(isinstance(outcome, Written) for outcome in outcomes)
    assert len(world.titles()) == 25


def test_a_series_graph_cannot_hold_fails_alone_and_says_why(world: MicrosoftWorld) -> None:
    odd = event("Odd", timed(at(2)), recurrence=("RRULE:FREQ=MONTHLY;BYDAY=1MO,3MO",))

    outcomes = write(
        world,
        Insert(key=key(1), marker=MARKER, appearance=odd),
        Insert(key=key(2), marker=MARKER, appearance=event("Busy")),
    )

    error = refused(outcomes[0])
    assert isinstance(error, InvalidError)
    assert "several weekdays" in error.message
    assert isinstance(outcomes[1], Written)


def test_a_calendar_that_may_not_be_written_is_forbidden() -> None:
    status, body = answers.load("errors")["ErrorAccessDenied"]
    one = Insert(key=key(1), marker=MARKER, appearance=event("Busy"))

    (outcome,) = at_a_service(lambda _: Reply(body=body, status=status), one)

    assert isinstance(refused(outcome), ForbiddenError)


# Updating


def test_an_update_with_a_known_version_costs_one_request(world: MicrosoftWorld) -> None:
    mirror = insert(world, event("Busy"))
    world.requests()

    accepted(write(world, Update(event_id=mirror.id, marker=MARKER, appearance=event("B"), etag=mirror.etag))[0])

    assert world.requests() == 1


def test_an_update_of_what_is_gone_says_so(world: MicrosoftWorld) -> None:
    mirror = insert(world, event("Busy"))
    world.remove(mirror.id)

    for etag in (mirror.etag, None):
        one = Update(event_id=mirror.id, marker=MARKER, appearance=event("B"), etag=etag)
        assert isinstance(refused(write(world, one)[0]), NotFoundError)


def test_a_stale_version_of_a_series_is_noticed_even_if_graph_ignores_preconditions(world: MicrosoftWorld) -> None:
    world.faults(honour_if_match=False)
    mirror = insert(world, weekly("Busy"))
    world.retitle(mirror.id, "Mine now")

    one = Update(event_id=mirror.id, marker=MARKER, appearance=weekly("Busy"), etag=mirror.etag)

    assert isinstance(refused(write(world, one)[0]), PreconditionFailedError)
    assert world.titles() == ["Mine now"]


@pytest.mark.parametrize("appearance", [event("Changed"), weekly("Changed")], ids=["single", "series"])
def test_a_mirror_to_which_others_were_invited_is_left_alone(world: MicrosoftWorld, appearance: Any) -> None:
    mirror = insert(world, appearance)
    guest = {"type": "required", "emailAddress": {"address": "guest@example.com", "name": "Guest"}}
    world.change(mirror.id, attendees=[guest])
    before = world.mails()
    known = get(world, mirror.id).root

    outcomes = write(
        world,
        Update(event_id=mirror.id, marker=MARKER, appearance=appearance, etag=known.etag),
        Delete(event_id=mirror.id, marker=MARKER),
        Insert(key=key(1), marker=MARKER, appearance=appearance, retried=True),
    )

    assert [type(refused(outcome)) for outcome in outcomes] == [ConflictError] * 3
    assert world.mails() == before


def test_a_new_text_keeps_moved_and_cancelled_occurrences(world: MicrosoftWorld) -> None:
    series = insert(world, weekly("Busy"))
    write(world, WriteOccurrence(series_id=series.id, key=MONDAYS[1], appearance=event("B", timed(at(24, 14)))))
    write(world, CancelOccurrence(series_id=series.id, key=MONDAYS[2]))
    before = happenings(get(world, series.id))

    accepted(write(world, Update(event_id=series.id, marker=MARKER, appearance=weekly("New")))[0])

    assert happenings(get(world, series.id)) == before
    assert world.titles() == ["New"]


def test_a_rule_written_anew_brings_cancelled_occurrences_back(world: MicrosoftWorld) -> None:
    series = insert(world, weekly("Busy"))
    write(world, CancelOccurrence(series_id=series.id, key=MONDAYS[2]))

    one = Update(event_id=series.id, marker=MARKER, appearance=weekly("Busy"), rule_anew=True)
    accepted(write(world, one)[0])

    assert len(happenings(get(world, series.id))) == 4


def test_a_rule_that_graph_cannot_tell_is_replaced() -> None:
    custom = {"type": "noEnd", "recurrenceTimeZone": "tzone://Microsoft/Custom"}
    series = answers.load("series") | {"originalStartTimeZone": "tzone://Microsoft/Custom"}
    series["recurrence"] = {"pattern": {"type": "daily"}, "range": custom}
    mirror = answers.load("single") | {"id": "A"}
    asked: list[Received] = []

    def script(request: Received) -> Reply:
        asked.append(request)
        return Reply(body=series if request.method == "GET" else mirror)

    accepted(at_a_service(script, Update(event_id="A", marker=MARKER, appearance=weekly("Busy")))[0])

    assert asked[-1].body["recurrence"]["range"]["recurrenceTimeZone"] == "W. Europe Standard Time"


def test_a_transaction_that_is_remembered_for_ever_is_a_conflict() -> None:
    status, body = answers.load("errors")["ErrorDuplicateTransactionId"]

    def script(request: Received) -> Reply:
        return Reply(body=body, status=status) if request.method == "POST" else Reply(body={"value": []})

    (outcome,) = at_a_service(script, Insert(key=key(1), marker=MARKER, appearance=event("Busy")))

    assert isinstance(refused(outcome), ConflictError)


def test_a_new_time_of_a_series_is_written(world: MicrosoftWorld) -> None:
    series = insert(world, weekly("Busy"))

    later = weekly("Busy", timed(at(16, 15), minutes=30))
    accepted(write(world, Update(event_id=series.id, marker=MARKER, appearance=later))[0])

    assert happenings(get(world, series.id))[0] == ("2026-03-16T14:00:00+00:00", "2026-03-16T14:30:00+00:00")


def test_a_new_rule_of_a_series_is_written(world: MicrosoftWorld) -> None:
    series = insert(world, weekly("Busy"))

    accepted(
        write(
            world,
            Update(event_id=series.id, marker=MARKER, appearance=weekly("Busy", rule="FREQ=WEEKLY;INTERVAL=2;COUNT=3")),
        )[0]
    )

    assert [start[:10] for start, _ in happenings(get(world, series.id))] == ["2026-03-16", "2026-03-30", "2026-04-13"]


def test_an_all_day_mirror_becomes_timed_and_all_day_again(world: MicrosoftWorld) -> None:
    mirror = insert(world, event("Busy", days(2)))

    for span in (timed(at(3)), days(4, 2)):
        written = accepted(write(world, Update(event_id=mirror.id, marker=MARKER, appearance=event("B", span)))[0])
        assert written.event is not None
        assert written.event.span is not None
        assert written.event.span.starts_at() == span.starts_at()


# Deleting


def test_an_unconfirmed_mirror_is_deleted_by_its_marker(world: MicrosoftWorld) -> None:
    insert(world, event("Busy"))

    outcomes = [write(world, Delete(event_id=key(1), marker=MARKER, unconfirmed=True))[0] for _ in range(2)]

    assert [type(outcome) for outcome in outcomes] == [Written, Written]
    assert world.titles() == []


# Failures


@pytest.mark.parametrize("batch_concurrency", ["wait", "refuse"])
def test_a_mailbox_that_takes_four_at_a_time_gets_everything(world: MicrosoftWorld, batch_concurrency: str) -> None:
    world.faults(batch_concurrency=batch_concurrency, retry_after=1)
    writes = [Insert(key=key(number), marker=f"m{number}", appearance=event(f"B{number}")) for number in range(6)]

    outcomes = write(world, *writes)
    again = [one for one, outcome in zip(writes, outcomes, strict=True) if not isinstance(outcome, Written)]
    if again:
        outcomes = write(world, *(replace(one, retried=True) for one in again))

    assert all(isinstance(outcome, Written) for outcome in outcomes)
    assert len(world.titles()) == 6


def test_answers_lost_in_a_batch_fail_one_by_one_and_a_retry_makes_no_second(world: MicrosoftWorld) -> None:
    writes = [Insert(key=key(number), marker=f"m{number}", appearance=event(f"B{number}")) for number in range(5)]
    world.faults(commit_then_504=0.9)
    outcomes = write(world, *writes)
    world.faults(commit_then_504=0.0)

    failed = [one for one, outcome in zip(writes, outcomes, strict=True) if not isinstance(outcome, Written)]
    again = write(world, *(replace(one, retried=True) for one in failed)) if failed else []

    assert failed
    assert all(isinstance(outcome, Written) for outcome in again)
    assert world.titles() == [f"B{number}" for number in range(5)]


def at_a_service(script: scripted.Script, *writes: Write) -> list[Written | Failed]:
    with scripted.serve(script) as server:
        provider = MicrosoftCalendar(access_token="t", graph_endpoint=f"{server.base}/v1.0")
        return provider.write("CAL", writes)


def test_a_dead_token_in_the_middle_is_raised() -> None:
    status, body = answers.load("errors")["InvalidAuthenticationToken"]

    def script(request: Received) -> Reply:
        found = [{"id": one["id"], "status": status, "body": body} for one in request.body["requests"]]
        return Reply(body={"responses": found})

    writes = [Delete(event_id=name, marker=MARKER) for name in ("A", "B")]
    with pytest.raises(ReauthRequiredError):
        at_a_service(script, *writes)


def test_an_unreachable_graph_fails_every_write_by_itself() -> None:
    provider = MicrosoftCalendar(access_token="t", graph_endpoint="http://127.0.0.1:9/v1.0")

    outcomes = provider.write("CAL", [Delete(event_id=name, marker=MARKER) for name in ("A", "B")])

    assert [type(refused(outcome)) for outcome in outcomes] == [TransientError, TransientError]


def test_nothing_to_write_writes_nothing(world: MicrosoftWorld) -> None:
    world.requests()

    assert write(world) == []
    assert world.requests() == 0


def test_html_in_a_mirror_is_kept_as_html(world: MicrosoftWorld) -> None:
    text = Text(title="Review", description="<b>Bring</b><ul><li>card</li></ul>", is_html=True)

    written = insert(world, event(text=text))

    assert written.text == text
