"""What both sides of a link changed: both values side by side, and the choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.portal import rendering
from functions.portal.forms import back, identifier
from shared.calendar.two_way import Winner
from shared.connections import calendars
from shared.core.errors import InvalidError
from shared.sync.asking import requests
from shared.sync.two_way import conflicts

if TYPE_CHECKING:
    from functions.http import Response
    from functions.portal.forms import Form
    from functions.visit import Visit
    from shared.calendar.patch import Patch

SHOWN = 100
FIELDS = {
    "title": "Title",
    "description": "Text",
    "location": "Place",
    "when": "Time",
    "availability": "Availability",
    "recurrence": "How it repeats",
    "occurrence": "Whether it takes place",
}


def show(visit: Visit) -> Response:
    """What waits for a decision; or all of the last 30 days, edits that were refused among them."""
    with_resolved = visit.request.query.get("resolved") == "yes"
    with visit.mine() as conn:
        found = conflicts.list_page(conn, with_resolved=with_resolved, before=None, limit=SHOWN)
        values = conflicts.values(conn, visit.engine, found)
        names = {one.id: one.name for one in calendars.list_calendars(conn, user_id=visit.principal.user_id)}
    rows = [
        {
            "one": one,
            "title": values[one.id].title,
            "field": FIELDS[one.field],
            "sides": [
                ("source", names[one.source_calendar_id], in_words(values[one.id].source, one.field)),
                ("target", names[one.target_calendar_id], in_words(values[one.id].target, one.field)),
            ],
            "waits": one.winner is None,
            "why": conflicts.refused_because(one.decided_by)
            if one.decided_by and conflicts.is_refusal(one.decided_by)
            else "",
        }
        for one in found
    ]
    told = visit.request.query.get("told", "")
    return rendering.page("conflicts.html", visit, rows=rows, with_resolved=with_resolved, told=told)


def resolve(visit: Visit, form: Form, conflict_id: str) -> Response:
    """The value of one side stays."""
    chosen = identifier(conflict_id)
    if form.get("winner") not in ("source", "target"):
        raise InvalidError("Say whose value stays.", code="REQUEST.INVALID")
    requests.resolve_conflict(visit.engine, visit.by, chosen, winner=Winner(form["winner"]))
    return back("/conflicts", told="decided")


def in_words(value: Patch | None, field: str) -> str:
    """What one side has."""
    if value is None:
        return "There is no such occurrence."
    match field:
        case "title":
            return value.title or "(empty)"
        case "location":
            return value.location or "(empty)"
        case "description":
            return (value.description.text if value.description else "") or "(empty)"
        case "when":
            return rendering.span_in_words(value.when)
        case "availability":
            return value.availability.value.replace("_", " ") if value.availability else ""
        case "recurrence":
            return "; ".join(value.recurrence or ()) or "It happens once."
    return "It takes place."
