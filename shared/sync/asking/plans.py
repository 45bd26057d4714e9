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

type Action = Literal["create", "change", "resync", "delete", "add", "remove"]
"""`add` and `remove`: a calendar joins a group, or leaves it."""

_ENDING = ("delete", "remove")
LIFETIME = timedelta(hours=1)
COLUMNS = """id, action, link_id, group_id, source_calendar_id, target_calendar_id, calendar_ids, counts, created_at,
             expires_at, applied_at"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What shall be done with a link (`link_id`) or a group (`group_id`), or with neither, for a new one.

    `options` are those of `linking.create` or `groups.create`, the changes of `linking.change` or `groups.change`, or
    `delete_mirrors`. Only a new link names source and target, only a new group `calendar_ids`; of `add` and `remove`
    the source is the calendar that joins or leaves.
    """

    action: Action
    link_id: UUID | None = None
    group_id: UUID | None = None
    source_calendar_id: UUID | None = None
    target_calendar_id: UUID | None = None
    calendar_ids: tuple[UUID, ...] | None = None
    options: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan as it is kept: counts, no event. Of a group `calendar_ids` are its calendars, with one that shall join;
    the first two of them are source and target, but that of `add` and `remove` the source is the calendar they name."""

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

    @property
    def pairs(self) -> list[tuple[UUID, UUID]]:
        """From where to where the links lead that it is about, its source and target foremost."""
        if self.calendar_ids is None:
            return [(self.source_calendar_id, self.target_calendar_id)]
        pairs = list(permutations(self.calendar_ids, 2))
        if self.action not in ("add", "remove"):
            return pairs
        member = self.source_calendar_id
        return sorted((pair for pair in pairs if member in pair), key=lambda pair: pair[0] != member)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A plan that is being carried out. `mirrors`: how many are being removed with deleted links. Of a group the link
    is that from the plan's source to its target."""

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
            if proposal.action not in _ENDING and forecast.needs_listing(conn, link, before.get(link.id), now=by.now)
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
    if proposal.action in _ENDING:
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
        if row[1] != _fingerprints(conn, kept):
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
                group_id=kept.group_id,
                source_calendar_id=kept.source_calendar_id,
                target_calendar_id=kept.target_calendar_id,
                calendar_ids=None if kept.calendar_ids is None else tuple(kept.calendar_ids),
                options=options,
            ),
        )
        first = next(one for one in done if (one.source_calendar_id, one.target_calendar_id) == kept.pairs[0])
        conn.execute(
            "UPDATE sync_plans SET applied_at = %s, link_id = %s, group_id = %s WHERE id = %s",
            (by.now, first.id, first.group_id, plan_id),
        )
    for link in done:
        requests.ask(engine, by, link)
    return Applied(plan_id=plan_id, action=kept.action, link_id=first.id, group_id=first.group_id, mirrors=mirrors)


def _carry_out(
    conn: Connection, by: By, proposal: Proposal, *, version: int | None = None
) -> tuple[Sequence[Link], int]:
    """The links it is about, and how many mirrors go."""
    match proposal:
        case Proposal(action="create", calendar_ids=tuple() as calendar_ids):
            made = groups.creating(conn, by, calendar_ids=calendar_ids, **proposal.options)
            return groups.get(conn, made).links, 0
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
        case Proposal(action="change", group_id=UUID() as group_id):
            return groups.changing(conn, by, group_id, version=version, changes=proposal.options).links, 0
        case Proposal(action="resync", group_id=UUID() as group_id):
            return groups.resyncing(conn, by, group_id).links, 0
        case Proposal(action="delete", group_id=UUID() as group_id):
            return groups.deleting(conn, by, group_id, version=version, **proposal.options)
        case Proposal(action="add", group_id=UUID() as group_id, source_calendar_id=UUID() as joins):
            return groups.adding(conn, by, group_id, joins), 0
        case Proposal(action="remove", group_id=UUID() as group_id, source_calendar_id=UUID() as leaves):
            return groups.removing(conn, by, group_id, leaves, **proposal.options)
    raise InvalidError("Name a link or a group, or for a new one its calendars.", code="REQUEST.INVALID")


