"""API tokens."""

from datetime import timedelta
from typing import Annotated

import typer

from shared.cli import OPERATE
from shared.cli.client import api as http
from shared.cli.client import choose
from shared.cli.client.api import Item
from shared.cli.screen import output, times
from shared.cli.screen.output import AsJson
from shared.core import clock

PANEL = OPERATE
LISTING = "kalends tokens list"

app = typer.Typer(name="tokens", help="API tokens: what programs sign in with.", no_args_is_help=True)


@app.command("list")
def list_tokens(as_json: AsJson = False) -> None:
    """Show your API tokens, revoked ones included; of each its beginning."""
    with http.logged_in() as api:
        found = api.items("/api/tokens")
    if as_json:
        output.as_json(found)
        return
    ids = output.ids(found)
    output.table(
        ("id", "name", "token", "state", "made", "last used", "ends"),
        [
            (
                ids[one["id"]],
                one["name"],
                one["hint"],
                _state(one),
                times.moment(one["created_at"]),
                times.moment(one["last_used_at"]),
                times.moment(one["expires_at"]),
            )
            for one in found
        ],
        empty="There are no API tokens.",
    )


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.", show_default=False)],
    days: Annotated[int | None, typer.Option(min=1, help="When it ends by itself; never, if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make an API token. It is shown this once, can do everything you can, and is to be kept like a password."""
    expires = (clock.now() + timedelta(days=days)).isoformat() if days else None
    with http.logged_in() as api:
        made = api.post("/api/tokens", {"name": name, "expires_at": expires})
    if as_json:
        output.as_json(made)
        return
    output.say(made["token"])
    output.note(f"This is {made['name']!r}; it is not shown again. To end it: kalends tokens revoke {made['id']}")


@app.command()
def revoke(
    token: Annotated[
        str, typer.Argument(metavar="TOKEN", help="Its name, or the beginning of its id.", show_default=False)
    ],
) -> None:
    """Revoke an API token: it is dead at once."""
    with http.logged_in() as api:
        found = api.items("/api/tokens")
        living = [one for one in found if one["revoked_at"] is None]
        chosen = choose.one(
            living,
            token,
            kind="token",
            listing=LISTING,
            label=lambda one: f"{one['name']} of {times.moment(one['created_at'])}",
            names=lambda one: [one["name"]],
        )
        api.delete(f"/api/tokens/{chosen['id']}")
        own = api.login is not None and api.login.token_id == chosen["id"]
    output.say(f"Revoked {chosen['name']!r}.")
    if own:
        output.note("It was this login's own: log in again with kalends login.")


def _state(token: Item) -> str:
    if token["revoked_at"]:
        return "revoked"
    return "expired" if token["expires_at"] and times.is_past(token["expires_at"], clock.now()) else "active"
