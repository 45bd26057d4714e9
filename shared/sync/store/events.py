"""The rows of external_calendar_events that stand for source events: written a page at a time, read by unit."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row

from shared.calendar import codec, expansion
from shared.calendar.event import Status, Unit
from shared.calendar.span import occurrence_key
from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.calendar.event import Event
    from shared.calendar.span import Window
    from shared.crypto.keyring import DataKey
    from shared.store.database import Connection
    from shared.sync.store.calendars import SyncedCalendar


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A row that was written: its event id and the root it belongs to, and whether what we keep of it differs.

    `is_news`: because the provider says something else, and not only because its text is kept now or no longer.
    """

    external_event_id: str
    series_id: str | None
    changed: bool
    is_news: bool

    @property
    def root_id(self) -> str:
        """The series' master, or the event itself."""
        return self.series_id or self.external_event_id


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    external_event_id: str
    series_id: str | None
    occurrence: str | None
    sync_status: str
    details: dict[str, Any]
    raw_payload: bytes | None


def upsert(
    conn: Connection, calendar: SyncedCalendar, events: Sequence[Event], *, key: DataKey, with_text: bool
) -> list[Changed]:
    """Write events as sets. Text is sealed, and only where a link needs it; an equal checksum changes nothing."""
    unique = {event.id: event for event in events}
    if not unique:
        return []
    rows = list(unique.values())
    details = [codec.details_json(event) for event in rows]
    aad = str(calendar.id)
    sealed = [
        key.seal(codec.text_to_json(event.text), aad=aad)
        if with_text and event.text and not event.is_cancelled
        else None
        for event in rows
    ]
    with conn.cursor(row_factory=class_row(Changed)) as cursor:
        return cursor.execute(
            """
            INSERT INTO external_calendar_events AS e
                   (provider_id, calendar_provider, calendar_id, external_event_id, ical_uid, series_id, occurrence,
                    start_time, end_time, is_busy, checksum, sync_status, details, raw_payload, etag, changed_at,
                    seen_generation)
            SELECT %(user)s, %(provider)s, %(calendar)s, u.id, u.uid, u.series, u.occurrence, u.starts, u.ends, u.busy,
                   u.checksum, CASE WHEN u.cancelled THEN 'CANCELLED' ELSE 'CREATED' END, u.details::jsonb, u.sealed,
                   u.etag, u.changed_at, %(generation)s
              FROM unnest(%(ids)b::text[], %(uids)b::text[], %(series)b::text[], %(occurrences)b::text[],
                          %(starts)b::timestamptz[], %(ends)b::timestamptz[], %(busy)b::bool[], %(checksums)b::text[],
                          %(cancelled)b::bool[], %(details)b::text[], %(sealed)b::bytea[], %(etags)b::text[],
                          %(changed)b::timestamptz[])
                AS u(id, uid, series, occurrence, starts, ends, busy, checksum, cancelled, details, sealed, etag,
                     changed_at)
            ON CONFLICT (calendar_id, external_event_id) DO UPDATE
               SET ical_uid = excluded.ical_uid, series_id = excluded.series_id, occurrence = excluded.occurrence,
                   start_time = excluded.start_time, end_time = excluded.end_time, is_busy = excluded.is_busy,
                   checksum = excluded.checksum,
                   sync_status = CASE WHEN excluded.sync_status = 'CANCELLED' THEN 'CANCELLED' ELSE 'UPDATED' END,
                   last_error = NULL, details = excluded.details, raw_payload = excluded.raw_payload,
                   etag = excluded.etag, changed_at = excluded.changed_at,
                   seen_generation = excluded.seen_generation, updated_at = now()
             WHERE e.checksum <> excluded.checksum OR e.seen_generation <> excluded.seen_generation
                OR e.sync_status IN ('CANCELLED', 'FAILED') OR e.etag IS DISTINCT FROM excluded.etag
                OR (e.raw_payload IS NULL) <> (excluded.raw_payload IS NULL)
            RETURNING new.external_event_id, new.series_id,
                      (old.checksum IS DISTINCT FROM new.checksum
                       OR (old.sync_status = 'CANCELLED') <> (new.sync_status = 'CANCELLED')
                       OR old.sync_status = 'FAILED'
                       OR (old.raw_payload IS NULL) <> (new.raw_payload IS NULL)) AS changed,
                      (old.checksum IS DISTINCT FROM new.checksum
                       OR (old.sync_status = 'CANCELLED') <> (new.sync_status = 'CANCELLED')) AS is_news
            """,
            {
                "user": calendar.user_id,
                "provider": calendar.provider,
                "calendar": calendar.id,
                "generation": calendar.generation,
                "ids": [event.id for event in rows],
                "uids": [event.ical_uid for event in rows],
                "series": [event.series_id for event in rows],
                "occurrences": [event.original_start and occurrence_key(event.original_start) for event in rows],
                "starts": [event.span and event.span.starts_at() for event in rows],
                "ends": [event.span and event.span.ends_at() for event in rows],
                "busy": [event.availability.value != "free" for event in rows],
                "checksums": [
                    key.checksum(codec.content_of(known, event.text))
                    for event, known in zip(rows, details, strict=True)
                ],
                "cancelled": [event.is_cancelled for event in rows],
                "details": details,
                "sealed": sealed,
                "etags": [event.etag for event in rows],
                "changed": [event.updated_at for event in rows],
            },
        ).fetchall()


