"""What a person says of themselves, their password, and where they are signed in."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from functions.portal import rendering
from functions.portal.forms import back
from shared.core.errors import InvalidError, RateLimitedError
from shared.identity import password, people, sessions

if TYPE_CHECKING:
    from functions.http import Response
    from functions.portal.forms import Form
    from functions.visit import Visit


def show(visit: Visit) -> Response:
    """As it stands."""
    return _page(visit)


def change(visit: Visit, form: Form) -> Response:
    """A new name or time zone."""
    somebody = visit.principal
    try:
        with visit.mine() as conn:
            people.change(
                conn,
                somebody.user_id,
                name=form.get("name", ""),
                timezone=form.get("timezone", ""),
                actor=somebody.actor,
                now=visit.now,
            )
    except InvalidError as error:
        return _page(visit, problem=error, typed=form)
    return back("/profile", told="profile")


def change_password(visit: Visit, form: Form) -> Response:
    """A new password, for whoever knows the present one."""
    application = visit.application
    try:
        password.change(
            application.database,
            visit.principal,
            current=form.get("current_password", ""),
            new=form.get("new_password", ""),
            secrets=application.session_secrets(),
            now=visit.now,
        )
    except (InvalidError, RateLimitedError) as error:
        return _page(visit, problem=error)
    return back("/profile", told="password")


def end_other_sessions(visit: Visit, form: Form) -> Response:
    """Signed out everywhere else."""
    somebody = visit.principal
    with visit.mine() as conn:
        sessions.end_others(
            conn, user_id=somebody.user_id, keep=somebody.session_hash, actor=somebody.actor, now=visit.now
        )
    return back("/profile", told="elsewhere")


@cache
def _zones() -> frozenset[str]:
    """What one may choose: of the names without a region only UTC is not an alias from before there were any."""
    return frozenset(name for name in available_timezones() if "/" in name or name == "UTC")


def _page(
    visit: Visit, *, problem: InvalidError | RateLimitedError | None = None, typed: Form | None = None
) -> Response:
    """`typed`: what stood in the form that was refused."""
    with visit.mine() as conn:
        person = people.get(conn, visit.principal.user_id)
        signed_in_at = sessions.list_sessions(conn, user_id=person.id, now=visit.now)
    return rendering.page(
        "profile.html",
        visit,
        status=problem.status if problem else 200,
        person=person,
        name=typed.get("name", "") if typed else person.name,
        timezone=typed.get("timezone", "") if typed else person.timezone,
        zones=sorted(_zones() | {person.timezone}),
        sessions=signed_in_at,
        here=visit.principal.session_hash,
        problem=problem.message if problem else "",
        fields=problem.fields if isinstance(problem, InvalidError) else {},
        told=visit.request.query.get("told", ""),
    )
