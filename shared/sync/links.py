"""Links: "what happens in calendar A appears in calendar B", masked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from psycopg.rows import kwargs_row

from shared.calendar.mask import Mask, Show
from shared.calendar.mirror import Privacy
from shared.core.errors import NotFoundError
from shared.sync.rules.filters import Filters, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection

COLUMNS = """id, user_id, group_id, source_calendar_id, target_calendar_id, privacy, busy_title, title_template, show,
             skip_all_day, skip_free, filters, on_edit, on_delete, on_conflict, days_ahead, days_behind, state,
             rendering, version, created_at, updated_at"""

RESTORE, LEAVE, MERGE = "restore", "leave", "merge"
"""What follows when somebody changes a mirror by hand (`on_edit`)."""
IGNORE, DECLINE, WITHDRAW = "ignore", "decline", "withdraw"
"""What else than RESTORE may follow when somebody deletes one (`on_delete`)."""

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


ROW = kwargs_row(_link)


def get(conn: Connection, link_id: UUID) -> Link:
    """One link of the person of this transaction. Raises NotFoundError."""
    link = find(conn, link_id)
    if link is None:
        raise NotFoundError(f"There is no link {link_id}. List yours: kalends links list.")
    return link


def find(conn: Connection, link_id: UUID) -> Link | None:
    """One link, or None."""
    with conn.cursor(row_factory=ROW) as cursor:
        return cursor.execute(f"SELECT {COLUMNS} FROM links WHERE id = %s", (link_id,)).fetchone()  # noqa: S608


def list_page(conn: Connection, *, after: UUID | None, limit: int) -> list[Link]:
    """Links in order of creation, after the one named."""
    with conn.cursor(row_factory=ROW) as cursor:
        return cursor.execute(
            f"SELECT {COLUMNS} FROM links WHERE %(after)s::uuid IS NULL OR id > %(after)s ORDER BY id LIMIT %(limit)s",  # noqa: S608
            {"after": after, "limit": limit},
        ).fetchall()


def of_source(conn: Connection, calendar_id: UUID) -> list[Link]:
    """The links that read from a calendar, those being deleted left out."""
    with conn.cursor(row_factory=ROW) as cursor:
        return cursor.execute(
            f"SELECT {COLUMNS} FROM links WHERE source_calendar_id = %s AND state <> 'deleting' ORDER BY id",  # noqa: S608
            (calendar_id,),
        ).fetchall()


def of_target(conn: Connection, calendar_id: UUID) -> list[Link]:
    """The links that write to a calendar, those being deleted left out."""
    with conn.cursor(row_factory=ROW) as cursor:
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
    with conn.cursor(row_factory=ROW) as cursor:
        return cursor.execute(
            f"SELECT {COLUMNS} FROM links WHERE %s IN (source_calendar_id, target_calendar_id)",  # noqa: S608
            (calendar_id,),
        ).fetchall()


def of_group(conn: Connection, group_id: UUID) -> list[Link]:
    """The links of a group."""
    with conn.cursor(row_factory=ROW) as cursor:
        return cursor.execute(f"SELECT {COLUMNS} FROM links WHERE group_id = %s", (group_id,)).fetchall()  # noqa: S608


def settings_of(link: Link) -> dict[str, Any]:
    """The settings of a link, as `create` takes them."""
    settings = {name: getattr(link, name) for name in EDITABLE}
    return settings | {"filters": to_json(link.filters)}


def by_ids(conn: Connection, link_ids: Sequence[UUID]) -> dict[UUID, Link]:
    """Several links by id."""
    with conn.cursor(row_factory=ROW) as cursor:
        rows = cursor.execute(f"SELECT {COLUMNS} FROM links WHERE id = ANY(%s)", (list(link_ids),)).fetchall()  # noqa: S608
    return {link.id: link for link in rows}


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
