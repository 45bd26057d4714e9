"""What a person asks for, as one step each: the change, who made it, and the messages that carry it out.

Pages and the HTTP API call the same functions. Messages are sent after the commit: one that is lost changes nothing
but time, because dispatch finds what is due.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.audit import record
from shared.connections import calendars as listed
from shared.connections import store as connections
from shared.core.errors import ConflictError, KalendsError, PreconditionFailedError, TransientError
from shared.core.lanes import Lane
from shared.sync import held, lanes, linking, links
from shared.sync.asking import readers
from shared.sync.listening import channels
from shared.sync.publishing import feeds
from shared.sync.store import calendars
from shared.sync.two_way import conflicts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.calendar.two_way import Winner
    from shared.store.database import Connection
    from shared.sync.context import Engine
    from shared.sync.held import Held
    from shared.sync.links import Link
    from shared.sync.publishing.feeds import Feed
    from shared.sync.two_way.conflicts import Listed as Conflict

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who asks, when, and under which id it is logged."""

    user_id: UUID
    actor: str
    correlation_id: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A look at a calendar was asked for; it has happened once the calendar's `done` reaches `requested`."""

    calendar_id: UUID
    requested: int


def create_link(engine: Engine, by: By, *, source_calendar_id: UUID, target_calendar_id: UUID, **options: Any) -> Link:
    """Link two calendars and begin the first full read; `options` and errors are those of `linking.create`.

    Where others can read the target it starts as busy, unless the options say `others_may_read`. Raises ConflictError
    for a calendar of a disconnected account, which nobody could read or write.
    """
    with engine.database.person(by.user_id) as conn:
        link = creating(
            conn, by, source_calendar_id=source_calendar_id, target_calendar_id=target_calendar_id, **options
        )
    ask(engine, by, link)
    return link


def creating(
    conn: Connection,
    by: By,
    *,
    source_calendar_id: UUID,
    target_calendar_id: UUID,
    others_may_read: bool = False,
    **options: Any,
) -> Link:
    """`create_link`, inside the caller's transaction; afterwards it calls `ask`."""
    for calendar_id in (source_calendar_id, target_calendar_id):
        must_be_connected(conn, calendar_id)
    if not others_may_read:
        options = readers.guarded(conn, target_calendar_id, options)
    link = linking.create(
        conn,
        user_id=by.user_id,
        source_calendar_id=source_calendar_id,
        target_calendar_id=target_calendar_id,
        **options,
    )
    if others_may_read:
        readers.accept(conn, [link.id])
    _record(conn, by, "link.created", link, privacy=link.privacy)
    return link


def change_link(engine: Engine, by: By, link_id: UUID, *, version: int | None, changes: dict[str, Any]) -> Link:
    """Change a link and have its mirrors rendered anew. Raises what `linking.change` raises."""
    with engine.database.person(by.user_id) as conn:
        link = changing(conn, by, link_id, version=version, changes=changes)
    if changes:
        ask(engine, by, link)
    return link


def changing(conn: Connection, by: By, link_id: UUID, *, version: int | None, changes: dict[str, Any]) -> Link:
    """`change_link`, inside the caller's transaction; afterwards it calls `ask`."""
    _must_stand_alone(links.get(conn, link_id))
    link = linking.change(conn, link_id, version=version, changes=changes)
    if not changes.keys().isdisjoint(readers.SHOWING):
        readers.accept(conn, [link_id])
    if changes:
        _record(conn, by, "link.changed", link, fields=sorted(changes))
    return link


def decide_readers(engine: Engine, by: By, link_id: UUID, *, may_read: bool) -> Link:
    """Say of those who read a link's target that they may read what it shows, until it is shared with somebody else; or
    show them no more than when somebody is busy. Raises what `linking.change` raises."""
    if not may_read:
        return change_link(engine, by, link_id, version=None, changes=readers.ONLY_BUSY)
    with engine.database.person(by.user_id) as conn:
        link = links.get(conn, link_id)
        readers.accept(conn, [link_id])
        _record(conn, by, "link.readers_accepted", link)
    return link


def resync_link(engine: Engine, by: By, link_id: UUID) -> Link:
    """Read both ends of a link in full, and compare every mirror with its source once more. Nothing known is lost."""
    with engine.database.person(by.user_id) as conn:
        link = resyncing(conn, by, link_id)
    ask(engine, by, link)
    return link


def resyncing(conn: Connection, by: By, link_id: UUID) -> Link:
    """`resync_link`, inside the caller's transaction; afterwards it calls `ask`. Raises ConflictError for a link that
    is being deleted."""
    link = links.get(conn, link_id)
    if link.state == "deleting":
        raise ConflictError(f"Link {link_id} is being deleted.", code="LINK.DELETING")
    linking.render_anew(conn, link)
    calendars.request_full_read(conn, link.target_calendar_id, lane=Lane.REPAIR)
    _record(conn, by, "link.resynced", link)
    return link


