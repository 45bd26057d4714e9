"""Plans: what a person was shown of a change of links, to be carried out by its id while the world is as it was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID, uuid4

from psycopg import Rollback
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.calendar.span import Window
from shared.core.errors import ConflictError, InvalidError, NotFoundError
from shared.sync import forecast, links, listing, plan, readers, requests
from shared.sync.store import calendars

if TYPE_CHECKING:
    from shared.store.database import Connection
    from shared.sync.context import Engine
    from shared.sync.forecast import Forecast
    from shared.sync.links import Link
    from shared.sync.requests import By

type Action = Literal["create", "change", "resync", "delete"]

LIFETIME = timedelta(hours=1)
COLUMNS = "id, action, link_id, source_calendar_id, target_calendar_id, counts, created_at, expires_at, applied_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What shall be done. `options` are those of `links.create`, the changes of `links.change`, or `delete_mirrors`;
    a new link has no id yet, and one that is there names no calendars."""

    action: Action
    link_id: UUID | None = None
    source_calendar_id: UUID | None = None
    target_calendar_id: UUID | None = None
    options: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan as it is kept: counts, no event."""

    id: UUID
    action: Action
    link_id: UUID | None
    source_calendar_id: UUID
    target_calendar_id: UUID
    counts: dict[str, Any]
    created_at: datetime
    expires_at: datetime
    applied_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A plan that is being carried out. `mirrors`: how many of a deleted link's mirrors are being removed."""

    plan_id: UUID
    action: Action
    link_id: UUID
    mirrors: int


def make(engine: Engine, by: By, proposal: Proposal, *, version: int | None = None) -> tuple[Plan, Forecast]:
    """Forecast a proposal, and keep it for an hour. Raises what carrying it out would raise."""
    with engine.database.person(by.user_id) as conn:
        link, before = _would_be(conn, by, proposal, version=version)
        looks = proposal.action != "delete" and forecast.needs_listing(conn, link, before, now=by.now)
    window = plan.window(link, now=by.now)
    ahead = window.end or by.now + timedelta(days=links.LONGEST_AHEAD)
    found = (
        listing.read(
            engine, link.source_calendar_id, Window(start=window.start, end=ahead), user_id=by.user_id, now=by.now
        )
        if looks
        else None
    )
    with engine.database.person(by.user_id) as conn:
        if proposal.action == "delete":
            told = forecast.of_deletion(conn, engine, link, delete_mirrors=bool(proposal.options["delete_mirrors"]))
        else:
            told = forecast.of_link(conn, engine, link, found, now=by.now)
        if proposal.action == "resync":
            told.unknown.append("Whether somebody changed mirrors by hand shows only when the target is read.")
        if proposal.action in ("create", "change"):
            wanted = readers.asked(proposal.options) if proposal.action == "create" else None
            told.warnings += readers.warnings(conn, link, wanted=wanted)
        kept = _keep(conn, engine, by, proposal, link, told)
    return kept, told


