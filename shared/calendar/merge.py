"""Three-way merge of an event and its mirror in a two-way link, field by field and occurrence by occurrence. Pure.

Each side is compared with what it itself showed when both last agreed, so what a provider makes of a text or a time
is nobody's edit. What one side changed goes to the other; what both changed differently is a conflict, which the
link's policy decides. Only fields that the link exposes flow back to the source (pain 18); an edit of another field
of the mirror is put right, as in a one-way link.

In a series: the start and the rule go together once one of them is in conflict. An occurrence's own edit goes before
what it takes over from its series. Where a new start or rule leaves no place for an occurrence that the other side
has changed, that is a conflict too, and whoever wins it has the series' times.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from shared.calendar import mask, patch
from shared.calendar.mirror import Mirror, Privacy
from shared.calendar.patch import OF_OCCURRENCES, OF_ROOTS, Field
from shared.calendar.showing import at, is_cut, may_show
from shared.calendar.two_way import ROOT, SHAPE, Conflict, Outcome, Policy, Side, Winner, Writes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from shared.calendar.event import Unit
    from shared.calendar.mask import Mask
    from shared.calendar.mirror import Appearance

_UNMASKED = mask.Mask(privacy=Privacy.FULL, busy_title="")


def merge(
    source: Side,
    target: Side,
    *,
    exposed: Collection[Field],
    policy: Policy,
    decided: Mapping[tuple[str, Field], Winner] | None = None,
) -> Outcome:
    """Merge. `exposed` are the fields that may flow back (`exposed_by`), `decided` what somebody chose by place and
    field, which goes before the policy. For NEWEST an unknown time is the oldest; of equal ones the source wins."""
    return _Merge(source, target, frozenset(exposed), policy, decided or {}).outcome()


def exposed_by(how: Mask) -> frozenset[Field]:
    """The fields whose mirror shows the source's own value, so that an edit of it means the source. A title with words
    of ours around it does not."""
    shows = how.fields
    fields = {Field.WHEN, Field.AVAILABILITY, Field.RECURRENCE}
    if shows.title and how.title_template is None:
        fields.add(Field.TITLE)
    if shows.description:
        fields.add(Field.DESCRIPTION)
    if shows.location:
        fields.add(Field.LOCATION)
    return frozenset(fields)


def shown(unit: Unit) -> Mirror:
    """A mirror as its provider shows it. Raises InvalidError for a rule nobody can expand."""
    return mask.mirror(unit, _UNMASKED, shows=lambda _: True)


@dataclass(slots=True)
class _Verdict:
    to_source: set[Field] = field(default_factory=set)
    to_target: set[Field] = field(default_factory=set)
    held: set[Field] = field(default_factory=set)

    def give(self, fields: Collection[Field], winner: Winner | None) -> None:
        for directed in (self.to_source, self.to_target, self.held):
            directed.difference_update(fields)
        chosen = {Winner.SOURCE: self.to_target, Winner.TARGET: self.to_source, None: self.held}
        chosen[winner].update(fields)


class _Merge:
    def __init__(
        self,
        source: Side,
        target: Side,
        exposed: frozenset[Field],
        policy: Policy,
        decided: Mapping[tuple[str, Field], Winner],
    ) -> None:
        self._source, self._target = source, target
        self._exposed, self._policy, self._decided = exposed, policy, decided
        self._conflicts: dict[tuple[str, Field], Conflict] = {}
        self._held: dict[str, frozenset[Field]] = {}
        self._writes: tuple[Writes, Writes] = ({}, {})
        self._overrides: dict[str, Appearance | None] = {}

    def outcome(self) -> Outcome:
        source, target = self._source.now, self._target.now
        sides = (self._source, self._target)
        keys = sorted({key for side in sides for key in {**side.base.overrides, **side.now.overrides}})
        verdict = self._root(keys)
        wanted = patch.overlay(source.root, target.root, verdict.to_source | verdict.held)
        afterwards = (
            patch.overlay(source.root, target.root, verdict.to_source),
            patch.overlay(target.root, source.root, verdict.to_target),
        )
        for writes, root, fields in zip(
            self._writes, afterwards, (verdict.to_source & self._exposed, verdict.to_target), strict=True
        ):
            if fields:
                writes[ROOT] = patch.of(root, fields)
        self._hold(ROOT, verdict)
        for key in keys:
            self._occurrence(key, verdict, afterwards, wanted)
        return Outcome(
            source=self._writes[0],
            target=self._writes[1],
            conflicts=tuple(self._conflicts.values()),
            held=self._held,
            mirror=Mirror(root=wanted, overrides=self._overrides),
        )

    # The single event or master

    def _root(self, keys: Collection[str]) -> _Verdict:
        source, target = self._source, self._target
        verdict = _Verdict()
        for one in OF_ROOTS:
            self._judge(verdict, ROOT, one, source.base.root, source.now.root, target.base.root, target.now.root)
        if source.now.root.recurrence or target.now.root.recurrence:
            contested = [(ROOT, one) for one in sorted(SHAPE) if (ROOT, one) in self._conflicts]
            if not contested and not self._fits(verdict):
                self._contest(ROOT, Field.WHEN, source.now.root, target.now.root)
                contested = [(ROOT, Field.WHEN)]
            self._give_shape(verdict, contested)
            self._give_shape(verdict, self._find_lost(verdict, keys))
        return verdict

    def _fits(self, verdict: _Verdict) -> bool:
        """Whether the start of one side and the rule of the other go together: a rule for times is none for days."""
        is_split = all(SHAPE & directed for directed in (verdict.to_source, verdict.to_target))
        source, target = self._source.now.root, self._target.now.root
        return not is_split or source.span.is_all_day == target.span.is_all_day

    def _give_shape(self, verdict: _Verdict, contested: Sequence[tuple[str, Field]]) -> None:
        """The series' times are one question, of however many places and fields it is asked: any answer to it counts
        for all of them, and of two that contradict each other the source's."""
        if not contested:
            return
        source, target = self._source.now.root, self._target.now.root
        answers = {self._decided[one] for one in contested if one in self._decided}
        winner = Winner.SOURCE if len(answers) > 1 else next(iter(answers), self._by_policy())
        verdict.give(SHAPE, winner)
        for place in contested:
            self._conflicts[place] = replace(self._conflicts[place], winner=winner)
        for one in SHAPE:
            if winner is not None and patch.same(one, source, target):
                verdict.to_source.discard(one)
                verdict.to_target.discard(one)

    def _find_lost(self, verdict: _Verdict, keys: Collection[str]) -> list[tuple[str, Field]]:
        """Occurrences that one side has changed and the other side's new start or rule has no place for: contested."""
        source, target = self._source, self._target
        contested: list[tuple[str, Field]] = []
        merged = patch.overlay(source.now.root, target.now.root, verdict.to_source)
        giving_way = [
            side for side, fields in ((source, verdict.to_source), (target, verdict.to_target)) if fields & SHAPE
        ]
        for key in keys:
            if merged.recurrence and mask.as_the_rule_has_it(merged, key) is not None:
                continue
            if any(_is_edited(side, key) for side in giving_way):
                self._contest(key, Field.OCCURRENCE, at(source.now, key), at(target.now, key))
                contested.append((key, Field.OCCURRENCE))
        return contested

    # Occurrences

    def _occurrence(
        self, key: str, root: _Verdict, afterwards: tuple[Appearance, Appearance], wanted: Appearance
    ) -> None:
        is_moving = (root.to_source | root.to_target | root.held) & SHAPE
        if is_moving and any(mask.as_the_rule_has_it(one, key) is None or not one.recurrence for one in afterwards):
            if (key, Field.OCCURRENCE) in self._conflicts and root.held & SHAPE:
                self._held[key] = frozenset({Field.OCCURRENCE})
            if root.held & SHAPE and key in self._target.now.overrides:
                self._overrides[key] = self._target.now.overrides[key]
            return
        verdict = _Verdict()
        here, there = at(self._source.now, key), at(self._target.now, key)
        if here is not None and there is not None:
            for one in OF_OCCURRENCES:
                self._judge_occurrence(verdict, root, key, one, here, there)
            for_source = patch.overlay(here, there, verdict.to_source)
            for_target = patch.overlay(here, there, verdict.to_source | verdict.held)
            results: tuple[Appearance | None, Appearance | None] = (for_source, for_target)
        elif here is None and there is None:
            results = (None, None)
        else:
            by_rule = mask.as_the_rule_has_it(afterwards[0], key)
            results = self._existence(verdict, root, key, here, there, by_rule=by_rule)
        self._hold(key, verdict)
        self._write(0, key, results[0], afterwards[0], root.to_source, verdict.to_source & self._exposed)
        self._write(1, key, results[1], afterwards[1], root.to_target, verdict.to_target)
        has_place = mask.as_the_rule_has_it(wanted, key)
        if results[1] != has_place or (results[1] is None and key in self._source.now.overrides):
            self._overrides[key] = results[1]

    def _judge_occurrence(
        self, verdict: _Verdict, root: _Verdict, key: str, one: Field, here: Appearance, there: Appearance
    ) -> None:
        source, target = self._source, self._target
        before = (at(source.base, key), at(target.base, key))
        if one in root.held:
            verdict.held.add(one)
            return
        own = [key in side.now.overrides or key in side.base.overrides for side in (source, target)]
        edited = [was is None or not patch.same(one, was, now) for was, now in zip(before, (here, there), strict=True)]
        # What an occurrence takes over from its series goes where the series' field goes, and yields to its own edit.
        edited[0] = edited[0] and (own[0] or (one in root.to_target and not (own[1] and edited[1])))
        edited[1] = edited[1] and (own[1] or (one in root.to_source and not (own[0] and edited[0])))
        if edited == [False, False] and one in root.to_source and not own[0]:
            verdict.to_source.add(one)  # it stays as it was although its series changes, as on the side that gives
        self._decide(verdict, key, one, edited, here, there, before)

    def _existence(
        self,
        verdict: _Verdict,
        root: _Verdict,
        key: str,
        here: Appearance | None,
        there: Appearance | None,
        *,
        by_rule: Appearance | None,
    ) -> tuple[Appearance | None, Appearance | None]:
        """One side has the occurrence and the other has not. Of the target's only what is exposed counts."""
        # Where a new start or rule is taken back, what had no place in it was not deleted.
        sides = ((self._source, root.to_source), (self._target, root.to_target))
        is_displaced = [bool(taken & SHAPE) and _has_no_place(side.now, key) for side, taken in sides]
        is_edited = [_is_edited(side, key) and not gone for (side, _), gone in zip(sides, is_displaced, strict=True)]
        if is_edited == [False, False]:
            is_edited = is_displaced[::-1]
        if is_edited == [False, False]:
            return here, there  # as it was when both last agreed
        winner: Winner | None = Winner.SOURCE if is_edited[0] else Winner.TARGET
        if is_edited == [True, True]:
            winner = self._contest(key, Field.OCCURRENCE, here, there).winner
        if winner is None:
            verdict.held.add(Field.OCCURRENCE)
            return here, there
        chosen = here if winner is Winner.SOURCE else there
        if chosen is there and there is not None and by_rule is not None:
            chosen = patch.overlay(by_rule, there, self._exposed & set(OF_OCCURRENCES))
            verdict.to_target.update(set(OF_OCCURRENCES) - self._exposed)
        return chosen, chosen

    def _write(
        self,
        side: int,
        key: str,
        wanted: Appearance | None,
        root: Appearance,
        of_series: Collection[Field],
        decided: Collection[Field],
    ) -> None:
        """What this side lacks of an occurrence, once its series is written."""
        now = (self._source, self._target)[side].now
        is_anew = bool(SHAPE & set(of_series))
        by_rule = mask.as_the_rule_has_it(root, key)
        standing = by_rule if is_anew or key not in now.overrides else now.overrides[key]
        if wanted is None:
            if standing is not None:
                self._writes[side][key] = None
            return
        may = [one for one in OF_OCCURRENCES if side == 1 or one in self._exposed]
        if standing is None:
            fields = may
        else:
            # What follows its rule changes with the series, wanted or not.
            changing = {*decided, *(() if key in now.overrides else of_series)}
            named = may if is_anew else [one for one in may if one in changing]
            fields = [one for one in named if not patch.same(one, standing, wanted)]
        if fields:
            self._writes[side][key] = patch.of(wanted, fields)

    # Fields

    def _judge(
        self,
        verdict: _Verdict,
        place: str,
        one: Field,
        source_base: Appearance,
        source: Appearance,
        target_base: Appearance,
        target: Appearance,
    ) -> None:
        edited = [not patch.same(one, source_base, source), not patch.same(one, target_base, target)]
        self._decide(verdict, place, one, edited, source, target, (source_base, target_base))

    def _decide(
        self,
        verdict: _Verdict,
        place: str,
        one: Field,
        edited: list[bool],
        source: Appearance,
        target: Appearance,
        before: tuple[Appearance | None, Appearance | None],
    ) -> None:
        if edited == [False, False]:
            return
        if one not in self._exposed or (one is Field.DESCRIPTION and is_cut(*before)):
            verdict.to_target.add(one)
        elif edited == [True, True]:
            if not _agree(one, source, target):
                verdict.give({one}, self._contest(place, one, source, target).winner)
        else:
            verdict.give({one}, Winner.SOURCE if edited[0] else Winner.TARGET)

    def _contest(self, place: str, one: Field, source: Appearance | None, target: Appearance | None) -> Conflict:
        fields = OF_OCCURRENCES if one is Field.OCCURRENCE else (one,)
        conflict = Conflict(
            place=place,
            field=one,
            source=None if source is None else patch.of(source, fields),
            target=None if target is None else patch.of(target, fields),
            winner=self._decided.get((place, one)) or self._by_policy(),
        )
        self._conflicts[place, one] = conflict
        return conflict

    def _by_policy(self) -> Winner | None:
        match self._policy:
            case Policy.ASK:
                return None
            case Policy.SOURCE:
                return Winner.SOURCE
            case Policy.TARGET:
                return Winner.TARGET
            case Policy.NEWEST:
                mine, theirs = self._source.changed_at, self._target.changed_at
                is_theirs = theirs is not None and (mine is None or theirs > mine)
                return Winner.TARGET if is_theirs else Winner.SOURCE

    def _hold(self, place: str, verdict: _Verdict) -> None:
        if verdict.held:
            self._held[place] = frozenset(verdict.held)


def _agree(one: Field, source: Appearance, target: Appearance) -> bool:
    """Whether both changed a field to the same, each in its provider's form."""
    if one is Field.AVAILABILITY:
        return patch.same(one, source, target)
    return may_show(one, source, target) or may_show(one, target, source)


def _has_no_place(now: Mirror, key: str) -> bool:
    """Whether a series as it is now has no such occurrence, and nobody took it out."""
    return key not in now.overrides and mask.as_the_rule_has_it(now.root, key) is None


def _is_edited(side: Side, key: str) -> bool:
    """Whether a side changed an occurrence of its own accord: not only as its series changed."""
    if key not in side.base.overrides and key not in side.now.overrides:
        return False
    before, now = at(side.base, key), at(side.now, key)
    if before is None and now is None:  # perhaps taken out of a series that began or grew meanwhile
        return key in side.now.overrides and key not in side.base.overrides
    if before is None or now is None:
        return True
    return any(not patch.same(one, before, now) for one in OF_OCCURRENCES)
