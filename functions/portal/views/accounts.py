"""Connected accounts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.http import see_other
from functions.portal import rendering
from functions.portal.forms import back, identifier
from shared.connections import apps, calendars, discovery, oauth, store
from shared.core.errors import ConflictError, InvalidError, ReauthRequiredError, TransientError
from shared.providers import AppPassword
from shared.sync import links
from shared.sync.asking import requests

if TYPE_CHECKING:
    from functions.http import Response
    from functions.portal.forms import Form
    from functions.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A CalDAV provider, the address that it documents, and where it makes app passwords."""

    name: str
    server: str
    hint: str


PRESETS = {
    "icloud": Preset(
        name="iCloud",
        server="https://caldav.icloud.com",
        hint="Make an app-specific password at account.apple.com, under Sign-In and Security. The user name is your "
        "Apple Account's e-mail address.",
    ),
    "fastmail": Preset(
        name="Fastmail",
        server="https://caldav.fastmail.com",
        hint="Make an app password with access to calendars in Fastmail's settings, under Privacy & Security. The user "
        "name is your Fastmail address.",
    ),
    "nextcloud": Preset(
        name="Nextcloud",
        server="https://cloud.example.com/remote.php/dav",
        hint="Put your own server's name in the place of cloud.example.com. Make an app password in Nextcloud's "
        "personal settings, under Security.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An account, how many calendars it has, and what went wrong last."""

    account: store.Connection
    calendars: int
    error: str


def show(visit: Visit) -> Response:
    """Every account with its state, and what can be done with it."""
    user_id = visit.principal.user_id
    with visit.mine() as conn:
        found = store.list_connections(conn, user_id=user_id)
        listed = calendars.list_calendars(conn, user_id=user_id)
        offered = apps.offered(conn, visit.application.oauth_clients())
    rows = [
        Row(
            account=one,
            calendars=sum(calendar.connection_id == one.id and not calendar.vanished_at for calendar in listed),
            error=json.loads(one.last_error).get("message", "") if one.last_error else "",
        )
        for one in found
    ]
    connected = visit.request.query.get("connected", "")
    return rendering.page(
        "connections.html",
        visit,
        rows=rows,
        offered=offered,
        connected=next((row for row in rows if str(row.account.id) == connected), None),
        told=visit.request.query.get("told", ""),
    )


def caldav_form(visit: Visit) -> Response:
    """Where a CalDAV account is entered: empty, for a provider we know, or for an account whose password is refused."""
    query = visit.request.query
    preset = PRESETS.get(query.get("at", ""))
    server, username = preset.server if preset else "", ""
    if "again" in query:
        with visit.mine() as conn:
            known = store.get(conn, identifier(query["again"]))
        server, username = known.server_address or "", known.provider_user_id.rpartition("#")[2]
    return _caldav(visit, server=server, username=username, preset=preset)


def connect_caldav(visit: Visit, form: Form) -> Response:
    """Try what was entered and connect the account. The password is never shown again."""
    server, username = form.get("server", "").strip(), form.get("username", "").strip()
    try:
        login = AppPassword(url=server, username=username, password=form.get("password", "").strip())
        connection = visit.connect_app_password(login)
    except (InvalidError, TransientError) as error:
        return _caldav(visit, server=server, username=username, problem=error.message, status=error.status)
    return see_other(f"/connections?connected={connection.id}")


def _caldav(
    visit: Visit,
    *,
    server: str,
    username: str,
    preset: Preset | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    return rendering.page(
        "caldav.html",
        visit,
        status=status,
        presets=PRESETS,
        preset=preset,
        server=server,
        username=username,
        problem=problem,
    )


def feed_form(visit: Visit) -> Response:
    """Where a feed's address is entered, for a new one or one that has moved. The address that it has is not shown."""
    return _feed(visit, again=visit.request.query.get("again", ""))


def connect_feed(visit: Visit, form: Form) -> Response:
    """Read the feed that was entered and connect it."""
    again = form.get("again", "")
    try:
        chosen = identifier(again) if again else None
        connection = visit.connect_feed(form.get("address", "").strip(), connection_id=chosen)
    except (InvalidError, TransientError, ConflictError) as error:
        return _feed(visit, again=again, problem=error.message, status=error.status)
    return see_other(f"/connections?connected={connection.id}")


def _feed(visit: Visit, *, again: str, problem: str = "", status: int = 200) -> Response:
    known = None
    if again:
        with visit.mine() as conn:
            known = store.get(conn, identifier(again))
    return rendering.page("ics.html", visit, status=status, known=known, problem=problem)


def discover(visit: Visit, form: Form, connection_id: str) -> Response:
    """Ask the provider for the account's calendars now."""
    application = visit.application
    with visit.mine() as conn:
        connection = store.get(conn, identifier(connection_id))
    try:
        provider = application.provider(connection)
        discovery.discover(application.database, connection=connection, provider=provider, now=visit.now)
    except ReauthRequiredError as error:
        raise ConflictError(
            "This account no longer lets Kalends in: connect it again.", code="CONNECTION.NEEDS_REAUTH"
        ) from error
    return back("/calendars", told="discovered")


def ask_disconnect(visit: Visit, connection_id: str) -> Response:
    """What stops with it, before it is done."""
    with visit.mine() as conn:
        connection = store.get(conn, identifier(connection_id))
        names = {one.id: one for one in calendars.list_calendars(conn, user_id=visit.principal.user_id)}
        touched = [
            (names[link.source_calendar_id].name, names[link.target_calendar_id].name)
            for link in links.list_page(conn, after=None, limit=1000)
            if connection.id
            in (names[link.source_calendar_id].connection_id, names[link.target_calendar_id].connection_id)
        ]
    return rendering.page("disconnect.html", visit, account=connection, touched=touched)


def disconnect(visit: Visit, form: Form, connection_id: str) -> Response:
    """Give the permission back and erase it here."""
    application, chosen = visit.application, identifier(connection_id)
    requests.stop_channels(visit.engine, visit.by, chosen)
    oauth.disconnect(
        application.database,
        connection_id=chosen,
        user_id=visit.principal.user_id,
        keyring=application.keyring(),
        authorizer_for=application.authorizer,
        actor=visit.principal.actor,
        now=visit.now,
    )
    return back("/connections", told="disconnected")
