"""Calendars of the connected accounts."""

from dataclasses import dataclass
from typing import Annotated, Self

import typer

from shared.cli import CALENDARS
from shared.cli.client import api as http
from shared.cli.client import choose
from shared.cli.client.api import Api, Item
from shared.cli.connections import choose_connection
from shared.cli.screen import output
from shared.cli.screen.output import AsJson

PANEL = CALENDARS

app = typer.Typer(name="calendars", help="The calendars of your accounts.", no_args_is_help=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendars:
    """All calendars of a person, and the accounts they belong to, by their ids."""

    items: list[Item]
    accounts: dict[str, Item]

    @classmethod
    def of(cls, api: Api) -> Self:
        """Those that the API lists."""
        accounts = {one["id"]: one for one in api.items("/api/connections")}
        return cls(items=api.items("/api/calendars"), accounts=accounts)

    def one(self, typed: str) -> Item:
        """The calendar that is meant, by its id or name, or by ACCOUNT/NAME. Raises CliError."""
        return choose.one(
            self.items,
            typed,
            kind="calendar",
            listing="kalends calendars list",
            label=lambda one: f"{one['name']} ({self.account(one)})",
            names=lambda one: [one["name"], f"{self.account(one)}/{one['name']}"],
        )

    def name(self, calendar_id: str) -> str:
        """What a calendar is called."""
        return next((str(one["name"]) for one in self.items if one["id"] == calendar_id), "?")

    def account(self, calendar: Item) -> str:
        """The address of a calendar's account."""
        account = self.accounts.get(calendar["connection_id"])
        return str(account["email"]) if account else ""


@app.command("list")
def list_calendars(
    connection: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="Only those of this account: its e-mail address or id.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show your calendars: what links are made from."""
    with http.logged_in() as api:
        calendars = Calendars.of(api)
        chosen = choose_connection(api, connection)["id"] if connection else None
    found = [one for one in calendars.items if chosen in (None, one["connection_id"])]
    if as_json:
        output.as_json(found)
        return
    ids = output.ids(calendars.items)
    output.table(
        ("id", "name", "account", "time zone", "notes"),
        [(ids[one["id"]], one["name"], calendars.account(one), one["time_zone"], _notes(one)) for one in found],
        empty="There are no calendars yet. Next: kalends connect google, or kalends connect microsoft",
    )


def _notes(calendar: Item) -> str:
    notes = {
        "primary": calendar["is_primary"],
        "read-only": not calendar["can_write"],
        "shared": calendar["is_shared"],
        "vanished": calendar["vanished_at"],
    }
    return ", ".join(name for name, holds in notes.items() if holds)
