"""Two-way links: what holds for every merge."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.calendar import merge, patch, showing, two_way
from shared.calendar.event import Availability, Text
from shared.calendar.mask import Mask
from shared.calendar.mirror import Appearance, Mirror, Privacy
from shared.calendar.patch import OF_OCCURRENCES, Description, Field, Patch
from shared.calendar.two_way import ROOT, Policy, Side
from tests.calendar.merging.cases import EVERYTHING, NOON, WEEKS, after, days, hours, merged, series, single, week

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
