"""How everything stands."""

from datetime import datetime

import typer

from shared.cli import WATCH
from shared.cli.client import api as http
from shared.cli.client.api import Item
from shared.cli.connections import trouble
from shared.cli.screen import output, times
from shared.cli.screen.output import AsJson

PANEL = WATCH

app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def status(as_json: AsJson = False) -> None:
    """Show how your accounts, calendars and links stand, and what needs you."""
    with http.logged_in() as api:
        found = api.get("/api/status")
    if as_json:
        output.as_json(found)
        return
    now = datetime.fromisoformat(found["at"])
    output.say(f"{api.host}, {times.moment(found['at'])}")
    for one in found["attention"]:
        output.say(f"! {one['message']} ({one['code']})")
    _accounts(found["connections"], now)
    _links(found["links"], now)
    _calendars(found["calendars"], now)


def _accounts(accounts: list[Item], now: datetime) -> None:
    output.table(
        ("account", "provider", "state", "last synced", "trouble"),
        [
            (one["email"], one["provider"], one["status"], times.ago(one["last_synced_at"], now), trouble(one))
            for one in accounts
        ],
        empty="No account is connected. Next: kalends connect google, or kalends connect microsoft",
        title="Accounts",
    )


def _links(links: list[Item], now: datetime) -> None:
    ids = output.ids([one["link"] for one in links])
    output.table(
        ("id", "source", "target", "state", "mirrors", "due", "held", "skipped", "last written"),
        [
            (
                ids[one["link"]["id"]],
                one["source_name"],
                one["target_name"],
                one["state"],
                one["counts"]["mirrors"],
                one["counts"]["due"],
                one["counts"]["held"],
                sum(one["skipped"].values()),
                times.ago(one["last_written_at"], now),
            )
            for one in links
        ],
        empty="There are no links yet. Next: kalends links create --source CALENDAR --target CALENDAR",
        title="Links",
    )


def _calendars(calendars: list[Item], now: datetime) -> None:
    linked = [one for one in calendars if one["state"] != "unlinked"]
    if not linked:
        return
    output.table(
        ("calendar", "state", "read", "hears of changes", "trouble"),
        [
            (
                one["name"],
                one["state"],
                f"{one['items']} items so far" if one["state"] == "reading" else times.ago(one["proven_at"], now),
                f"until {times.moment(one['pushed_until'])}"
                if one["pushed_until"]
                else f"looks every {one['poll_minutes']} min",
                one["last_error"] or "",
            )
            for one in linked
        ],
        empty="",
        title="Calendars",
    )
