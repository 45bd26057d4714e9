"""Deletions that wait for a decision."""

from typing import Annotated

import typer

from shared.cli import WATCH
from shared.cli.calendars import Calendars
from shared.cli.client import api as http
from shared.cli.client import choose
from shared.cli.client.api import Item
from shared.cli.links import link_name
from shared.cli.screen import output, times
from shared.cli.screen.output import AsJson

PANEL = WATCH
LISTING = "kalends held list"

app = typer.Typer(name="held", help="Deletions so many that you decide about them.", no_args_is_help=True)

Decision = Annotated[
    str, typer.Argument(metavar="HELD", help="What waits: the beginning of its id.", show_default=False)
]


@app.command("list")
def list_held(
    everything: Annotated[bool, typer.Option("--all", help="Those decided, too.")] = False, as_json: AsJson = False
) -> None:
    """Show what waits for your decision."""
    with http.logged_in() as api:
        found = api.items("/api/held", state="all" if everything else "open")
        links = {one["id"]: one for one in api.items("/api/links")}
        calendars = Calendars.of(api)
    if as_json:
        output.as_json(found)
        return
    ids = output.ids(found)
    output.table(
        ("id", "link", "deletions", "of mirrors", "since", "state"),
        [
            (
                ids[one["id"]],
                link_name(links[one["link_id"]], calendars) if one["link_id"] in links else "",
                one["deletions"],
                one["mirrors"],
                times.moment(one["created_at"]),
                one["resolution"] or "waiting",
            )
            for one in found
        ],
        empty="Nothing waits for you.",
    )


@app.command()
def approve(held: Decision) -> None:
    """Delete the mirrors, as their sources were."""
    done = _decide(held, "approve")
    output.say(f"Approved: {output.count(done['deletions'], 'mirror')} will be deleted.")


@app.command()
def discard(held: Decision) -> None:
    """Keep the mirrors, although their sources are gone."""
    done = _decide(held, "discard")
    output.say(f"Discarded: {output.count(done['deletions'], 'mirror')} will stay.")


def _decide(typed: str, verb: str) -> Item:
    with http.logged_in() as api:
        waiting = api.items("/api/held")
        chosen = choose.one(waiting, typed, kind="held change", listing=LISTING, label=_label)
        decided: Item = api.post(f"/api/held/{chosen['id']}/{verb}")
    return decided


def _label(held: Item) -> str:
    return f"{output.count(held['deletions'], 'deletion')} since {times.moment(held['created_at'])}"
