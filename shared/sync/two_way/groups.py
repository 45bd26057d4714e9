"""Groups: calendars that are linked with each other, both ways, as one object. A two-way link is a group of two.

A group is a link for each ordered pair, all with the same settings: what happens in one calendar appears in the others,
and an edit of any mirror goes back to where its event is.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

from shared.audit import record
from shared.connections import calendars as listed
from shared.core.errors import ConflictError, InvalidError, NotFoundError, PreconditionFailedError
from shared.sync import linking, links
from shared.sync.asking import readers, requests

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.calendar.mask import Mask
    from shared.store.database import Connection
    from shared.sync.asking.readers import Warned
    from shared.sync.asking.requests import By
    from shared.sync.context import Engine
    from shared.sync.links import Link

LARGEST = 8
"""Calendars of a group: each event is mirrored into all the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Calendars, and the links between them, ordered by source and target; their settings are those of any link.
    `version` rises with every change."""

    id: UUID
    name: str
    version: int
    created_at: datetime
    calendar_ids: tuple[UUID, ...]
    links: tuple[Link, ...]

    @property
    def settings(self) -> Link:
        """Any of its links: all have the same settings. One that is being deleted has none left to ask."""
        return self.links[0]


def list_page(conn: Connection, *, after: UUID | None, limit: int) -> list[Group]:
    """Groups in order of creation, after the one named."""
    rows = conn.execute(
        """
        SELECT id, name, version, created_at FROM link_groups g
         WHERE (%(after)s::uuid IS NULL OR id > %(after)s) AND EXISTS (SELECT FROM links l WHERE l.group_id = g.id)
         ORDER BY id LIMIT %(limit)s
        """,
        {"after": after, "limit": limit},
    ).fetchall()
    return [_group(conn, *row) for row in rows]


def get(conn: Connection, group_id: UUID) -> Group:
    """One group. Raises NotFoundError."""
    row = conn.execute("SELECT id, name, version, created_at FROM link_groups WHERE id = %s", (group_id,)).fetchone()
    group = None if row is None else _group(conn, *row)
    if group is None or not group.links:
        raise NotFoundError(f"There is no group {group_id}. List yours: kalends groups list.", code="GROUP.NOT_FOUND")
    return group


def create(engine: Engine, by: By, *, calendar_ids: Sequence[UUID], name: str | None = None, **options: Any) -> Group:
    """Link calendars with each other and begin their first full reads; `options` are those of `linking.create`, but
    that edits are merged unless they say otherwise.

    Where others can read one of them, all start as busy, unless the options say `others_may_read`. Raises InvalidError
    for fewer than two calendars, more than LARGEST, and whatever `linking.create` refuses; ConflictError where two of
    them are linked already.
    """
    with engine.database.person(by.user_id) as conn:
        group_id = creating(conn, by, calendar_ids=calendar_ids, name=name, **options)
        group = get(conn, group_id)
    _ask(engine, by, group.links)
    return group


def create_link(engine: Engine, by: By, *, source_calendar_id: UUID, target_calendar_id: UUID, **options: Any) -> Link:
    """Link two calendars both ways: `create` for two. Answers the link from the source to the target."""
    group = create(engine, by, calendar_ids=(source_calendar_id, target_calendar_id), **options)
    return next(link for link in group.links if link.source_calendar_id == source_calendar_id)


def creating(
    conn: Connection,
    by: By,
    *,
    calendar_ids: Sequence[UUID],
    name: str | None = None,
    others_may_read: bool = False,
    **options: Any,
) -> UUID:
    """`create`, inside the caller's transaction."""
    _must_fit(calendar_ids)
    for calendar_id in calendar_ids:
        requests.must_be_connected(conn, calendar_id)
        if not others_may_read:
            options = readers.guarded(conn, calendar_id, options)
    name = name or " and ".join(listed.get(conn, calendar_id).name for calendar_id in calendar_ids)[:200]
    row = conn.execute(
        "INSERT INTO link_groups (user_id, name) VALUES (%s, %s) RETURNING id", (by.user_id, name)
    ).fetchone()
    if row is None:
        raise AssertionError("INSERT ... RETURNING answered nothing")
    group_id: UUID = row[0]
    made = _link(conn, by, group_id, list(permutations(calendar_ids, 2)), {"on_edit": links.MERGE, **options})
    if others_may_read:
        readers.accept(conn, [link.id for link in made])
    _record(conn, by, "group.created", group_id, calendars=len(calendar_ids))
    return group_id