def remove(conn: Connection, calendar_id: UUID, event_ids: Sequence[str]) -> list[Changed]:
    """Mark events as gone, on proof only; forgets their text. Overrides of a series that is gone go with it."""
    if not event_ids:
        return []
    with conn.cursor(row_factory=class_row(Changed)) as cursor:
        return cursor.execute(
            """
            UPDATE external_calendar_events
               SET sync_status = 'CANCELLED', raw_payload = NULL, updated_at = now(),
                   details = CASE details WHEN '{}' THEN details ELSE jsonb_set(details, '{status}', '"cancelled"') END
             WHERE calendar_id = %(calendar)s AND booking_id IS NULL AND sync_status <> 'CANCELLED'
               AND (external_event_id = ANY(%(ids)s) OR series_id = ANY(%(ids)s))
            RETURNING external_event_id, series_id, true AS changed, true AS is_news
            """,
            {"calendar": calendar_id, "ids": list(event_ids)},
        ).fetchall()


def keep_only(conn: Connection, calendar_id: UUID, overrides: Mapping[str, Sequence[str]]) -> list[Changed]:
    """Forget all `overrides` of these series but those named for each: those occurrences follow the rule again."""
    if not overrides:
        return []
    kept = [event_id for of_series in overrides.values() for event_id in of_series]
    with conn.cursor(row_factory=class_row(Changed)) as cursor:
        return cursor.execute(
            """
            DELETE FROM external_calendar_events
             WHERE calendar_id = %s AND series_id = ANY(%s) AND external_event_id <> ALL(%s) AND booking_id IS NULL
            RETURNING external_event_id, series_id, true AS changed, true AS is_news
            """,
            (calendar_id, list(overrides), kept),
        ).fetchall()


def mark_skipped(conn: Connection, calendar: SyncedCalendar, event_id: str, reason: str) -> None:
    """Record an item that could not be understood (promise 10). It is read again when it changes."""
    conn.execute(
        """
        INSERT INTO external_calendar_events AS e
               (provider_id, calendar_provider, calendar_id, external_event_id, checksum, sync_status, last_error,
                details)
        VALUES (%(user)s, %(provider)s, %(calendar)s, %(id)s, '', 'FAILED', %(reason)s, '{}')
        ON CONFLICT (calendar_id, external_event_id) DO UPDATE SET sync_status = 'FAILED', last_error = %(reason)s
        """,
        {
            "user": calendar.user_id,
            "provider": calendar.provider,
            "calendar": calendar.id,
            "id": event_id,
            "reason": reason,
        },
    )


def units(
    conn: Connection, calendar_id: UUID, root_ids: Sequence[str], *, key: DataKey | None, with_text: bool
) -> dict[str, Unit]:
    """The units of these roots, in full; a root that is unknown or gone is missing from the answer. Without text no
    key is needed. Where a series is mirrored occurrence by occurrence, an id may be that of one (`expansion.name`).

    One that has become unreadable is answered as it was last understood: it is there, and nothing proves otherwise.
    """
    found = _units(conn, calendar_id, root_ids, key=key, with_text=with_text)
    named = {one: place for one in root_ids if one not in found and (place := expansion.parse(one)) is not None}
    series_ids = sorted({series_id for series_id, _ in named.values()})
    series = _units(conn, calendar_id, series_ids, key=key, with_text=with_text) if named else {}
    for one, (series_id, occurrence) in named.items():
        with contextlib.suppress(InvalidError):  # a rule that nobody understands any more
            unit = expansion.single(series[series_id], occurrence) if series_id in series else None
            if unit is not None:
                found[one] = unit
    return found


