"""The one list of what needs the person: each with its cause, what to do, and where. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from shared.connections import grants
from shared.providers import NAMES
from shared.sync.asking import readers
from shared.sync.two_way import conflicts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from shared.connections.store import Connection as Account
    from shared.control.gates import Gate
    from shared.sync.links import Link
    from shared.sync.views.status import CalendarStatus, LinkStatus

SILENT_AFTER = timedelta(minutes=15)
"""A calendar that fails for so long is shown with its cause, whatever its account says (pain 9)."""
REFUSED_WITHIN = timedelta(days=1)
"""So long is told of an edit that a provider refused; both values stay in the list of conflicts for 30 days."""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Something that only the person can mend, or should know: what it is about, and what to do.

    `page` is where that is done, `action` what the way there is called, `command` the same on the command line; all
    None where there is nothing to be done.
    """

    kind: Literal["gate", "connection", "calendar", "link", "held", "conflict"]
    id: UUID | None
    code: str
    message: str
    page: str | None = None
    action: str | None = None
    command: str | None = None


def found(
    *,
    gates: Iterable[Gate],
    accounts: dict[UUID, Account],
    calendars: Iterable[CalendarStatus],
    links: Iterable[LinkStatus],
    now: datetime,
) -> list[Attention]:
    """What needs the person, by how far it reaches: gates, accounts, calendars, links."""
    everything = (
        *_closed_gates(gates),
        *_of_accounts(accounts.values(), now),
        *_of_calendars(calendars, now),
        *_of_links(links),
    )
    return [_with_action(one) for one in everything]


def _closed_gates(gates: Iterable[Gate]) -> list[Attention]:
    return [
        Attention(
            kind="gate",
            id=None,
            code=one.name,
            message=f"{one.name} is off: an operator has switched this part off. Work waits and continues later.",
        )
        for one in gates
        if not one.open
    ]


def _of_accounts(accounts: Iterable[Account], now: datetime) -> list[Attention]:
    found: list[Attention] = []
    for one in accounts:
        name = f"{NAMES[one.provider]} account {one.email}" if one.provider != "ics" else f"The feed at {one.email}"
        match one.status:
            case "needs_reauth":
                message = f"{name} no longer lets Kalends in. {_cause(one)}"
                found.append(Attention(kind="connection", id=one.id, code="CONNECTION.NEEDS_REAUTH", message=message))
            case "active" | "error" | "pending" if one.circuit_is_open(now):
                message = (
                    f"{name} failed {one.error_count} times in a row ({_failure(one)[0]}) and rests until "
                    f"{one.backoff_until:%H:%M} UTC. It goes on by itself once the cause is gone."
                )
                found.append(Attention(kind="connection", id=one.id, code="CONNECTION.CIRCUIT_OPEN", message=message))
            case "active" | "error" | "pending" if one.backoff_until is not None and one.backoff_until > now:
                message = f"{name} failed and is tried again at {one.backoff_until:%H:%M} UTC."
                found.append(Attention(kind="connection", id=one.id, code="CONNECTION.BACKING_OFF", message=message))
            case _:
                pass
        if one.status in ("active", "error") and grants.is_testing(one):
            message = (
                f"{name} is connected by an OAuth app in Testing mode: Google ends that on {one.grant_ends_at:%d %B}, "
                f"and it has to be connected again. To end this for good, {grants.PUBLISH}."
            )
            found.append(Attention(kind="connection", id=one.id, code="CONNECTION.TESTING_MODE", message=message))
    return found


def _cause(account: Account) -> str:
    """Why the grant ended, where that is known, and what to do."""
    code, message = _failure(account)
    if code in (grants.TESTING_MODE, grants.TIME_LIMITED):
        return message.removeprefix("invalid_token: ")
    what = {"caldav": "Give it a new app password", "ics": "Give it its present address"}
    return f"{what.get(account.provider, 'Connect it again')}: nothing is lost meanwhile."


def _failure(account: Account) -> tuple[str, str]:
    """Code and message of its last failure."""
    told = json.loads(account.last_error or "{}")
    return str(told.get("code", "UNKNOWN")), str(told.get("message", ""))


