"""One page of changes, applied in one transaction: events are written, mirrors recognised, operations planned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.core.errors import InvalidError
from shared.core.lanes import Lane
from shared.providers.port import Removed, Upserted
from shared.sync import expansion, held, links, overlaps, sightings
from shared.sync.publishing import feeds
from shared.sync.rules import guard, marker, plan
from shared.sync.rules.plan import Verdict
from shared.sync.sight import Sight
from shared.sync.store import calendars, events, mappings, meetings
from shared.sync.store.mappings import Wish

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime
    from uuid import UUID

    from shared.calendar.event import Event, Unit
    from shared.crypto.keyring import DataKey
    from shared.providers.port import Page
    from shared.store.database import Connection
    from shared.sync.expansion import Part
    from shared.sync.links import Link
    from shared.sync.store.calendars import SyncedCalendar
    from shared.sync.store.mappings import Mapping
    from shared.sync.two_way.edits import Looks


@dataclass(slots=True, kw_only=True)
class Sorted:
    """A page, told apart: source events, what is gone, and mirrors of ours."""

    upserts: list[Event] = field(default_factory=list)
    complete: dict[str, list[str]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    mirrors: dict[str, Sight] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a page led to: items seen, items that could not be read, whether an event of somebody's is not what it was,
    calendars that now have something due, sources to be looked at for what was done to their mirrors, and series that
    are planned when they have been asked for by name (`unfinished`)."""

    items: int
    skipped: int
    changed: bool
    targets: tuple[UUID, ...]
    sources: tuple[UUID, ...]
    unfinished: list[str]


def page(
    conn: Connection,
    calendar: SyncedCalendar,
    page: Page,
    *,
    key: DataKey,
    source_key: Callable[[UUID], DataKey],
    secrets: Sequence[bytes],
    run_id: UUID,
    tally: Counter[UUID],
    is_full: bool,
    now: datetime,
    looks: Looks | None = None,
    copies: AbstractSet[str] = frozenset(),
    standing: AbstractSet[UUID] = frozenset(),
) -> Outcome:
    """Apply a page. The caller saves the cursor in the same transaction, so that both happen or neither.

    `tally` counts the deletions of this run by link, over all its pages: of sources, and of mirrors by hand. With
    `is_full` those are of a full read. `source_key` gives the data key of a calendar that is mirrored into this one.
    `looks` are mirrors on the page that were looked at (`edits.look`), None where no link merges edits of them,
    `copies` events that carry the marker of a mirror beside them (`copies.find`), `standing` the mappings whose mirrors
    are not gone (`deletions.doubtful`).
    """
    calendar_links = links.of_source(conn, calendar.id)
    with_text = feeds.need_text(conn, calendar.id, calendar_links)
    found = _sort(conn, calendar, page, key=key, secrets=secrets, copies=copies)

    changed = events.upsert(conn, calendar, found.upserts, key=key, with_text=with_text)
    changed += events.keep_only(conn, calendar.id, found.complete)
    changed += events.remove(conn, calendar.id, found.removed)
    for skipped in page.skipped:
        events.mark_skipped(conn, calendar, skipped.event_id, skipped.reason)

    touched = {row.root_id for row in changed if row.changed} | set(found.removed)
    unfinished = _unfinished(conn, calendar, found, touched, key=key)
    if page.cursor is None:
        unfinished |= {*calendar.unfinished}
    else:  # of those before it the caller has asked by name; what nobody can read stays as it was
        touched |= {*calendar.unfinished} & {*found.complete, *found.removed}
        if unfinished:
            calendars.request(conn, [calendar.id])
    touched -= unfinished
    roots = touched | {event.root_id for event in found.upserts} - unfinished if is_full else touched
    if is_full and page.cursor is not None:
        roots |= set(events.mirrored_unseen(conn, calendar))
    targets = plan_roots(
        conn,
        calendar,
        calendar_links,
        sorted(roots),
        touched=touched,
        news={row.root_id for row in changed if row.is_news} | set(found.removed),
        key=key,
        run_id=run_id,
        tally=tally,
        lane=calendar.pull_lane if is_full else Lane.LIVE,
        now=now,
    )
    targets |= _plan_same_meetings(
        conn, calendar, sorted(touched), source_key=source_key, run_id=run_id, tally=tally, now=now
    )
    if is_full:
        there = [sight.mapping.mirror_event_id for sight in found.mirrors.values() if not sight.is_gone]
        events.mark_seen(conn, calendar, sorted(one for one in there if one is not None))
    seen = sightings.observe(
        conn,
        [sight for sight in found.mirrors.values() if not (sight.is_gone and sight.mapping.id in standing)],
        looks=looks,
        tally=tally,
        key=key,
        is_full=is_full,
        is_restored=calendar.reconcile_since is not None,
        now=now,
    )
    if seen.again:
        targets.add(calendar.id)
    if not is_full:
        overlaps.follow(conn, calendar, sorted(touched), now=now)
    return Outcome(
        items=len(page.changes) + len(page.skipped),
        skipped=len(page.skipped),
        changed=any(row.changed for row in changed),
        targets=tuple(sorted(targets)),
        sources=tuple(sorted(seen.sources)),
        unfinished=sorted(unfinished),
    )


