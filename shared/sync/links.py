"""Links: "what happens in calendar A appears in calendar B", masked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb

from shared.calendar import mask as masks
from shared.calendar.mask import Mask, Show
from shared.calendar.mirror import Privacy
from shared.core.errors import ConflictError, InvalidError, NotFoundError, PreconditionFailedError
from shared.sync.rules.filters import Filters, parse, to_json
from shared.sync.store import calendars, edits, mappings, orphans

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection

COLUMNS = """id, user_id, group_id, source_calendar_id, target_calendar_id, privacy, busy_title, title_template, show,
             skip_all_day, skip_free, filters, on_edit, on_delete, on_conflict, days_ahead, days_behind, state,
             rendering, version, created_at, updated_at"""

LONGEST_AHEAD = 730
"""Days: what a window without bound reads where a provider needs bounds."""

EDITABLE = (
    "privacy",
    "busy_title",
    "title_template",
    "show",
    "skip_all_day",
    "skip_free",
    "filters",
    "on_edit",
    "on_delete",
    "on_conflict",
    "days_ahead",
    "days_behind",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What happens in the source appears in the target. `days_ahead` None means without bound; `state` is active,
    paused or deleting. One of a group (`group_id`) is part of links both ways, all with the same settings.

    `show` holds the fields that show or not whatever `privacy` says. `on_edit` (restore, leave, merge) and `on_delete`
    (restore, ignore, decline, withdraw) say what follows when somebody changes or deletes a mirror by hand,
    `on_conflict` (newest, source, target, ask) who wins what both sides changed, where edits are merged. `rendering`
    rises with every change of settings.
    """

    id: UUID
    user_id: UUID
    group_id: UUID | None
    source_calendar_id: UUID
    target_calendar_id: UUID
    privacy: str
    busy_title: str
    title_template: str | None
    show: dict[str, bool]
    skip_all_day: bool
    skip_free: bool
    filters: Filters
    on_edit: str
    on_delete: str
    on_conflict: str
    days_ahead: int | None
    days_behind: int
    state: str
    rendering: int
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def direction(self) -> str:
        """two_way: another link of its group leads back."""
        return "one_way" if self.group_id is None else "two_way"

    @property
    def mask(self) -> Mask:
        """How much of an event shows through this link; the names that a title may hold come from `with_names`."""
        return Mask(
            privacy=Privacy(self.privacy),
            busy_title=self.busy_title,
            title_template=self.title_template,
            show=Show(**self.show),
            free_responses=self.filters.free_responses,
        )

    @property
    def needs_text(self) -> bool:
        """Whether rendering or filtering needs what people wrote."""
        return self.mask.needs_text or self.filters.needs_text


def _link(*, filters: dict[str, Any], **columns: Any) -> Link:
    return Link(filters=Filters.model_validate(filters), **columns)


_ROW = kwargs_row(_link)


def get(conn: Connection, link_id: UUID) -> Link:
    """One link of the person of this transaction. Raises NotFoundError."""
    link = find(conn, link_id)
    if link is None:
        raise NotFoundError(f"There is no link {link_id}. List yours: kalends links list.")
    return link


def find(conn: Connection, link_id: UUID) -> Link | None:
    """One link, or None."""
    with conn.cursor(row_factory=_ROW) as cursor:
        return cursor.execute(f"SELECT {COLUMNS} FROM links WHERE id = %s", (link_id,)).fetchone()  # noqa: S608


def list_page(conn: Connection, *, after: UUID | None, limit: int) -> list[Link]:
    """Links in order of creation, after the one named."""
    with conn.cursor(row_factory=_ROW) as cursor:
        return cursor.execute(
            f"SELECT {COLUMNS} FROM links WHERE %(after)s::uuid IS NULL OR id > %(after)s ORDER BY id LIMIT %(limit)s",  # noqa: S608
            {"after": after, "limit": limit},
        ).fetchall()


