"""The part of the contract about events that are not ours: named fields change, nobody hears of it, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.calendar.event import Availability, Text
from shared.calendar.patch import Description, Patch
from shared.core.errors import ConflictError, KalendsError, NotFoundError, PreconditionFailedError, TransientError
from shared.providers.port import HAS_GUESTS, NOT_ORGANIZER, Amend, Withdraw, Written
from tests.providers.replica import WINDOW, happenings
from tests.providers.samples import MONDAYS, accepted, at, days, event, get, refused, timed, weekly, write

if TYPE_CHECKING:
    from shared.calendar.event import Event
    from shared.calendar.span import Span
    from shared.providers.port import Failed
    from tests.providers.world import World

FULL = Text(title="Review", description="What we said", location="Bern")


class AmendingContract:
    """What every provider does with a person's own event."""

    @pytest.mark.parametrize(
        "patch",
        [
            Patch(title="Renamed"),
            Patch(description=Description(text="Another word")),
            Patch(location="Basel"),
            Patch(availability=Availability.FREE),
            Patch(availability=Availability.TENTATIVE),
            Patch(when=timed(at(5, 14), minutes=30)),
            Patch(when=days(7, 2)),
            Patch(title="", description=Description(text=""), location=""),
        ],
        ids=["title", "description", "location", "free", "tentative", "time", "whole days", "cleared"],
    )
    def test_only_what_is_named_changes(self, world: World, patch: Patch) -> None:
        event_id = world.add(event(text=FULL))
        before = get(world, event_id).root

        written = accepted(write(world, Amend(event_id=event_id, patch=patch))[0])

        after = get(world, event_id).root
        assert written.event is not None
        assert looks(written.event) == looks(after) == looks(before) | named(patch)
        assert after.marker is None

    def test_an_amendment_repeated_after_a_lost_answer_is_success(self, world: World) -> None:
        event_id = world.add(event("Dentist"))
        amend = Amend(event_id=event_id, patch=Patch(title="Doctor"), etag=get(world, event_id).root.etag)
        world.faults(commit_then_504=1.0)
        lost = write(world, amend)[0]
        world.faults(commit_then_504=0.0)

        again = accepted(write(world, amend)[0])

        assert isinstance(lost, Written) or isinstance(lost.error, TransientError)
        assert again.event is not None
        assert world.titles() == ["Doctor"]

    def test_an_event_that_changed_meanwhile_is_not_amended(self, world: World) -> None:
        event_id = world.add(event("Dentist"))
        etag = get(world, event_id).root.etag
        world.retitle(event_id, "Moved on")

        outcome = write(world, Amend(event_id=event_id, patch=Patch(location="Bern"), etag=etag))[0]

        assert isinstance(refused(outcome), PreconditionFailedError)
        assert get(world, event_id).root.text == Text(title="Moved on")

    def test_what_is_gone_is_not_found(self, world: World) -> None:
        event_id = world.add(event("Dentist"))
        world.remove(event_id)

        outcome = write(world, Amend(event_id=event_id, patch=Patch(title="Back")))[0]

        assert isinstance(refused(outcome), NotFoundError)
        assert world.titles() == []

    def test_somebody_elses_event_is_never_amended_nor_deleted(self, world: World) -> None:
        calendar_id, event_id = world.invite(event("Review"))
        before, mails = world.provider.get(calendar_id, event_id, window=WINDOW), world.mails()

        outcomes = world.provider.write(
            calendar_id,
            [
                Amend(event_id=event_id, patch=Patch(title="Mine")),
                Withdraw(event_id=event_id, etag=before.root.etag or "unknown" if before else ""),
            ],
        )

        assert [code(one) for one in outcomes] == [NOT_ORGANIZER, NOT_ORGANIZER]
        assert world.provider.get(calendar_id, event_id, window=WINDOW) == before
        assert world.mails() == mails

    def test_no_guest_hears_of_an_amendment(self, world: World) -> None:
        event_id = world.add(event("Review"), guest="guest@example.com")
        mails = world.mails()

        outcome = write(world, Amend(event_id=event_id, patch=Patch(title="Another")))[0]

        assert isinstance(outcome, Written) or code(outcome) == HAS_GUESTS
        assert world.mails() == mails
        assert world.guests(event_id) == ["guest@example.com"]
        assert world.titles() == (["Another"] if isinstance(outcome, Written) else ["Review"])

    # Series

    def test_a_series_moves_and_a_new_rule_is_taken(self, world: World) -> None:
        event_id = world.add(weekly("Stand-up"))

        moved = Patch(when=timed(at(16, 11)))
        accepted(write(world, Amend(event_id=event_id, patch=moved))[0])
        at_eleven = happenings(get(world, event_id))
        longer = Patch(when=timed(at(16, 11)), recurrence=("RRULE:FREQ=WEEKLY;COUNT=5",))
        accepted(write(world, Amend(event_id=event_id, patch=longer))[0])

        assert [start for start, _ in at_eleven] == [
            "2026-03-16T10:00:00+00:00",
            "2026-03-23T10:00:00+00:00",
            "2026-03-30T09:00:00+00:00",
            "2026-04-06T09:00:00+00:00",
        ]
        assert len(happenings(get(world, event_id))) == 5
        assert world.titles() == ["Stand-up"]

    def test_a_single_event_becomes_a_series_and_single_again(self, world: World) -> None:
        event_id = world.add(event("Dentist"))

        rule = Patch(when=timed(at(2)), recurrence=("RRULE:FREQ=DAILY;COUNT=3",))
        accepted(write(world, Amend(event_id=event_id, patch=rule))[0])
        as_series = happenings(get(world, event_id))
        accepted(write(world, Amend(event_id=event_id, patch=Patch(recurrence=())))[0])

        assert len(as_series) == 3
        assert happenings(get(world, event_id)) == [("2026-03-02T08:00:00+00:00", "2026-03-02T09:00:00+00:00")]

    def test_a_new_title_of_a_series_keeps_its_occurrences_that_differ(self, world: World) -> None:
        event_id = world.add(weekly("Stand-up"))
        world.move(event_id, MONDAYS[1], timed(at(24, 14)))
        world.cancel(event_id, MONDAYS[2])
        before = happenings(get(world, event_id))

        accepted(write(world, Amend(event_id=event_id, patch=Patch(title="Renamed")))[0])
        same_time = Patch(when=timed(at(16)), title="Again")
        accepted(write(world, Amend(event_id=event_id, patch=same_time))[0])

        assert world.titles() == ["Again"]
        assert happenings(get(world, event_id)) == before

    @pytest.mark.parametrize("span", [timed(at(16)), days(16)], ids=["timed", "all-day"])
    def test_one_occurrence_is_amended_and_amended_again(self, world: World, span: Span) -> None:
        event_id = world.add(weekly("Stand-up", span))
        key = "20260323" if span.is_all_day else MONDAYS[1]
        later = days(24) if span.is_all_day else timed(at(24, 14))

        accepted(write(world, Amend(event_id=event_id, occurrence=key, patch=Patch(when=later)))[0])
        accepted(write(world, Amend(event_id=event_id, occurrence=key, patch=Patch(title="Special")))[0])

        unit = get(world, event_id)
        assert [(one.text.title, one.span and one.span.starts_at()) for one in unit.overrides if one.text] == [
            ("Special", later.starts_at())
        ]
        assert len(happenings(unit)) == 4
        assert unit.root.text == Text(title="Stand-up")

    def test_an_occurrence_that_the_rule_does_not_have_is_not_found(self, world: World) -> None:
        event_id = world.add(weekly("Stand-up"))

        outcome = write(world, Amend(event_id=event_id, occurrence="20260317T080000Z", patch=Patch(title="x")))[0]

        assert isinstance(refused(outcome), NotFoundError)

    # Deleting

    def test_an_own_event_is_withdrawn_and_withdrawing_it_again_is_success(self, world: World) -> None:
        event_id = world.add(event("Dentist"))
        withdraw = Withdraw(event_id=event_id, etag=get(world, event_id).root.etag)

        outcomes = [write(world, withdraw)[0] for _ in range(2)]

        assert outcomes == [Written(event_id=event_id, event=None)] * 2
        assert world.titles() == []

    def test_an_event_that_changed_meanwhile_is_not_withdrawn(self, world: World) -> None:
        event_id = world.add(event("Dentist"))
        withdraw = Withdraw(event_id=event_id, etag=get(world, event_id).root.etag)
        world.retitle(event_id, "Moved on")

        outcome = write(world, withdraw)[0]

        assert isinstance(refused(outcome), PreconditionFailedError)
        assert world.titles() == ["Moved on"]

    def test_an_event_with_guests_is_not_withdrawn(self, world: World) -> None:
        event_id = world.add(event("Review"), guest="guest@example.com")
        mails = world.mails()

        outcome = write(world, Withdraw(event_id=event_id, etag=get(world, event_id).root.etag or "unknown"))[0]

        assert code(outcome) == HAS_GUESTS
        assert world.titles() == ["Review"]
        assert world.mails() == mails

    def test_one_occurrence_is_withdrawn_and_withdrawing_it_again_is_success(self, world: World) -> None:
        event_id = world.add(weekly("Stand-up"))

        outcomes = [write(world, Withdraw(event_id=event_id, occurrence=MONDAYS[1]))[0] for _ in range(2)]

        assert all(isinstance(one, Written) for one in outcomes)
        assert [start[:10] for start, _ in happenings(get(world, event_id))] == [
            "2026-03-16",
            "2026-03-30",
            "2026-04-06",
        ]
        assert world.titles() == ["Stand-up"]


def looks(one: Event) -> dict[str, object]:
    """What people see of an event."""
    text, span = one.text or Text(), one.span
    return {
        "title": text.title,
        "description": text.description.strip(),
        "location": text.location,
        "when": (span.starts_at(), span.ends_at(), span.is_all_day) if span else None,
        "availability": one.availability,
        "recurrence": one.recurrence,
        "visibility": one.visibility,
    }


def named(patch: Patch) -> dict[str, object]:
    """What of that a patch changes."""
    values: dict[str, object] = {field.value: getattr(patch, field.value) for field in patch.fields}
    if patch.description is not None:
        values["description"] = patch.description.text
    if patch.when is not None:
        values["when"] = (patch.when.starts_at(), patch.when.ends_at(), patch.when.is_all_day)
    return values


def code(outcome: Written | Failed) -> str:
    """The code of a refusal, which must be a conflict."""
    error = refused(outcome)
    assert isinstance(error, ConflictError)
    assert isinstance(error, KalendsError)
    return error.error_code
