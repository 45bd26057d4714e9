"""One page of changes, applied in one transaction: events are written, mirrors recognised, operations planned."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.calendar import codec
from shared.calendar.span import occurrence_key
from shared.core.errors import InvalidError
from shared.providers.port import Removed, Upserted
from shared.store import outbox
from shared.sync import guard, held, links, marker, plan
from shared.sync.differences import CANCELLED, Applied
from shared.sync.plan import Verdict
from shared.sync.store import events, mappings
from shared.sync.store.mappings import Wish

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.calendar.event import Event, Unit
    from shared.crypto.keyring import DataKey
    from shared.providers.port import Page
    from shared.store.database import Connection
    from shared.sync.links import Link
    from shared.sync.store.calendars import SyncedCalendar
    from shared.sync.store.mappings import Mapping

REWRITE_LIMIT = 3
"""A mirror rewritten so often within REWRITE_PERIOD without a change of its source is frozen."""
REWRITE_PERIOD = timedelta(hours=1)


@dataclass(slots=True, kw_only=True)
class Sorted:
    """A page, told apart: source events, what is gone, and mirrors of ours."""

    upserts: list[Event] = field(default_factory=list)
    complete: dict[str, list[str]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    mirrors: list[tuple[Mapping, Upserted]] = field(default_factory=list)
    lost_mirrors: list[Mapping] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a page led to: items seen, items that could not be read, and calendars that now have something due."""

    items: int
    skipped: int
    targets: tuple[UUID, ...]


def page(
    conn: Connection,
    calendar: SyncedCalendar,
    page: Page,
    *,
    key: DataKey,
    secrets: Sequence[bytes],
    run_id: UUID,
    tally: Counter[UUID],
    lane: int,
    now: datetime,
) -> Outcome:
    """Apply a page. The caller saves the cursor in the same transaction, so that both happen or neither.

    `tally` counts the deletions of this run by link, over all its pages.
    """
    calendar_links = links.of_source(conn, calendar.id)
    with_text = any(link.mask.needs_text for link in calendar_links)
    found = _sort(conn, calendar, page, secrets=secrets)

    changed = events.upsert(conn, calendar, found.upserts, key=key, with_text=with_text)
    for series_id, kept in found.complete.items():
        changed += events.keep_only(conn, calendar.id, series_id, kept)
    changed += events.remove(conn, calendar.id, found.removed)
    for skipped in page.skipped:
        events.mark_skipped(conn, calendar, skipped.event_id, skipped.reason)

    touched = {row.root_id for row in changed if row.changed} | set(found.removed)
    roots = touched if lane == mappings.LIVE else touched | {event.root_id for event in found.upserts}
    targets = plan_roots(
        conn,
        calendar,
        calendar_links,
        sorted(roots),
        touched=touched,
        key=key,
        run_id=run_id,
        tally=tally,
        lane=lane,
        now=now,
    )
    if lane == mappings.BACKFILL:
        events.mark_seen(conn, calendar, sorted({mapping.mirror_event_id or "" for mapping, _ in found.mirrors}))
    if _observe(conn, calendar, found, key=key, now=now):
        targets.add(calendar.id)
    return Outcome(
        items=len(page.changes) + len(page.skipped), skipped=len(page.skipped), targets=tuple(sorted(targets))
    )


def plan_roots(
    conn: Connection,
    calendar: SyncedCalendar,
    calendar_links: Sequence[Link],
    roots: Sequence[str],
    *,
    touched: set[str],
    key: DataKey,
    run_id: UUID,
    tally: Counter[UUID],
    lane: int,
    now: datetime,
) -> set[UUID]:
    """Plan these source events for every link; returns the target calendars that now have something due."""
    if not roots or not calendar_links:
        return set()
    units = events.units(conn, calendar.id, roots, key=key, with_text=False)
    targets: set[UUID] = set()
    for link in calendar_links:
        known = mappings.of_sources(conn, link.id, roots)
        wishes: list[Wish] = []
        deletions: list[Wish] = []
        for root in roots:
            wish = _wish(units.get(root), known.get(root), link, root, touched=root in touched, now=now)
            if wish is not None:
                (deletions if wish.wanted == "absent" else wishes).append(wish)
        hold_id = None
        if deletions:
            tally[link.id] += sum(known[wish.source_event_id].mirror_event_id is not None for wish in deletions)
            mirrors = mappings.count_mirrors(conn, link.id)
            if guard.must_hold(tally[link.id], mirrors=mirrors):
                hold_id = held.hold(conn, link, deletions=len(deletions), mirrors=mirrors, run_id=run_id)
        due = _want(conn, link, wishes, lane=lane, hold_id=None)
        asked = _want(conn, link, deletions, lane=lane, hold_id=hold_id)
        if due or (asked and hold_id is None):
            targets.add(link.target_calendar_id)
    return targets


def _want(conn: Connection, link: Link, wishes: Sequence[Wish], *, lane: int, hold_id: UUID | None) -> int:
    return mappings.want(
        conn,
        user_id=link.user_id,
        link_id=link.id,
        source_calendar_id=link.source_calendar_id,
        target_calendar_id=link.target_calendar_id,
        wishes=wishes,
        lane=lane,
        hold_id=hold_id,
    )


