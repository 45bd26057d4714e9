"""Feeds: calendars that a person publishes, masked, at a secret address. It is shown once and kept as a hash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from shared.calendar.mask import Mask
from shared.calendar.mirror import Privacy
from shared.core.errors import ConflictError, InvalidError, NotFoundError
from shared.core.lanes import Lane
from shared.crypto import opaque
from shared.sync import links
from shared.sync.rules.filters import Filters
from shared.sync.store import calendars

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection
    from shared.sync.links import Link

HINT_LENGTH = 6
MOST_CALENDARS = 50
OPTIONS = ("privacy", "busy_title", "skip_all_day", "skip_free", "days_ahead", "days_behind")
"""What of a link's settings a feed has as well."""
READ_RECORDED = timedelta(minutes=5)
"""How exact `last_read_at` is: not every request writes."""

_COLUMNS = """f.id, f.user_id, f.name, f.hint, f.privacy, f.busy_title, f.skip_all_day, f.skip_free, f.days_ahead,
              f.days_behind, f.content_hash, f.changed_at, f.last_read_at, f.created_at, f.rotated_at, f.revoked_at,
              array(SELECT p.calendar_id FROM feed_calendars p WHERE p.feed_id = f.id ORDER BY 1) AS calendar_ids"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A feed, without its token; `hint` is how that begins. `changed_at`: since when readers see what they see."""

    id: UUID
    user_id: UUID
    name: str
    hint: str
    privacy: str
    busy_title: str
    skip_all_day: bool
    skip_free: bool
    days_ahead: int | None
    days_behind: int
    content_hash: bytes | None
    changed_at: datetime | None
    last_read_at: datetime | None
    created_at: datetime
    rotated_at: datetime | None
    revoked_at: datetime | None
    calendar_ids: list[UUID]

    @property
    def mask(self) -> Mask:
        """How much of an event its readers see."""
        return Mask(privacy=Privacy(self.privacy), busy_title=self.busy_title)

    @property
    def filters(self) -> Filters:
        """Those of a link of which nothing was said."""
        return Filters()


def create(
    conn: Connection,
    *,
    user_id: UUID,
    name: str,
    calendar_ids: Sequence[UUID],
    now: datetime,
    privacy: str = "busy",
    busy_title: str = "Busy",
    skip_all_day: bool = False,
    skip_free: bool = True,
    days_ahead: int | None = 365,
    days_behind: int = 30,
) -> tuple[Feed, str]:
    """A new feed and its token, which cannot be read again; its calendars are read in full, once.

    Raises InvalidError for a bad name or none or too many calendars, NotFoundError for a calendar that is not there.
    """
    wanted = sorted(set(calendar_ids))
    if not 1 <= len(wanted) <= MOST_CALENDARS:
        raise InvalidError(f"A feed shows 1 to {MOST_CALENDARS} calendars: choose which.", code="FEED.CALENDARS")
    if not 1 <= len(name.strip()) <= 200 or not name.strip().isprintable():
        problem = "must have 1 to 200 printable characters"
        raise InvalidError(f"The feed's name {problem}.", code="FEED.INVALID", fields={"name": problem})
    there = conn.execute(
        "SELECT count(*) FROM calendars WHERE id = ANY(%s) AND vanished_at IS NULL", (wanted,)
    ).fetchone()
    if there is None or there[0] != len(wanted):
        raise NotFoundError("One of these calendars is not there. List yours: kalends calendars list.")
    token = opaque.new()
    row = conn.execute(
        """
        INSERT INTO feeds (user_id, name, hint, token_hash, privacy, busy_title, skip_all_day, skip_free, days_ahead,
                           days_behind, created_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
        """,
        (
            user_id,
            name.strip(),
            _hint(token),
            opaque.digest(token),
            privacy,
            busy_title,
            skip_all_day,
            skip_free,
            days_ahead,
            days_behind,
            now,
        ),
    ).fetchall()[0]
    conn.execute(
        "INSERT INTO feed_calendars (feed_id, calendar_id, user_id) SELECT %s, unnest(%s::uuid[]), %s",
        (row[0], wanted, user_id),
    )
    for calendar_id in wanted:  # its texts, or it itself, may never have been read
        calendars.request_full_read(conn, calendar_id, lane=Lane.BACKFILL)
    return get(conn, row[0]), token


