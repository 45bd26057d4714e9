"""Logging in and out."""

import socket
import sys
from typing import Annotated

import typer

from shared.cli import BEGIN
from shared.cli.client import api as http
from shared.cli.client import login as logins
from shared.cli.client.api import Api
from shared.cli.client.login import Login
from shared.cli.screen import ask, output
from shared.cli.screen.problem import MISUSED, CliError

PANEL = BEGIN

app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def login(
    host: Annotated[
        str | None, typer.Option(metavar="URL", help="Where Kalends runs; the last host, if left out.")
    ] = None,
    email: Annotated[str | None, typer.Option(help="Who you are; asked for if left out.")] = None,
    token: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="An API token to use instead; - reads it from standard input.")
    ] = None,
) -> None:
    """Log in to an installation.

    Asks for e-mail address and password and makes an API token, which stays in a file that only you can read. The
    password is kept nowhere. Without a terminal, both are lines of standard input.
    """
    before = _before()
    if host is None and before is None:
        message = "Say where to log in."
        raise CliError(message, code="LOGIN.HOST", todo="kalends login --host URL", exit_code=MISUSED)
    where = logins.host(host or (before.host if before else ""))
    made = _with_token(where, token) if token else _with_password(where, email)
    try:
        file = logins.save(made)
    except CliError:
        _revoke(made)
        raise
    output.say(f"Logged in to {made.host} as {made.email}. The login is kept in {file}.")
    if before is not None and before.token != made.token:
        _revoke(before)


@app.command(rich_help_panel=PANEL)
def logout() -> None:
    """Log out: the token is revoked and forgotten.

    A token that you brought along (login --token) is only forgotten.
    """
    before = logins.require()
    logins.forget()
    output.say(f"Logged out of {before.host}.")
    _revoke(before)
    if before.token_id is None:
        output.note("Your own token is still good. To end it, revoke it: kalends tokens revoke")


def _before() -> Login | None:
    """The login that is to be replaced; one that cannot be read is lost anyway."""
    try:
        return logins.find()
    except CliError:
        return None


def _with_token(host: str, given: str) -> Login:
    text = (sys.stdin.readline() if given == "-" else given).strip()
    if not text.isascii() or not text.isprintable() or not text:
        raise CliError("That is no token.", code="LOGIN.TOKEN", todo=f"Make one at {host}/tokens", exit_code=MISUSED)
    with http.connect(host, Login(host=host, email="", token=text)) as api:
        try:
            me = api.get("/api/me")
        except CliError as error:
            if error.error_code != "AUTH.TOKEN_REFUSED":
                raise
            message = f"{host} does not know this token, or it has ended."
            raise CliError(message, code=error.error_code, todo=f"Make one at {host}/tokens") from None
    return Login(host=host, email=str(me["email"]), token=text)


def _with_password(host: str, email: str | None) -> Login:
    with http.connect(host) as api:
        _meet(api)
        address = email or ask.text("E-mail address", option="--email")
        password = ask.text("Password", option="--token", hidden=True)
        session = api.post("/api/session", {"email": address, "password": password})
        csrf = str(session["csrf_token"])
        try:
            return _new_token(api, csrf)
        finally:
            api.delete("/api/session", csrf=csrf)


def _meet(api: Api) -> None:
    """No password for what does not refuse a stranger as Kalends does. Raises CliError."""
    try:
        api.get("/api/me")
    except CliError as error:
        if error.error_code != "AUTH.UNAUTHENTICATED":
            raise


def _new_token(api: Api, csrf: str) -> Login:
    me = api.get("/api/me")
    made = api.post("/api/tokens", {"name": f"kalends on {socket.gethostname()}"[:200]}, csrf=csrf)
    return Login(host=api.host, email=str(me["email"]), token=str(made["token"]), token_id=str(made["id"]))


def _revoke(before: Login) -> None:
    """End the token that a login made for itself; where that fails, say that it lives on."""
    if before.token_id is None:
        return
    try:
        with http.connect(before.host, before) as api:
            api.delete(f"/api/tokens/{before.token_id}")
    except CliError as error:
        if error.error_code != "AUTH.TOKEN_REFUSED":  # dead already
            output.note(f"The token could not be revoked: {error.message} It can be at {before.host}/tokens")