def ask(engine: Engine, by: By, link: Link) -> None:
    """Send what carries out a change of a link: a look at either end that asks for one, and what is to be written."""
    ends = (link.source_calendar_id, link.target_calendar_id)
    with engine.database.person(by.user_id) as conn:
        due = [one for one in ends if calendars.is_due(conn, one)]
    ask_pull(engine, by, due)
    ask_push(engine, by, [link.target_calendar_id])


def create_feed(engine: Engine, by: By, *, name: str, calendar_ids: Sequence[UUID], **options: Any) -> tuple[Feed, str]:
    """Publish calendars at an address of their own; returns the feed and its token, which cannot be read again.

    `options` are those of `feeds.create`, whose errors it raises.
    """
    with engine.database.person(by.user_id) as conn:
        for calendar_id in calendar_ids:
            must_be_connected(conn, calendar_id)
        feed, token = feeds.create(
            conn, user_id=by.user_id, name=name, calendar_ids=calendar_ids, now=by.now, **options
        )
        _record_feed(conn, by, "feed.created", feed.id, privacy=feed.privacy, calendars=len(calendar_ids))
    ask_pull(engine, by, calendar_ids)
    return feed, token


def rotate_feed(engine: Engine, by: By, feed_id: UUID) -> tuple[Feed, str]:
    """Give a feed another address; the one before is dead at once. Raises NotFoundError, ConflictError (revoked)."""
    with engine.database.person(by.user_id) as conn:
        feed, token = feeds.rotate(conn, feed_id, now=by.now)
        _record_feed(conn, by, "feed.rotated", feed.id)
    return feed, token


def revoke_feed(engine: Engine, by: By, feed_id: UUID) -> None:
    """End a feed at once; one that was revoked before stays so. Raises NotFoundError."""
    with engine.database.person(by.user_id) as conn:
        feeds.revoke(conn, feed_id, now=by.now)
        _record_feed(conn, by, "feed.revoked", feed_id)


def pause_link(engine: Engine, by: By, link_id: UUID) -> Link:
    """Stop writing for a link; what changes meanwhile is planned and waits. Twice is fine."""
    return _set_state(engine, by, link_id, "paused")


def resume_link(engine: Engine, by: By, link_id: UUID) -> Link:
    """Go on where a link was paused. Twice is fine."""
    link = _set_state(engine, by, link_id, "active")
    ask(engine, by, link)
    return link


def delete_link(engine: Engine, by: By, link_id: UUID, *, delete_mirrors: bool, version: int | None = None) -> int:
    """Delete a link; returns how many mirrors are now being removed (0 when they are kept)."""
    with engine.database.person(by.user_id) as conn:
        link, count = deleting(conn, by, link_id, delete_mirrors=delete_mirrors, version=version)
    if count:
        ask_push(engine, by, [link.target_calendar_id])
    return count


def deleting(
    conn: Connection, by: By, link_id: UUID, *, delete_mirrors: bool, version: int | None = None
) -> tuple[Link, int]:
    """`delete_link`, inside the caller's transaction; answers the link as it was, too."""
    link = links.get(conn, link_id)
    if version is not None and link.version != version:
        raise PreconditionFailedError(f"Link {link_id} has changed since you read it: read it again.")
    _must_stand_alone(link)
    count = linking.delete(conn, link_id, delete_mirrors=delete_mirrors, now=by.now)
    _record(conn, by, "link.deleted", link, delete_mirrors=delete_mirrors, mirrors=count)
    return link, count


def resolve_held(engine: Engine, by: By, hold_id: UUID, *, approved: bool) -> Held:
    """Approve or discard held deletions. Raises NotFoundError, ConflictError when that was decided already."""
    with engine.database.person(by.user_id) as conn:
        decided = held.resolve(conn, hold_id, approved=approved, user_id=by.user_id, actor=by.actor)
    if approved:
        ask_push(engine, by, [decided.target_calendar_id])
    return decided


def resolve_conflict(engine: Engine, by: By, conflict_id: UUID, *, winner: Winner) -> Conflict:
    """Say whose value of a conflict stays; the look at its source that follows carries it out. Raises NotFoundError,
    ConflictError when it was resolved already."""
    with engine.database.person(by.user_id) as conn:
        decided = conflicts.decide(conn, conflict_id, winner=winner, user_id=by.user_id, actor=by.actor)
    ask_pull(engine, by, [decided.source_calendar_id])
    return decided