def _unfinished(
    conn: Connection, calendar: SyncedCalendar, found: Sorted, touched: AbstractSet[str], *, key: DataKey
) -> set[str]:
    """Series that a page shows in part, and whose rule and occurrences do not fit together by that: Google tells of
    them apart, on different pages, and one of the two may be from before the other was changed, or not be known."""
    series = {event.root_id for event in found.upserts if event.is_override or event.is_series} & touched
    partial = sorted(series - found.complete.keys() - {*found.removed})
    units = events.units(conn, calendar.id, partial, key=key, with_text=False) if partial else {}
    return {root for root in partial if root not in units or expansion.has_strays(units[root])}


def plan_roots(
    conn: Connection,
    calendar: SyncedCalendar,
    calendar_links: Sequence[Link],
    roots: Sequence[str],
    *,
    touched: set[str],
    news: set[str],
    key: DataKey,
    run_id: UUID,
    tally: Counter[UUID],
    lane: Lane,
    now: datetime,
) -> set[UUID]:
    """Plan these source events for every link; returns the target calendars that now have something due.

    Mirrors of the `touched` are rendered anew. Of the `news` the provider said something: only then can many deletions
    at once be somebody's mistake, and are held (see plan.BY_NAME).
    """
    if not roots or not calendar_links:
        return set()
    # What people wrote is opened only for links whose filters look at it.
    by_need = {
        needs: events.units(conn, calendar.id, roots, key=key, with_text=needs)
        for needs in {link.filters.needs_text for link in calendar_links}
    }
    targets: set[UUID] = set()
    for link in calendar_links:
        units = by_need[link.filters.needs_text]
        invited = (
            meetings.invited(conn, calendar.id, link.target_calendar_id, roots) if link.filters.skip_invited else set()
        )
        parts = expansion.parts(conn, link, roots, units, now=now)
        known = mappings.of_sources(conn, link.id, [part.id for part in parts])
        wishes: list[Wish] = []
        deletions: list[Wish] = []
        going: set[str] = set()
        for part in parts:
            wish = wish_of(
                part,
                known.get(part.id),
                link,
                touched=part.root in touched,
                is_invited=part.root in invited,
                is_restored=calendar.reconcile_since is not None,
                of_root=known.get(part.root),
                now=now,
            )
            if wish is None:
                continue
            may_be_mistake = wish.reason not in plan.BY_NAME or part.id in news
            if wish.wanted == "absent" and not wish.gives_way and may_be_mistake:
                deletions.append(wish)
                # Of what a restored database forgot nobody knows that it has none.
                going |= {part.root} if part.id not in known or known[part.id].may_have_mirror else set()
            else:
                wishes.append(wish)
        hold_id = None
        if deletions:
            tally[link.id] += len(going)
            mirrors = mappings.count_mirrors(conn, link.id)
            if guard.must_hold(tally[link.id], mirrors=mirrors):
                hold_id = held.hold(conn, link, deletions=len(deletions), mirrors=mirrors, run_id=run_id)
        if any(known[wish.source_event_id].edit for wish in wishes if wish.source_event_id in known):
            calendars.request(conn, [calendar.id])  # merged anew with what the source is by now
        due = _want(conn, link, wishes, lane=lane, hold_id=None)
        asked = _want(conn, link, deletions, lane=lane, hold_id=hold_id)
        if due or (asked and hold_id is None):
            targets.add(link.target_calendar_id)
    return targets