def get(conn: Connection, plan_id: UUID) -> Plan:
    """One plan. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(Plan)) as cursor:
        found = cursor.execute(f"SELECT {COLUMNS} FROM sync_plans WHERE id = %s", (plan_id,)).fetchone()  # noqa: S608
    if found is None:
        raise NotFoundError(f"There is no plan {plan_id}: they live for an hour. Preview again.", code="PLAN.NOT_FOUND")
    return found


def apply(engine: Engine, by: By, plan_id: UUID) -> Applied:
    """Carry a plan out, once. Raises ConflictError when it is too old, was carried out, or the world has changed since:
    a link around its calendars, an event of the source, or a mirror."""
    with engine.database.person(by.user_id) as conn:
        conn.execute("SELECT FROM sync_plans WHERE id = %s FOR UPDATE", (plan_id,))
        kept = get(conn, plan_id)
        if kept.applied_at is not None:
            raise ConflictError(f"Plan {plan_id} was carried out already.", code="PLAN.APPLIED")
        if kept.expires_at <= by.now:
            raise ConflictError(f"Plan {plan_id} is older than an hour: preview again.", code="PLAN.EXPIRED")
        row = conn.execute("SELECT options, fingerprint FROM sync_plans WHERE id = %s", (plan_id,)).fetchone()
        if row is None:
            raise AssertionError("a locked plan is gone")
        ends = (kept.source_calendar_id, kept.target_calendar_id)
        if row[1] != _fingerprint(conn, *ends, link_id=kept.link_id):
            raise ConflictError(
                f"What plan {plan_id} was made for has changed since: a link, an event or a mirror. Preview again.",
                code="PLAN.OUTDATED",
            )
        key = engine.data_key(conn, calendars.get(conn, kept.source_calendar_id).connection_id)
        options = json.loads(key.open(row[0], aad=str(plan_id)))
        link, mirrors = _carry_out(
            conn,
            by,
            Proposal(
                action=kept.action,
                link_id=kept.link_id,
                source_calendar_id=ends[0],
                target_calendar_id=ends[1],
                options=options,
            ),
        )
        conn.execute("UPDATE sync_plans SET applied_at = %s, link_id = %s WHERE id = %s", (by.now, link.id, plan_id))
    requests.ask(engine, by, link)
    return Applied(plan_id=plan_id, action=kept.action, link_id=link.id, mirrors=mirrors)


def _carry_out(conn: Connection, by: By, proposal: Proposal, *, version: int | None = None) -> tuple[Link, int]:
    match proposal:
        case Proposal(action="create", source_calendar_id=UUID() as source, target_calendar_id=UUID() as target):
            return requests.creating(
                conn, by, source_calendar_id=source, target_calendar_id=target, **proposal.options
            ), 0
        case Proposal(action="change", link_id=UUID() as link_id):
            return requests.changing(conn, by, link_id, version=version, changes=proposal.options), 0
        case Proposal(action="resync", link_id=UUID() as link_id):
            return requests.resyncing(conn, by, link_id), 0
        case Proposal(action="delete", link_id=UUID() as link_id):
            return requests.deleting(conn, by, link_id, version=version, **proposal.options)
    raise InvalidError("Name a link, or for a new one its two calendars.", code="REQUEST.INVALID")


def _would_be(conn: Connection, by: By, proposal: Proposal, *, version: int | None) -> tuple[Link, Link | None]:
    """The link as it would be, and as it is: by doing it, and taking it back before anybody sees it."""
    before = links.get(conn, proposal.link_id) if proposal.link_id is not None else None
    found: list[Link] = []
    with conn.transaction() as trial:
        found.append(_carry_out(conn, by, proposal, version=version)[0])
        raise Rollback(trial)
    return found[0], before


def _keep(conn: Connection, engine: Engine, by: By, proposal: Proposal, link: Link, told: Forecast) -> Plan:
    conn.execute("DELETE FROM sync_plans WHERE expires_at < %s AND applied_at IS NULL", (by.now,))
    plan_id = uuid4()
    key = engine.data_key(conn, calendars.get(conn, link.source_calendar_id).connection_id)
    conn.execute(
        """
        INSERT INTO sync_plans (id, user_id, action, link_id, source_calendar_id, target_calendar_id, options, counts,
                                fingerprint, created_at, expires_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            plan_id,
            by.user_id,
            proposal.action,
            proposal.link_id,
            link.source_calendar_id,
            link.target_calendar_id,
            key.seal(json.dumps(proposal.options).encode(), aad=str(plan_id)),
            Jsonb(told.counts()),
            _fingerprint(conn, link.source_calendar_id, link.target_calendar_id, link_id=proposal.link_id),
            by.now,
            by.now + LIFETIME,
        ),
    )
    return get(conn, plan_id)


def _fingerprint(conn: Connection, source: UUID, target: UUID, *, link_id: UUID | None) -> str:
    row = conn.execute(
        """
        SELECT encode(sha256(convert_to(concat_ws(E'\\n',
          (SELECT is_shared FROM calendars WHERE id = %(target)s),
          (SELECT string_agg(concat_ws(':', id, version, state), ',' ORDER BY id) FROM links
            WHERE source_calendar_id IN (%(source)s, %(target)s) OR target_calendar_id IN (%(source)s, %(target)s)),
          (SELECT string_agg(concat_ws(':', external_event_id, checksum,
                             CASE WHEN sync_status IN ('CANCELLED', 'FAILED') THEN sync_status END),
                             ',' ORDER BY external_event_id)
             FROM external_calendar_events WHERE calendar_id = %(source)s AND booking_id IS NULL),
          (SELECT string_agg(concat_ws(':', id, wanted, state, mirror_event_id), ',' ORDER BY id)
             FROM event_mappings WHERE link_id = %(link)s)), 'UTF8')), 'hex')
        """,
        {"source": source, "target": target, "link": link_id},
    ).fetchone()
    if row is None:
        raise AssertionError("SELECT without FROM answered nothing")
    return str(row[0])
