"""Held deletions: approve or discard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.portal import rendering
from functions.portal.forms import back, identifier
from shared.connections import calendars
from shared.sync import held, links
from shared.sync.asking import requests

if TYPE_CHECKING:
    from functions.http import Response
    from functions.portal.forms import Form
    from functions.visit import Visit

SHOWN = 100


def show(visit: Visit) -> Response:
    """What waits for a decision."""
    with visit.mine() as conn:
        waiting = held.list_page(conn, after=None, limit=SHOWN)
        of_links = links.by_ids(conn, [one.link_id for one in waiting])
        names = {one.id: one.name for one in calendars.list_calendars(conn, user_id=visit.principal.user_id)}
    rows = [
        {
            "held": one,
            "source": names[of_links[one.link_id].source_calendar_id],
            "target": names[of_links[one.link_id].target_calendar_id],
        }
        for one in waiting
    ]
    return rendering.page("held.html", visit, rows=rows, told=visit.request.query.get("told", ""))


def approve(visit: Visit, form: Form, held_id: str) -> Response:
    """Delete the mirrors."""
    requests.resolve_held(visit.engine, visit.by, identifier(held_id), approved=True)
    return back("/held", told="approved")


def discard(visit: Visit, form: Form, held_id: str) -> Response:
    """Keep the mirrors."""
    requests.resolve_held(visit.engine, visit.by, identifier(held_id), approved=False)
    return back("/held", told="discarded")
