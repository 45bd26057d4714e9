"""Connected accounts."""

from typing import Annotated

import typer

from shared.cli import CALENDARS
from shared.cli.client import api as http
from shared.cli.client import choose
from shared.cli.client.api import Api, Item
from shared.cli.screen import ask, output, times
from shared.cli.screen.output import AsJson
from shared.cli.screen.problem import CliError

PANEL = CALENDARS
LISTING = "kalends connections list"

app = typer.Typer(name="connections", help="The accounts whose calendars are kept in step.", no_args_is_help=True)


@app.command("list")
def list_connections(as_json: AsJson = False) -> None:
    """Show your accounts, disconnected ones included."""
    with http.logged_in() as api:
        found = api.items("/api/connections")
    if as_json:
        output.as_json(found)
        return
    ids = output.ids(found)
    output.table(
        ("id", "provider", "account", "state", "last synced", "trouble"),
        [
            (
                ids[one["id"]],
                one["provider"],
                one["email"],
                one["status"],
                times.moment(one["last_synced_at"]),
                trouble(one),
            )
            for one in found
        ],
        empty="No account is connected. Next: kalends connect google, kalends connect microsoft, "
        "kalends connections add-caldav, or kalends connections add-ics",
    )


@app.command("add-caldav")
def add_caldav(
    server: Annotated[
        str, typer.Option(metavar="URL", help="The address that the provider gives.", show_default=False)
    ],
    user: Annotated[str, typer.Option(metavar="NAME", help="The user name there.", show_default=False)],
) -> None:
    """Connect an iCloud, Fastmail, Nextcloud or other CalDAV account, or give it a new app password.

    Asks for the app password; without a terminal it is a line of standard input. iCloud is at
    https://caldav.icloud.com, Fastmail at https://caldav.fastmail.com, a Nextcloud at https://HOST/remote.php/dav.
    """
    with http.logged_in() as api:
        password = ask.text("App password", option="a line on standard input", hidden=True)
        body = {"server": server, "username": user, "password": password}
        made = api.put("/api/connections/caldav", body)
        count = len(api.items("/api/calendars", connection_id=made["id"]))
    output.say(f"Connected {made['email']} with {output.count(count, 'calendar')}.")
    output.note("Next: kalends calendars list, then kalends links create")


@app.command("add-ics")
def add_ics(
    moved: Annotated[
        str | None,
        typer.Option(metavar="ACCOUNT", help="A feed of yours that has moved: its links stay.", show_default=False),
    ] = None,
) -> None:
    """Subscribe to a calendar feed (iCalendar), which can be the source of links.

    Asks for its address, https:// or webcal://; without a terminal it is a line of standard input. Whoever has the
    address can read the feed, so it is no argument, which others on this machine could see.
    """
    with http.logged_in() as api:
        known = choose_connection(api, moved)["id"] if moved else None
        address = ask.text("Address of the feed", option="a line on standard input", hidden=True)
        made = api.put("/api/connections/ics", {"address": address, "connection_id": known})
    output.say(f"Subscribed to the feed at {made['email']}.")
    output.note("Next: kalends calendars list, then kalends links create")


@app.command()
def disconnect(
    connection: Annotated[
        str,
        typer.Argument(metavar="ACCOUNT", help="Its e-mail address, or the beginning of its id.", show_default=False),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Disconnect an account: its permission is given back.

    Links and mirrors stay as they are, and go on when the account is connected again. If mirrors shall go, delete their
    links first.
    """
    with http.logged_in() as api:
        chosen = choose_connection(api, connection)
        if not yes and not ask.agreed(f"Disconnect {chosen['email']} ({chosen['provider']})?", option="--yes"):
            raise CliError("Nothing was disconnected.", code="CLI.DECLINED")
        done = api.delete(f"/api/connections/{chosen['id']}")
    output.say(f"Disconnected {chosen['email']}.")
    if chosen["provider"] == "caldav":
        output.note("Its app password is erased here. It still works at the provider: delete it there.")
    elif chosen["provider"] == "ics":
        output.note("Its address is erased here. Whoever else has it can still read the feed.")
    elif not done["revoked"]:
        provider = str(chosen["provider"]).title()
        output.note(f"{provider} may still list Kalends among the apps with access to it; take it away there.")


def choose_connection(api: Api, typed: str) -> Item:
    """The account that is meant. Raises CliError."""
    found = api.items("/api/connections")
    return choose.one(
        found,
        typed,
        kind="connection",
        listing=LISTING,
        label=lambda one: f"{one['email']} ({one['provider']})",
        names=lambda one: [one["email"]],
    )


def trouble(connection: Item) -> str:
    """What is wrong with an account, if anything."""
    error = connection["last_error"]
    return str(error["code"]) if error else ""
