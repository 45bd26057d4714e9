"""Two-way links: what is merged, what is a conflict, and what holds for every merge."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.calendar import merge, patch, showing, two_way
from shared.calendar.event import Availability, Status, Text
from shared.calendar.mask import Mask
from shared.calendar.mirror import Appearance, Mirror, Privacy
from shared.calendar.patch import OF_OCCURRENCES, OF_ROOTS, Description, Field, Patch
from shared.calendar.span import AllDaySpan, TimedSpan
from shared.calendar.two_way import ROOT, Conflict, Outcome, Policy, Side, Winner

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVERYTHING = frozenset(OF_ROOTS)
WEEKS = [f"202603{day:02}T120000Z" for day in (2, 9, 16, 23)]


def hours(hour: int = 0, length: int = 1, zone: str = "Europe/Berlin") -> TimedSpan:
    start = NOON + timedelta(hours=hour)
    return TimedSpan(start=start, end=start + timedelta(hours=length), zone=zone)


def days(day: int = 2, count: int = 1) -> AllDaySpan:
    return AllDaySpan(start=date(2026, 3, day), end=date(2026, 3, day) + timedelta(days=count))


def one(title: str = "Review", **changes: Any) -> Appearance:
    fields: dict[str, Any] = {
        "span": hours(),
        "text": Text(title=title, description="Notes", location="Bern"),
        "availability": Availability.BUSY,
    }
    return Appearance(**fields | changes)


def single(title: str = "Review", **changes: Any) -> Mirror:
    return Mirror(root=one(title, **changes), overrides={})


def series(overrides: dict[str, Appearance | None] | None = None, *, count: int = 4, **changes: Any) -> Mirror:
    rule = (f"RRULE:FREQ=WEEKLY;COUNT={count}",)
    return Mirror(root=one(**{"recurrence": rule} | changes), overrides=overrides or {})


def week(number: int, *, later: int = 0, **changes: Any) -> Appearance:
    return one(**{"span": hours(24 * 7 * number + later)} | changes)


def merged(
    base: Mirror,
    source: Mirror,
    target: Mirror,
    *,
    policy: Policy = Policy.NEWEST,
    exposed: frozenset[Field] = EVERYTHING,
    **settings: Any,
) -> Outcome:
    return merge.merge(
        Side(base=base, now=source), Side(base=base, now=target), exposed=exposed, policy=policy, **settings
    )


def after(source: Mirror, target: Mirror, outcome: Outcome) -> tuple[Mirror, Mirror]:
    return two_way.written(source, outcome.source), two_way.written(target, outcome.target)


# Fields


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


# Series


def test_occurrences_merge_one_by_one() -> None:
    source = series({WEEKS[1]: week(1, later=3)})
    target = series({WEEKS[1]: week(1, title="Special"), WEEKS[2]: None})

    outcome = merged(series(), source, target)

    assert outcome.source == {WEEKS[1]: Patch(title="Special"), WEEKS[2]: None}
    assert outcome.target == {WEEKS[1]: Patch(when=week(1, later=3).span)}
    assert outcome.mirror.overrides == {WEEKS[1]: week(1, later=3, title="Special"), WEEKS[2]: None}


def test_an_occurrence_moved_here_and_cancelled_there_is_a_conflict() -> None:
    source, target = series({WEEKS[1]: week(1, later=3)}), series({WEEKS[1]: None})

    asked = merged(series(), source, target, policy=Policy.ASK)
    cancelled = merged(series(), source, target, policy=Policy.TARGET)
    kept = merged(series(), source, target, policy=Policy.SOURCE)

    assert [(one.place, one.field, one.target) for one in asked.conflicts] == [(WEEKS[1], Field.OCCURRENCE, None)]
    assert not asked
    assert (cancelled.source, cancelled.target) == ({WEEKS[1]: None}, {})
    assert kept.source == {}
    assert kept.target == {WEEKS[1]: patch.of(week(1, later=3), OF_OCCURRENCES)}


def test_a_new_name_of_the_series_yields_to_that_of_an_occurrence() -> None:
    source = series(text=Text(title="Renamed"))
    target = series({WEEKS[1]: week(1, title="Special")})

    outcome = merged(series(), source, target, policy=Policy.ASK)

    assert outcome.conflicts == ()
    assert outcome.source[WEEKS[1]] == Patch(title="Special")
    assert outcome.target[ROOT].fields == {Field.TITLE, Field.DESCRIPTION, Field.LOCATION}


@pytest.mark.parametrize("policy", [Policy.SOURCE, Policy.TARGET])
def test_an_occurrence_that_stays_as_it_was_does_so_on_both_sides(policy: Policy) -> None:
    stays = series({WEEKS[1]: week(1)}, availability=Availability.FREE)
    moves = series(availability=Availability.TENTATIVE)
    source, target = (stays, moves) if policy is Policy.SOURCE else (moves, stays)

    outcome = merged(series(), source, target, policy=policy)

    writes = outcome.target if policy is Policy.SOURCE else outcome.source
    assert writes == {
        ROOT: Patch(availability=Availability.FREE),
        WEEKS[1]: Patch(availability=Availability.BUSY),
    }


def test_a_longer_series_keeps_what_differs_on_the_side_that_takes_the_rule() -> None:
    base = series({WEEKS[1]: week(1, later=3)})
    source = series({WEEKS[1]: week(1, later=3), "20260330T110000Z": None}, count=6)

    outcome = merged(base, source, base)

    assert outcome.source == {}
    assert outcome.target == {
        ROOT: Patch(recurrence=source.root.recurrence, when=hours()),
        WEEKS[1]: Patch(when=week(1, later=3).span),
        "20260330T110000Z": None,
    }


@pytest.mark.parametrize("policy", Policy)
def test_an_occurrence_whose_series_moved_away_is_a_conflict(policy: Policy) -> None:
    source = series(span=hours(2))
    target = series({WEEKS[1]: week(1, title="Special")})

    outcome = merged(series(), source, target, policy=policy)

    assert [(one.place, one.field) for one in outcome.conflicts] == [(WEEKS[1], Field.OCCURRENCE)]
    match policy:
        case Policy.ASK:
            assert not outcome
        case Policy.TARGET:
            assert outcome.source == {ROOT: Patch(when=hours()), WEEKS[1]: Patch(title="Special")}
            assert outcome.target == {}
        case _:
            assert outcome.source == {}
            assert outcome.target == {ROOT: Patch(when=hours(2))}


@pytest.mark.parametrize(
    ("answers", "winner"),
    [
        ({1: Winner.SOURCE}, Winner.SOURCE),
        ({2: Winner.TARGET}, Winner.TARGET),
        ({1: Winner.SOURCE, 2: Winner.TARGET}, Winner.SOURCE),
    ],
    ids=["one for the source", "one for the target", "two that contradict each other"],
)
def test_a_series_that_moved_away_is_one_question_of_however_many_occurrences(
    answers: dict[int, Winner], winner: Winner
) -> None:
    source = series(span=hours(2))
    target = series({WEEKS[number]: week(number, title="Special") for number in (1, 2)})
    decided = {(WEEKS[number], Field.OCCURRENCE): answer for number, answer in answers.items()}

    outcome = merged(series(), source, target, policy=Policy.ASK, decided=decided)

    assert [(one.place, one.winner) for one in outcome.conflicts] == [(WEEKS[1], winner), (WEEKS[2], winner)]
    assert outcome.held == {}
    assert after(source, target, outcome) == ((source, source) if winner is Winner.SOURCE else (target, target))


@pytest.mark.parametrize("policy", [Policy.SOURCE, Policy.TARGET])
def test_a_series_moved_in_vain_takes_out_none_of_its_earlier_occurrences(policy: Policy) -> None:
    base = series({WEEKS[1]: week(1, title="First")})
    stays = series({WEEKS[1]: week(1, title="First"), WEEKS[2]: week(2, title="Second")})
    moves = series(span=hours(24))
    source, target = (stays, moves) if policy is Policy.SOURCE else (moves, stays)

    outcome = merged(base, source, target, policy=policy)

    assert after(source, target, outcome) == (stays, stays)
    assert (outcome.source, outcome.target)[policy is Policy.TARGET] == {}
    assert outcome.mirror == stays


def test_whole_days_here_and_a_rule_with_a_time_there_do_not_mix() -> None:
    until = ("RRULE:FREQ=WEEKLY;UNTIL=20260323T120000Z",)
    source, target = series(span=days()), series(recurrence=until)

    outcome = merged(series(), source, target, policy=Policy.TARGET)

    assert [one.field for one in outcome.conflicts] == [Field.WHEN]
    assert outcome.source == {ROOT: Patch(when=hours(), recurrence=until)}


# What holds for every merge

titles = st.sampled_from(["Review", "Renamed", "Special", "Other "])
texts = st.builds(Text, title=titles, description=st.sampled_from(["", "Notes", "More"]), location=st.just("Bern"))
availabilities = st.sampled_from([Availability.BUSY, Availability.FREE, Availability.OUT_OF_OFFICE])
spans = st.one_of(st.builds(hours, st.integers(0, 3), st.integers(1, 2)), st.builds(days, st.integers(2, 4)))
rules = st.sampled_from([(), ("RRULE:FREQ=WEEKLY;COUNT=4",), ("RRULE:FREQ=DAILY;COUNT=8",), ("RRULE:FREQ=WEEKLY",)])
places = st.sampled_from([*WEEKS, "20260303T120000Z", "20260309T130000Z", "20260309"])
CHANGES = {
    Field.TITLE: titles,
    Field.DESCRIPTION: st.builds(Description, text=st.sampled_from(["", "Notes", "More"])),
    Field.LOCATION: st.sampled_from(["Bern", "Basel"]),
    Field.WHEN: spans,
    Field.AVAILABILITY: availabilities,
}
policies = st.sampled_from(Policy)
decisive = st.sampled_from([Policy.SOURCE, Policy.TARGET, Policy.NEWEST])
moments = st.none() | st.integers(0, 3).map(lambda hour: NOON + timedelta(hours=hour))


@st.composite
def mirrors(draw: st.DrawFn) -> Mirror:
    root = Appearance(span=draw(spans), text=draw(texts), availability=draw(availabilities), recurrence=draw(rules))
    return draw(edited(Mirror(root=root, overrides={})))


@st.composite
def edited(draw: st.DrawFn, mirror: Mirror, fields: frozenset[Field] = EVERYTHING) -> Mirror:
    """What a person makes of it; a series that moves loses what differed."""
    own = draw(st.sets(st.sampled_from(sorted(fields)), max_size=2)) if fields else set()
    change = Patch(**{one.value: draw(CHANGES[one]) for one in own if one in CHANGES})
    root = patch.applied(mirror.root, change)
    if Field.RECURRENCE in own:
        root = replace(root, recurrence=draw(rules))
    is_same = all(patch.same(one, root, mirror.root) for one in two_way.SHAPE)
    overrides = dict(mirror.overrides) if is_same else {}
    for key in draw(st.sets(places, max_size=2)) if root.recurrence else ():
        standing = showing.at(Mirror(root=root, overrides=overrides), key)
        if standing is None:
            continue
        part = draw(st.sampled_from([*sorted(fields & CHANGES.keys()), None]))
        overrides[key] = part and patch.applied(standing, Patch(**{part.value: draw(CHANGES[part])}))
    return Mirror(root=root, overrides=dict(sorted(overrides.items())))


@given(base=mirrors(), policy=policies)
def test_equal_sides_change_nothing(base: Mirror, policy: Policy) -> None:
    outcome = merged(base, base, base, policy=policy)

    assert not outcome
    assert outcome.conflicts == ()


@given(st.data())
def test_one_sided_edits_arrive_whole(data: st.DataObject) -> None:
    base = data.draw(mirrors())
    changed = data.draw(edited(base))
    policy = data.draw(policies)

    forth = merged(base, changed, base, policy=policy)
    back = merged(base, base, changed, policy=policy)

    assert forth.source == back.target == {}
    assert forth.conflicts == back.conflicts == ()
    assert alike(two_way.written(base, forth.target), changed)
    assert alike(two_way.written(base, back.source), changed)


def test_an_occurrence_in_question_stays_so_although_its_series_shows_the_same_by_now() -> None:
    base = series(text=Text(title="Review"))
    source = Side(base=base, now=series({WEEKS[1]: week(1)}))
    target = Side(base=base, now=single(text=Text(title="Review")))
    exposed = merge.exposed_by(Mask(privacy=Privacy.BUSY))

    first = merge.merge(source, target, exposed=exposed, policy=Policy.ASK)
    source_now, target_now = after(source.now, target.now, first)
    kept = two_way.bases(first, source, target, source_now=source_now, target_now=target_now)
    sides = (replace(source, base=kept[0], now=source_now), replace(target, base=kept[1], now=target_now))
    second = merge.merge(*sides, exposed=exposed, policy=Policy.ASK)

    assert [one.place for one in first.conflicts] == [one.place for one in second.conflicts] == [WEEKS[1]]
    assert not second


@settings(max_examples=400)
@given(st.data())
def test_after_a_merge_a_second_one_is_empty(data: st.DataObject) -> None:
    base = data.draw(mirrors())
    source = Side(base=base, now=data.draw(edited(base)), changed_at=data.draw(moments))
    target = Side(base=base, now=data.draw(edited(base)), changed_at=data.draw(moments))
    exposed = frozenset(data.draw(st.sampled_from([merge.exposed_by(Mask(privacy=one)) for one in Privacy])))
    policy = data.draw(policies)

    first = merge.merge(source, target, exposed=exposed, policy=policy)
    source_now, target_now = after(source.now, target.now, first)
    kept = two_way.bases(first, source, target, source_now=source_now, target_now=target_now)
    sides = (replace(source, base=kept[0], now=source_now), replace(target, base=kept[1], now=target_now))
    second = merge.merge(*sides, exposed=exposed, policy=policy)

    assert not second
    if policy is not Policy.ASK:
        assert alike(source_now, target_now, exposed)
        assert second.conflicts == ()
    else:
        assert {(one.place, one.field) for one in second.conflicts} >= {
            (one.place, one.field) for one in first.conflicts
        }


@settings(max_examples=300)
@given(st.data())
def test_swapped_sides_give_the_swapped_outcome(data: st.DataObject) -> None:
    base = data.draw(mirrors())
    source, target = data.draw(edited(base)), data.draw(edited(base))

    forth = merged(base, source, target, policy=Policy.SOURCE)
    back = merged(base, target, source, policy=Policy.TARGET)

    assert (forth.source, forth.target) == (back.target, back.source)
    swapped = [(one.place, one.field, one.target, one.source) for one in back.conflicts]
    assert [(one.place, one.field, one.source, one.target) for one in forth.conflicts] == swapped


@settings(max_examples=200)
@given(st.data())
def test_disjoint_edits_commute(data: st.DataObject) -> None:
    base = data.draw(mirrors())
    mine = frozenset(data.draw(st.sets(st.sampled_from(sorted(CHANGES)))))
    source = data.draw(edited(base, mine))
    target = data.draw(edited(base, frozenset(CHANGES) - mine))
    assume(source.overrides.keys().isdisjoint(target.overrides) or not base.overrides)

    one_way = merged(base, source, target, policy=Policy.SOURCE)
    other_way = merged(base, source, target, policy=Policy.TARGET)

    assume(not one_way.conflicts)
    assert other_way.conflicts == ()
    assert (one_way.source, one_way.target) == (other_way.source, other_way.target)
    assert alike(*after(source, target, one_way))


@given(st.data())
def test_with_ask_nothing_that_is_contested_is_touched(data: st.DataObject) -> None:
    base = data.draw(mirrors())
    source, target = data.draw(edited(base)), data.draw(edited(base))

    outcome = merged(base, source, target, policy=Policy.ASK)

    for conflict in outcome.conflicts:
        assert conflict.winner is None
        for writes, own in ((outcome.source, conflict.source), (outcome.target, conflict.target)):
            write = writes.get(conflict.place, Patch())
            assert write is not None
            if conflict.field in write.fields:
                # A series that gets a new start or rule may lose what differs in it: that is written once more.
                assert conflict.place != ROOT
                assert getattr(write, conflict.field) == getattr(own, conflict.field)


@given(st.data())
def test_hidden_text_never_flows_back(data: st.DataObject) -> None:
    base = data.draw(mirrors())
    source, target = data.draw(edited(base)), data.draw(edited(base))

    outcome = merged(
        base, source, target, exposed=merge.exposed_by(Mask(privacy=Privacy.BUSY)), policy=data.draw(policies)
    )

    named = {field for write in outcome.source.values() if write is not None for field in write.fields}
    assert named.isdisjoint({Field.TITLE, Field.DESCRIPTION, Field.LOCATION})


def alike(one: Mirror, other: Mirror, fields: frozenset[Field] = EVERYTHING) -> bool:
    """Whether two mirrors show the same everywhere, in these fields."""
    if not all(patch.same(field, one.root, other.root) for field in fields):
        return False
    for key in {**one.overrides, **other.overrides} if one.root.recurrence else ():
        mine, theirs = showing.at(one, key), showing.at(other, key)
        if mine is None or theirs is None:
            if mine is not theirs:
                return False
        elif not all(patch.same(field, mine, theirs) for field in fields & set(OF_OCCURRENCES)):
            return False
    return True
