"""A new link: from where, to where, and exactly what others will see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from functions.portal import rendering
from functions.portal.forms import LinkForm
from functions.portal.views import planned
from shared import providers
from shared.connections import calendars, store
from shared.core.errors import InvalidError, KalendsError
from shared.identity import people
from shared.sync.asking import plans, preview

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from functions.http import Response
    from functions.portal.forms import Form
    from functions.visit import Visit
    from shared.calendar.event import Event
    from shared.calendar.mirror import Appearance
    from shared.connections.calendars import Calendar

CHOICES = {
    "busy": ("Only that you are busy", "No title, no place, no text. Kalends stores none of it either."),
    "title": ("Also the title", "The title shows; place and text stay with you."),
    "full": ("Everything written", "Title, place and text show as they are."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choosable:
    """A calendar as a list offers it."""

    calendar: Calendar
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A degree of privacy, with the example event as others would see it."""

    name: str
    title: str
    meaning: str
    seen: Appearance


def show(visit: Visit) -> Response:
    """The form; a calendar may stand in the address."""
    query = visit.request.query
    return _page(visit, LinkForm(source=query.get("source", ""), target=query.get("target", "")))


def create(visit: Visit, form: Form) -> Response:
    """What the link would make, to be confirmed; or the form again: to look, or with what is to be corrected."""
    filled = LinkForm.of(form)
    if "look" in form:
        return _page(visit, filled)
    try:
        options = filled.options()
        source, target = _chosen(filled)
        insists = "understood" in form
        if filled.mask(filled.privacy).tells and not insists:
            with visit.mine() as conn:
                into = [calendars.get(conn, one) for one in ((source, target) if filled.two_way else (target,))]
            shared = [one.name for one in into if one.is_shared]
            if shared:
                return _page(visit, filled, status=409, shared=shared)
        return planned.show(visit, _proposal(filled, source, target, {**options, "others_may_read": insists}))
    except InvalidError as error:
        return _page(visit, filled, status=error.status, problem=error)
    except KalendsError as error:
        if error.status >= 500:
            raise
        return _page(visit, filled, status=error.status, problem=error)


def choices(visit: Visit, example: Event, form: LinkForm, source_calendar_id: UUID | None) -> list[Choice]:
    """The three degrees side by side."""
    with visit.mine() as conn:
        masks = {name: preview.named(conn, form.mask(name), source_calendar_id) for name in CHOICES}
    return [
        Choice(
            name=name,
            title=title,
            meaning=meaning,
            seen=preview.render(example, masks[name]),
        )
        for name, (title, meaning) in CHOICES.items()
    ]


def example(visit: Visit, zone: str, now: datetime) -> Event:
    """The example event, in the zone of the calendar it is for, or else in the person's."""
    if not zone:
        with visit.mine() as conn:
            zone = people.get(conn, visit.principal.user_id).timezone
    return preview.example(zone=zone, now=now)


def _page(
    visit: Visit, form: LinkForm, *, status: int = 200, problem: KalendsError | None = None, shared: Sequence[str] = ()
) -> Response:
    user_id = visit.principal.user_id
    with visit.mine() as conn:
        accounts = {one.id: one for one in store.list_connections(conn, user_id=user_id)}
        listed = calendars.list_calendars(conn, user_id=user_id)
    offered = [
        Choosable(calendar=one, account=_name(accounts[one.connection_id]))
        for one in listed
        if not one.vanished_at and accounts[one.connection_id].status != "disconnected"
    ]
    source = next((one.calendar for one in offered if str(one.calendar.id) == form.source), None)
    chosen = next((one.calendar for one in offered if str(one.calendar.id) == (form.source or form.target)), None)
    shown = example(visit, chosen.time_zone if chosen else "", visit.now)
    return rendering.page(
        "link_new.html",
        visit,
        status=status,
        form=form,
        sources=offered,
        targets=[one for one in offered if one.calendar.can_write],
        original=shown,
        choices=choices(visit, shown, form, source.id if source else None),
        never_shown=preview.NEVER_SHOWN,
        problem=problem.message if problem else "",
        fields=problem.fields if isinstance(problem, InvalidError) else {},
        shared=shared,
        tells=form.mask(form.privacy).tells if shared else (),
    )


def _proposal(form: LinkForm, source: UUID, target: UUID, options: dict[str, Any]) -> plans.Proposal:
    if form.two_way:
        return plans.Proposal(action="create", calendar_ids=(source, target), options=options)
    return plans.Proposal(action="create", source_calendar_id=source, target_calendar_id=target, options=options)


def _name(account: store.Connection) -> str:
    return f"{providers.NAMES[account.provider]} · {account.email}"


def _chosen(form: LinkForm) -> tuple[UUID, UUID]:
    fields = {}
    found: list[UUID] = []
    for name, text in (("source", form.source), ("target", form.target)):
        try:
            found.append(UUID(text))
        except ValueError:
            fields[name] = "choose a calendar"
    if fields:
        raise InvalidError("Choose a source and a target.", code="REQUEST.INVALID", fields=fields)
    return found[0], found[1]
