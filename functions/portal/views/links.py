"""One link: how it stands, what it did, what it left out, and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from functions.portal import rendering
from functions.portal.forms import LinkForm, back, identifier
from functions.portal.views import new_link, planned
from shared.calendar.span import Window
from shared.connections import calendars
from shared.core.errors import InvalidError, NotFoundError
from shared.sync import links
from shared.sync.asking import plans, preview, readers, requests
from shared.sync.views import activity, status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from functions.http import Response
    from functions.portal.forms import Form
    from functions.visit import Visit
    from shared.calendar.span import Span
    from shared.store.database import Connection
    from shared.sync.links import Link
    from shared.sync.views.activity import Item
    from shared.sync.views.status import LinkStatus

RECENT = 15
SHOWN = 50
COMING = 20
DAYS = 14


def show(visit: Visit, link_id: str) -> Response:
    """State, numbers, what was skipped and why, what happened, what comes."""
    engine, chosen = visit.engine, identifier(link_id)
    with visit.mine() as conn:
        found = _find(visit, chosen, conn)
        skipped = activity.skipped(conn, engine.data_key, link_id=chosen, after="", limit=SHOWN + 1)
        changes = activity.changes(conn, engine.data_key, link_id=chosen, before=None, limit=RECENT)
        coming = activity.agenda(
            conn,
            engine.data_key,
            calendar_id=None,
            link_id=chosen,
            window=Window(start=visit.now, end=visit.now + timedelta(days=DAYS)),
            after=None,
            limit=2 * COMING,
        )
    return rendering.page(
        "link.html",
        visit,
        one=found,
        link=found.link,
        privacy=new_link.CHOICES[found.link.privacy][0],
        skipped=skipped[:SHOWN],
        more_skipped=len(skipped) > SHOWN,
        changes=changes,
        coming=side_by_side(coming)[:COMING],
        days=DAYS,
        told=visit.request.query.get("told", ""),
    )


@dataclass(slots=True, kw_only=True)
class Row:
    """When something happens, and how it is called on each side; None where it does not stand."""

    span: Span
    source: Item | None = None
    mirror: Item | None = None


def side_by_side(items: Sequence[Item]) -> list[Row]:
    """Each event beside its mirror; one that was moved and not yet written stands apart from it."""
    rows: dict[tuple[str | None, str, datetime], Row] = {}
    for item in items:
        event_id = item.event_id if item.kind == "source" else item.source_event_id
        row = rows.setdefault((event_id, item.occurrence, item.span.starts_at()), Row(span=item.span))
        if item.kind == "source":
            row.source = item
        else:
            row.mirror = item
    return list(rows.values())


def pause(visit: Visit, form: Form, link_id: str) -> Response:
    """Stop writing."""
    requests.pause_link(visit.engine, visit.by, identifier(link_id))
    return back(f"/links/{link_id}", told="paused")


def resume(visit: Visit, form: Form, link_id: str) -> Response:
    """Go on."""
    requests.resume_link(visit.engine, visit.by, identifier(link_id))
    return back(f"/links/{link_id}", told="resumed")


def sync_now(visit: Visit, form: Form, link_id: str) -> Response:
    """Look at both ends now."""
    requests.sync_now(visit.engine, visit.by, link_id=identifier(link_id))
    return back(f"/links/{link_id}", told="asked")


def decide_readers(visit: Visit, form: Form, link_id: str) -> Response:
    """Whoever reads the target may; or what showing them no more than busy would write, to be confirmed."""
    chosen, answer = identifier(link_id), form.get("may_read", "")
    if answer == "false":
        return planned.show(visit, plans.Proposal(action="change", link_id=chosen, options=readers.ONLY_BUSY))
    if answer != "true":
        raise InvalidError("Say whether they may read this.", code="REQUEST.INVALID")
    requests.decide_readers(visit.engine, visit.by, chosen, may_read=True)
    return back(f"/links/{link_id}", told="may_read")


def edit(visit: Visit, link_id: str) -> Response:
    """Privacy, filters and window, with what others would see."""
    with visit.mine() as conn:
        link = links.get(conn, identifier(link_id))
    return _edit_page(visit, link, LinkForm.of_link(link))


def change(visit: Visit, form: Form, link_id: str) -> Response:
    """What the change would write, to be confirmed, unless somebody else changed the link meanwhile; or the form again:
    to look, or to be corrected."""
    chosen, filled = identifier(link_id), LinkForm.of(form)
    version = form.get("version", "")
    with visit.mine() as conn:
        link = links.get(conn, chosen)
    if "look" in form:
        return _edit_page(visit, link, filled)
    try:
        changes = filled.options()
    except InvalidError as error:
        return _edit_page(visit, link, filled, problem=error)
    proposal = plans.Proposal(action="change", link_id=chosen, options=changes)
    return planned.show(visit, proposal, version=int(version) if version.isdecimal() else None)


def ask_delete(visit: Visit, link_id: str) -> Response:
    """With its mirrors, or without?"""
    with visit.mine() as conn:
        found = _find(visit, identifier(link_id), conn)
    return rendering.page("link_delete.html", visit, one=found, link=found.link)


def delete(visit: Visit, form: Form, link_id: str) -> Response:
    """What deleting it would write, to be confirmed; the button says what becomes of the mirrors, nobody guesses it."""
    answer = form.get("delete_mirrors", "")
    if answer not in ("true", "false"):
        raise InvalidError("Say what shall become of the mirrors.", code="REQUEST.INVALID")
    options = {"delete_mirrors": answer == "true"}
    return planned.show(visit, plans.Proposal(action="delete", link_id=identifier(link_id), options=options))


def _edit_page(visit: Visit, link: Link, form: LinkForm, *, problem: InvalidError | None = None) -> Response:
    with visit.mine() as conn:
        source, target = calendars.get(conn, link.source_calendar_id), calendars.get(conn, link.target_calendar_id)
    shown = new_link.example(visit, source.time_zone, visit.now)
    return rendering.page(
        "link_edit.html",
        visit,
        status=problem.status if problem else 200,
        title=f"{source.name} → {target.name}",
        page=f"/links/{link.id}",
        version=link.version,
        shared=[target.name] if target.is_shared else [],
        button="See what that changes",
        form=form,
        original=shown,
        choices=new_link.choices(visit, shown, form, link.source_calendar_id),
        never_shown=preview.NEVER_SHOWN,
        problem=problem.message if problem else "",
        fields=problem.fields if problem else {},
    )


def _find(visit: Visit, link_id: UUID, conn: Connection) -> LinkStatus:
    found = status.read(conn, user_id=visit.principal.user_id, flags=visit.application.flags, now=visit.now)
    for one in found.links:
        if one.link.id == link_id:
            return one
    raise NotFoundError(f"There is no link {link_id}: it may have been deleted.")
