"""What a new link or group, or a change or the end of one, would write, and the yes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.portal import rendering
from functions.portal.forms import back, identifier
from shared.connections import calendars
from shared.sync import links
from shared.sync.asking import plans

if TYPE_CHECKING:
    from functions.http import Response
    from functions.portal.forms import Form
    from functions.visit import Visit
    from shared.sync.asking.plans import Proposal

TOLD = {"create": "linked", "add": "linked", "change": "changed", "resync": "resynced", "remove": "taken_out"}


def show(visit: Visit, proposal: Proposal, *, version: int | None = None) -> Response:
    """Counts, samples as readers will see them, what is not known, and the button. Raises what doing it would raise."""
    plan, found = plans.make(visit.engine, visit.by, proposal, version=version)
    with visit.mine() as conn:
        ends = plan.calendar_ids or [plan.source_calendar_id, plan.target_calendar_id]
        names = [calendars.get(conn, calendar_id).name for calendar_id in ends]
    title = " → ".join(names) if plan.calendar_ids is None else " ⇄ ".join(names)
    readers = names[1] if plan.calendar_ids is None else "the others"
    of = f"/links/{plan.link_id}" if plan.link_id else f"/groups/{plan.group_id}" if plan.group_id else "/"
    return rendering.page("plan.html", visit, plan=plan, found=found, title=title, readers=readers, of=of)


def resync(visit: Visit, form: Form, link_id: str) -> Response:
    """What reading a link anew would write."""
    with visit.mine() as conn:
        link = links.get(conn, identifier(link_id))
    return show(visit, plans.Proposal(action="resync", link_id=link.id, options={}))


def apply(visit: Visit, form: Form, plan_id: str) -> Response:
    """Do it, unless something has changed since."""
    done = plans.apply(visit.engine, visit.by, identifier(plan_id))
    if done.action == "delete":
        return back("/", told="deleting" if done.mirrors else "deleted")
    page = f"/groups/{done.group_id}" if done.group_id else f"/links/{done.link_id}"
    return back(page, told=TOLD[done.action])