def _wish(
    unit: Unit | None, known: Mapping | None, link: Link, root: str, *, touched: bool, now: datetime
) -> Wish | None:
    try:
        decision = plan.decide(unit, link, now=now)
    except InvalidError as error:
        # One rule that nobody can expand skips one item: the push records why (promise 10).
        return Wish(source_event_id=root, wanted="present", reason=error.error_code, touched=touched)
    match decision.verdict:
        case Verdict.PRESENT:
            return Wish(source_event_id=root, wanted="present", reason="", touched=touched)
        case Verdict.OUTSIDE if known is not None and known.wanted == "present":
            # Leaving the window never deletes, and an event that moved away takes its mirror along.
            return Wish(source_event_id=root, wanted="present", reason="", touched=touched)
        case Verdict.ABSENT if known is not None and known.wanted == "present":
            return Wish(source_event_id=root, wanted="absent", reason=decision.reason, touched=True)
        case _:
            return None


def _sort(conn: Connection, calendar: SyncedCalendar, page: Page, *, secrets: Sequence[bytes]) -> Sorted:
    ids = {change.event_id if isinstance(change, Removed) else change.event.root_id for change in page.changes}
    ours = mappings.of_mirrors(conn, calendar.id, list(ids))
    found = Sorted()
    for change in page.changes:
        match change:
            case Removed(event_id=event_id):
                mapping = ours.get(event_id)
                if mapping is None:
                    found.removed.append(event_id)
                elif mapping.mirror_event_id is not None:
                    found.lost_mirrors.append(mapping)
            case Upserted(event=event, overrides=overrides):
                mapping = ours.get(event.root_id)
                if mapping is not None:
                    _sort_mirror(mapping, change, found)
                elif (signed := marker.verify(secrets, event.marker, calendar_id=calendar.remote_id)) is not None:
                    mappings.adopt(conn, signed, mirror_event_id=event.root_id)
                else:
                    found.upserts.append(event)
                    if overrides is not None:
                        found.upserts.extend(overrides)
                        found.complete[event.id] = [override.id for override in overrides]
    return found


def _sort_mirror(mapping: Mapping, change: Upserted, found: Sorted) -> None:
    if change.event.is_cancelled and not change.event.is_override:
        if mapping.mirror_event_id is not None:
            found.lost_mirrors.append(mapping)
    else:
        found.mirrors.append((mapping, change))


def _observe(conn: Connection, calendar: SyncedCalendar, found: Sorted, *, key: DataKey, now: datetime) -> bool:
    """Look at our mirrors as they came back; returns whether one must be written again."""
    again = False
    for mapping in {mapping.id: mapping for mapping in found.lost_mirrors}.values():
        still_wanted = mapping.wanted == "present" and mapping.state == "open"
        mappings.save_gone(conn, mapping, done=not still_wanted)
        if still_wanted and not mapping.is_due:
            mappings.request_again(conn, mapping.id)
        again = again or still_wanted
    for mapping, seen in _seen(found.mirrors, key=key):
        if mapping.observed is None or mapping.is_due or mapping.state != "open" or mapping.wanted != "present":
            continue  # a write is under way, or the mirror is not ours to keep: its answer will tell how it stands
        differing = {place: checksum for place, checksum in seen.items() if mapping.observed.get(place) != checksum}
        if not differing:
            continue
        thawed = mappings.restore(
            conn,
            mapping,
            applied=_forget(Applied.from_json(mapping.applied), differing).to_json(),
            now=now,
            limit=REWRITE_LIMIT,
            period_start=now - REWRITE_PERIOD,
        )
        again = again or thawed
        if not thawed:
            outbox.publish(
                conn,
                "mapping.frozen",
                user_id=calendar.user_id,
                aggregate_type="mapping",
                aggregate_id=mapping.id,
                payload={"link_id": str(mapping.link_id), "calendar_id": str(calendar.id)},
            )
    return again


def _seen(mirrors: Sequence[tuple[Mapping, Upserted]], *, key: DataKey) -> list[tuple[Mapping, dict[str, str]]]:
    """What a page shows of each mirror, all places together: Google tells of a series and its occurrences apart."""
    found: dict[UUID, tuple[Mapping, dict[str, str]]] = {}
    for mapping, change in mirrors:
        _, seen = found.setdefault(mapping.id, (mapping, {}))
        for one in (change.event, *(change.overrides or ())):
            seen |= observed(one, key=key)
    return list(found.values())


def _forget(applied: Applied, differing: dict[str, str]) -> Applied:
    """What still stands of a mirror after somebody else changed these places."""
    places = {place: CANCELLED if checksum == CANCELLED else "" for place, checksum in differing.items() if place}
    return replace(applied, root=None if "" in differing else applied.root, overrides={**applied.overrides, **places})


def observed(event: Event, *, key: DataKey) -> dict[str, str]:
    """The checksum of a mirror, or of one of its occurrences, as the provider shows it, by place ("" is the root)."""
    place = occurrence_key(event.original_start) if event.original_start is not None else ""
    return {place: CANCELLED if event.is_cancelled else key.checksum(codec.content(event))}
