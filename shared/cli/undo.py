"""Taking a run back."""

from typing import Annotated

import typer

from shared.cli import WATCH
from shared.cli.client import api as http
from shared.cli.runs import Run, choose_run, show_run
from shared.cli.screen import ask, output
from shared.cli.screen.output import AsJson

PANEL = WATCH

app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def undo(
    run: Run,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take back what a run wrote, within 30 days; an undo, too, can be undone.

    What was made is deleted, what was deleted is made again, what was updated is written back, all as the link masks
    today. What somebody else has changed since is left alone. The mirrors then rest until their sources change.
    """
    with http.logged_in() as api:
        chosen = choose_run(api, run)
        writes = output.count(chosen["writes"], "write")
        if not yes and not ask.agreed(f"Take back {writes} in {chosen['calendar_name']}?", option="--yes"):
            output.note("Nothing was undone.")
            return
        done = api.post(f"/api/runs/{chosen['id']}/undo")
    if as_json:
        output.as_json(done)
        return
    show_run(done)
    output.note(f"What becomes of it: kalends runs show {done['id']}")