def _of_calendars(calendars: Iterable[CalendarStatus], now: datetime) -> list[Attention]:
    found: list[Attention] = []
    for one in calendars:
        if one.is_linked and one.vanished_at is not None:
            message = f"Calendar {one.name} is no longer listed by its account. Delete its links, or bring it back."
            found.append(Attention(kind="calendar", id=one.id, code="CALENDAR.VANISHED", message=message))
        elif one.state in ("reading", "behind") and one.errors and (one.proven_at or _LONG_AGO) < now - SILENT_AFTER:
            message = f"Calendar {one.name} could not be read {one.errors} times in a row ({one.last_error})."
            found.append(Attention(kind="calendar", id=one.id, code="CALENDAR.FAILING", message=message))
        if one.orphans:
            message = (
                f"{one.orphans} mirrors in {one.name} belong to no link, as after the loss of a database. Remove them, "
                "or leave them as they are."
            )
            found.append(Attention(kind="calendar", id=one.id, code="CALENDAR.ORPHANS", message=message))
    return found


def _of_links(links: Iterable[LinkStatus]) -> list[Attention]:
    found: list[Attention] = []
    for one in links:
        name = f"{one.source_name} → {one.target_name}"
        if one.new_readers:
            message = (
                f"{readers.named(one.new_readers)} can now read {one.target_name}, and see of {name} there: "
                f"{', '.join(one.link.mask.tells)} ({_counted(one.counts.mirrors, 'mirror')} so far). Say that they "
                f"may read this, or show only when you are busy{_in_group(one.link)}."
            )
            found.append(Attention(kind="link", id=one.link.id, code="LINK.NEW_READERS", message=message))
        if one.counts.held:
            message = f"{one.counts.held} deletions of {name} wait for you: approve or discard them."
            found.append(Attention(kind="held", id=one.link.id, code="LINK.DELETIONS_HELD", message=message))
        if one.counts.conflicts:
            message = (
                f"{_counted(one.counts.conflicts, 'conflict')} of {name}, where both sides changed the same: say which "
                "value stays. Until then each side keeps its own."
            )
            found.append(Attention(kind="conflict", id=one.link.id, code="LINK.CONFLICTS", message=message))
        for code, count in one.refused.items():
            message = (
                f"{_counted(count, 'edit')} of mirrors of {name} could not be taken over: "
                f"{conflicts.refused_because(code)}. The mirrors are put right; what was typed is kept for 30 days."
            )
            found.append(Attention(kind="conflict", id=one.link.id, code="LINK.EDITS_REFUSED", message=message))
        if one.counts.frozen:
            message = (
                f"{one.counts.frozen} mirrors of {name} are changed by somebody else again and again. They rest until "
                "their source changes."
            )
            found.append(Attention(kind="link", id=one.link.id, code="LINK.FROZEN", message=message))
        if one.skipped:
            message = (
                f"{sum(one.skipped.values())} events of {name} cannot be mirrored ({', '.join(sorted(one.skipped))}). "
                "Each is tried again when it changes: look at why, and change it in its calendar."
            )
            found.append(Attention(kind="link", id=one.link.id, code="LINK.SKIPPED", message=message))
    return found


def _in_group(link: Link) -> str:
    return "" if link.group_id is None else ", which is set for the whole group"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _with_action(one: Attention) -> Attention:
    """Where it is mended: only a person can give a permission, decide, or change an event."""
    match one.kind:
        case "held":
            return replace(one, page="/held", action="Decide", command="kalends held list")
        case "conflict" if one.code == "LINK.CONFLICTS":
            return replace(one, page="/conflicts", action="Decide", command="kalends conflicts list")
        case "conflict":
            listing = "kalends conflicts list --all"
            return replace(one, page="/conflicts?resolved=yes", action="See both values", command=listing)
        case "connection":
            return replace(one, page="/connections", action="Your accounts", command="kalends connections list")
        case "calendar" if one.code == "CALENDAR.ORPHANS":
            listing = f"kalends orphans list {one.id}"
            return replace(one, page="/calendars", action="Decide", command=listing)
        case "calendar":
            return replace(one, page="/calendars", action="Your calendars", command="kalends calendars list")
        case "link" if one.code == "LINK.NEW_READERS":
            decide = f"kalends links readers {one.id}"
            return replace(one, page=f"/links/{one.id}", action="Decide", command=decide)
        case "link":
            show = f"kalends links show {one.id}"
            return replace(one, page=f"/links/{one.id}", action="Look at the link", command=show)
        case _:
            return one
