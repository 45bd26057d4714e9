"""Double bookings: ignore one, or find another time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.portal import rendering
from functions.portal.forms import back, identifier
from shared.calendar.span import TimedSpan
from shared.identity import people
from shared.sync import overlaps

if TYPE_CHECKING:
    from datetime import datetime

    from functions.http import Response
    from functions.portal.forms import Form
    from functions.visit import Visit

SHOWN = 100


def show(visit: Visit) -> Response:
    """Those that stand, or those that are ignored; with whole days if asked for."""
    state = "ignored" if visit.request.query.get("state") == "ignored" else "open"
    all_day = visit.request.query.get("all_day") == "yes"
    with visit.mine() as conn:
        found = overlaps.list_page(
            conn,
            visit.engine.data_key,
            after=None,
            limit=SHOWN,
            ignored=state == "ignored",
            all_day=all_day,
            now=visit.now,
        )
        zone = people.get(conn, visit.principal.user_id).timezone or "UTC"
    return rendering.page(
        "overlaps.html",
        visit,
        rows=[{"one": one, "when": _span(one.starts_at, one.ends_at, zone)} for one in found],
        state=state,
        all_day=all_day,
        told=visit.request.query.get("told", ""),
    )


def propose(visit: Visit, overlap_id: str) -> Response:
    """Free times near one of them."""
    with visit.mine() as conn:
        wanted = identifier(overlap_id)
        one = overlaps.get(conn, visit.engine.data_key, wanted)
        found = overlaps.proposals(
            conn,
            visit.engine.data_key,
            wanted,
            user_id=visit.principal.user_id,
            flags=visit.application.flags,
            length=None,
            now=visit.now,
        )
        zone = people.get(conn, visit.principal.user_id).timezone or "UTC"
    return rendering.page(
        "overlap.html",
        visit,
        one=one,
        when=_span(one.starts_at, one.ends_at, zone),
        slots=[_span(start, end, zone) for start, end in found.slots],
        complete=found.complete,
    )


def ignore(visit: Visit, form: Form, overlap_id: str) -> Response:
    """Tell of it no more."""
    _ignore(visit, overlap_id, ignored=True)
    return back("/overlaps", told="ignored")


def unignore(visit: Visit, form: Form, overlap_id: str) -> Response:
    """Tell of it again."""
    _ignore(visit, overlap_id, ignored=False)
    return back("/overlaps", told="unignored")


def _ignore(visit: Visit, overlap_id: str, *, ignored: bool) -> None:
    with visit.mine() as conn:
        overlaps.ignore(conn, visit.engine.data_key, identifier(overlap_id), ignored=ignored, now=visit.now)


def _span(start: datetime, end: datetime, zone: str) -> TimedSpan:
    return TimedSpan(start=start, end=end, zone=zone)
