"""Connecting an account."""

from datetime import datetime
from typing import Annotated, Literal

import typer

from shared.cli import BEGIN
from shared.cli.client import api as http
from shared.cli.client.api import Api, Item
from shared.cli.screen import output, waiting
from shared.cli.screen.problem import CliError

PANEL = BEGIN
PATIENCE = 600
"""Seconds after which an authorization that was begun has expired."""

app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def connect(
    provider: Annotated[
        Literal["google", "microsoft"],
        typer.Argument(metavar="google|microsoft", help="Whose calendars.", show_default=False),
    ],
    account: Annotated[str | None, typer.Option(metavar="EMAIL", help="The account that is meant.")] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the address in this machine's browser.")] = False,
    timeout: Annotated[int, typer.Option(min=1, max=PATIENCE, help="Seconds to wait.")] = PATIENCE,
) -> None:
    """Connect a Google or Microsoft account.

    Prints the address at which the provider asks for your consent, and waits until the account is here. Open it in a
    browser that is signed in to Kalends as you.
    """
    with http.logged_in() as api:
        before = _accounts(api, provider)
        address = str(api.get(f"/oauth/{provider}/start", login_hint=account)["authorization_url"])
        output.note(f"Open this address in a browser that is signed in to {api.host} as you, and allow access:")
        output.say(address)
        if open_browser:
            typer.launch(address)
        with waiting.progress() as tell:
            tell(f"Waiting for the {provider.title()} account. Ctrl-C stops waiting.", 0, 0)
            found = waiting.until(lambda: _arrived(before, _accounts(api, provider)), seconds=timeout)
        if found is None:
            message = f"No {provider.title()} account was connected within {output.count(timeout, 'second')}."
            raise CliError(message, code="CONNECT.TIMEOUT", todo=f"Begin again: kalends connect {provider}")
        count = len(api.items("/api/calendars", connection_id=found["id"]))
    output.say(f"Connected {found['email']} with {output.count(count, 'calendar')}.")
    output.note("Next: kalends calendars list, then kalends links create")


def _accounts(api: Api, provider: str) -> dict[str, Item]:
    return {one["id"]: one for one in api.items("/api/connections") if one["provider"] == provider}


def _arrived(before: dict[str, Item], now: dict[str, Item]) -> Item | None:
    """The account that is new, usable again, or connected once more."""
    for connection_id, account in now.items():
        if account["status"] != "active":
            continue
        known = before.get(connection_id)
        if known is None or known["status"] != "active" or _renewed(known, account):
            return account
    return None


def _renewed(before: Item, now: Item) -> bool:
    """Whether an account was connected anew: that saves it and lists its calendars; a sync does one or the other."""
    return all(_time(now[name]) > _time(before[name]) for name in ("updated_at", "last_discovered_at"))


def _time(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0
