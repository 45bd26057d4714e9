"""What pages show of our own mirrors: whether one was changed or deleted by somebody else, and must be put right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from shared.core.errors import InvalidError
from shared.store import outbox
from shared.sync import by_hand, links
from shared.sync.rules import guard
from shared.sync.rules.differences import CANCELLED, Applied
from shared.sync.store import journal, seen, written
from shared.sync.two_way import edits

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence
    from datetime import datetime

    from shared.calendar.event import Event
    from shared.crypto.keyring import DataKey
    from shared.store.database import Connection
    from shared.sync.links import Link
    from shared.sync.sight import Sight
    from shared.sync.store.mappings import Mapping
    from shared.sync.two_way.edits import Looks

REWRITE_LIMIT = 3
"""A mirror rewritten so often within REWRITE_PERIOD without a change of its source is frozen."""
REWRITE_PERIOD = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What follows from a page of mirrors: whether one must be written again, and the calendars of sources that are to
    be looked at, because what was done to their mirrors concerns them."""

    again: bool
    sources: frozenset[UUID]


def observe(
    conn: Connection,
    sights: Sequence[Sight],
    *,
    looks: Looks | None,
    tally: Counter[UUID],
    key: DataKey,
    is_full: bool,
    is_restored: bool,
    now: datetime,
) -> Seen:
    """Compare our mirrors with what was left of them.

    What somebody did by hand is put right, or left as it is where the link says so (`on_edit`, `on_delete`), or kept
    until it is merged; `looks` are the mirrors of such links as they look now, None where no link is such. `tally`
    counts the deletions of this run by link. `is_restored`: the database may have forgotten what it wrote, or removed.

    A tombstone is believed only as far as writing at the same place: that revives the mirror (Google), or finds that
    it is gone and makes another (Microsoft). So a listing that is behind never leads to a second one.

    The pages of a full read show what was when the first of them began, again and again if it begins anew: what they
    show is put right, and does not count as somebody's rewriting.
    """
    again, sources = False, set[UUID]()
    by_somebody = (one.mapping for one in sights if one.is_gone and not one.mapping.is_removal)
    tally.update(mapping.link_id for mapping in by_somebody)
    of_links = links.by_ids(conn, sorted({sight.mapping.link_id for sight in sights})) if sights else {}
    for sight in sights:
        mapping, link, differing = sight.mapping, of_links[sight.mapping.link_id], sight.differing
        if mapping.mirror_event_id is None and not sight.is_gone:
            _note_creation(conn, mapping.id, mapping.mirror_key)
        if mapping.is_removal:
            if sight.is_gone and not mapping.is_due:
                written.save_gone(conn, mapping, done=True)
            elif mapping.applied is not None and (sight.is_gone or (differing and link.on_edit != links.LEAVE)):
                left = Applied.from_json(mapping.applied).forget(differing, everything=sight.is_gone)
                written.save_applied(conn, mapping, applied=left.to_json())
            continue
        if mapping.state == "ignored":
            continue
        if sight.is_gone and link.on_delete != links.RESTORE:
            if is_restored or journal.is_removing(conn, mapping.id, mirror_event_id=mapping.mirror_id):
                again = _make_again(conn, sight) or again
                continue
            # Whoever empties a calendar does not mean to decline every meeting, or to delete every source.
            many = guard.must_hold(tally[link.id], mirrors=0)
            if many:
                by_hand.take_back(conn, link.id)
            by_hand.let_go(conn, mapping, on_delete=links.IGNORE if many else link.on_delete)
            sources.add(mapping.source_calendar_id)
            continue
        if (
            looks is not None
            and differing
            and not sight.is_gone
            and edits.may_be_merged(mapping, link, is_restored=is_restored)
        ):
            differing = _leave(conn, mapping, link, differing)
            if differing and _note_edit(conn, mapping, looks, sources, key=key):
                continue
        elif not sight.is_gone and not mapping.is_due and mapping.state == "open":
            differing = _leave(conn, mapping, link, differing)
        if not differing and not sight.is_gone:
            _note_etag(conn, sight)
            continue
        applied = Applied.from_json(mapping.applied).forget(differing, everything=sight.is_gone)
        if sight.is_gone or is_full or mapping.is_due or mapping.state != "open":
            # Where a write is under way, perhaps this is what it wrote, and perhaps what it must put right.
            seen.disturb(conn, mapping.id, applied=applied.to_json(), etag=None if sight.is_gone else sight.etag)
            again = again or mapping.state == "open"
        else:
            again = restore(conn, mapping, applied, now=now) or again
    return Seen(again=again, sources=frozenset(sources))


