"""Two-way links: how the fields of one event merge, and what is a conflict."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.calendar import merge, showing
from shared.calendar.event import Availability, Status, Text
from shared.calendar.mask import Mask
from shared.calendar.mirror import Appearance, Mirror, Privacy
from shared.calendar.patch import Description, Field, Patch
from shared.calendar.two_way import ROOT, Conflict, Policy, Side, Winner
from tests.calendar.merging.cases import EVERYTHING, NOON, after, hours, merged, one, single


def test_edits_of_different_fields_meet() -> None:
    source = single("Renamed")
    target = single(span=hours(2))

    outcome = merged(single(), source, target)

    assert outcome.source == {ROOT: Patch(when=hours(2))}
    assert outcome.target == {ROOT: Patch(title="Renamed")}
    assert outcome.conflicts == ()
    assert outcome.mirror == single("Renamed", span=hours(2))


@pytest.mark.parametrize(
    ("policy", "source_at", "target_at", "winner"),
    [
        (Policy.SOURCE, None, NOON, Winner.SOURCE),
        (Policy.TARGET, NOON, None, Winner.TARGET),
        (Policy.NEWEST, NOON, NOON + timedelta(seconds=1), Winner.TARGET),
        (Policy.NEWEST, NOON, NOON, Winner.SOURCE),
        (Policy.NEWEST, None, NOON, Winner.TARGET),
        (Policy.NEWEST, NOON, None, Winner.SOURCE),
        (Policy.ASK, None, None, None),
    ],
)
def test_a_field_that_both_changed_goes_by_the_policy(
    policy: Policy, source_at: datetime | None, target_at: datetime | None, winner: Winner | None
) -> None:
    source = Side(base=single(), now=single("From source"), changed_at=source_at)
    target = Side(base=single(), now=single("From target"), changed_at=target_at)

    outcome = merge.merge(source, target, exposed=EVERYTHING, policy=policy)

    mine, theirs = Patch(title="From source"), Patch(title="From target")
    assert outcome.conflicts == (Conflict(place=ROOT, field=Field.TITLE, source=mine, target=theirs, winner=winner),)
    assert outcome.source == ({ROOT: theirs} if winner is Winner.TARGET else {})
    assert outcome.target == ({ROOT: mine} if winner is Winner.SOURCE else {})
    assert outcome.held == ({ROOT: {Field.TITLE}} if winner is None else {})


def test_the_same_edit_on_both_sides_is_no_conflict() -> None:
    outcome = merged(single(), single("New"), single("New \r\n"), policy=Policy.ASK)

    assert not outcome
    assert outcome.conflicts == ()


def test_what_was_asked_is_decided_and_the_rest_still_merges() -> None:
    source, target = single("From source"), single("From target", availability=Availability.FREE)
    asked = merged(single(), source, target, policy=Policy.ASK)
    source, target = after(source, target, asked)

    decided = merged(single(), source, target, policy=Policy.ASK, decided={(ROOT, Field.TITLE): Winner.TARGET})

    assert asked.source == {ROOT: Patch(availability=Availability.FREE)}
    assert asked.target == {}
    assert decided.source == {ROOT: Patch(title="From target")}
    assert decided.target == {}


@pytest.mark.parametrize("privacy", [Privacy.BUSY, Privacy.TITLE])
def test_hidden_fields_never_flow_back_and_are_put_right(privacy: Privacy) -> None:
    base = single("Busy", text=Text(title="Busy"))
    target = single("Busy", text=Text(title="Busy", description="Mine", location="There"), span=hours(1))

    outcome = merged(base, base, target, exposed=merge.exposed_by(Mask(privacy=privacy)), policy=Policy.TARGET)

    assert outcome.source == {ROOT: Patch(when=hours(1))}
    assert outcome.target == {ROOT: Patch(description=Description(text=""), location="")}
    assert outcome.mirror == single(text=Text(title="Busy"), span=hours(1))


def test_the_title_of_a_busy_link_never_flows_back() -> None:
    base = single(text=Text(title="Busy"))
    target = single(text=Text(title="Dentist"))

    outcome = merged(base, base, target, exposed=merge.exposed_by(Mask(privacy=Privacy.BUSY)), policy=Policy.TARGET)

    assert outcome.source == {}
    assert outcome.target == {ROOT: Patch(title="Busy")}


@pytest.mark.parametrize(
    "shown",
    [
        single("Review "),
        single(text=Text(title="Review", description="Notes\r\n", location="Bern")),
        single(text=Text(title="Review", description="Notes", is_html=False, location=" Bern")),
        single(span=hours(zone="Europe/Zurich")),
        single(availability=Availability.TENTATIVE, status=Status.TENTATIVE),
    ],
)
def test_what_providers_make_of_a_mirror_is_no_edit(shown: Mirror) -> None:
    written = single(status=shown.root.status)

    outcome = merged(written, written, shown)

    assert not outcome
    assert outcome.conflicts == ()


def test_each_side_is_compared_with_what_it_showed_itself() -> None:
    html = Text(title="Review", description="<p>What <b>we</b> said</p>", is_html=True)
    reduced = replace(html, description="What <b>we</b> said")
    source = Side(base=single(text=html, availability=Availability.OUT_OF_OFFICE), now=single(text=html))
    target = Side(base=single(text=reduced), now=single(text=reduced))

    outcome = merge.merge(source, target, exposed=EVERYTHING, policy=Policy.NEWEST)

    assert outcome.source == {}
    assert outcome.target == {ROOT: Patch(availability=Availability.BUSY)}


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (
            one(text=Text(description="<p>Hello <b>you</b> &amp; me</p>", is_html=True)),
            one(text=Text(description="Hello you & me")),
        ),
        (one(text=Text(description="word " * 3000)), one(text=Text(description="word " * 1600 + "…"))),
        (one(availability=Availability.OUT_OF_OFFICE), one()),
        (one(availability=Availability.WORKING_ELSEWHERE), one(availability=Availability.FREE)),
        (one(span=hours(zone="America/Nuuk")), one(span=hours(zone="UTC"))),
        (one(recurrence=("RRULE:FREQ=WEEKLY;COUNT=4",)), one(recurrence=("RRULE:FREQ=WEEKLY;COUNT=4;BYDAY=MO",))),
    ],
    ids=["html", "cut", "out of office", "elsewhere", "zone", "rule"],
)
def test_where_only_what_was_written_is_known_its_usual_forms_are_no_edit(
    written: Appearance, shown: Appearance
) -> None:
    base, now = Mirror(root=written, overrides={}), Mirror(root=shown, overrides={})

    outcome = merge.merge(
        Side(base=base, now=base),
        Side(base=showing.as_shown(base, now), now=now),
        exposed=EVERYTHING,
        policy=Policy.TARGET,
    )

    assert not outcome


def test_an_edit_is_seen_among_usual_forms() -> None:
    written = single(text=Text(title="Review", description="<i>Hello</i>", is_html=True))
    now = single(text=Text(title="Renamed", description="Hello"))

    assert showing.as_shown(written, now) == single(text=Text(title="Review", description="Hello"))


def test_the_edit_of_a_cut_description_does_not_cut_the_source() -> None:
    long, cut = Text(description="word " * 3000), Text(description="word " * 1600 + "…")
    edited = single(text=replace(cut, description=f"First {cut.description}"))

    outcome = merge.merge(
        Side(base=single(text=long), now=single(text=long)),
        Side(base=single(text=cut), now=edited),
        exposed=EVERYTHING,
        policy=Policy.TARGET,
    )

    assert outcome.source == {}
    assert outcome.target[ROOT] == Patch(description=Description(text=long.description))
