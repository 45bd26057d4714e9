"""What comes."""

from typing import Annotated

import typer

from shared.cli import WATCH
from shared.cli.calendars import Calendars
from shared.cli.client import api as http
from shared.cli.links import choose_link
from shared.cli.screen import output, times
from shared.cli.screen.output import AsJson
from shared.cli.screen.problem import MISUSED, CliError

PANEL = WATCH

app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def events(
    calendar: Annotated[str | None, typer.Option(metavar="CALENDAR", help="Of this calendar: its name or id.")] = None,
    link: Annotated[str | None, typer.Option(metavar="LINK", help="Of this link: its source and its mirrors.")] = None,
    start: Annotated[
        str | None, typer.Option("--start", metavar="TIME", help="From this date or time on; now, if left out.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=92, help="How many days.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Show what comes in a calendar, or along a link beside its mirrors.

    Series are shown as their occurrences. Times are those of this machine's zone. Text that is not kept, because a
    link shows none of it, is missing.
    """
    if bool(calendar) == bool(link):
        todo = "kalends events --calendar CALENDAR, or kalends events --link LINK"
        raise CliError("Name a calendar or a link.", code="CLI.USAGE", todo=todo, exit_code=MISUSED)
    begin = times.start_of(start)
    with http.logged_in() as api:
        calendars = Calendars.of(api)
        found = api.items(
            "/api/events",
            calendar_id=calendars.one(calendar)["id"] if calendar else None,
            link_id=choose_link(api, link)["id"] if link else None,
            start=begin,
            days=days,
        )
    if as_json:
        output.as_json(found)
        return
    output.table(
        ("when", "title", "calendar", "kind", "shown as", "where"),
        [
            (
                times.when(one["when"]),
                one["title"] or "",
                calendars.name(one["calendar_id"]),
                one["kind"],
                one["availability"],
                one["location"] or "",
            )
            for one in found
        ],
        empty=f"Nothing within {output.count(days, 'day')}.",
    )
