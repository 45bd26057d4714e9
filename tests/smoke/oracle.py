"""Counts what a sync has lost, doubled, invented or leaked, by looking at the providers alone.

It imports nothing of the product and knows only what was promised: a link shows every event of its source that is not
free, declined, a working place or a birthday, at the right time and no more than its privacy allows. Whatever a person
made is real; whatever else stands in a calendar must be explained by exactly one real event of exactly one link that
leads there. So mirrors of mirrors, and mirrors where no link leads, are found without looking for them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from tests.smoke import sightings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tests.smoke.sightings import Moment, Resource, Sighting

type Privacy = Literal["busy", "title", "full"]
type Kind = Literal["lost", "duplicate", "stray", "altered", "leak", "guests", "mail", "touched"]

BUSY = "Busy"
_MARGIN = timedelta(hours=3)
"""Time went on since the product looked at its window: what lies this near to an edge may be in or out."""
_BEYOND = timedelta(days=40)
"""How far outside the window mirrors are looked for that should not be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A calendar as its provider has it. `real` are ids of what people made there (of a series: its master's)."""

    name: str
    provider: str
    items: Sequence[Resource]
    real: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A promise: what is real in `source` shows in `target`. Both are names of calendars."""

    source: str
    target: str
    privacy: Privacy
    behind: timedelta = timedelta(days=1)
    ahead: timedelta = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A person has edited the mirror, across a two-way link, of the real event `event` of `calendar`: the event itself
    must show, at this time, by this title. Of a series this may be one occurrence."""

    calendar: str
    event: str
    title: str
    when: tuple[Moment, Moment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, with the calendar, the time and the event's id."""

    kind: Kind
    calendar: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind} in {self.calendar}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Everything that is wrong; `mirrors` is the number of mirrors (single events and series) seen."""

    findings: list[Finding] = field(default_factory=list)
    mirrors: int = 0

    def count(self, *kinds: Kind) -> int:
        """How many findings are of these kinds."""
        return sum(finding.kind in kinds for finding in self.findings)


def judge(
    calendars: Sequence[Calendar], links: Sequence[Link], *, now: datetime, private: Iterable[str] = ()
) -> Verdict:
    """Compare every calendar with what the links promise for it.

    `private` are texts that people wrote: none may stand in a mirror of a busy link, not even where nobody looks.
    """
    by_name = {calendar.name: calendar for calendar in calendars}
    findings: list[Finding] = []
    mirrors = 0
    for calendar in calendars:
        leading = [link for link in links if link.target == calendar.name]
        made = [item for item in calendar.items if _root(item) not in calendar.real and not _is_gone(item)]
        mirrors += sum(_root(item) == item["id"] for item in made)
        findings += _compare(calendar, leading, by_name, now)
        if all(link.privacy == "busy" for link in leading):
            findings += _leaks(calendar, made, private)
    return Verdict(findings=findings, mirrors=mirrors)


def _compare(
    calendar: Calendar, links: Sequence[Link], calendars: Mapping[str, Calendar], now: datetime
) -> Iterator[Finding]:
    behind = max((link.behind for link in links), default=timedelta(days=1))
    ahead = max((link.ahead for link in links), default=timedelta(days=365))
    first, last = now - behind - _BEYOND, now + ahead + _BEYOND
    all_seen = sightings.read(calendar.provider, calendar.items, first, last)
    mirrors = [one for one in all_seen if one.event not in calendar.real]
    expected = [
        (shown, link, _is_due(shown, link, now))
        for link in links
        for shown in _promised(calendars[link.source], link, first, last)
    ]
    at: dict[object, list[Sighting]] = defaultdict(list)
    for mirror in mirrors:
        at[mirror.when].append(mirror)
    wanted_at: dict[object, list[tuple[Sighting, Link, bool]]] = defaultdict(list)
    for entry in expected:
        wanted_at[entry[0].when].append(entry)
    for when in {**wanted_at, **at}:
        yield from _settle(calendar.name, wanted_at[when], at[when])
    for mirror in mirrors:
        yield from _manners(calendar.name, mirror)
    yield from _outside(calendar, mirrors, expected, links, now)


def _promised(source: Calendar, link: Link, first: datetime, last: datetime) -> Iterator[Sighting]:
    """What the link's mirrors should look like."""
    for real in sightings.read(source.provider, source.items, first, last):
        if real.event in source.real and not real.hidden:
            title = BUSY if link.privacy == "busy" else real.title.strip() or BUSY
            full = link.privacy == "full"
            yield replace(
                real,
                title=title,
                description=real.description if full else "",
                location=real.location.strip() if full else "",
            )


def _is_due(shown: Sighting, link: Link, now: datetime) -> bool:
    return sightings.touches(shown, now - link.behind + _MARGIN, now + link.ahead - _MARGIN)


def _settle(name: str, wanted: list[tuple[Sighting, Link, bool]], found: list[Sighting]) -> Iterator[Finding]:
    """Pair what was promised for one time with what stands there."""
    # What must be there comes first: what only may be there takes what is left.
    missing, left = sorted(wanted, key=lambda entry: not entry[2]), list(found)
    unpaired = []
    for entry in missing:
        exact = next((mirror for mirror in left if not _differences(entry[0], mirror)), None)
        if exact is None:
            unpaired.append(entry)
        else:
            left.remove(exact)
    for shown, link, due in unpaired:
        if left:
            near = min(left, key=lambda mirror: len(_differences(shown, mirror)))
            left.remove(near)
            what = f"{', '.join(_differences(shown, near))} of the mirror {near}, whose source is {shown.event}"
            yield Finding(kind="altered", calendar=name, what=what)
        elif due:
            yield Finding(kind="lost", calendar=name, what=f"no mirror of {shown} of {link.source}")
    for mirror in left:
        if wanted:
            sources = ", ".join(sorted({shown.event for shown, _, _ in wanted}))
            yield Finding(kind="duplicate", calendar=name, what=f"{mirror} is one too many for the sources {sources}")
        else:
            yield Finding(kind="stray", calendar=name, what=f"nothing in any source explains {mirror}")


def _differences(shown: Sighting, mirror: Sighting) -> list[str]:
    """Names of what differs; free of the texts themselves."""
    different = [
        f"the {part}" for part in ("description", "availability") if getattr(shown, part) != getattr(mirror, part)
    ]
    for part in ("title", "location"):
        if " ".join(getattr(shown, part).split()) != " ".join(getattr(mirror, part).split()):
            different.append(f"the {part}")
    return different


def _manners(name: str, mirror: Sighting) -> Iterator[Finding]:
    """What holds for every mirror, whatever its link: promise 9 and what follows it."""
    if mirror.guests:
        yield Finding(kind="guests", calendar=name, what=f"the mirror {mirror} has {mirror.guests} guests")
    if mirror.rings:
        yield Finding(kind="altered", calendar=name, what=f"the mirror {mirror} has a reminder: alarms ring twice")
    if not mirror.private:
        yield Finding(kind="leak", calendar=name, what=f"the mirror {mirror} is not private")
    if mirror.links:
        yield Finding(kind="leak", calendar=name, what=f"the mirror {mirror} carries a meeting link or attachment")


def _outside(
    calendar: Calendar,
    mirrors: Sequence[Sighting],
    expected: Sequence[tuple[Sighting, Link, bool]],
    links: Sequence[Link],
    now: datetime,
) -> Iterator[Finding]:
    """Single events outside every window have no mirror; of a series that is mirrored, any occurrence may be seen."""
    inside = {shown.event for shown, link, _ in expected if _may_be_in(shown, link, now)}
    wrong = {shown.when for shown, _, _ in expected if shown.event not in inside}
    fine = {shown.when for shown, _, _ in expected if shown.event in inside}
    for mirror in mirrors:
        if links and mirror.when in wrong - fine:
            yield Finding(kind="stray", calendar=calendar.name, what=f"{mirror} lies outside the link's window")


def _may_be_in(shown: Sighting, link: Link, now: datetime) -> bool:
    return sightings.touches(shown, now - link.behind - _MARGIN, now + link.ahead + _MARGIN)


def _leaks(calendar: Calendar, made: Iterable[Resource], private: Iterable[str]) -> Iterator[Finding]:
    texts = [text for text in private if text]
    for item in made:
        whole = json.dumps(item, ensure_ascii=False)
        if any(text in whole for text in texts):
            yield Finding(
                kind="leak", calendar=calendar.name, what=f"the masked mirror {item['id']} contains what a person wrote"
            )


def flowed_back(calendars: Iterable[Calendar], edits: Iterable[Edit], *, now: datetime) -> list[Finding]:
    """Edits of mirrors that have not come to the events they mirror."""
    by_name = {calendar.name: calendar for calendar in calendars}
    seen = {
        name: {
            (one.event, one.title, one.when)
            for one in sightings.read(calendar.provider, calendar.items, now - _BEYOND, now + timedelta(days=365))
        }
        for name, calendar in by_name.items()
    }
    return [
        Finding(kind="lost", calendar=edit.calendar, what=f"an edit of the mirror of {edit.event} did not flow back")
        for edit in edits
        if (edit.event, edit.title, edit.when) not in seen[edit.calendar]
        or edit.event not in by_name[edit.calendar].real
    ]


def courtesy(
    provider: str,
    calendars: Iterable[Calendar],
    *,
    mail: Iterable[Resource],
    writes: Iterable[Resource],
    edits: Iterable[Edit] = (),
) -> list[Finding]:
    """What a provider's records say: no guest got mail about a mirror, and no program wrote to what people made, but to
    update what they have edited elsewhere.

    `calendars` are those looked at; `mail` and `writes` are as the simulator tells them.
    """
    own = [calendar for calendar in calendars if calendar.provider == provider]
    real: frozenset[str] = frozenset().union(*(calendar.real for calendar in own))
    real |= {item["id"] for calendar in own for item in calendar.items if _root(item) in real}
    edited = frozenset(edit.event for edit in edits)
    edited |= {item["id"] for calendar in own for item in calendar.items if _root(item) in edited}
    found = [
        Finding(
            kind="mail", calendar=provider, what=f"{one['kind']} mail to {len(one['to'])} guests about {one['event']}"
        )
        for one in mail
        if _owner(one["event"], real) is None
    ]
    found += [
        Finding(
            kind="touched",
            calendar=one["calendar"],
            what=f"{one['client_id']} did {one['operation']} on {one['event']}, which a person made ({one['at']})",
        )
        for one in writes
        if one["origin"] == "api"
        and _owner(one["event"], real) is not None
        and not (one["operation"] == "update" and _owner(one["event"], edited) is not None)
    ]
    return found


def real_ids(writes: Iterable[Resource]) -> frozenset[str]:
    """Ids of what people made, by a simulator's record of writes."""
    return frozenset(one["event"] for one in writes if one["origin"] == "person" and one["operation"] == "insert")


def _owner(event: str, real: frozenset[str]) -> str | None:
    """The real event that an id is, or is an occurrence of."""
    if event in real:
        return event
    return next((one for one in real if event.startswith(f"{one}_")), None)


def _root(item: Resource) -> str:
    return str(item.get("recurringEventId") or item.get("seriesMasterId") or item["id"])


def _is_gone(item: Resource) -> bool:
    return bool(item.get("status") == "cancelled" or item.get("isCancelled"))