def _plan_same_meetings(
    conn: Connection,
    calendar: SyncedCalendar,
    event_ids: Sequence[str],
    *,
    source_key: Callable[[UUID], DataKey],
    run_id: UUID,
    tally: Counter[UUID],
    now: datetime,
) -> set[UUID]:
    """A meeting that came to this calendar, or left it, itself: whether it is mirrored into it is decided anew."""
    targets: set[UUID] = set()
    for link in links.of_target(conn, calendar.id) if event_ids else ():
        if not link.filters.skip_invited:
            continue
        roots = meetings.same(conn, calendar.id, event_ids, link.source_calendar_id)
        if roots:
            targets |= plan_roots(
                conn,
                calendars.get(conn, link.source_calendar_id),
                [link],
                roots,
                touched=set(),
                news=set(),
                key=source_key(link.source_calendar_id),
                run_id=run_id,
                tally=tally,
                lane=Lane.LIVE,
                now=now,
            )
    return targets


def _want(conn: Connection, link: Link, wishes: Sequence[Wish], *, lane: Lane, hold_id: UUID | None) -> int:
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


def wish_of(
    part: Part,
    known: Mapping | None,
    link: Link,
    *,
    touched: bool,
    is_invited: bool,
    of_root: Mapping | None,
    now: datetime,
    is_restored: bool = False,
) -> Wish | None:
    """What a plan asks of the mapping of a part, `of_root` being that of its source event; None for nothing. Pure."""
    if known is None and part.id != part.root and of_root is not None:
        if of_root.state == "ignored":
            return None  # the mirror of the whole series was deleted by hand
        if of_root.state == "undone" and not touched:
            return None  # the whole series was put back
    wish = wish_for(
        part.unit, known, link, part.id, touched=touched, is_invited=is_invited, now=now, is_restored=is_restored
    )
    if wish is None or wish.wanted == "absent" or not part.gives_way:
        return wish
    is_noted = known is not None and known.gives_way and not (touched and known.state == "undone")
    return Wish(
        source_event_id=part.id,
        wanted="absent",
        reason=expansion.EXPANDED,
        touched=part.id == part.root and not is_noted,
        gives_way=True,
    )


def wish_for(
    unit: Unit | None,
    known: Mapping | None,
    link: Link,
    root: str,
    *,
    touched: bool,
    is_invited: bool,
    now: datetime,
    is_restored: bool = False,
) -> Wish | None:
    """What a plan asks of the mapping of `root` in a link; None for nothing. Pure.

    `is_restored`: the database may have forgotten the mapping, and there may be a mirror all the same.
    """
    try:
        decision = plan.decide(unit, link, is_invited=is_invited, now=now)
    except InvalidError as error:
        # One rule that nobody can expand skips one item: the push records why (promise 10).
        return Wish(source_event_id=root, wanted="present", reason=error.error_code, touched=touched)
    if known is not None and known.state == "ignored" and decision.reason != "deleted":
        return None  # somebody deleted the mirror by hand, and does not want it back
    match decision.verdict:
        case Verdict.PRESENT:
            return Wish(source_event_id=root, wanted="present", reason="", touched=touched)
        case Verdict.OUTSIDE if known is not None and known.wanted == "present":
            # Leaving the window never deletes, and an event that moved away takes its mirror along.
            return Wish(source_event_id=root, wanted="present", reason="", touched=touched)
        case Verdict.ABSENT if known is not None and known.wanted == "present":
            return Wish(source_event_id=root, wanted="absent", reason=decision.reason, touched=True)
        case Verdict.ABSENT if known is None and is_restored and decision.reason == "deleted":
            return Wish(source_event_id=root, wanted="absent", reason=decision.reason, touched=True)
        case _:
            return None


def _sort(
    conn: Connection,
    calendar: SyncedCalendar,
    page: Page,
    *,
    key: DataKey,
    secrets: Sequence[bytes],
    copies: AbstractSet[str],
) -> Sorted:
    ids = {change.event_id if isinstance(change, Removed) else change.event.root_id for change in page.changes}
    ours = mappings.of_mirrors(conn, calendar.id, list(ids))
    found = Sorted(mirrors={event_id: Sight(mapping=mapping) for event_id, mapping in ours.items()})
    for change in page.changes:
        match change:
            case Removed(event_id=event_id):
                sight = found.mirrors.get(event_id)
                if sight is None:
                    found.removed.append(event_id)
                elif sight.mapping.mirror_event_id is not None:
                    sight.is_gone = True
            case Upserted(event=event, overrides=overrides):
                sight = found.mirrors.get(event.root_id)
                if sight is not None:
                    sight.add(change, key=key)
                elif (
                    event.root_id not in copies
                    and (signed := marker.verify(secrets, event.marker, calendar_id=calendar.remote_id)) is not None
                ):
                    sightings.adopt(conn, signed, event)
                else:
                    found.upserts.append(event)
                    if overrides is not None:
                        found.upserts.extend(overrides)
                        found.complete[event.id] = [override.id for override in overrides]
    return found
