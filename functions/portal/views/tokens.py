"""API tokens, for programs and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.portal import rendering
from functions.portal.forms import back, identifier
from shared.core.errors import InvalidError
from shared.identity import api_tokens

if TYPE_CHECKING:
    from functions.http import Response
    from functions.portal.forms import Form
    from functions.visit import Visit


def show(visit: Visit) -> Response:
    """Those there are."""
    return _page(visit)


def create(visit: Visit, form: Form) -> Response:
    """A new one. It is shown in this answer and nowhere else, so there is no page to go on to."""
    try:
        with visit.mine() as conn:
            _, token = api_tokens.create(
                conn,
                user_id=visit.principal.user_id,
                name=form.get("name", ""),
                actor=visit.principal.actor,
                now=visit.now,
            )
    except InvalidError as error:
        return _page(visit, status=error.status, problem=error.message)
    return _page(visit, status=201, made=token)


def revoke(visit: Visit, form: Form, token_id: str) -> Response:
    """Dead at once."""
    with visit.mine() as conn:
        api_tokens.revoke(
            conn,
            identifier(token_id),
            user_id=visit.principal.user_id,
            actor=visit.principal.actor,
            now=visit.now,
        )
    return back("/tokens", told="revoked")


def _page(visit: Visit, *, status: int = 200, made: str = "", problem: str = "") -> Response:
    with visit.mine() as conn:
        found = api_tokens.list_tokens(conn, user_id=visit.principal.user_id)
    return rendering.page(
        "tokens.html",
        visit,
        status=status,
        tokens=found,
        made=made,
        problem=problem,
        base_url=visit.application.settings.app_base_url,
        told=visit.request.query.get("told", ""),
    )
