"""Oneself: name, time zone, password, sessions."""

from typing import Annotated

import typer

from shared.cli import OPERATE
from shared.cli.client import api as http
from shared.cli.screen import ask, output, times
from shared.cli.screen.output import AsJson
from shared.core import clock

PANEL = OPERATE

app = typer.Typer(name="profile", help="You: name, time zone, password, sessions.", no_args_is_help=True)


@app.command()
def show(as_json: AsJson = False) -> None:
    """Show who you are, with your time zone."""
    with http.logged_in() as api:
        me = api.get("/api/me")
    if as_json:
        output.as_json({name: value for name, value in me.items() if name != "csrf_token"})
        return
    output.say(f"{me['name'] or me['email']} <{me['email']}>, {me['role']}, {me['timezone']}")


@app.command("set")
def change(
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What you are called.")] = None,
    timezone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Where you live by the clock, such as Europe/Berlin.")
    ] = None,
) -> None:
    """Change your name or time zone."""
    given = {"name": name, "timezone": timezone}
    with http.logged_in() as api:
        me = api.patch("/api/me", {field: value for field, value in given.items() if value is not None})
    output.say(f"{me['name'] or me['email']}, {me['timezone']}")


@app.command()
def password() -> None:
    """Change your password.

    Asks for the present one and the new one; without a terminal they are two lines of standard input. Browsers that
    are signed in have to sign in again; this login goes on.
    """
    with http.logged_in() as api:
        current = ask.text("Present password", option="a terminal", hidden=True)
        new = ask.text("New password", option="a terminal", hidden=True)
        done = api.put("/api/me/password", {"current_password": current, "new_password": new})
    output.say(f"Your password is changed. Sessions ended: {done['ended_sessions']}.")


@app.command()
def sessions(as_json: AsJson = False) -> None:
    """Show where you are signed in with a browser. Programs have tokens: kalends tokens list"""
    with http.logged_in() as api:
        found = api.items("/api/me/sessions")
    if as_json:
        output.as_json(found)
        return
    now = clock.now()
    output.table(
        ("signed in", "last seen", "ends"),
        [
            (times.moment(one["created_at"]), times.ago(one["last_seen_at"], now), times.moment(one["expires_at"]))
            for one in found
        ],
        empty="You are signed in with no browser.",
    )


@app.command("sign-out")
def sign_out() -> None:
    """Sign out of every browser. This login and other tokens go on."""
    with http.logged_in() as api:
        done = api.delete("/api/me/sessions")
    output.say(f"Sessions ended: {done['ended_sessions']}.")
