"""What a link would write if it were made, changed, read anew or deleted, found out without writing anything.

Decided and rendered by the functions that plan and push use, over the same rows, so that what a person is shown
beforehand is what happens.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from shared.calendar import expansion as of_occurrences
from shared.core.errors import InvalidError
from shared.sync import apply, by_hand, expansion, links, sealing, writes
from shared.sync.rules import differences, guard, plan
from shared.sync.rules.differences import Applied
from shared.sync.store import calendars, events, mappings, meetings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.calendar.event import Unit
    from shared.calendar.mirror import Appearance, Mirror
    from shared.crypto.keyring import DataKey
    from shared.store.database import Connection
    from shared.sync.asking.listing import Listing
    from shared.sync.asking.readers import Warned
    from shared.sync.context import Engine
    from shared.sync.expansion import Part
    from shared.sync.links import Link
    from shared.sync.store.mappings import Mapping

type Kind = Literal["create", "rewrite", "remove", "held"]

SAMPLES = 5
"""So many of each kind are shown."""
BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One write: how the mirror looks before and after it to readers of the target; None where there is none."""

    kind: Kind
    source_event_id: str
    before: Appearance | None
    after: Appearance | None


@dataclass(slots=True, kw_only=True)
class Forecast:
    """Mirrors to create, rewrite, remove and leave; deletions that would be held; what is skipped or left out, and why.

    `writes` counts the provider's writes, occurrences that differ among them. `unknown` says what was not looked at,
    `warnings` what the person should know.
    """

    create: int = 0
    rewrite: int = 0
    remove: int = 0
    leave: int = 0
    held: int = 0
    writes: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)

    def counts(self) -> dict[str, Any]:
        """The numbers, as they are kept: no event is in them."""
        return {
            **{name: getattr(self, name) for name in ("create", "rewrite", "remove", "leave", "held", "writes")},
            "skipped": dict(self.skipped),
            "left_out": dict(self.left_out),
            "unknown": list(self.unknown),
        }

    def add(self, other: Forecast) -> None:
        """Count what another link writes as well."""
        for name in ("create", "rewrite", "remove", "leave", "held", "writes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.skipped += other.skipped
        self.left_out += other.left_out
        self.unknown += [sentence for sentence in other.unknown if sentence not in self.unknown]
        self.warnings += [one for one in other.warnings if one not in self.warnings]
        for one in other.samples:
            self.note(one.kind, one.source_event_id, one.before, one.after)

    def note(self, kind: Kind, source_event_id: str, before: Appearance | None, after: Appearance | None) -> None:
        """Keep a sample, of the first of its kind."""
        if sum(one.kind == kind for one in self.samples) < SAMPLES:
            self.samples.append(Sample(kind=kind, source_event_id=source_event_id, before=before, after=after))


def needs_listing(conn: Connection, link: Link, before: Link | None, *, now: datetime) -> bool:
    """Whether what is known of the source does not suffice: it was never read, not so far, or without its texts."""
    calendar = calendars.get(conn, link.source_calendar_id)
    if calendar.last_synced_at is None or calendar.window_start is None:
        return True
    standing = [one for one in links.of_source(conn, link.source_calendar_id) if one.id != link.id]
    has_texts = any(one.needs_text for one in (*standing, *([before] if before else [])))
    if link.needs_text and not has_texts:
        return True
    window = plan.window(link, now=now)
    begins_earlier = window.start is not None and before is not None and link.days_behind > before.days_behind
    if begins_earlier or (before is None and window.start is not None and window.start < calendar.window_start):
        return True
    # Google's cursor knows no end (windows._reread_if_short).
    return (
        calendar.provider != "google"
        and calendar.window_end is not None
        and (window.end is None or window.end > calendar.window_end)
    )


def of_link(conn: Connection, engine: Engine, link: Link, listing: Listing | None, *, now: datetime) -> Forecast:
    """What making, changing or reading a link anew writes: every open mirror is compared with its source once more,
    and every source event is planned. `link` is as it would be."""
    source = calendars.get(conn, link.source_calendar_id)
    found = Forecast(unknown=list(listing.unknown) if listing else [])
    if listing is not None and listing.unreadable:
        found.skipped["EVENT.UNREADABLE"] += listing.unreadable
    shown = listing.units() if listing else {}
    roots = sorted({*_roots(conn, link), *shown})
    source_key = engine.data_key(conn, source.connection_id)
    reader = _Before(conn, engine, link)
    going: list[tuple[Mapping, Appearance | None]] = []
    for begin in range(0, len(roots), BATCH):
        batch = roots[begin : begin + BATCH]
        units = events.units(conn, source.id, batch, key=source_key, with_text=link.needs_text)
        units |= {root: shown[root] for root in batch if root in shown}
        invited = _invited(conn, link, units)
        parts = expansion.parts(conn, link, batch, units, now=now)
        known = mappings.of_sources(conn, link.id, [part.id for part in parts])
        for part in parts:
            _count(found, going, part, known, link, reader, is_invited=part.root in invited, now=now)
    must_wait = guard.must_hold(len(going), mirrors=mappings.count_mirrors(conn, link.id))
    for mapping, before in going:
        _count_removal(found, mapping, before, is_held=must_wait)
    return found


def of_deletion(conn: Connection, engine: Engine, link: Link, *, delete_mirrors: bool) -> Forecast:
    """What deleting a link writes. What a person asks for by name is not held."""
    found = Forecast()
    mirrors = mappings.count_mirrors(conn, link.id)
    if not delete_mirrors:
        found.leave = mirrors
        return found
    found.remove = found.writes = mirrors
    reader = _Before(conn, engine, link)
    for mapping in mappings.first_mirrors(conn, link.id, limit=SAMPLES):
        found.note("remove", mapping.source_event_id, reader.root(mapping), None)
    return found


def _count(
    found: Forecast,
    going: list[tuple[Mapping, Appearance | None]],
    part: Part,
    mapped: dict[str, Mapping],
    link: Link,
    reader: _Before,
    *,
    is_invited: bool,
    now: datetime,
) -> None:
    root, unit, known = part.id, part.unit, mapped.get(part.id)
    of_root = mapped.get(part.root)
    wish = apply.wish_of(part, known, link, touched=False, is_invited=is_invited, of_root=of_root, now=now)
    if wish is not None and wish.wanted == "absent":
        if known is not None and known.may_have_mirror and wish.reason in {*plan.BY_NAME, expansion.EXPANDED}:
            _count_removal(found, known, reader.root(known) if found.remove < SAMPLES else None, is_held=False)
        elif known is not None and known.may_have_mirror:
            going.append((known, reader.root(known) if len(going) < SAMPLES else None))
        return
    taken = wish is not None and (known is None or known.wanted != wish.wanted or known.state == "held")
    if known is None and not taken:
        if unit is not None:
            found.left_out[plan.decide(unit, link, is_invited=is_invited, now=now).reason] += 1
        return
    if known is not None and not taken:
        if known.state in ("held", "discarded") and known.wanted == "absent":
            found.held += known.state == "held"
            if known.base is not None:
                _compare(found, root, reader.put_back(known, known.base, unit), known, reader)
            return
        if known.state == "undone" and known.undo_to is not None and known.mirror_event_id is not None:
            _compare(found, root, reader.put_back(known, known.undo_to, unit), known, reader)
            return
        if known.is_removal and not known.may_have_mirror:
            return
        if known.state == "ignored" and link.on_delete != links.RESTORE:
            found.left_out[by_hand.IGNORED] += 1
            return
        if known.state not in ("open", "frozen", "ignored") or unit is None:
            found.leave += 1
            return
        if known.wanted == "absent":  # it is on its way out already
            found.remove += 1
            found.writes += 1
            return
    if unit is not None:
        try:
            mirror = writes.mirror_of(unit, link, reader.how, ignored=_ignored(known, link))
        except InvalidError as error:
            found.skipped[error.error_code] += 1
            return
        _compare(found, root, mirror, known, reader)


def _count_removal(found: Forecast, mapping: Mapping, before: Appearance | None, *, is_held: bool) -> None:
    found.note("held" if is_held else "remove", mapping.source_event_id, before, None)
    found.held += is_held
    found.remove += not is_held
    found.writes += not is_held


def _invited(conn: Connection, link: Link, units: dict[str, Unit]) -> set[str]:
    """Those of these roots whose meeting stands in the target itself, whether they were read before or just now."""
    if not link.filters.skip_invited or not units:
        return set()
    uids = {root: unit.root.ical_uid for root, unit in units.items() if unit.root.ical_uid is not None}
    there = meetings.by_uid(conn, link.target_calendar_id, sorted(set(uids.values())))
    known = meetings.invited(conn, link.source_calendar_id, link.target_calendar_id, sorted(units))
    return known | {root for root, uid in uids.items() if uid in there}


def _ignored(known: Mapping | None, link: Link) -> Sequence[str]:
    return known.ignored if known is not None and link.on_delete != links.RESTORE else ()


def _compare(found: Forecast, root: str, mirror: Mirror, known: Mapping | None, reader: _Before) -> None:
    """As a push will."""
    try:
        wanted = differences.compare(mirror, Applied.from_json(known.applied if known else None))
    except InvalidError as error:
        found.skipped[error.error_code] += 1
        return
    if not wanted:
        found.leave += 1
        return
    found.writes += (wanted.root is not None) + len(wanted.occurrences)
    if known is None or known.mirror_event_id is None:
        found.create += 1
        found.note("create", root, None, mirror.root)
        return
    found.rewrite += 1
    found.note("rewrite", root, reader.root(known), mirror.root)


def _roots(conn: Connection, link: Link) -> Sequence[str]:
    rows = conn.execute(
        """
        SELECT external_event_id FROM external_calendar_events
         WHERE calendar_id = %(source)s AND booking_id IS NULL AND series_id IS NULL
           AND sync_status NOT IN ('CANCELLED', 'FAILED')
        UNION SELECT source_event_id FROM event_mappings WHERE link_id = %(link)s
        """,
        {"source": link.source_calendar_id, "link": link.id},
    ).fetchall()
    found = {row[0] for row in rows}
    return [one for one in found if (place := of_occurrences.parse(one)) is None or place[0] not in found]


class _Before:
    """Mirrors as they were last written, opened for their owner."""

    def __init__(self, conn: Connection, engine: Engine, link: Link) -> None:
        self._key: DataKey = engine.data_key(conn, calendars.get(conn, link.target_calendar_id).connection_id)
        self.how = links.with_names(conn, [link])[link.id]

    def mirror(self, mapping: Mapping) -> Mirror | None:
        if mapping.base is None:
            return None
        return sealing.opened(mapping.base, mapping.id, key=self._key)

    def put_back(self, mapping: Mapping, stays: bytes, unit: Unit | None) -> Mirror:
        """What one that rests at an earlier look looks like under the link's mask."""
        return writes.put_back(sealing.opened(stays, mapping.id, key=self._key), mapping, unit, self.how)

    def root(self, mapping: Mapping) -> Appearance | None:
        mirror = self.mirror(mapping)
        return mirror.root if mirror else None