def _units(
    conn: Connection, calendar_id: UUID, root_ids: Sequence[str], *, key: DataKey | None, with_text: bool
) -> dict[str, Unit]:
    with conn.cursor(row_factory=class_row(_Row)) as cursor:
        rows = cursor.execute(
            """
            SELECT external_event_id, series_id, occurrence, sync_status, details, raw_payload
              FROM external_calendar_events
             WHERE calendar_id = %(calendar)s AND booking_id IS NULL AND details <> '{}'
               AND (external_event_id = ANY(%(ids)s) OR series_id = ANY(%(ids)s))
             ORDER BY occurrence
            """,
            {"calendar": calendar_id, "ids": list(root_ids)},
        ).fetchall()
    aad = str(calendar_id)
    overrides: dict[str, list[Event]] = {}
    roots: dict[str, Event] = {}
    for row in rows:
        text = (
            codec.text_from_json(key.open(row.raw_payload, aad=aad)) if key and with_text and row.raw_payload else None
        )
        event = codec.event_from_row(
            event_id=row.external_event_id,
            series_id=row.series_id,
            occurrence=row.occurrence,
            details=row.details,
            text=text,
        )
        if event.series_id:
            overrides.setdefault(event.series_id, []).append(event)
        elif row.sync_status != "CANCELLED" and event.status is not Status.CANCELLED:
            roots[event.id] = event
    return {
        # What was a series and is none any more may have left rows behind.
        root_id: Unit(root=root, overrides=tuple(overrides.get(root_id, ())) if root.is_series else ())
        for root_id, root in roots.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The ETag under which a part of an event was last read, and when its provider says that it was changed."""

    etag: str | None
    changed_at: datetime | None


def own(conn: Connection, calendar_id: UUID, event_ids: Sequence[str]) -> set[str]:
    """Those of these that are known as somebody's own, and no mirrors."""
    rows = conn.execute(
        """
        SELECT external_event_id FROM external_calendar_events
         WHERE calendar_id = %s AND external_event_id = ANY(%s) AND booking_id IS NULL AND sync_status <> 'CANCELLED'
        """,
        (calendar_id, list(event_ids)),
    ).fetchall()
    return {row[0] for row in rows}


def versions(conn: Connection, calendar_id: UUID, root_id: str) -> dict[str, Version]:
    """The versions of an event by place: "" is the single event or master, else the key of an occurrence that differs.
    An occurrence that is gone has none."""
    rows = conn.execute(
        """
        SELECT coalesce(occurrence, ''), etag, changed_at FROM external_calendar_events
         WHERE calendar_id = %(calendar)s AND booking_id IS NULL AND sync_status <> 'CANCELLED'
           AND (external_event_id = %(id)s OR series_id = %(id)s)
        """,
        {"calendar": calendar_id, "id": root_id},
    ).fetchall()
    return {place: Version(etag=etag, changed_at=changed_at) for place, etag, changed_at in rows}


def unseen(conn: Connection, calendar: SyncedCalendar, window: Window, *, limit: int) -> list[str]:
    """What a finished full read of `window` did not show although it lies inside, mirrors included, those whose last
    write failed as well: to be asked for one by one."""
    rows = conn.execute(
        """
        SELECT external_event_id FROM external_calendar_events
         WHERE calendar_id = %(calendar)s AND series_id IS NULL
           AND sync_status <> 'CANCELLED' AND (booking_id IS NULL OR external_event_id <> 'local-' || booking_id)
           AND seen_generation < %(generation)s
           AND (end_time > %(start)s OR jsonb_array_length(details->'recurrence') > 0)
           AND (%(end)s::timestamptz IS NULL OR start_time < %(end)s)
         ORDER BY external_event_id LIMIT %(limit)s
        """,
        {
            "calendar": calendar.id,
            "generation": calendar.generation,
            "start": window.start,
            "end": window.end,
            "limit": limit,
        },
    ).fetchall()
    return [row[0] for row in rows]


def seen(conn: Connection, calendar: SyncedCalendar, event_ids: Sequence[str]) -> set[str]:
    """Those of these that the last full read has shown."""
    rows = conn.execute(
        """
        SELECT external_event_id FROM external_calendar_events
         WHERE calendar_id = %s AND external_event_id = ANY(%s) AND seen_generation = %s
        """,
        (calendar.id, list(event_ids), calendar.generation),
    ).fetchall()
    return {row[0] for row in rows}


def mark_seen(conn: Connection, calendar: SyncedCalendar, event_ids: Sequence[str]) -> None:
    """Note that these were seen in this generation."""
    conn.execute(
        """
        UPDATE external_calendar_events SET seen_generation = %s
         WHERE calendar_id = %s AND external_event_id = ANY(%s)
        """,
        (calendar.generation, calendar.id, list(event_ids)),
    )


def mirrored_unseen(conn: Connection, calendar: SyncedCalendar) -> list[str]:
    """Roots with mirrors, of their own or of their occurrences, that a finished full read did not show, because they
    are past: they are there, and links may want something else of them now."""
    rows = conn.execute(
        """
        SELECT DISTINCT coalesce(e.series_id, e.external_event_id)
          FROM external_calendar_events e
          JOIN event_mappings m ON m.source_calendar_id = e.calendar_id AND m.source_event_id = e.external_event_id
         WHERE e.calendar_id = %s AND e.seen_generation < %s AND e.sync_status IN ('CREATED', 'UPDATED')
           AND e.booking_id IS NULL AND m.wanted = 'present'
         ORDER BY 1
        """,
        (calendar.id, calendar.generation),
    ).fetchall()
    return [row[0] for row in rows]


def without_mapping(conn: Connection, calendar_id: UUID, link_id: UUID) -> list[str]:
    """Every root that is there, readable or not, and that a link has no mapping for."""
    rows = conn.execute(
        """
        SELECT e.external_event_id FROM external_calendar_events e
         WHERE e.calendar_id = %(calendar)s AND e.booking_id IS NULL AND e.series_id IS NULL
           AND e.sync_status <> 'CANCELLED'
           AND NOT EXISTS (SELECT FROM event_mappings m WHERE m.link_id = %(link)s
                              AND m.source_event_id = e.external_event_id)
         ORDER BY e.external_event_id
        """,
        {"calendar": calendar_id, "link": link_id},
    ).fetchall()
    return [row[0] for row in rows]


def roots_without_mapping(
    conn: Connection, calendar_id: UUID, link_id: UUID, *, before: datetime, after_id: str, limit: int
) -> list[str]:
    """Roots that a link has no mapping for and that start before `before`, and series that are mirrored occurrence by
    occurrence: they, or more of them, may have entered its window."""
    rows = conn.execute(
        """
        SELECT e.external_event_id FROM external_calendar_events e
         WHERE e.calendar_id = %(calendar)s AND e.booking_id IS NULL AND e.series_id IS NULL
           AND e.sync_status NOT IN ('CANCELLED', 'FAILED') AND e.start_time < %(before)s
           AND e.external_event_id > %(after)s
           AND NOT EXISTS (SELECT FROM event_mappings m WHERE m.link_id = %(link)s
                              AND m.source_event_id = e.external_event_id AND NOT m.gives_way)
         ORDER BY e.external_event_id LIMIT %(limit)s
        """,
        {"calendar": calendar_id, "link": link_id, "before": before, "after": after_id, "limit": limit},
    ).fetchall()
    return [row[0] for row in rows]


def roots_touching(conn: Connection, calendar_id: UUID, window: Window, *, after_id: str, limit: int) -> list[str]:
    """Roots that may have something inside: single events that do, and series that begin before its end."""
    rows = conn.execute(
        """
        SELECT e.external_event_id FROM external_calendar_events e
         WHERE e.calendar_id = %(calendar)s AND e.booking_id IS NULL AND e.series_id IS NULL
           AND e.sync_status NOT IN ('CANCELLED', 'FAILED')
           AND (%(end)s::timestamptz IS NULL OR e.start_time < %(end)s)
           AND (%(start)s::timestamptz IS NULL OR e.end_time >= %(start)s OR e.details->'recurrence' <> '[]')
           AND e.external_event_id > %(after)s
         ORDER BY e.external_event_id LIMIT %(limit)s
        """,
        {"calendar": calendar_id, "start": window.start, "end": window.end, "after": after_id, "limit": limit},
    ).fetchall()
    return [row[0] for row in rows]
