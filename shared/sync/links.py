"""Links: "what happens in calendar A appears in calendar B", masked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row

from shared.calendar.mask import Mask
from shared.calendar.mirror import Privacy
from shared.core.errors import ConflictError, InvalidError, NotFoundError, PreconditionFailedError
from shared.sync.store import orphans

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection

COLUMNS = """id, user_id, source_calendar_id, target_calendar_id, direction, privacy, busy_title, skip_all_day,
             skip_free, days_ahead, days_behind, state, version, created_at, updated_at"""

LONGEST_AHEAD = 730
"""Days: what a window without bound reads where a provider needs bounds."""

EDITABLE = ("privacy", "busy_title", "skip_all_day", "skip_free", "days_ahead", "days_behind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A one-way link. `days_ahead` None means without bound; `state` is active, paused or deleting."""

    id: UUID
    user_id: UUID
    source_calendar_id: UUID
    target_calendar_id: UUID
    direction: str
    privacy: str
    busy_title: str
    skip_all_day: bool
    skip_free: bool
    days_ahead: int | None
    days_behind: int
    state: str
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def mask(self) -> Mask:
        """How much of an event shows through this link."""
        return Mask(privacy=Privacy(self.privacy), busy_title=self.busy_title)


def get(conn: Connection, link_id: UUID) -> Link:
    """One link of the person of this transaction. Raises NotFoundError."""
    link = find(conn, link_id)
    if link is None:
        raise NotFoundError(f"There is no link {link_id}. List yours: kalends links list.")
    return link


def find(conn: Connection, link_id: UUID) -> Link | None:
    """One link, or None."""
    with conn.cursor(row_factory=class_row(Link)) as cursor:
        return cursor.execute(f"SELECT {COLUMNS} FROM links WHERE id = %s", (link_id,)).fetchone()  # noqa: S608


def list_page(conn: Connection, *, after: UUID | None, limit: int) -> list[Link]:
    """Links in order of creation, after the one named."""
    with conn.cursor(row_factory=class_row(Link)) as cursor:
        return cursor.execute(
            f"SELECT {COLUMNS} FROM links WHERE %(after)s::uuid IS NULL OR id > %(after)s ORDER BY id LIMIT %(limit)s",  # noqa: S608
            {"after": after, "limit": limit},
        ).fetchall()


def of_source(conn: Connection, calendar_id: UUID) -> list[Link]:
    """The links that read from a calendar, those being deleted left out."""
    with conn.cursor(row_factory=class_row(Link)) as cursor:
        return cursor.execute(
            f"SELECT {COLUMNS} FROM links WHERE source_calendar_id = %s AND state <> 'deleting' ORDER BY id",  # noqa: S608
            (calendar_id,),
        ).fetchall()


def touching(conn: Connection, calendar_id: UUID) -> list[Link]:
    """The links that read from or write to a calendar."""
    with conn.cursor(row_factory=class_row(Link)) as cursor:
        return cursor.execute(
            f"SELECT {COLUMNS} FROM links WHERE %s IN (source_calendar_id, target_calendar_id)",  # noqa: S608
            (calendar_id,),
        ).fetchall()


def by_ids(conn: Connection, link_ids: Sequence[UUID]) -> dict[UUID, Link]:
    """Several links by id."""
    with conn.cursor(row_factory=class_row(Link)) as cursor:
        rows = cursor.execute(f"SELECT {COLUMNS} FROM links WHERE id = ANY(%s)", (list(link_ids),)).fetchall()  # noqa: S608
    return {link.id: link for link in rows}


def create(
    conn: Connection,
    *,
    user_id: UUID,
    source_calendar_id: UUID,
    target_calendar_id: UUID,
    privacy: str | None = None,
    busy_title: str = "Busy",
    skip_all_day: bool = False,
    skip_free: bool = True,
    days_ahead: int | None = 365,
    days_behind: int = 1,
) -> Link:
    """Create a link and ask for the first full read of its source.

    `privacy` defaults to busy. Raises InvalidError for a target that cannot be written to or equals the source, and
    ConflictError when the two calendars are linked already.
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
    with conn.cursor(row_factory=class_row(Link)) as cursor:
        link = cursor.execute(
            f"""
            INSERT INTO links (user_id, source_calendar_id, target_calendar_id, privacy, busy_title, skip_all_day,
                               skip_free, days_ahead, days_behind)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (source_calendar_id, target_calendar_id) DO NOTHING
            RETURNING {COLUMNS}
            """,  # noqa: S608
            (
                user_id,
                source_calendar_id,
                target_calendar_id,
                privacy or Privacy.BUSY.value,
                busy_title,
                skip_all_day,
                skip_free,
                days_ahead,
                days_behind,
            ),
        ).fetchone()
    if link is None:
        raise ConflictError(
            "These two calendars are linked already in this direction: change or delete that link.", code="LINK.EXISTS"
        )
    request_full_read(conn, source_calendar_id)
    conn.execute(
        "UPDATE calendar_sync_state SET requested = requested + 1 WHERE calendar_id = %s", (target_calendar_id,)
    )
    return link


def change(conn: Connection, link_id: UUID, *, version: int | None, changes: dict[str, Any]) -> Link:
    """Change privacy, filters or window; every mirror is then rendered anew, past ones included.

    `version` is the one the caller read (If-Match); None changes whatever is there. Raises PreconditionFailedError
    when somebody else changed the link in between, InvalidError for a field that cannot be changed.
    """
    link = get(conn, link_id)
    if version is not None and link.version != version:
        raise PreconditionFailedError(f"Link {link_id} has changed since you read it: read it again.")
    unknown = set(changes) - set(EDITABLE)
    if unknown:
        raise InvalidError(f"These fields of a link cannot be changed: {', '.join(sorted(unknown))}.")
    assignments = ", ".join(f"{name} = %({name})s" for name in EDITABLE if name in changes)
    if not assignments:
        return link
    conn.execute(
        f"UPDATE links SET {assignments}, version = version + 1, updated_at = now() WHERE id = %(id)s",  # noqa: S608
        {**changes, "id": link_id},
    )
    conn.execute(
        """
        UPDATE event_mappings SET requested = requested + 1, lane = 1, attempts = 0, next_attempt_at = NULL
         WHERE link_id = %s AND state = 'open'
        """,
        (link_id,),
    )
    request_full_read(conn, link.source_calendar_id)
    return get(conn, link_id)


def set_state(conn: Connection, link_id: UUID, state: str) -> Link:
    """Pause or resume. What changes meanwhile is planned and waits. Raises ConflictError for one being deleted."""
    link = get(conn, link_id)
    if link.state == "deleting":
        raise ConflictError(f"Link {link_id} is being deleted.")
    conn.execute(
        "UPDATE links SET state = %s, version = version + 1, updated_at = now() WHERE id = %s", (state, link_id)
    )
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
           SET wanted = 'absent', state = 'open', hold_id = NULL, requested = requested + 1, lane = 1, attempts = 0,
               next_attempt_at = NULL, reason = 'link deleted'
         WHERE link_id = %s AND (applied IS NOT NULL OR mirror_event_id IS NOT NULL OR requested > done)
        """,
        (link_id,),
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


def request_full_read(conn: Connection, calendar_id: UUID) -> None:
    """Read the calendar in full, once: the cursor goes, everything known stays."""
    conn.execute(
        """
        UPDATE calendar_sync_state
           SET sync_token = NULL, page_token = NULL, round_requested = NULL, needs_full_sync = true,
               generation = generation + 1, requested = requested + 1, pull_queued_at = NULL
         WHERE calendar_id = %s
        """,
        (calendar_id,),
    )
