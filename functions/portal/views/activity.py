"""What was written, run by run, and taking it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.portal import rendering
from functions.portal.forms import back, identifier
from shared.sync import undo

if TYPE_CHECKING:
    from functions.http import Response
    from functions.portal.forms import Form
    from functions.visit import Visit

SHOWN = 50


def show(visit: Visit) -> Response:
    """The newest runs that wrote something."""
    with visit.mine() as conn:
        runs = undo.list_page(conn, before=None, limit=SHOWN)
    oldest = visit.now - undo.KEPT
    return rendering.page("activity.html", visit, runs=runs, oldest=oldest, told=visit.request.query.get("told", ""))


def show_run(visit: Visit, run_id: str) -> Response:
    """One run, with what became of each mirror that it takes back."""
    chosen = identifier(run_id)
    with visit.mine() as conn:
        run, items = undo.get(conn, chosen), undo.items(conn, chosen)
    return rendering.page(
        "run.html",
        visit,
        run=run,
        items=items,
        can_undo=run.writes > 0 and run.undone_by is None and run.started_at >= visit.now - undo.KEPT,
        told=visit.request.query.get("told", ""),
    )


def take_back(visit: Visit, form: Form, run_id: str) -> Response:
    """Undo it."""
    done = undo.undo(visit.engine, visit.by, identifier(run_id))
    return back(f"/activity/{done.id}", told="undone")


def follow_again(visit: Visit, form: Form, run_id: str) -> Response:
    """Sync again."""
    undo.follow_again(visit.engine, visit.by, identifier(run_id))
    return back(f"/activity/{run_id}", told="followed")
