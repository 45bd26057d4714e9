"""After a restore: bringing calendars back in step, and the mirrors that nothing knows any more."""

from typing import Annotated

import typer

from shared.cli import WATCH
from shared.cli.calendars import Calendars
from shared.cli.client import api as http
from shared.cli.screen import output, times
from shared.cli.screen.output import AsJson

PANEL = WATCH

app = typer.Typer(
    name="orphans", help="Mirrors that no link knows, as a lost database leaves them.", no_args_is_help=True
)

Named = Annotated[str, typer.Argument(metavar="CALENDAR", help="Its name or id.", show_default=False)]


@app.command("list")
def list_orphans(calendar: Named, as_json: AsJson = False) -> None:
    """Show what the last search of a calendar found; kalends reconcile CALENDAR searches."""
    with http.logged_in() as api:
        chosen = Calendars.of(api).one(calendar)
        found = api.items(f"/api/calendars/{chosen['id']}/orphans")
    if as_json:
        output.as_json(found)
        return
    output.table(
        ("event", "state", "found"),
        [(one["event_id"], one["state"], times.moment(one["found_at"])) for one in found],
        empty=f"No mirror in {chosen['name']} is without its link.",
    )


@app.command()
def purge(calendar: Named) -> None:
    """Remove those that wait. Nothing goes that does not carry our mark, and nothing that you kept."""
    with http.logged_in() as api:
        chosen = Calendars.of(api).one(calendar)
        done = api.post(f"/api/calendars/{chosen['id']}/orphans/purge")
    output.say(f"Removing {output.count(done['mirrors'], 'mirror')} from {chosen['name']}.")