def get(conn: Connection, feed_id: UUID) -> Feed:
    """One feed of the person of this transaction. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(Feed)) as cursor:
        feed = cursor.execute(f"SELECT {_COLUMNS} FROM feeds f WHERE f.id = %s", (feed_id,)).fetchone()  # noqa: S608
    if feed is None:
        raise NotFoundError(f"There is no feed {feed_id}. List yours: kalends feeds list.", code="FEED.UNKNOWN")
    return feed


def list_feeds(conn: Connection, *, user_id: UUID) -> list[Feed]:
    """A person's feeds, newest first, revoked ones included."""
    with conn.cursor(row_factory=class_row(Feed)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM feeds f WHERE f.user_id = %s ORDER BY f.id DESC",  # noqa: S608
            (user_id,),
        ).fetchall()


def find(conn: Connection, token: str) -> Feed | None:
    """The feed that a token opens, unless it is revoked; needs a transaction across people."""
    with conn.cursor(row_factory=class_row(Feed)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM feeds f WHERE f.token_hash = %s AND f.revoked_at IS NULL",  # noqa: S608
            (opaque.digest(token),),
        ).fetchone()


def rotate(conn: Connection, feed_id: UUID, *, now: datetime) -> tuple[Feed, str]:
    """Another token; the one before opens nothing any more. Raises NotFoundError, ConflictError for a revoked feed."""
    if get(conn, feed_id).revoked_at is not None:
        raise ConflictError(f"Feed {feed_id} is revoked: create another.", code="FEED.REVOKED")
    token = opaque.new()
    conn.execute(
        "UPDATE feeds SET token_hash = %s, hint = %s, rotated_at = %s WHERE id = %s",
        (opaque.digest(token), _hint(token), now, feed_id),
    )
    return get(conn, feed_id), token


def revoke(conn: Connection, feed_id: UUID, *, now: datetime) -> None:
    """Its token opens nothing any more. Raises NotFoundError."""
    get(conn, feed_id)
    conn.execute("UPDATE feeds SET revoked_at = coalesce(revoked_at, %s) WHERE id = %s", (now, feed_id))


def record_reading(conn: Connection, feed: Feed, *, content_hash: bytes, now: datetime) -> datetime:
    """Note that it was read; returns since when readers see this content."""
    is_new = feed.content_hash != content_hash
    changed_at = now if is_new or feed.changed_at is None else feed.changed_at
    if is_new or feed.last_read_at is None or now - feed.last_read_at >= READ_RECORDED:
        conn.execute(
            "UPDATE feeds SET content_hash = %s, changed_at = %s, last_read_at = %s WHERE id = %s",
            (content_hash, changed_at, now, feed.id),
        )
    return changed_at


def showing(conn: Connection, calendar_id: UUID) -> list[Feed]:
    """The feeds that show a calendar, revoked ones left out."""
    with conn.cursor(row_factory=class_row(Feed)) as cursor:
        return cursor.execute(
            f"""
            SELECT {_COLUMNS} FROM feeds f JOIN feed_calendars s ON s.feed_id = f.id
             WHERE s.calendar_id = %s AND f.revoked_at IS NULL
            """,  # noqa: S608
            (calendar_id,),
        ).fetchall()


def days_shown(conn: Connection) -> list[tuple[UUID, UUID, int]]:
    """Every calendar that a feed shows, its person, and how many days ahead; needs a transaction across people."""
    return conn.execute(
        """
        SELECT s.calendar_id, s.user_id, max(coalesce(f.days_ahead, %s))
          FROM feed_calendars s JOIN feeds f ON f.id = s.feed_id
         WHERE f.revoked_at IS NULL GROUP BY s.calendar_id, s.user_id ORDER BY s.user_id, s.calendar_id
        """,
        (links.LONGEST_AHEAD,),
    ).fetchall()


def need_text(conn: Connection, calendar_id: UUID, of_links: Sequence[Link]) -> bool:
    """Whether the links of a calendar, or the feeds that show it, need what people wrote."""
    return any(link.needs_text for link in of_links) or any(feed.mask.needs_text for feed in showing(conn, calendar_id))


def is_in_use(conn: Connection, calendar_id: UUID) -> bool:
    """Whether a link or a feed wants the calendar read."""
    row = conn.execute("SELECT EXISTS (SELECT FROM calendars_in_use WHERE calendar_id = %s)", (calendar_id,)).fetchone()
    return row is not None and row[0] is True


def address(base_url: str, token: str) -> str:
    """Where a feed is read."""
    return f"{base_url}/feeds/{token}.ics"


def _hint(token: str) -> str:
    return f"{token[:HINT_LENGTH]}…"
