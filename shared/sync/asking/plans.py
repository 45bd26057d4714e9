"""Plans: what a person was shown of a change of links, to be carried out by its id while the world is as it was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import permutations
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID, uuid4

from psycopg import Rollback
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.calendar.span import Window
from shared.core.errors import ConflictError, InvalidError, NotFoundError
from shared.sync import links
from shared.sync.asking import forecast, listing, readers, requests
from shared.sync.asking.forecast import Forecast
from shared.sync.rules import plan
from shared.sync.store import calendars
from shared.sync.two_way import groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.store.database import Connection
    from shared.sync.asking.listing import Listing
    from shared.sync.asking.requests import By
    from shared.sync.context import Engine
    from shared.sync.links import Link

type Action = Literal["create", "change", "resync", "delete"]

LIFETIME = timedelta(hours=1)
COLUMNS = """id, action, link_id, group_id, source_calendar_id, target_calendar_id, calendar_ids, counts, created_at,
             expires_at, applied_at"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What shall be done. `options` are those of `linking.create`, the changes of `linking.change`, or
    `delete_mirrors`; a new link has no id yet, and one that is there names no calendars. `calendar_ids`: a new
    group of these, whose options are those of `groups.create`."""

    action: Action
    link_id: UUID | None = None
    source_calendar_id: UUID | None = None
    target_calendar_id: UUID | None = None
    calendar_ids: tuple[UUID, ...] | None = None
    options: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan as it is kept: counts, no event. For a new group `calendar_ids` are its calendars, the first two of them
    source and target."""

    id: UUID
    action: Action
    link_id: UUID | None
    group_id: UUID | None
    source_calendar_id: UUID
    target_calendar_id: UUID
    calendar_ids: list[UUID] | None
    counts: dict[str, Any]
    created_at: datetime
    expires_at: datetime
    applied_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A plan that is being carried out. `mirrors`: how many of a deleted link's mirrors are being removed. Of a new
    group the link is that from its first calendar to its second."""

    plan_id: UUID
    action: Action
    link_id: UUID
    group_id: UUID | None
    mirrors: int


def make(engine: Engine, by: By, proposal: Proposal, *, version: int | None = None) -> tuple[Plan, Forecast]:
    """Forecast a proposal, and keep it for an hour; for a group, summed over its links. Raises what carrying it out
    would raise."""
    with engine.database.person(by.user_id) as conn:
        made, before = _would_be(conn, by, proposal, version=version)
        looks = {
            link.source_calendar_id: plan.window(link, now=by.now)
            for link in made
            if proposal.action != "delete" and forecast.needs_listing(conn, link, before, now=by.now)
        }
    found = {
        calendar_id: listing.read(
            engine,
            calendar_id,
            Window(start=window.start, end=window.end or by.now + timedelta(days=links.LONGEST_AHEAD)),
            user_id=by.user_id,
            now=by.now,
        )
        for calendar_id, window in looks.items()
    }
    told = Forecast()
    with engine.database.person(by.user_id) as conn:
        for link in made:
            told.add(_forecast(conn, engine, by, proposal, link, found.get(link.source_calendar_id)))
        kept = _keep(conn, engine, by, proposal, made, told)
    return kept, told


def _forecast(
    conn: Connection, engine: Engine, by: By, proposal: Proposal, link: Link, found: Listing | None
) -> Forecast:
    if proposal.action == "delete":
        return forecast.of_deletion(conn, engine, link, delete_mirrors=bool(proposal.options["delete_mirrors"]))
    told = forecast.of_link(conn, engine, link, found, now=by.now)
    if proposal.action == "resync":
        told.unknown.append("Whether somebody changed mirrors by hand shows only when the target is read.")
    else:
        wanted = readers.asked(proposal.options) if proposal.action == "create" else None
        told.warnings += readers.warnings(conn, link, wanted=wanted)
    return told


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
        if row[1] != _fingerprints(conn, _pairs(kept), link_id=kept.link_id):
            raise ConflictError(
                f"What plan {plan_id} was made for has changed since: a link, an event or a mirror. Preview again.",
                code="PLAN.OUTDATED",
            )
        key = engine.data_key(conn, calendars.get(conn, kept.source_calendar_id).connection_id)
        options = json.loads(key.open(row[0], aad=str(plan_id)))
        done, mirrors = _carry_out(
            conn,
            by,
            Proposal(
                action=kept.action,
                link_id=kept.link_id,
                source_calendar_id=ends[0],
                target_calendar_id=ends[1],
                calendar_ids=None if kept.calendar_ids is None else tuple(kept.calendar_ids),
                options=options,
            ),
        )
        conn.execute(
            "UPDATE sync_plans SET applied_at = %s, link_id = %s, group_id = %s WHERE id = %s",
            (by.now, done[0].id, done[0].group_id, plan_id),
        )
    for link in done:
        requests.ask(engine, by, link)
    return Applied(plan_id=plan_id, action=kept.action, link_id=done[0].id, group_id=done[0].group_id, mirrors=mirrors)


def _carry_out(conn: Connection, by: By, proposal: Proposal, *, version: int | None = None) -> tuple[list[Link], int]:
    """The links it is about, a new group's from the first calendar to the second foremost, and how many mirrors go."""
    match proposal:
        case Proposal(action="create", calendar_ids=tuple() as calendar_ids):
            group_id = groups.creating(conn, by, calendar_ids=calendar_ids, **proposal.options)
            pairs = list(permutations(calendar_ids, 2))
            made = groups.get(conn, group_id).links
            return sorted(made, key=lambda one: pairs.index((one.source_calendar_id, one.target_calendar_id))), 0
        case Proposal(action="create", source_calendar_id=UUID() as source, target_calendar_id=UUID() as target):
            made_one = requests.creating(
                conn, by, source_calendar_id=source, target_calendar_id=target, **proposal.options
            )
            return [made_one], 0
        case Proposal(action="change", link_id=UUID() as link_id):
            return [requests.changing(conn, by, link_id, version=version, changes=proposal.options)], 0
        case Proposal(action="resync", link_id=UUID() as link_id):
            return [requests.resyncing(conn, by, link_id)], 0
        case Proposal(action="delete", link_id=UUID() as link_id):
            gone, mirrors = requests.deleting(conn, by, link_id, version=version, **proposal.options)
            return [gone], mirrors
    raise InvalidError("Name a link, or for a new one its two calendars.", code="REQUEST.INVALID")


