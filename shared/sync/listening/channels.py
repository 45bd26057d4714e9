"""Push channels: opened for every linked calendar, renewed without a gap, opened again when they die."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from shared.connections import store as connections
from shared.connections.store import wait_after
from shared.control import gates
from shared.core.errors import InvalidError, KalendsError, NotFoundError, RateLimitedError, ReauthRequiredError
from shared.crypto import opaque
from shared.providers.port import HANDSHAKE_FAILED, Channel
from shared.sync.store import calendars
from shared.sync.store import channels as rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.providers.port import CalendarProvider
    from shared.sync.context import Engine
    from shared.sync.store.calendars import SyncedCalendar
    from shared.sync.store.channels import Stored

log = logging.getLogger(__name__)

LIFETIME = timedelta(days=6, hours=12)
"""Asked for: under Google's and Graph's seven days (Graph: 10,080 minutes) even if a clock is off by hours."""
RENEW_BEFORE = timedelta(days=1)
"""A channel is prolonged or replaced so long before it ends; the old one is stopped only when the new one is open."""
REFUSED_FOR = timedelta(hours=6)
"""After a refusal that time does not mend; the calendar is polled meanwhile."""
REMEMBERED = timedelta(days=30)
"""How long a channel that ended stays in the table."""
STOP_BUDGET = 200.0
"""Seconds that `stop_everything` works in one call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Channels that were stopped, that their providers refused to stop (they run out by themselves), and that are
    left for another call."""

    stopped: int
    failed: int
    left: int


def ensure(engine: Engine, calendar_id: UUID, *, user_id: UUID, now: datetime) -> None:
    """See to it that a calendar has a channel that lives, unless it can have none. A refusal is not an error here: the
    calendar is polled until it succeeds. Database errors are raised."""
    with engine.database.person(user_id) as conn:
        calendar = calendars.get(conn, calendar_id)
        if engine.webhook_address(calendar.provider) is None or not rows.wants(conn, calendar_id, now=now):
            return
    _attempt(engine, calendar, now=now)


def renew(engine: Engine, *, now: datetime, limit: int = 200) -> dict[str, int]:
    """Give every linked calendar a channel that lives for a while: prolonged where the provider can, else another one.
    Stop what is superfluous. Behind a closed gate nothing happens."""
    counts = {"opened": 0, "prolonged": 0, "failed": 0}
    addresses = engine.addresses()
    with engine.database.everyone() as conn:
        for operation in (gates.Operation.JOBS, gates.Operation.SYNC):
            if not gates.is_open(conn, operation, settings_flags=engine.flags):
                return counts
        rows.expire(conn, forget=REMEMBERED, now=now)
        rows.leave(conn, list(addresses.values()))
        wanted = rows.wanting(conn, providers=list(addresses), margin=RENEW_BEFORE, now=now, limit=limit)
        superfluous = rows.superfluous(conn, providers=list(addresses), now=now, limit=limit)
    for one in superfluous:
        _stop(engine, one)
    for calendar_id, user_id in wanted:
        with engine.database.person(user_id) as conn:
            calendar = calendars.get(conn, calendar_id)
            waits = not connections.get(conn, calendar.connection_id).may_sync(engine.now())
        if not waits:  # one calendar of an account may have been told to slow down for all of them
            counts[_attempt(engine, calendar, now=now)] += 1
    return counts


def open_channel(engine: Engine, calendar_id: UUID, *, user_id: UUID, now: datetime) -> Channel:
    """Open a channel for a calendar, then ask for a pull, for whatever happened before was not announced, then stop the
    channels that it replaces. Raises the provider's errors, and InvalidError where it cannot reach us."""
    with engine.database.person(user_id) as conn:
        calendar = calendars.get(conn, calendar_id)
        connection = connections.get(conn, calendar.connection_id)
        address = engine.webhook_address(calendar.provider)
        if address is None:
            raise InvalidError(
                f"{calendar.provider.capitalize()} cannot notify this installation: its address is not https.",
                code="CHANNEL.NO_ADDRESS",
            )
        # Before the call, because a provider's first notification can arrive before its answer.
        token, channel_id, expires_at = opaque.new(), str(uuid4()), now + LIFETIME
        rows.add(
            conn,
            calendar,
            channel_id=channel_id,
            address=address,
            token_hash=opaque.digest(token),
            expires_at=expires_at,
        )
    try:
        channel = engine.with_provider(
            connection,
            lambda provider: provider.watch(
                calendar.remote_id, channel_id=channel_id, address=address, token=token, expires_at=expires_at
            ),
        )
    except KalendsError as error:
        with engine.database.person(user_id) as conn:
            attempts = rows.refused(conn, calendar, channel_id, code=error.error_code)
            rows.retry(conn, calendar, at=engine.now() + _wait(error, attempts))
        raise
    with engine.database.person(user_id) as conn:
        replaced = rows.opened(conn, calendar, channel_id, channel, now=engine.now())
        calendars.request(conn, [calendar_id])
    for one in replaced:
        _stop(engine, one)
    return channel