def change(engine: Engine, by: By, group_id: UUID, *, version: int | None, changes: dict[str, Any]) -> Group:
    """Change the settings of all its links, and have their mirrors rendered anew; `name` is the group's own. Raises
    PreconditionFailedError when somebody else changed it since `version`, and what `linking.change` raises."""
    with engine.database.person(by.user_id) as conn:
        group = changing(conn, by, group_id, version=version, changes=changes)
    _ask(engine, by, group.links)
    return group


def changing(conn: Connection, by: By, group_id: UUID, *, version: int | None, changes: dict[str, Any]) -> Group:
    """`change`, inside the caller's transaction."""
    group = _current(conn, group_id, version=version)
    settings = {field: value for field, value in changes.items() if field != "name"}
    if "name" in changes:
        conn.execute("UPDATE link_groups SET name = %s WHERE id = %s", (changes["name"], group_id))
    for link in group.links:
        linking.change(conn, link.id, version=None, changes=settings)
    if not settings.keys().isdisjoint(readers.SHOWING):
        readers.accept(conn, [link.id for link in group.links])
    _has_changed(conn, group_id)
    _record(conn, by, "group.changed", group_id, fields=sorted(changes))
    return get(conn, group_id)


def set_state(engine: Engine, by: By, group_id: UUID, state: str) -> Group:
    """Pause or resume all its links. Twice is fine. Raises ConflictError for one being deleted."""
    with engine.database.person(by.user_id) as conn:
        group = get(conn, group_id)
        for link in group.links:
            if link.state != state:
                linking.set_state(conn, link.id, state)
        _has_changed(conn, group_id)
        _record(conn, by, "group.paused" if state == "paused" else "group.resumed", group_id)
        group = get(conn, group_id)
    _ask(engine, by, group.links)
    return group


def resync(engine: Engine, by: By, group_id: UUID) -> Group:
    """Read all its calendars in full, and compare every mirror with its source once more. Nothing known is lost."""
    with engine.database.person(by.user_id) as conn:
        group = resyncing(conn, by, group_id)
    _ask(engine, by, group.links)
    return group


def resyncing(conn: Connection, by: By, group_id: UUID) -> Group:
    """`resync`, inside the caller's transaction."""
    group = get(conn, group_id)
    for link in group.links:
        linking.render_anew(conn, link)
    _record(conn, by, "group.resynced", group_id)
    return group


def add(engine: Engine, by: By, group_id: UUID, calendar_id: UUID) -> Group:
    """Link one more calendar with all of a group, under its settings. A calendar that others can read asks for a group
    that shows no more than when somebody is busy: InvalidError."""
    with engine.database.person(by.user_id) as conn:
        adding(conn, by, group_id, calendar_id)
        group = get(conn, group_id)
    _ask(engine, by, group.links)
    return group


def adding(conn: Connection, by: By, group_id: UUID, calendar_id: UUID) -> list[Link]:
    """`add`, inside the caller's transaction; answers the links that are new."""
    group = get(conn, group_id)
    _must_fit([*group.calendar_ids, calendar_id])
    requests.must_be_connected(conn, calendar_id)
    if listed.get(conn, calendar_id).is_shared and group.settings.mask.tells:
        raise InvalidError(
            f"Others can read calendar {calendar_id}, and this group shows more than when you are busy: change the "
            "group to privacy busy first, or link that calendar by itself.",
            code="GROUP.OTHERS_READ",
        )
    pairs = [pair for other in group.calendar_ids for pair in ((other, calendar_id), (calendar_id, other))]
    made = _link(conn, by, group_id, pairs, links.settings_of(group.settings))
    if group.settings.state == "paused":
        made = [linking.set_state(conn, link.id, "paused") for link in made]
    _has_changed(conn, group_id)
    _record(conn, by, "group.calendar_added", group_id, calendar_id=str(calendar_id))
    return made


def remove(engine: Engine, by: By, group_id: UUID, calendar_id: UUID, *, delete_mirrors: bool) -> int:
    """Take a calendar out of a group of three or more; returns how many mirrors are now being removed (0 when they are
    kept): its own in the others, and theirs in it. Raises NotFoundError, ConflictError for one of the last two."""
    with engine.database.person(by.user_id) as conn:
        gone, count = removing(conn, by, group_id, calendar_id, delete_mirrors=delete_mirrors)
    _ask(engine, by, gone)
    return count


