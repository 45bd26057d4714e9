"""Accounts without OAuth: a server's address, a user name and an app password, kept sealed with the account's data key.

There is nothing to refresh. A password that the server refuses is asked about once more, and then the person is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.connections import saving
from shared.core.errors import InvalidError, ReauthRequiredError
from shared.providers import AppPassword
from shared.providers.port import CalendarProvider

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.connections.store import Connection
    from shared.crypto.keyring import KeyRing
    from shared.store.database import Database

type LogIn = Callable[[AppPassword], CalendarProvider]
"""From an app password to the account behind it."""

MAX_LENGTH = 500


def connect(
    db: Database, *, user_id: UUID, login: AppPassword, log_in: LogIn, keyring: KeyRing, now: datetime
) -> Connection:
    """Try an app password at its server and store the connection and its calendars; one that was there is
    renewed, its cursors kept.

    Raises InvalidError with a code that says what to correct: CALDAV.ADDRESS, CALDAV.NOT_FOUND,
    CALDAV.MOVED, EGRESS.*, AUTH.PASSWORD_REFUSED; and the server's TransientError.
    """
    _check(login)
    try:
        provider = log_in(login)
        account = provider.account()
        listing = provider.list_calendars()
    except ReauthRequiredError:
        raise InvalidError(
            "The server does not accept this user name and password. iCloud, Fastmail and others want an app password, "
            "not the one you sign in with.",
            code="AUTH.PASSWORD_REFUSED",
            fields={"password": "was refused by the server"},
        ) from None
    if not listing:
        raise InvalidError("The account has no calendar for events. Make one there first.", code="CALDAV.NO_CALENDAR")
    return saving.keep(
        db,
        user_id=user_id,
        provider="caldav",
        account=account,
        listing=listing,
        given=json.dumps([login.url, login.username, login.password]).encode(),
        server_address=login.url,
        keyring=keyring,
        now=now,
    )


def provider(
    db: Database, connection: Connection, *, log_in: LogIn, keyring: KeyRing, refused: bool = False
) -> CalendarProvider:
    """The connection's account. `refused`: the server has just answered 401, so it is asked whether it means it.

    Raises ReauthRequiredError (the person must give a new password), ConflictError (disconnected).
    """
    url, username, password = json.loads(saving.given(db, connection, wanted="a new app password", keyring=keyring))
    account = log_in(AppPassword(url=url, username=username, password=password))
    if refused:
        account.account()
    return account


def _check(login: AppPassword) -> None:
    fields = {
        name: f"must have 1 to {MAX_LENGTH} characters, all of them printable"
        for name, value in (("server", login.url), ("username", login.username), ("password", login.password))
        if not 1 <= len(value) <= MAX_LENGTH or not value.isprintable()
    }
    if ":" in login.username:
        fields["username"] = "must have no colon (RFC 7617)"
    if fields:
        told = "; ".join(f"{name} {problem}" for name, problem in sorted(fields.items()))
        raise InvalidError(f"The account cannot be connected: {told}.", code="REQUEST.INVALID", fields=fields)
