"""Bringing calendars back in step after a restore."""

from typing import Annotated

import typer

from shared.cli import WATCH
from shared.cli.calendars import Calendars
from shared.cli.client import api as http
from shared.cli.screen import output
from shared.cli.screen.output import AsJson

PANEL = WATCH

app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def reconcile(
    calendar: Annotated[
        str | None, typer.Argument(metavar="CALENDAR", help="Only this calendar: its name or id.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read calendars anew and put right whatever the database does not know, as after a restore.

    A restored database is noticed by itself. Mirrors that no link knows are removed if they are few; many wait for
    you: kalends orphans list CALENDAR.
    """
    with http.logged_in() as api:
        chosen = Calendars.of(api).one(calendar) if calendar else None
        asked = api.post("/api/reconcile", {"calendar_id": chosen["id"] if chosen else None})
    if as_json:
        output.as_json(asked)
        return
    output.say(f"Reconciling {output.count(len(asked['calendar_ids']), 'calendar')}.")
    output.note("kalends status shows when everything has been read.")
