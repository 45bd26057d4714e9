"""The calendars of all accounts: choose two to link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.portal import rendering
from functions.portal.forms import back, identifier
from shared.connections import calendars, store
from shared.sync import links, reconciliation
from shared.sync.views import status

if TYPE_CHECKING:
    from functions.http import Response
    from functions.portal.forms import Form
    from functions.visit import Visit


def show(visit: Visit) -> Response:
    """By account, with the links that each calendar has."""
    user_id = visit.principal.user_id
    with visit.mine() as conn:
        accounts = store.list_connections(conn, user_id=user_id)
        listed = calendars.list_calendars(conn, user_id=user_id)
        all_links = links.list_page(conn, after=None, limit=1000)
        known = status.read(conn, user_id=user_id, flags=visit.application.flags, now=visit.now)
    standing = {one.id: one for one in known.calendars}
    names = {one.id: one.name for one in listed}
    groups = [
        {
            "account": account,
            "calendars": [
                {
                    "calendar": calendar,
                    "standing": standing.get(calendar.id),
                    "outgoing": [
                        (one.id, names[one.target_calendar_id])
                        for one in all_links
                        if one.source_calendar_id == calendar.id
                    ],
                    "incoming": [
                        (one.id, names[one.source_calendar_id])
                        for one in all_links
                        if one.target_calendar_id == calendar.id
                    ],
                }
                for calendar in listed
                if calendar.connection_id == account.id
            ],
        }
        for account in accounts
    ]
    return rendering.page("calendars.html", visit, groups=groups, told=visit.request.query.get("told", ""))


def purge(visit: Visit, form: Form, calendar_id: str) -> Response:
    """Remove the mirrors that belong to no link."""
    reconciliation.purge(visit.engine, visit.by, identifier(calendar_id))
    return back("/calendars", told="purged")
