"""What needs you."""

import typer

from shared.cli import WATCH
from shared.cli.client import api as http
from shared.cli.screen import output
from shared.cli.screen.output import AsJson

PANEL = WATCH

app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def attention(as_json: AsJson = False) -> None:
    """Show what needs you, in one list: what happened, what to do, and the command for it.

    Accounts to sign in to, calendars that fail, held deletions, conflicts, edits that were refused, frozen
    mirrors, events that cannot be mirrored, and links into calendars that others can read since.
    """
    with http.logged_in() as api:
        found = api.get("/api/attention")
    if as_json:
        output.as_json(found)
        return
    for one in found["items"]:
        output.say(f"! {one['message']} ({one['code']})")
        if one["command"]:
            output.say(f"  Next: {one['command']}" + (f", or {api.host}{one['page']}" if one["page"] else ""))
    if not found["items"]:
        output.say("Nothing needs you.")
