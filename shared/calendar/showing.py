"""What providers make of what is written to them: for mirrors of which only that is known. Pure.

Outlook rewrites HTML and names its own zones, Google cuts long descriptions and knows only free, busy and tentative,
and each has its own form of a rule. None of that is an edit.
"""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.calendar import mask, patch, recurrence
from shared.calendar.event import Availability, Event
from shared.calendar.mirror import Mirror
from shared.calendar.patch import OF_OCCURRENCES, OF_ROOTS, Field
from shared.calendar.span import Window
from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from shared.calendar.mirror import Appearance

_CUT = "…"
_LINK = re.compile(r"href=[\"']?([^\"'\s>]+)", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_COARSE = {Availability.OUT_OF_OFFICE: Availability.BUSY, Availability.WORKING_ELSEWHERE: Availability.FREE}
_LONG_ENOUGH = timedelta(days=800)


def at(mirror: Mirror, key: str) -> Appearance | None:
    """An occurrence, whether it differs or not; None if it is cancelled, or the rule has no such place."""
    return mirror.overrides[key] if key in mirror.overrides else mask.as_the_rule_has_it(mirror.root, key)


def as_shown(written: Mirror, now: Mirror) -> Mirror:
    """What the provider probably showed of `written` at first, judging by what it shows now: every field that may be
    what was written counts as just that. An edit that looks like it is overlooked rather than text overwritten."""
    root = patch.overlay(written.root, now.root, [one for one in OF_ROOTS if may_show(one, written.root, now.root)])
    overrides: dict[str, Appearance | None] = {}
    for key, one in written.overrides.items():
        there = at(now, key)
        overrides[key] = one
        if one is not None and there is not None:
            overrides[key] = patch.overlay(one, there, [part for part in OF_OCCURRENCES if may_show(part, one, there)])
    return Mirror(root=root, overrides=overrides)


def may_show(field: Field, written: Appearance, now: Appearance) -> bool:
    """Whether `now` may be what a provider shows of `written` in this field."""
    if patch.same(field, written, now):
        return True
    match field:
        case Field.DESCRIPTION:
            return _says_the_same(written, now) or is_cut(written, now)
        case Field.WHEN:
            # Without a Windows name Outlook keeps UTC, which it is only given for what happens once.
            return patch.same_span(written.span, now.span, with_zone=False) and not written.recurrence
        case Field.AVAILABILITY:
            return _COARSE.get(patch.availability(written)) is patch.availability(now)
        case Field.RECURRENCE:
            return _repeats_alike(written, now)
        case _:
            return False


def is_cut(whole: Appearance | None, shown: Appearance | None) -> bool:
    """Whether a description is the beginning of a longer one, as long as the provider could hold."""
    if whole is None or shown is None:
        return False
    text, beginning = whole.text.description, shown.text.description.rstrip()
    if not beginning.endswith(_CUT) or len(text) <= len(beginning):
        return False
    return _words(text).startswith(_words(beginning.removesuffix(_CUT)))


def _says_the_same(one: Appearance, other: Appearance) -> bool:
    """Equal words and links, whatever the markup."""
    mine, theirs = one.text.description, other.text.description
    return _words(mine) == _words(theirs) and _LINK.findall(mine) == _LINK.findall(theirs)


def _words(description: str) -> str:
    return "".join(html.unescape(_TAG.sub("", description)).split())


def _repeats_alike(one: Appearance, other: Appearance) -> bool:
    """Whether both rules, counted from the same start, have the same occurrences."""
    if not one.recurrence or not other.recurrence:
        return False
    mine = Event(id="", span=one.span, recurrence=one.recurrence)
    theirs = Event(id="", span=one.span, recurrence=other.recurrence)
    window = Window(start=None, end=one.span.starts_at() + _LONG_ENOUGH)
    try:
        if recurrence.last_end(mine) != recurrence.last_end(theirs):
            return False
        return recurrence.expand(mine, window) == recurrence.expand(theirs, window)
    except InvalidError:
        return False
