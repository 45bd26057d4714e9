"""When you are busy."""

from typing import Annotated

import typer

from shared.cli import WATCH
from shared.cli.calendars import Calendars
from shared.cli.client import api as http
from shared.cli.screen import output, times
from shared.cli.screen.output import AsJson

PANEL = WATCH

app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def availability(
    begin: Annotated[str | None, typer.Option("--from", metavar="TIME", help="From this date or time on; now.")] = None,
    days: Annotated[int, typer.Option(min=1, max=62, help="How many days.")] = 7,
    calendar: Annotated[
        list[str] | None, typer.Option(metavar="CALENDAR", help="Only of this calendar; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show when you are busy, over all linked calendars, each event counted once.

    A calendar that cannot be relied on is named, and then no gap counts as free.
    """
    start, end = times.range_of(begin, days=days)
    with http.logged_in() as api:
        chosen = [Calendars.of(api).one(one)["id"] for one in calendar or ()]
        query = {"from": start, "to": end, "calendars": ",".join(chosen) or None}
        found = api.get("/api/availability", **query)
    if as_json:
        output.as_json(found)
        return
    for one in found["sources"]:
        if one["problem"]:
            output.say(f"! {one['name']} cannot be relied on ({one['problem']}): gaps are not known to be free.")
    output.table(
        ("when", "you are"),
        [
            (times.when({**one, "all_day": False}), one["kind"].replace("_", " "))
            for one in found["intervals"]
            if one["kind"] not in ("free", "unknown")
        ],
        empty=f"Nothing within {output.count(days, 'day')}.",
    )
