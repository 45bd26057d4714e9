"""How everything stands."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from functions.api.guard import Here
from functions.api.routes.connections import Connection
from functions.api.routes.links import Link
from functions.api.routing import new_router
from functions.api.shapes import Out
from shared.sync.views import status

router = new_router()


class Gate(Out):
    """Whether a part of the product may run."""

    name: str
    open: bool


class CalendarStatus(Out):
    """A calendar: `proven_at` is when its provider last told us everything; `pushed_until`: until then it notifies us.
    Nothing told of a change, it is looked at every `poll_minutes`.

    A look is due while `requested` > `done`; `items` were read by the full read under way.
    """

    id: UUID
    connection_id: UUID
    name: str
    state: Literal["vanished", "unlinked", "waiting", "reading", "behind", "current"]
    requested: int
    done: int
    items: int
    proven_at: datetime | None
    pushed_until: datetime | None
    poll_minutes: int
    errors: int
    last_error: str | None


class Counts(Out):
    """A link in numbers. `due` wait to be written; of these `retrying` failed before, `repair` put right what stands
    already, `backfill` are a first copy; `conflicts` wait for you to say who wins."""

    mirrors: int
    rewritten: int
    due: int
    retrying: int
    repair: int
    backfill: int
    held: int
    frozen: int
    conflicts: int
    next_attempt_at: datetime | None


class LinkStatus(Out):
    """A link: its state in one word, its numbers, and how many items it skips, by reason."""

    link: Link
    source_name: str
    target_name: str
    state: Literal["deleting", "paused", "waiting", "copying", "behind", "attention", "current"]
    counts: Counts
    skipped: dict[str, int]
    last_written_at: datetime | None
    proven_at: datetime | None


class Attention(Out):
    """Something that needs you, and what to do about it: by the page `page` of this host (its link is called `action`),
    or by `command`. All three are null where only waiting helps."""

    kind: Literal["gate", "connection", "calendar", "link", "held", "conflict"]
    id: UUID | None
    code: str
    message: str
    page: str | None
    action: str | None
    command: str | None


class AttentionList(Out):
    """Everything that needs you at one moment."""

    at: datetime
    items: list[Attention]


class Status(Out):
    """Everything of yours at one moment."""

    at: datetime
    gates: list[Gate]
    connections: list[Connection]
    calendars: list[CalendarStatus]
    links: list[LinkStatus]
    attention: list[Attention]


@router.get("/api/attention", tags=["status"])
def list_attention(visit: Here) -> AttentionList:
    """What needs you: accounts to sign in to, calendars that fail, deletions held, conflicts,
    edits that were refused, mirrors frozen, events that cannot be mirrored, and links into calendars that others can
    read since. The same list is part of the status."""
    with visit.mine() as conn:
        found = status.read(conn, user_id=visit.principal.user_id, flags=visit.application.flags, now=visit.now)
    return AttentionList(at=found.at, items=[Attention.model_validate(one) for one in found.attention])


@router.get("/api/status", tags=["status"])
def get_status(visit: Here) -> Status:
    """How your accounts, calendars and links stand, and what needs you."""
    with visit.mine() as conn:
        found = status.read(conn, user_id=visit.principal.user_id, flags=visit.application.flags, now=visit.now)
    return Status(
        at=found.at,
        gates=[Gate.model_validate(one) for one in found.gates],
        connections=[Connection.of(one) for one in found.connections],
        calendars=[CalendarStatus.model_validate(one) for one in found.calendars],
        links=[LinkStatus.model_validate(one) for one in found.links],
        attention=[Attention.model_validate(one) for one in found.attention],
    )
