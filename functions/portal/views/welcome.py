"""Coming in and going: invitations, signing in, signing out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions import visitor
from functions.http import Response, see_other
from functions.portal import rendering
from functions.portal.forms import public_page
from shared.core.errors import ConflictError, InvalidError, RateLimitedError, UnauthenticatedError
from shared.identity import invitations, people, sessions
from shared.identity import sign_in as gatekeeper

if TYPE_CHECKING:
    from functions.portal.forms import Form
    from functions.visit import Visit


def invitation(visit: Visit, token: str) -> Response:
    """A one-time link: who are you, and what shall your password be?"""
    with visit.application.database.everyone() as conn:
        email = invitations.check(conn, token, now=visit.now)
    return public_page("welcome.html", visit, email=email or "", fixed=email is not None, name="", fields={})


def accept(visit: Visit, form: Form, token: str) -> Response:
    """The account is made, and signed in."""
    database = visit.application.database
    email, name = form.get("email", ""), form.get("name", "")
    try:
        person = invitations.accept(
            database, token, email=email, name=name, password=form.get("password", ""), now=visit.now
        )
    except InvalidError as error:
        return public_page(
            "welcome.html", visit, status=400, email=email, fixed="fixed" in form, name=name, fields=error.fields
        )
    except ConflictError as error:
        if error.error_code != "PERSON.EXISTS":
            raise
        fields = {"email": error.message}
        return public_page("welcome.html", visit, status=409, email=email, fixed=False, name=name, fields=fields)
    with database.everyone() as conn:
        session = sessions.start(conn, user_id=person.id, now=visit.now)
        people.suggest_timezone(conn, person.id, form.get("timezone", ""), now=visit.now)
    return see_other("/", cookies=(visitor.session_cookie(session, visit.application),))


def sign_in_form(visit: Visit) -> Response:
    """E-mail address and password."""
    onward = _inside(visit.request.query.get("next", "/"))
    if visit.visitor is not None:
        return see_other(onward)
    return public_page("signin.html", visit, email="", problem="", onward=onward)


def sign_in(visit: Visit, form: Form) -> Response:
    """In, and on to where the person wanted to go."""
    email, onward = form.get("email", ""), _inside(form.get("next", "/"))
    try:
        entered = gatekeeper.sign_in(
            visit.application.database,
            email=email,
            password=form.get("password", ""),
            address=visit.request.address,
            secrets=visit.application.session_secrets(),
            now=visit.now,
        )
    except (UnauthenticatedError, RateLimitedError) as error:
        return public_page("signin.html", visit, status=error.status, email=email, problem=error.message, onward=onward)
    with visit.application.database.everyone() as conn:
        people.suggest_timezone(conn, entered.user_id, form.get("timezone", ""), now=visit.now)
    return see_other(onward, cookies=(visitor.session_cookie(entered.token, visit.application),))


def sign_out_form(visit: Visit) -> Response:
    """Really?"""
    return rendering.page("signout.html", visit)


def sign_out(visit: Visit, form: Form) -> Response:
    """The session ends at once."""
    token = visit.session_token
    if token:
        with visit.application.database.everyone() as conn:
            sessions.end(conn, token)
    return see_other("/signin", cookies=(visitor.no_session_cookie(visit.application),))


def _inside(address: str) -> str:
    """An address on this site only: a link to the sign-in page must not lead elsewhere afterwards."""
    inside = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if inside and " " not in address else "/"