def of_source(conn: Connection, calendar_id: UUID) -> list[Link]:
    """The links that read from a calendar, those being deleted left out."""
    with conn.cursor(row_factory=_ROW) as cursor:
        return cursor.execute(
            f"SELECT {COLUMNS} FROM links WHERE source_calendar_id = %s AND state <> 'deleting' ORDER BY id",  # noqa: S608
            (calendar_id,),
        ).fetchall()


def of_target(conn: Connection, calendar_id: UUID) -> list[Link]:
    """The links that write to a calendar, those being deleted left out."""
    with conn.cursor(row_factory=_ROW) as cursor:
        return cursor.execute(
            f"SELECT {COLUMNS} FROM links WHERE target_calendar_id = %s AND state <> 'deleting' ORDER BY id",  # noqa: S608
            (calendar_id,),
        ).fetchall()


def merge_into(conn: Connection, calendar_id: UUID) -> bool:
    """Whether a link merges edits of its mirrors in a calendar."""
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM links WHERE target_calendar_id = %s AND on_edit = 'merge')", (calendar_id,)
    ).fetchone()
    return row is not None and bool(row[0])


def touching(conn: Connection, calendar_id: UUID) -> list[Link]:
    """The links that read from or write to a calendar."""
    with conn.cursor(row_factory=_ROW) as cursor:
        return cursor.execute(
            f"SELECT {COLUMNS} FROM links WHERE %s IN (source_calendar_id, target_calendar_id)",  # noqa: S608
            (calendar_id,),
        ).fetchall()


def of_group(conn: Connection, group_id: UUID) -> list[Link]:
    """The links of a group."""
    with conn.cursor(row_factory=_ROW) as cursor:
        return cursor.execute(f"SELECT {COLUMNS} FROM links WHERE group_id = %s", (group_id,)).fetchall()  # noqa: S608


def settings_of(link: Link) -> dict[str, Any]:
    """The settings of a link, as `create` takes them."""
    settings = {name: getattr(link, name) for name in EDITABLE}
    return settings | {"filters": to_json(link.filters)}


def by_ids(conn: Connection, link_ids: Sequence[UUID]) -> dict[UUID, Link]:
    """Several links by id."""
    with conn.cursor(row_factory=_ROW) as cursor:
        rows = cursor.execute(f"SELECT {COLUMNS} FROM links WHERE id = ANY(%s)", (list(link_ids),)).fetchall()  # noqa: S608
    return {link.id: link for link in rows}


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
    with conn.cursor(row_factory=_ROW) as cursor:
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
    request_full_read(conn, source_calendar_id)
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
    if link.on_edit == "merge" and changes.get("on_edit", "merge") != "merge":
        edits.drop_all(conn, link_id)
    if changes.get("on_delete") == "restore":
        mappings.heed_no_deletions(conn, link_id)
    _forget_text_unless_needed(conn, link.source_calendar_id)
    return get(conn, link_id)


def render_anew(conn: Connection, link: Link) -> None:
    """Compare every mirror with its source once more, and read the source in full."""
    mappings.render_anew(conn, link.id)
    request_full_read(conn, link.source_calendar_id)


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
               edit = NULL, edit_due = false, requested = requested + 1, lane = 1, attempts = 0,
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


def with_names(conn: Connection, links: Iterable[Link]) -> dict[UUID, Mask]:
    """The masks of links, ready to render: with the names of the source calendar and its account where a title holds
    them. They are those of today: a calendar that is renamed is called anew in what is written from then on."""
    masks_by_link = {link.id: (link, link.mask) for link in links}
    sources = {link.source_calendar_id for link, mask in masks_by_link.values() if mask.names_source}
    if not sources:
        return {link.id: mask for link, mask in masks_by_link.values()}
    names = {
        row[0]: (row[1], row[2])
        for row in conn.execute(
            """
            SELECT c.id, c.name, x.provider_email
              FROM calendars c JOIN external_calendar_connections x ON x.id = c.connection_id WHERE c.id = ANY(%s)
            """,
            (list(sources),),
        )
    }
    found: dict[UUID, Mask] = {}
    for link, mask in masks_by_link.values():
        calendar, account = names.get(link.source_calendar_id, ("", ""))
        found[link.id] = replace(mask, calendar=calendar, account=account)
    return found


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
