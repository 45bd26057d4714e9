"""The state of everything, what happened of late, and what needs the person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.portal import rendering
from functions.portal.forms import back
from functions.portal.views import groups
from shared.control import gates
from shared.sync.asking import requests
from shared.sync.views import activity, status

if TYPE_CHECKING:
    from functions.http import Response
    from functions.portal.forms import Form
    from functions.visit import Visit

RECENT = 10


def show(visit: Visit) -> Response:
    """Everything at a glance. Without accounts or links: what to do first."""
    engine = visit.engine
    with visit.mine() as conn:
        found = status.read(conn, user_id=visit.principal.user_id, flags=visit.application.flags, now=visit.now)
        changes = activity.changes(conn, engine.data_key, link_id=None, before=None, limit=RECENT)
    syncing = next(gate.open for gate in found.gates if gate.name == gates.Operation.SYNC)
    connected = [one for one in found.connections if one.status != "disconnected"]
    return rendering.page(
        "overview.html",
        visit,
        status=200,
        found=found,
        cards=groups.cards(found.links),
        connected=connected,
        changes=changes,
        syncing=syncing,
        told=visit.request.query.get("told", ""),
    )


def attention(visit: Visit) -> Response:
    """What needs the person, in one list."""
    with visit.mine() as conn:
        found = status.read(conn, user_id=visit.principal.user_id, flags=visit.application.flags, now=visit.now)
    return rendering.page("attention.html", visit, attention=found.attention)


def sync_now(visit: Visit, form: Form) -> Response:
    """Look at everything now."""
    requests.sync_now(visit.engine, visit.by)
    return back("/", told="asked")