def _would_be(conn: Connection, by: By, proposal: Proposal, *, version: int | None) -> tuple[list[Link], Link | None]:
    """The links as they would be, and the one that is there as it is: by doing it, and taking it back before anybody
    sees it."""
    before = links.get(conn, proposal.link_id) if proposal.link_id is not None else None
    found: list[Link] = []
    with conn.transaction() as trial:
        found += _carry_out(conn, by, proposal, version=version)[0]
        raise Rollback(trial)
    return found, before


def _keep(conn: Connection, engine: Engine, by: By, proposal: Proposal, made: list[Link], told: Forecast) -> Plan:
    link = made[0]
    conn.execute("DELETE FROM sync_plans WHERE expires_at < %s AND applied_at IS NULL", (by.now,))
    plan_id = uuid4()
    key = engine.data_key(conn, calendars.get(conn, link.source_calendar_id).connection_id)
    conn.execute(
        """
        INSERT INTO sync_plans (id, user_id, action, link_id, source_calendar_id, target_calendar_id, calendar_ids,
                                options, counts, fingerprint, created_at, expires_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            plan_id,
            by.user_id,
            proposal.action,
            proposal.link_id,
            link.source_calendar_id,
            link.target_calendar_id,
            None if proposal.calendar_ids is None else list(proposal.calendar_ids),
            key.seal(json.dumps(proposal.options).encode(), aad=str(plan_id)),
            Jsonb(told.counts()),
            _fingerprints(
                conn, [(one.source_calendar_id, one.target_calendar_id) for one in made], link_id=proposal.link_id
            ),
            by.now,
            by.now + LIFETIME,
        ),
    )
    return get(conn, plan_id)


def _pairs(kept: Plan) -> list[tuple[UUID, UUID]]:
    """From where to where its links lead, in the order of `_carry_out`."""
    return list(permutations(kept.calendar_ids or (), 2)) or [(kept.source_calendar_id, kept.target_calendar_id)]


def _fingerprints(conn: Connection, pairs: Sequence[tuple[UUID, UUID]], *, link_id: UUID | None) -> str:
    return " ".join(_fingerprint(conn, *pair, link_id=link_id) for pair in pairs)


def _fingerprint(conn: Connection, source: UUID, target: UUID, *, link_id: UUID | None) -> str:
    row = conn.execute(
        """
        SELECT encode(sha256(convert_to(concat_ws(E'\\n',
          (SELECT array_to_string(readers, ',') FROM calendars WHERE id = %(target)s),
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