def stop_all(engine: Engine, calendar_ids: Sequence[UUID], *, user_id: UUID) -> int:
    """Stop every channel of these calendars, for example before a disconnect; returns how many. One that its provider
    does not stop runs out by itself, and what it still sends is refused."""
    with engine.database.person(user_id) as conn:
        channels = [one for calendar_id in calendar_ids for one in rows.of_calendar(conn, calendar_id)]
    return sum([_stop(engine, one) for one in channels])


def stop_everything(engine: Engine, *, now: datetime, limit: int = 5_000) -> Stopped:
    """Stop every channel of the installation, before it is taken down. Close the gate first: nothing must open others.

    Each is tried once; one whose provider does not stop it counts as over here.
    """
    deadline = time.monotonic() + STOP_BUDGET
    stopped = failed = 0
    while True:
        with engine.database.everyone() as conn:
            found = rows.open_ones(conn, now=now, limit=limit)
        if not found or time.monotonic() > deadline:
            return Stopped(stopped=stopped, failed=failed, left=len(found))
        for calendar_id, user_id in found:
            if time.monotonic() > deadline:
                break
            with engine.database.person(user_id) as conn:
                channels = rows.of_calendar(conn, calendar_id)
            for one in channels:
                if _stop(engine, one):
                    stopped += 1
                    continue
                failed += 1
                with engine.database.person(user_id) as conn:
                    rows.set_status(conn, one, "expired")


def _attempt(engine: Engine, calendar: SyncedCalendar, *, now: datetime) -> str:
    """Prolong or open; answers "prolonged", "opened" or "failed". What says something about the account backs it off,
    as Retry-After asks. Database errors are raised."""
    try:
        if _prolong(engine, calendar, now=now):
            return "prolonged"
        open_channel(engine, calendar.id, user_id=calendar.user_id, now=now)
    except KalendsError as error:
        if error.error_code.startswith("DATABASE."):
            raise
        if _is_about_the_account(error):
            with engine.database.person(calendar.user_id) as conn:
                # Now, not when the round began: Retry-After counts from the answer.
                connections.mark_failure(conn, calendar.connection_id, error, now=engine.now())
        _warn("channel not opened", error, calendar.id, calendar.user_id)
        return "failed"
    return "opened"


def _prolong(engine: Engine, calendar: SyncedCalendar, *, now: datetime) -> bool:
    """Let a calendar's channel live longer where the provider can do that; returns whether it does."""
    with engine.database.person(calendar.user_id) as conn:
        connection = connections.get(conn, calendar.connection_id)
        lasting = [
            one
            for one in rows.of_calendar(conn, calendar.id)
            if one.status != "silent"
            and one.expires_at > now
            and one.address == engine.webhook_address(calendar.provider)
        ]
    for one in lasting[-1:]:
        try:
            longer = engine.with_provider(connection, _prolonging(one, now + LIFETIME))
        except NotFoundError:
            with engine.database.person(calendar.user_id) as conn:
                rows.set_status(conn, one, "expired")
            return False
        if longer is not None:
            with engine.database.person(calendar.user_id) as conn:
                rows.prolonged(conn, one, expires_at=longer.expires_at)
            return True
    return False


def _stop(engine: Engine, one: Stored) -> bool:
    """Stop one channel; returns whether its provider says that it is over. Database errors are raised."""
    with engine.database.person(one.user_id) as conn:
        connection = connections.get(conn, calendars.get(conn, one.calendar_id).connection_id)
    try:
        engine.with_provider(connection, _stopping(one))
    except KalendsError as error:
        if error.error_code.startswith("DATABASE."):
            raise
        if isinstance(error, RateLimitedError):
            with engine.database.person(one.user_id) as conn:
                connections.mark_failure(conn, connection.id, error, now=engine.now())
        _warn("channel not stopped", error, one.calendar_id, one.user_id)
        return False
    with engine.database.person(one.user_id) as conn:
        rows.set_status(conn, one, "stopped")
    return True


def _prolonging(one: Stored, until: datetime) -> Callable[[CalendarProvider], Channel | None]:
    return lambda provider: provider.prolong(_as_provider_knows(one), expires_at=until)


def _stopping(one: Stored) -> Callable[[CalendarProvider], None]:
    return lambda provider: provider.stop(_as_provider_knows(one))


def _as_provider_knows(one: Stored) -> Channel:
    return Channel(id=one.channel_id, resource_id=one.resource_id, expires_at=one.expires_at)


def _is_about_the_account(error: KalendsError) -> bool:
    """Whether everything of the account must wait. A handshake that failed is about us, and a calendar that cannot be
    watched is about itself."""
    if isinstance(error, ReauthRequiredError):
        return True
    return error.retryable and error.error_code != HANDSHAKE_FAILED


def _wait(error: KalendsError, attempts: int) -> timedelta:
    return wait_after(attempts) if error.retryable else REFUSED_FOR


def _warn(what: str, error: KalendsError, calendar_id: UUID, user_id: UUID) -> None:
    log.warning(
        what,
        extra={
            "category": "calendar_sync",
            "error_code": error.error_code,
            "calendar_id": str(calendar_id),
            "provider_id": str(user_id),
        },
    )
