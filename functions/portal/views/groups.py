"""A group: calendars that are linked with each other, shown and changed as one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.portal import rendering
from functions.portal.forms import LinkForm, back, identifier
from functions.portal.views import new_link, planned
from shared.connections import calendars
from shared.core.errors import InvalidError, NotFoundError
from shared.sync.asking import plans, preview, requests
from shared.sync.two_way import groups
from shared.sync.views import status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from functions.http import Response
    from functions.portal.forms import Form
    from functions.visit import Visit
    from shared.connections.calendars import Calendar
    from shared.store.database import Connection
    from shared.sync.two_way.groups import Group
    from shared.sync.views.status import LinkState, LinkStatus

_GRAVEST: tuple[LinkState, ...] = ("attention", "waiting", "paused", "deleting", "copying", "behind", "current")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A link by itself, or all the links of a group, as one line of a list. `counts` are summed, by name."""

    page: str
    name: str
    state: LinkState
    counts: Counter[str]
    skipped: int
    last_written_at: datetime | None
    proven_at: datetime | None


def cards(states: Sequence[LinkStatus]) -> list[Card]:
    """What there is, groups as one, in the order of their first links."""
    found: dict[UUID, list[LinkStatus]] = {}
    for one in states:
        found.setdefault(one.link.group_id or one.link.id, []).append(one)
    return [_card(of_one) for of_one in found.values()]


def joined(names: Sequence[str]) -> str:
    """Calendars of a group, as people call them together."""
    return " ⇄ ".join(names)


def show(visit: Visit, group_id: str) -> Response:
    """How it stands, link by link; its calendars, and one more that could join."""
    chosen = identifier(group_id)
    with visit.mine() as conn:
        group = groups.get(conn, chosen)
        inside, others = _calendars(conn, visit, group)
        found = status.read(conn, user_id=visit.principal.user_id, flags=visit.application.flags, now=visit.now)
        warnings = groups.warnings(conn, group)
    states = [one for one in found.links if one.link.group_id == chosen]
    return rendering.page(
        "group.html",
        visit,
        group=group,
        settings=group.settings,
        title=joined([one.name for one in inside]),
        card=_card(states),
        states=states,
        inside=inside,
        others=[one for one in others if one.can_write and not one.vanished_at],
        privacy=new_link.CHOICES[group.settings.privacy][0],
        warnings=warnings,
        told=visit.request.query.get("told", ""),
    )


def pause(visit: Visit, form: Form, group_id: str) -> Response:
    """Stop writing."""
    groups.set_state(visit.engine, visit.by, identifier(group_id), "paused")
    return back(f"/groups/{group_id}", told="paused")


def resume(visit: Visit, form: Form, group_id: str) -> Response:
    """Go on."""
    groups.set_state(visit.engine, visit.by, identifier(group_id), "active")
    return back(f"/groups/{group_id}", told="resumed")


def resync(visit: Visit, form: Form, group_id: str) -> Response:
    """What reading all its calendars anew would write."""
    return planned.show(visit, plans.Proposal(action="resync", group_id=identifier(group_id), options={}))


def sync_now(visit: Visit, form: Form, group_id: str) -> Response:
    """Look at all its calendars now."""
    with visit.mine() as conn:
        group = groups.get(conn, identifier(group_id))
    for calendar_id in group.calendar_ids:
        requests.sync_now(visit.engine, visit.by, calendar_id=calendar_id)
    return back(f"/groups/{group_id}", told="asked")


def edit(visit: Visit, group_id: str) -> Response:
    """Its settings, with what others would see."""
    with visit.mine() as conn:
        group = groups.get(conn, identifier(group_id))
    return _edit_page(visit, group, LinkForm.of_link(group.settings))


def change(visit: Visit, form: Form, group_id: str) -> Response:
    """What the change would write, to be confirmed, unless somebody else changed the group meanwhile; or the form
    again: to look, or to be corrected."""
    chosen, filled, version = identifier(group_id), LinkForm.of(form), form.get("version", "")
    with visit.mine() as conn:
        group = groups.get(conn, chosen)
    if "look" in form:
        return _edit_page(visit, group, filled)
    try:
        changes = filled.options()
    except InvalidError as error:
        return _edit_page(visit, group, filled, problem=error)
    proposal = plans.Proposal(action="change", group_id=chosen, options=changes)
    return planned.show(visit, proposal, version=int(version) if version.isdecimal() else None)