def _would_be(
    conn: Connection, by: By, proposal: Proposal, *, version: int | None
) -> tuple[list[Link], dict[UUID, Link]]:
    """The links as they would be, and those that are there as they are: by doing it, and taking it back before anybody
    sees it."""
    before: Sequence[Link] = ()
    if proposal.link_id is not None:
        before = [links.get(conn, proposal.link_id)]
    elif proposal.group_id is not None:
        before = groups.get(conn, proposal.group_id).links
    found: list[Link] = []
    with conn.transaction() as trial:
        found += _carry_out(conn, by, proposal, version=version)[0]
        raise Rollback(trial)
    return found, {link.id: link for link in before}


def _keep(conn: Connection, engine: Engine, by: By, proposal: Proposal, made: list[Link], told: Forecast) -> Plan:
    conn.execute("DELETE FROM sync_plans WHERE expires_at < %s AND applied_at IS NULL", (by.now,))
    kept = _plan(conn, by, proposal, made, told)
    key = engine.data_key(conn, calendars.get(conn, kept.source_calendar_id).connection_id)
    conn.execute(
        """
        INSERT INTO sync_plans (id, user_id, action, link_id, group_id, source_calendar_id, target_calendar_id,
                                calendar_ids, options, counts, fingerprint, created_at, expires_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            kept.id,
            by.user_id,
            kept.action,
            kept.link_id,
            kept.group_id,
            kept.source_calendar_id,
            kept.target_calendar_id,
            kept.calendar_ids,
            key.seal(json.dumps(proposal.options).encode(), aad=str(kept.id)),
            Jsonb(kept.counts),
            _fingerprints(conn, kept),
            kept.created_at,
            kept.expires_at,
        ),
    )
    return kept


def _plan(conn: Connection, by: By, proposal: Proposal, made: list[Link], told: Forecast) -> Plan:
    source, target = made[0].source_calendar_id, made[0].target_calendar_id
    calendar_ids = proposal.calendar_ids
    if proposal.group_id is not None:
        calendar_ids = groups.get(conn, proposal.group_id).calendar_ids
    if proposal.action in ("add", "remove") and proposal.source_calendar_id is not None and calendar_ids:
        source = proposal.source_calendar_id
        calendar_ids = tuple(dict.fromkeys([*calendar_ids, source]))
        target = next(one for one in calendar_ids if one != source)
    elif calendar_ids:
        source, target = calendar_ids[:2]
    return Plan(
        id=uuid4(),
        action=proposal.action,
        link_id=proposal.link_id,
        group_id=proposal.group_id,
        source_calendar_id=source,
        target_calendar_id=target,
        calendar_ids=None if calendar_ids is None else list(calendar_ids),
        counts=told.counts(),
        created_at=by.now,
        expires_at=by.now + LIFETIME,
        applied_at=None,
    )


def _fingerprints(conn: Connection, kept: Plan) -> str:
    return " ".join(_fingerprint(conn, *pair) for pair in kept.pairs)


def _fingerprint(conn: Connection, source: UUID, target: UUID) -> str:
    row = conn.execute(
        """
        SELECT encode(sha256(convert_to(concat_ws(E'\\n',
          (SELECT array_to_string(readers, ',') FROM calendars WHERE id = %(target)s),
          (SELECT string_agg(concat_ws(':', l.id, l.version, l.state, g.version), ',' ORDER BY l.id)
             FROM links l LEFT JOIN link_groups g ON g.id = l.group_id
            WHERE l.source_calendar_id IN (%(source)s, %(target)s)
               OR l.target_calendar_id IN (%(source)s, %(target)s)),
          (SELECT string_agg(concat_ws(':', external_event_id, checksum,
                             CASE WHEN sync_status IN ('CANCELLED', 'FAILED') THEN sync_status END),
                             ',' ORDER BY external_event_id)
             FROM external_calendar_events WHERE calendar_id = %(source)s AND booking_id IS NULL),
          (SELECT string_agg(concat_ws(':', m.id, m.wanted, m.state, m.mirror_event_id), ',' ORDER BY m.id)
             FROM event_mappings m JOIN links l ON l.id = m.link_id
            WHERE l.source_calendar_id = %(source)s AND l.target_calendar_id = %(target)s)), 'UTF8')), 'hex')
        """,
        {"source": source, "target": target},
    ).fetchone()
    if row is None:
        raise AssertionError("SELECT without FROM answered nothing")
    return str(row[0])
