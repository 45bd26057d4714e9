"""Feeds that a person subscribes to: their address is all the proof there is, so it is kept sealed like a password.

Whoever has the address can read the calendar; nobody can write to it. A feed that moves keeps its connection, and so
its links, when it is given its new address.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.connections import saving, store
from shared.core.errors import InvalidError, ReauthRequiredError, TransientError
from shared.providers.port import UNREADABLE, CalendarProvider

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.connections.store import Connection
    from shared.crypto.keyring import KeyRing
    from shared.store.database import Database

type Subscribe = Callable[[str], CalendarProvider]
"""From a feed's address to the feed."""

MAX_LENGTH = 2000
POLL_MINUTES = 15
"""How often a feed is asked at most."""

_PROBLEMS = {
    "REQUEST.INVALID": f"must have 1 to {MAX_LENGTH} characters, all of them printable",
    "FEED.REFUSED": "is shown only to those who sign in: use the public or secret one",
    "FEED.NOT_FOUND": "leads to no feed: copy it again from where the calendar is published",
    "FEED.NOT_A_CALENDAR": "shows no calendar, perhaps a web page: use that of the iCalendar (.ics) version",
}


def connect(
    db: Database,
    *,
    user_id: UUID,
    address: str,
    subscribe: Subscribe,
    keyring: KeyRing,
    now: datetime,
    connection_id: UUID | None = None,
) -> Connection:
    """Read a feed and store the connection and its one calendar. `connection_id` is a feed that has this address now.

    Raises InvalidError with a code that says what to correct: REQUEST.INVALID, FEED.BAD_ADDRESS, FEED.NOT_FOUND,
    FEED.REFUSED, FEED.NOT_A_CALENDAR, EGRESS.*; TransientError for a server that fails; NotFoundError, ConflictError.
    """
    if not 1 <= len(address) <= MAX_LENGTH or not address.isprintable():
        raise _bad("REQUEST.INVALID")
    if connection_id is not None:
        with db.person(user_id) as conn:
            store.get(conn, connection_id)
    try:
        feed = subscribe(address)
        listing = feed.list_calendars()
    except ReauthRequiredError:
        raise _bad("FEED.REFUSED") from None
    except TransientError as error:
        code = "FEED.NOT_A_CALENDAR" if error.error_code == UNREADABLE else error.error_code
        if code not in _PROBLEMS:
            raise  # a server that fails for now
        raise _bad(code) from None
    return saving.keep(
        db,
        user_id=user_id,
        provider="ics",
        account=feed.account(),
        listing=listing,
        given=address.encode(),
        connection_id=connection_id,
        poll_minutes=POLL_MINUTES,
        keyring=keyring,
        now=now,
    )


def provider(db: Database, connection: Connection, *, subscribe: Subscribe, keyring: KeyRing) -> CalendarProvider:
    """The connection's feed.

    Raises ReauthRequiredError (the person must give its present address), ConflictError (disconnected).
    """
    return subscribe(saving.given(db, connection, wanted="its present address", keyring=keyring).decode())


def _bad(code: str) -> InvalidError:
    problem = _PROBLEMS[code]
    return InvalidError(f"The feed cannot be connected: its address {problem}.", code=code, fields={"address": problem})
