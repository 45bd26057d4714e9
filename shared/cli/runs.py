"""Runs: what was written together, and taking it back."""

from typing import Annotated

import typer

from shared.cli import WATCH
from shared.cli.client import api as http
from shared.cli.client import choose
from shared.cli.client.api import Api, Item
from shared.cli.screen import output, times
from shared.cli.screen.output import AsJson

PANEL = WATCH
LISTING = "kalends runs list"

app = typer.Typer(name="runs", help="What was written together, and taking it back.", no_args_is_help=True)

Run = Annotated[str, typer.Argument(metavar="RUN", help="The run: the beginning of its id.", show_default=False)]


@app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50, as_json: AsJson = False
) -> None:
    """Show the runs that wrote something, newest first."""
    with http.logged_in() as api:
        found = api.items("/api/runs", limit=limit)
    if as_json:
        output.as_json(found)
        return
    ids = output.ids(found)
    output.table(
        ("id", "at", "kind", "calendar", "writes", "state"),
        [
            (
                ids[one["id"]],
                times.moment(one["started_at"]),
                one["kind"],
                one["calendar_name"],
                one["writes"],
                _state(one),
            )
            for one in found
        ],
        empty="Nothing was written yet.",
    )


@app.command()
def show(run: Run, as_json: AsJson = False) -> None:
    """Show one run, and for an undo what became of each mirror."""
    with http.logged_in() as api:
        found = api.get(f"/api/runs/{choose_run(api, run)['id']}")
    if as_json:
        output.as_json(found)
        return
    show_run(found)


@app.command()
def follow(run: Run) -> None:
    """Sync again: what an undo put back follows its sources from now on."""
    with http.logged_in() as api:
        done = api.post(f"/api/runs/{choose_run(api, run)['id']}/follow")
    output.say(f"{output.count(done['mirrors'], 'mirror')} again in step with the source.")


def choose_run(api: Api, typed: str) -> Item:
    """The run that is meant. Raises CliError."""
    return choose.one(api.items("/api/runs", limit=1000), typed, kind="run", listing=LISTING, label=_label)


def _label(run: Item) -> str:
    return f"{run['kind']} in {run['calendar_name']}, {output.count(run['writes'], 'write')}"


def _state(run: Item) -> str:
    if run["undone_by"]:
        return "undone"
    return run["outcome"] or "under way"


def show_run(run: Item) -> None:
    """What is known of a run, a line each."""
    output.facts(
        (
            ("run", run["id"]),
            ("kind", run["kind"]),
            ("calendar", run["calendar_name"]),
            ("at", times.moment(run["started_at"])),
            ("writes", run["writes"]),
            ("state", _state(run)),
            ("undoes", run["undoes"] or ""),
            ("undone by", run["undone_by"] or ""),
        )
    )
    if run["items"]:
        output.table(
            ("mirror", "state", "why"),
            [(one["mapping_id"], one["outcome"], one["reason"] or "") for one in run["items"]],
            empty="",
        )
