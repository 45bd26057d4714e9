"""What the readers of a feed see: the events of its calendars, each once, under its mask. Nothing of it is kept.

- An event of several of its calendars (an invitation to more than one) shows once, as the first has it.
- A mirror of ours shows where its source is in none of the feed's calendars, as the readers of its calendar see it, and
  under the feed's mask besides; else its source already does.
- UIDs are keyed hashes: they stay the same and tell nothing.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from shared.calendar import mask, recurrence
from shared.calendar.event import Event, Status, Unit
from shared.calendar.ical import writing
from shared.calendar.ical.writing import Entry
from shared.calendar.mirror import Privacy
from shared.calendar.span import parse_occurrence_key
from shared.core.errors import InvalidError
from shared.crypto.keyring import DataKey
from shared.store.database import Connection
from shared.sync import sealing
from shared.sync.publishing import feeds
from shared.sync.rules import plan
from shared.sync.store import events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from shared.calendar.mirror import Mirror
    from shared.calendar.span import Window
    from shared.store.database import Database
    from shared.sync.publishing.feeds import Feed

type DataKeys = Callable[[Connection, UUID], DataKey]
"""The key of a connection."""

REFRESH = timedelta(minutes=15)
"""How often readers are told to ask."""
LARGEST = 5_000_000
"""Bytes: a Lambda answers with 6 MB at most. A feed that would be larger goes without descriptions and places."""
MOST_EVENTS = 10_000
_CHUNK = 500

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A feed's content. `etag` is strong; `changed_at` is since when it is so."""

    body: bytes
    etag: str
    changed_at: datetime


def read(database: Database, token: str, *, data_key: DataKeys, now: datetime) -> Document | None:
    """What a token opens; None for one that is unknown or revoked, alike."""
    with database.everyone() as conn:
        feed = feeds.find(conn, token)
    if feed is None:
        return None
    with database.person(feed.user_id) as conn:
        body = document(conn, feed, data_key=data_key, now=now)
        content_hash = hashlib.sha256(body).digest()
        changed_at = feeds.record_reading(conn, feed, content_hash=content_hash, now=now)
    return Document(body=body, etag=f'"{content_hash[:16].hex()}"', changed_at=changed_at)


def document(conn: Connection, feed: Feed, *, data_key: DataKeys, now: datetime) -> bytes:
    """The feed as a calendar text."""
    found = entries(conn, feed, data_key=data_key, now=now)
    body = writing.calendar(found, name=feed.name, refresh=REFRESH, year=now.year)
    if len(body) > LARGEST:
        bare = mask.Mask(privacy=Privacy.TITLE, busy_title=feed.busy_title)
        short = [Entry(uid=one.uid, mirror=mask.narrow(one.mirror, bare), stamped_at=one.stamped_at) for one in found]
        body = writing.calendar(short, name=feed.name, refresh=REFRESH, year=now.year)
    return body


def entries(conn: Connection, feed: Feed, *, data_key: DataKeys, now: datetime) -> list[Entry]:
    """What the feed shows, at most MOST_EVENTS. Raises what `data_key` raises."""
    window = plan.window(feed, now=now)
    found: list[Entry] = []
    for uid, mirror in _all(conn, feed, window, data_key):
        found.append(Entry(uid=uid, mirror=mirror, stamped_at=feed.created_at))
        if len(found) >= MOST_EVENTS:
            log.warning("feed cut short", extra={"feed_id": str(feed.id), "category": "feeds"})
            break
    return found


