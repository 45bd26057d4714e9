"""The words of a two-way link: its sides, what a merge writes to each, conflicts, and what both show then. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from shared.calendar import mask, patch
from shared.calendar.mirror import Mirror
from shared.calendar.patch import OF_OCCURRENCES, OF_ROOTS, Field, Patch
from shared.calendar.showing import at, may_show

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from shared.calendar.mirror import Appearance

ROOT = ""
"""The place of the single event or master; an occurrence's place is its `occurrence_key`."""
SHAPE = frozenset({Field.WHEN, Field.RECURRENCE})
"""What says where the occurrences of a series are."""

type Writes = dict[str, Patch | None]
"""What to write to one side, by place; None takes the occurrence out."""


class Policy(StrEnum):
    """Who wins a field that both sides changed. ASK: nobody, and neither side is touched until somebody decides."""

    NEWEST = "newest"
    SOURCE = "source"
    TARGET = "target"
    ASK = "ask"


class Winner(StrEnum):
    """Whose value stays."""

    SOURCE = "source"
    TARGET = "target"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side: what it showed when both last agreed, what it shows now, and when it was last changed (None: unknown).

    The source is as the link's mask renders it. The target is as its provider shows it (`shown`), and so is its base:
    the answer to the last write. Where only what was written is known, `showing.as_shown` makes the best of it.
    """

    base: Mirror
    now: Mirror
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A field that both sides changed, with both values; None: there is no such occurrence on that side.

    `winner` is None where somebody has to decide: pass the decision to the next merge.
    """

    place: str
    field: Field
    source: Patch | None
    target: Patch | None
    winner: Winner | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What to write to each side, the conflicts, and the fields by place in which neither is touched.

    `mirror` is the target as it should look, whole, for those who write mirrors whole.
    """

    source: Writes
    target: Writes
    conflicts: tuple[Conflict, ...]
    held: dict[str, frozenset[Field]]
    mirror: Mirror

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.source or self.target)


def bases(
    outcome: Outcome, source: Side, target: Side, *, source_now: Mirror, target_now: Mirror
) -> tuple[Mirror, Mirror]:
    """The bases of source and target for the next merge: what both show once everything is written, but for what is
    held, where the old ones stay."""
    return kept(source.base, source_now, outcome.held), kept(target.base, target_now, outcome.held)


def written(mirror: Mirror, writes: Writes) -> Mirror:
    """A side once the writes are carried out, as the strictest provider does it: a series whose start or rule changes
    loses every occurrence that differs, and those that come with the writes differ anew."""
    change = writes.get(ROOT) or Patch()
    root = patch.applied(mirror.root, change)
    overrides = {} if _is_reshaped(mirror.root, root) else dict(mirror.overrides)
    for key, one in writes.items():
        if key != ROOT:
            standing = overrides.get(key) or mask.as_the_rule_has_it(root, key)
            overrides[key] = None if one is None or standing is None else patch.applied(standing, one)
    return Mirror(root=root, overrides=dict(sorted(overrides.items())))


def _is_reshaped(one: Appearance, other: Appearance) -> bool:
    is_series = bool(one.recurrence or other.recurrence)
    return is_series and any(not patch.same(part, one, other) for part in SHAPE)


def kept(base: Mirror, now: Mirror, held: dict[str, frozenset[Field]]) -> Mirror:
    """A side as it is `now`, but for the fields by place that are `held`: they stay as in the `base`."""
    root = patch.overlay(now.root, base.root, held.get(ROOT, frozenset()))
    overrides = dict(now.overrides)
    for key, fields in held.items():
        if key == ROOT:
            continue
        before, after = at(base, key), at(now, key)
        if Field.OCCURRENCE in fields or before is None or after is None:
            overrides.pop(key, None)
            if key in base.overrides:
                overrides[key] = base.overrides[key]
            elif before is not None:  # as it was, whatever its series shows by now
                overrides[key] = before
        elif fields:
            overrides[key] = patch.overlay(after, before, fields)
    return Mirror(root=root, overrides=dict(sorted(overrides.items())))


def pinned(mirror: Mirror, places: Iterable[str]) -> Mirror:
    """The same with these occurrences as they are, whatever becomes of the root."""
    found = {place: one for place in places if (one := at(mirror, place)) is not None}
    return replace(mirror, overrides=dict(sorted({**found, **mirror.overrides}.items())))


def echoed(written: Mirror, now: Mirror, before: Mirror) -> dict[str, frozenset[Field]]:
    """By place the fields in which `now` may be what a provider shows of `written`, and not of what was there `before`:
    a write that nobody heard the answer to was carried out as far as that."""
    found = {ROOT: _echoed(OF_ROOTS, written.root, now.root, before.root)}
    for key in sorted({**written.overrides, **now.overrides, **before.overrides}):
        wrote, there, was = at(written, key), at(now, key), at(before, key)
        if wrote is not None and there is not None and was is not None:
            found[key] = _echoed(OF_OCCURRENCES, wrote, there, was)
        elif (there is None) != (was is None) and (there is None) == (wrote is None):
            found[key] = frozenset({Field.OCCURRENCE})
    return {place: fields for place, fields in found.items() if fields}


def unlike(wanted: Mirror, now: Mirror) -> list[str]:
    """The places where a mirror cannot be what a provider shows of the `wanted` one."""
    places = [] if _may_show(OF_ROOTS, wanted.root, now.root) else [ROOT]
    for key in sorted({**wanted.overrides, **now.overrides}):
        here, there = at(wanted, key), at(now, key)
        if (here is None) != (there is None) or (here and there and not _may_show(OF_OCCURRENCES, here, there)):
            places.append(key)
    return places


def _may_show(fields: Iterable[Field], written: Appearance, now: Appearance) -> bool:
    return all(may_show(one, written, now) for one in fields)


def _echoed(fields: Iterable[Field], written: Appearance, now: Appearance, before: Appearance) -> frozenset[Field]:
    return frozenset(one for one in fields if may_show(one, written, now) and not may_show(one, before, now))
