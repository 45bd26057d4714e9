"""Links are made, changed, paused and deleted; what follows for their mirrors is asked for in the same transaction."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from shared.calendar import mask as masks
from shared.calendar.mask import Mask, Show
from shared.calendar.mirror import Privacy
from shared.core.errors import ConflictError, InvalidError, NotFoundError, PreconditionFailedError
from shared.core.lanes import Lane
from shared.sync.links import COLUMNS, EDITABLE, MERGE, RESTORE, ROW, Link, get, of_source
from shared.sync.rules.filters import Filters, parse, to_json
from shared.sync.store import calendars, edits, mappings, orphans

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection


def create(
    conn: Connection,
    *,
    user_id: UUID,
    source_calendar_id: UUID,
    target_calendar_id: UUID,
    group_id: UUID | None = None,
    privacy: str | None = None,
    busy_title: str = "Busy",
    title_template: str | None = None,
    show: Mapping[str, bool | None] | None = None,
    skip_all_day: bool = False,
    skip_free: bool = True,
    filters: dict[str, Any] | None = None,
    on_edit: str = "restore",
    on_delete: str = "restore",
    on_conflict: str = "newest",
    days_ahead: int | None = 365,
    days_behind: int = 1,
) -> Link:
    """Create a link and ask for the first full read of its source.

    `privacy` defaults to busy. Raises InvalidError for a target that cannot be written to or equals the source, for a
    title template that shows too much and for filters that are not understood, and ConflictError when the two
    calendars are linked already.
    """
    if source_calendar_id == target_calendar_id:
        raise InvalidError("A calendar cannot be linked to itself: choose another target.", code="LINK.SAME_CALENDAR")
    known: dict[UUID, bool] = dict(
        conn.execute(
            "SELECT id, can_write FROM calendars WHERE id = ANY(%s) AND vanished_at IS NULL",
            ([source_calendar_id, target_calendar_id],),
        ).fetchall()
    )
    for calendar_id in (source_calendar_id, target_calendar_id):
        if calendar_id not in known:
            raise NotFoundError(f"There is no calendar {calendar_id}. List yours: kalends calendars list.")
    if not known[target_calendar_id]:
        raise InvalidError(
            f"Calendar {target_calendar_id} is read-only for you: ask its owner for write access, or choose another.",
            code="LINK.TARGET_READ_ONLY",
        )
    shown, left_out = Show(**(show or {})), parse(filters or {})
    masks.check(
        Mask(privacy=Privacy(privacy or Privacy.BUSY), busy_title=busy_title, title_template=title_template, show=shown)
    )
    with conn.cursor(row_factory=ROW) as cursor:
        link = cursor.execute(
            f"""
            INSERT INTO links (user_id, group_id, source_calendar_id, target_calendar_id, privacy, busy_title,
                               title_template, show, skip_all_day, skip_free, filters, on_edit, on_delete, on_conflict,
                               days_ahead, days_behind)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (source_calendar_id, target_calendar_id) DO NOTHING
            RETURNING {COLUMNS}
            """,  # noqa: S608
            (
                user_id,
                group_id,
                source_calendar_id,
                target_calendar_id,
                privacy or Privacy.BUSY.value,
                busy_title,
                title_template,
                Jsonb(_decided(shown)),
                skip_all_day,
                skip_free,
                Jsonb(to_json(left_out)),
                on_edit,
                on_delete,
                on_conflict,
                days_ahead,
                days_behind,
            ),
        ).fetchone()
    if link is None:
        raise ConflictError(
            "These two calendars are linked already in this direction: change or delete that link.", code="LINK.EXISTS"
        )
    calendars.request_full_read(conn, source_calendar_id, lane=Lane.BACKFILL)
    conn.execute(
        "UPDATE calendar_sync_state SET requested = requested + 1 WHERE calendar_id = %s", (target_calendar_id,)
    )
    return link


def change(conn: Connection, link_id: UUID, *, version: int | None, changes: dict[str, Any]) -> Link:
    """Change privacy, filters or window; every mirror is then rendered anew, past and frozen ones included.

    What `changes` leaves out stays, within `show` and `filters` as well. `version` is the one the caller read
    (If-Match); None changes whatever is there. Raises PreconditionFailedError when somebody else changed the link in
    between, InvalidError for a field that cannot be changed and for what `create` refuses.
    """
    link = get(conn, link_id)
    if version is not None and link.version != version:
        raise PreconditionFailedError(f"Link {link_id} has changed since you read it: read it again.")
    unknown = set(changes) - set(EDITABLE)
    if unknown:
        raise InvalidError(f"These fields of a link cannot be changed: {', '.join(sorted(unknown))}.")
    if not changes:
        return link
    if "show" in changes:
        changes = {**changes, "show": _decided(Show(**{**link.show, **changes["show"]}))}
    if "filters" in changes:
        changes = {**changes, "filters": parse({**to_json(link.filters), **changes["filters"]})}
    masks.check(replace(link, **changes).mask)
    assignments = ", ".join(f"{name} = %({name})s" for name in EDITABLE if name in changes)
    columns = {name: to_json(value) if isinstance(value, Filters) else value for name, value in changes.items()}
    conn.execute(
        f"""
        UPDATE links SET {assignments}, rendering = rendering + 1, version = version + 1, updated_at = now()
         WHERE id = %(id)s
        """,  # noqa: S608
        {name: Jsonb(value) if isinstance(value, dict) else value for name, value in columns.items()} | {"id": link_id},
    )
    render_anew(conn, link)
    if link.on_edit == MERGE and changes.get("on_edit", MERGE) != MERGE:
        edits.drop_all(conn, link_id)
    if changes.get("on_delete") == RESTORE:
        mappings.heed_no_deletions(conn, link_id)
    _forget_text_unless_needed(conn, link.source_calendar_id)
    return get(conn, link_id)


def render_anew(conn: Connection, link: Link) -> None:
    """Compare every mirror with its source once more, and read the source in full."""
    mappings.render_anew(conn, link.id)
    calendars.request_full_read(conn, link.source_calendar_id, lane=Lane.REPAIR)


def set_state(conn: Connection, link_id: UUID, state: str) -> Link:
    """Pause or resume. What changes meanwhile is planned and waits. Raises ConflictError for one being deleted."""
    link = get(conn, link_id)
    if link.state == "deleting":
        raise ConflictError(f"Link {link_id} is being deleted.")
    conn.execute(
        "UPDATE links SET state = %s, version = version + 1, updated_at = now() WHERE id = %s", (state, link_id)
    )
    if state == "active":
        calendars.request(conn, edits.sources_waiting(conn, link_id))
    return get(conn, link_id)


def delete(conn: Connection, link_id: UUID, *, delete_mirrors: bool, now: datetime) -> int:
    """Delete a link. With `delete_mirrors` its mirrors are removed first (returns how many); else they stay.

    What a person asks for by name is not held by the mass-deletion guard.
    """
    get(conn, link_id)
    if not delete_mirrors:
        orphans.keep(conn, link_id, now=now)
        conn.execute("DELETE FROM links WHERE id = %s", (link_id,))
        return 0
    conn.execute(
        "UPDATE links SET state = 'deleting', version = version + 1, updated_at = now() WHERE id = %s", (link_id,)
    )
    count = conn.execute(
        """
        UPDATE event_mappings
           SET wanted = 'absent', state = 'open', undo_to = NULL, hold_id = NULL, remask = false,
               edit = NULL, edit_due = false, requested = requested + 1, lane = %s, attempts = 0,
               next_attempt_at = NULL, reason = 'link deleted'
         WHERE link_id = %s AND (applied IS NOT NULL OR mirror_event_id IS NOT NULL OR requested > done)
        """,
        (Lane.REPAIR, link_id),
    ).rowcount
    if count == 0:
        conn.execute("DELETE FROM links WHERE id = %s", (link_id,))
    return count


def finish_deletions(conn: Connection, target_calendar_id: UUID | None = None) -> None:
    """Remove the links into a calendar, or into any, whose last mirror is gone."""
    conn.execute(
        """
        DELETE FROM links l
         WHERE l.state = 'deleting' AND (%(target)s::uuid IS NULL OR l.target_calendar_id = %(target)s)
           AND NOT EXISTS (SELECT FROM event_mappings m WHERE m.link_id = l.id AND m.requested > m.done)
        """,
        {"target": target_calendar_id},
    )


def _forget_text_unless_needed(conn: Connection, calendar_id: UUID) -> None:
    """Links that hide all text keep none, of past events neither."""
    if not any(link.needs_text for link in of_source(conn, calendar_id)):
        conn.execute(
            """
            UPDATE external_calendar_events SET raw_payload = NULL
             WHERE calendar_id = %s AND booking_id IS NULL AND raw_payload IS NOT NULL
            """,
            (calendar_id,),
        )


def _decided(show: Show) -> dict[str, bool]:
    return {name: value for name, value in asdict(show).items() if value is not None}