def _all(conn: Connection, feed: Feed, window: Window, data_key: DataKeys) -> Iterator[tuple[str, Mirror]]:
    keys: dict[UUID, DataKey] = {}
    seen: set[str] = set()
    rows = conn.execute(
        "SELECT id, connection_id FROM calendars WHERE id = ANY(%s) ORDER BY id", (feed.calendar_ids,)
    ).fetchall()
    for calendar_id, connection_id in rows:
        own: set[str] = set()
        after = ""
        while roots := events.roots_touching(conn, calendar_id, window, after_id=after, limit=_CHUNK):
            after = roots[-1]
            if connection_id not in keys:
                keys[connection_id] = data_key(conn, connection_id)
            key = keys[connection_id]
            uids = _ical_uids(conn, calendar_id, roots)
            units = events.units(conn, calendar_id, roots, key=key, with_text=feed.mask.needs_text)
            for root_id, unit in sorted(units.items()):
                ical_uid = uids.get(root_id)
                if ical_uid is not None and ical_uid in seen:
                    continue
                shown = _shown(unit, feed, window)
                if shown is not None:
                    own |= {ical_uid} if ical_uid is not None else set()
                    yield _uid(key, feed, calendar_id, root_id), shown
        seen |= own  # one calendar may hold several events of one UID: occurrences without their series
    yield from _mirrors(conn, feed, window, data_key, keys)


def _shown(unit: Unit, feed: Feed, window: Window) -> Mirror | None:
    if unit.root.span is None or not plan.shows(unit.root, feed) or not _touches(unit, feed, window):
        return None
    return mask.mirror(unit, feed.mask, shows=lambda event: plan.shows(event, feed))


def _mirrors(
    conn: Connection, feed: Feed, window: Window, data_key: DataKeys, keys: dict[UUID, DataKey]
) -> Iterator[tuple[str, Mirror]]:
    rows = conn.execute(
        """
        SELECT DISTINCT ON (m.source_calendar_id, m.source_event_id)
               m.id, m.source_calendar_id, m.source_event_id, m.base, c.connection_id
          FROM event_mappings m JOIN calendars c ON c.id = m.target_calendar_id
         WHERE m.target_calendar_id = ANY(%(calendars)s) AND m.source_calendar_id <> ALL(%(calendars)s)
           AND m.wanted = 'present' AND m.mirror_event_id IS NOT NULL AND m.base IS NOT NULL
         ORDER BY m.source_calendar_id, m.source_event_id, m.target_calendar_id
        """,
        {"calendars": feed.calendar_ids},
    ).fetchall()
    for mapping_id, source_calendar_id, source_event_id, base, connection_id in rows:
        if connection_id not in keys:
            keys[connection_id] = data_key(conn, connection_id)
        key = keys[connection_id]
        mirror = sealing.opened(base, mapping_id, key=key)
        unit = _as_unit(mirror)
        if plan.shows(unit.root, feed) and _touches(unit, feed, window):
            yield _uid(key, feed, source_calendar_id, source_event_id), mask.narrow(mirror, feed.mask)


def _touches(unit: Unit, feed: Feed, window: Window) -> bool:
    try:
        return recurrence.touches(unit, window)
    except InvalidError:  # a rule that nobody can expand
        log.warning("event left out of a feed", extra={"feed_id": str(feed.id), "category": "feeds"})
        return False


def _as_unit(mirror: Mirror) -> Unit:
    """A mirror as the event that its readers have before them."""
    root = Event(
        id="mirror", span=mirror.root.span, availability=mirror.root.availability, recurrence=mirror.root.recurrence
    )
    overrides = tuple(
        Event(
            id=f"mirror_{key}",
            span=one.span if one else None,
            status=Status.CONFIRMED if one else Status.CANCELLED,
            series_id="mirror",
            original_start=parse_occurrence_key(key),
        )
        for key, one in mirror.overrides.items()
    )
    return Unit(root=root, overrides=overrides)


def _ical_uids(conn: Connection, calendar_id: UUID, roots: list[str]) -> dict[str, str]:
    return dict(
        conn.execute(
            """
            SELECT external_event_id, ical_uid FROM external_calendar_events
             WHERE calendar_id = %s AND external_event_id = ANY(%s) AND ical_uid IS NOT NULL
            """,
            (calendar_id, roots),
        ).fetchall()
    )


def _uid(key: DataKey, feed: Feed, calendar_id: UUID, event_id: str) -> str:
    return f"{key.checksum(f'feed {feed.id} {calendar_id} {event_id}'.encode())[:32]}@kalends"