def removing(
    conn: Connection, by: By, group_id: UUID, calendar_id: UUID, *, delete_mirrors: bool
) -> tuple[list[Link], int]:
    """`remove`, inside the caller's transaction; answers the links as they were, too."""
    group = get(conn, group_id)
    if calendar_id not in group.calendar_ids:
        raise NotFoundError(f"Calendar {calendar_id} is not in group {group_id}.", code="GROUP.NOT_IN_IT")
    if len(group.calendar_ids) == 2:
        raise ConflictError(f"Group {group_id} links two calendars: delete the group instead.", code="GROUP.TOO_SMALL")
    gone = [one for one in group.links if calendar_id in (one.source_calendar_id, one.target_calendar_id)]
    count = _unlink(conn, by, gone, delete_mirrors=delete_mirrors)
    _has_changed(conn, group_id)
    _record(conn, by, "group.calendar_removed", group_id, calendar_id=str(calendar_id), mirrors=count)
    return gone, count


def warnings(conn: Connection, group: Group, *, wanted: Mask | None = None) -> list[Warned]:
    """What others will see in each calendar of a group that others can read; `wanted` is what it was asked to show."""
    into = {link.target_calendar_id: link for link in group.links}
    return [
        told for calendar_id in group.calendar_ids for told in readers.warnings(conn, into[calendar_id], wanted=wanted)
    ]


def delete(engine: Engine, by: By, group_id: UUID, *, delete_mirrors: bool, version: int | None = None) -> int:
    """Delete a group and its links; returns how many mirrors are now being removed (0 when they are kept). What its
    calendars hold themselves stays."""
    with engine.database.person(by.user_id) as conn:
        gone, count = deleting(conn, by, group_id, delete_mirrors=delete_mirrors, version=version)
    _ask(engine, by, gone)
    return count


def deleting(
    conn: Connection, by: By, group_id: UUID, *, delete_mirrors: bool, version: int | None
) -> tuple[Sequence[Link], int]:
    """`delete`, inside the caller's transaction; answers the links as they were, too."""
    group = _current(conn, group_id, version=version)
    count = _unlink(conn, by, group.links, delete_mirrors=delete_mirrors)
    conn.execute("DELETE FROM link_groups WHERE id = %s", (group_id,))
    _record(conn, by, "group.deleted", group_id, delete_mirrors=delete_mirrors, mirrors=count)
    return group.links, count


def _group(conn: Connection, group_id: UUID, name: str, version: int, created_at: datetime) -> Group:
    of_group = sorted(links.of_group(conn, group_id), key=lambda one: (one.source_calendar_id, one.target_calendar_id))
    return Group(
        id=group_id,
        name=name,
        version=version,
        created_at=created_at,
        calendar_ids=tuple(dict.fromkeys(one.source_calendar_id for one in of_group)),
        links=tuple(of_group),
    )


def _current(conn: Connection, group_id: UUID, *, version: int | None) -> Group:
    group = get(conn, group_id)
    if version is not None and group.version != version:
        raise PreconditionFailedError(f"Group {group_id} has changed since you read it: read it again.")
    return group


def _must_fit(calendar_ids: Sequence[UUID]) -> None:
    if not 2 <= len(calendar_ids) <= LARGEST or len(set(calendar_ids)) != len(calendar_ids):
        raise InvalidError(
            f"A group links two to {LARGEST} calendars, each once: this names {len(calendar_ids)}.", code="GROUP.SIZE"
        )


def _has_changed(conn: Connection, group_id: UUID) -> None:
    conn.execute("UPDATE link_groups SET version = version + 1 WHERE id = %s", (group_id,))


def _link(
    conn: Connection, by: By, group_id: UUID, pairs: Sequence[tuple[UUID, UUID]], options: dict[str, Any]
) -> list[Link]:
    return [
        linking.create(
            conn,
            user_id=by.user_id,
            group_id=group_id,
            source_calendar_id=source,
            target_calendar_id=target,
            **options,
        )
        for source, target in pairs
    ]


def _unlink(conn: Connection, by: By, gone: Sequence[Link], *, delete_mirrors: bool) -> int:
    count = sum(linking.delete(conn, link.id, delete_mirrors=delete_mirrors, now=by.now) for link in gone)
    conn.execute("UPDATE links SET group_id = NULL WHERE id = ANY(%s)", ([link.id for link in gone],))
    return count


def _ask(engine: Engine, by: By, of_group: Sequence[Link]) -> None:
    for link in of_group:
        requests.ask(engine, by, link)


def _record(conn: Connection, by: By, action: str, group_id: UUID, **facts: Any) -> None:
    record.record(conn, user_id=by.user_id, actor=by.actor, action=action, entity=f"group:{group_id}", metadata=facts)