def add(visit: Visit, form: Form, group_id: str) -> Response:
    """What linking one more calendar with all of it would write, to be confirmed."""
    joins = identifier(form.get("calendar", ""))
    proposal = plans.Proposal(action="add", group_id=identifier(group_id), source_calendar_id=joins, options={})
    return planned.show(visit, proposal)


def ask_remove(visit: Visit, group_id: str, calendar_id: str) -> Response:
    """With the mirrors between it and the others, or without?"""
    chosen = identifier(calendar_id)
    with visit.mine() as conn:
        group = groups.get(conn, identifier(group_id))
        inside, _ = _calendars(conn, visit, group)
    name = next((one.name for one in inside if one.id == chosen), None)
    if name is None:
        raise NotFoundError(f"Calendar {calendar_id} is not in group {group_id}.", code="GROUP.NOT_IN_IT")
    title = f"Take {name} out of {joined([one.name for one in inside])}"
    return rendering.page("group_delete.html", visit, title=title, group=group, what="Take it out")


def remove(visit: Visit, form: Form, group_id: str, calendar_id: str) -> Response:
    """What taking a calendar out would write, to be confirmed."""
    proposal = plans.Proposal(
        action="remove",
        group_id=identifier(group_id),
        source_calendar_id=identifier(calendar_id),
        options={"delete_mirrors": _mirrors_go(form)},
    )
    return planned.show(visit, proposal)


def ask_delete(visit: Visit, group_id: str) -> Response:
    """With its mirrors, or without?"""
    with visit.mine() as conn:
        group = groups.get(conn, identifier(group_id))
        inside, _ = _calendars(conn, visit, group)
    title = f"Delete {joined([one.name for one in inside])}"
    return rendering.page("group_delete.html", visit, title=title, group=group, what="Delete it")


def delete(visit: Visit, form: Form, group_id: str) -> Response:
    """What deleting it would write, to be confirmed; the button says what becomes of the mirrors, nobody guesses it."""
    options = {"delete_mirrors": _mirrors_go(form)}
    return planned.show(visit, plans.Proposal(action="delete", group_id=identifier(group_id), options=options))


def _card(of_one: Sequence[LinkStatus]) -> Card:
    first = of_one[0]
    counts: Counter[str] = Counter()
    for one in of_one:
        counts.update({name: getattr(one.counts, name) for name in ("mirrors", "due", "held", "frozen", "conflicts")})
    is_group = first.link.group_id is not None
    names = list(dict.fromkeys(one.source_name for one in sorted(of_one, key=lambda one: one.link.source_calendar_id)))
    return Card(
        page=f"/groups/{first.link.group_id}" if is_group else f"/links/{first.link.id}",
        name=joined(names) if is_group else f"{first.source_name} → {first.target_name}",
        state=min((one.state for one in of_one), key=_GRAVEST.index),
        counts=counts,
        skipped=sum(sum(one.skipped.values()) for one in of_one),
        last_written_at=max((one.last_written_at for one in of_one if one.last_written_at), default=None),
        proven_at=None
        if any(one.proven_at is None for one in of_one)
        else min(one.proven_at for one in of_one if one.proven_at),
    )


def _calendars(conn: Connection, visit: Visit, group: Group) -> tuple[list[Calendar], list[Calendar]]:
    """Those of the group in its order, and the person's others."""
    listed = {one.id: one for one in calendars.list_calendars(conn, user_id=visit.principal.user_id)}
    inside = [listed[calendar_id] for calendar_id in group.calendar_ids]
    return inside, [one for one in listed.values() if one not in inside]


def _mirrors_go(form: Form) -> bool:
    answer = form.get("delete_mirrors", "")
    if answer not in ("true", "false"):
        raise InvalidError("Say what shall become of the mirrors.", code="REQUEST.INVALID")
    return answer == "true"


def _edit_page(visit: Visit, group: Group, form: LinkForm, *, problem: InvalidError | None = None) -> Response:
    with visit.mine() as conn:
        inside, _ = _calendars(conn, visit, group)
    shown = new_link.example(visit, inside[0].time_zone, visit.now)
    return rendering.page(
        "link_edit.html",
        visit,
        status=problem.status if problem else 200,
        title=joined([one.name for one in inside]),
        page=f"/groups/{group.id}",
        version=group.version,
        shared=[one.name for one in inside if one.is_shared],
        button="See what that changes",
        form=form,
        original=shown,
        choices=new_link.choices(visit, shown, form, inside[0].id),
        never_shown=preview.NEVER_SHOWN,
        problem=problem.message if problem else "",
        fields=problem.fields if problem else {},
    )
