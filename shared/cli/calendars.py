"""Calendars of the connected accounts."""

from typing import Annotated

import typer

from shared.cli import CALENDARS
from shared.cli.client import api as http
from shared.cli.client import choose
from shared.cli.client.api import Api, Item
from shared.cli.connections import choose_connection
from shared.cli.screen import output
from shared.cli.screen.output import AsJson

PANEL = CALENDARS
LISTING = "kalends calendars list"

app = typer.Typer(name="calendars", help="The calendars of your accounts.", no_args_is_help=True)


@app.command("list")
def list_calendars(
    connection: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="Only those of this account: its e-mail address or id.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show your calendars: what links are made from."""
    with http.logged_in() as api:
        accounts = {one["id"]: one for one in api.items("/api/connections")}
        everything = api.items("/api/calendars")
        chosen = choose_connection(api, connection)["id"] if connection else None
    found = [one for one in everything if chosen in (None, one["connection_id"])]
    if as_json:
        output.as_json(found)
        return
    ids = output.ids(everything)
    output.table(
        ("id", "name", "account", "time zone", "notes"),
        [(ids[one["id"]], one["name"], _account(one, accounts), one["time_zone"], _notes(one)) for one in found],
        empty="There are no calendars yet. Next: kalends connect google, or kalends connect microsoft",
    )


def choose_calendar(calendars: list[Item], typed: str) -> Item:
    """The calendar that is meant, by its name or id. Raises CliError."""
    return choose.one(
        calendars, typed, kind="calendar", listing=LISTING, name=lambda one: str(one["name"]), by_name=True
    )


def find_calendar(api: Api, typed: str) -> Item:
    """As `choose_calendar`, among all there are."""
    return choose_calendar(api.items("/api/calendars"), typed)


def _account(calendar: Item, accounts: dict[str, Item]) -> str:
    account = accounts.get(calendar["connection_id"])
    return str(account["email"]) if account else ""


def _notes(calendar: Item) -> str:
    notes = {
        "primary": calendar["is_primary"],
        "read-only": not calendar["can_write"],
        "shared": calendar["is_shared"],
        "vanished": calendar["vanished_at"],
    }
    return ", ".join(name for name, holds in notes.items() if holds)