def sync_now(engine: Engine, by: By, *, calendar_id: UUID | None = None, link_id: UUID | None = None) -> list[Asked]:
    """Look at a calendar, at both ends of a link, or at every linked calendar, and write what waits. Sooner than
    dispatch would, but not against a backoff or a gate.

    Raises NotFoundError, and ConflictError for a calendar that no link reads or writes.
    """
    with engine.database.person(by.user_id) as conn:
        chosen = _linked(conn, calendar_id=calendar_id, link_id=link_id)
        calendars.request(conn, chosen)
        asked = [
            Asked(calendar_id=row[0], requested=row[1])
            for row in conn.execute(
                "SELECT calendar_id, requested FROM calendar_sync_state WHERE calendar_id = ANY(%s) ORDER BY 1",
                (chosen,),
            )
        ]
    ask_pull(engine, by, chosen)
    ask_push(engine, by, chosen)
    return asked


def stop_channels(engine: Engine, by: By, connection_id: UUID) -> None:
    """Before a disconnect: stop the account's push channels, as far as the provider still lets us.

    A channel that cannot be stopped runs out by itself; what it still sends is refused. Raises NotFoundError.
    """
    with engine.database.person(by.user_id) as conn:
        connection = connections.get(conn, connection_id)
        ours = listed.list_calendars(conn, user_id=by.user_id, connection_id=connection.id)
    try:
        channels.stop_all(engine, [calendar.id for calendar in ours], user_id=by.user_id)
    except KalendsError as error:
        log.warning(
            "channels not stopped",
            extra={
                "category": "calendar_sync",
                "error_code": error.error_code,
                "connection_id": str(connection_id),
                "provider_id": str(by.user_id),
            },
        )


def _linked(conn: Connection, *, calendar_id: UUID | None, link_id: UUID | None) -> list[UUID]:
    if link_id is not None:
        link = links.get(conn, link_id)
        return [link.source_calendar_id, link.target_calendar_id]
    if calendar_id is not None:
        calendars.get(conn, calendar_id)
        if not feeds.is_in_use(conn, calendar_id):
            raise ConflictError(
                f"No link reads or writes calendar {calendar_id}: link it first.", code="CALENDAR.NOT_LINKED"
            )
        return [calendar_id]
    rows = conn.execute("SELECT DISTINCT calendar_id FROM calendars_in_use ORDER BY 1").fetchall()
    return [row[0] for row in rows]


def must_be_connected(conn: Connection, calendar_id: UUID) -> None:
    """Raises ConflictError for a calendar of a disconnected account, which nobody could read or write."""
    connection = connections.get(conn, calendars.get(conn, calendar_id).connection_id)
    if connection.status == "disconnected":
        raise ConflictError(
            f"The account of calendar {calendar_id} is disconnected: connect it again first.",
            code="CONNECTION.DISCONNECTED",
        )


def _must_stand_alone(link: Link) -> None:
    if link.group_id is not None:
        raise ConflictError(
            f"Link {link.id} is one direction of group {link.group_id}: change, pause or delete the group.",
            code="LINK.IN_GROUP",
        )


def _set_state(engine: Engine, by: By, link_id: UUID, state: str) -> Link:
    with engine.database.person(by.user_id) as conn:
        link = links.get(conn, link_id)
        if link.state == state:
            return link
        _must_stand_alone(link)
        link = linking.set_state(conn, link_id, state)
        _record(conn, by, "link.paused" if state == "paused" else "link.resumed", link)
    return link


def _record(conn: Connection, by: By, action: str, link: Link, **facts: Any) -> None:
    record.record(conn, user_id=by.user_id, actor=by.actor, action=action, entity=f"link:{link.id}", metadata=facts)


def _record_feed(conn: Connection, by: By, action: str, feed_id: UUID, **facts: Any) -> None:
    record.record(conn, user_id=by.user_id, actor=by.actor, action=action, entity=f"feed:{feed_id}", metadata=facts)


def ask_pull(engine: Engine, by: By, calendar_ids: Sequence[UUID]) -> None:
    with _postponed_if_refused(by):
        lanes.ask_pull(engine, by.user_id, calendar_ids, correlation_id=by.correlation_id)


def ask_push(engine: Engine, by: By, calendar_ids: Sequence[UUID]) -> None:
    """Send what writes to these calendars, if anything is due."""
    with _postponed_if_refused(by):
        lanes.ask_push(engine, by.user_id, calendar_ids, correlation_id=by.correlation_id, now=by.now)


@contextmanager
def _postponed_if_refused(by: By) -> Iterator[None]:
    """The change stands, whatever becomes of the message: dispatch finds the work within a minute."""
    try:
        yield
    except TransientError as error:
        log.warning(
            "message not sent; dispatch will find the work",
            extra={
                "category": "calendar_sync",
                "error_code": error.error_code,
                "provider_id": str(by.user_id),
                "correlation_id": by.correlation_id,
            },
        )