def adopt(conn: Connection, mapping_id: UUID, event: Event) -> None:
    """A mirror of ours turned up whose creation was never recorded, or is being recorded just now."""
    if _note_creation(conn, mapping_id, event.root_id):
        unknown = Applied(root=None, shape="", overrides={})
        seen.disturb(conn, mapping_id, applied=unknown.to_json(), etag=None if event.is_override else event.etag)


def _note_etag(conn: Connection, sight: Sight) -> None:
    """A mirror looks as it was left, perhaps under another ETag: what we do not look at was changed, such as its
    colour. The next write is bound to this one, and need not wait for a look."""
    known = sight.mapping.mirror_etag
    if known is not None and sight.etag is not None and sight.etag != known and not sight.differing:
        seen.stands_as(conn, sight.mapping.id, etag=sight.etag)


def _make_again(conn: Connection, sight: Sight) -> bool:
    """A mirror is gone by our own hand, or by one that nobody knows any more: as long as it is wanted, another takes
    its place. Returns whether that is to be written."""
    mapping = sight.mapping
    lost = Applied.from_json(mapping.applied).forget({}, everything=True)
    seen.disturb(conn, mapping.id, applied=lost.to_json(), etag=None)
    written.save_gone(conn, mapping, done=False)
    return mapping.state == "open"


def _note_edit(conn: Connection, mapping: Mapping, looks: Looks, sources: set[UUID], *, key: DataKey) -> bool:
    """Keep an edit until it is merged, or see that there is none: without a look, the page was behind our own write.
    Returns False for one that nobody can understand, or that we left unfinished: it is put right."""
    if mapping.id not in looks:
        return True
    look = looks[mapping.id]
    if look.unit is None:
        return False
    try:
        if edits.is_ours(conn, mapping, look.unit, key=key):
            return False
        source = edits.note(conn, mapping, look.mapping, look.unit, key=key)
    except InvalidError:
        return False
    if source is not None:
        sources.add(source)
    return True


def _leave(conn: Connection, mapping: Mapping, link: Link, differing: dict[str, str]) -> dict[str, str]:
    """Leave what the link leaves of these places; what remains is to be put right, or merged."""
    deleted = {place for place, checksum in differing.items() if place and checksum == CANCELLED}
    ignored = deleted if link.on_delete in (links.IGNORE, links.DECLINE) else set()
    left = ignored | (differing.keys() - deleted if link.on_edit == links.LEAVE else set())
    if left:
        observed = {place: differing[place] for place in left}
        seen.leave(conn, mapping.id, observed=observed, ignored=sorted(ignored))
        for occurrence in sorted(ignored) if link.on_delete == links.DECLINE else ():
            by_hand.ask(conn, mapping, links.DECLINE, occurrence=occurrence)
    return {place: checksum for place, checksum in differing.items() if place not in left}


def _note_creation(conn: Connection, mapping_id: UUID, event_id: str) -> bool:
    """Whoever made the mirror may never come to say so: it was killed, or its deletion was held and discarded."""
    if not seen.adopt(conn, mapping_id, mirror_event_id=event_id):
        return False
    journal.confirm_creation(conn, mapping_id, mirror_event_id=event_id)
    return True


def restore(conn: Connection, mapping: Mapping, applied: Applied, *, now: datetime) -> bool:
    thawed = seen.restore(
        conn,
        mapping,
        applied=applied.to_json(),
        now=now,
        limit=REWRITE_LIMIT,
        period_start=now - REWRITE_PERIOD,
    )
    if not thawed:
        tell_frozen(conn, mapping)
    return thawed


def tell_frozen(conn: Connection, mapping: Mapping) -> None:
    """A mirror is not written any more until its source changes: somebody should look why (promise 3)."""
    outbox.publish(
        conn,
        "mapping.frozen",
        user_id=mapping.user_id,
        aggregate_type="mapping",
        aggregate_id=mapping.id,
        payload={"link_id": str(mapping.link_id), "calendar_id": str(mapping.target_calendar_id)},
    )
