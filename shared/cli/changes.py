"""What was done."""

from typing import Annotated

import typer

from shared.cli import WATCH
from shared.cli.client import api as http
from shared.cli.links import choose_link
from shared.cli.screen import output, times
from shared.cli.screen.output import AsJson

PANEL = WATCH

app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def changes(
    link: Annotated[
        str | None, typer.Option(metavar="LINK", help="Only of this link: the beginning of its id.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show what was written to your calendars, newest first."""
    with http.logged_in() as api:
        link_id = choose_link(api, link)["id"] if link else None
        found = api.items("/api/changes", limit=limit, link_id=link_id)
    if as_json:
        output.as_json(found)
        return
    output.table(
        ("at", "done", "title", "when", "calendar", "from"),
        [
            (
                times.moment(one["at"]),
                one["operation"].replace("_", " "),
                one["title"] or "",
                times.when(one["when"]) if one["when"] else "",
                one["target_name"],
                one["source_name"] or "",
            )
            for one in found
        ],
        empty="Nothing was written yet.",
    )
