"""Double bookings."""

from typing import Annotated

import typer

from shared.cli import WATCH
from shared.cli.client import api as http
from shared.cli.client import choose
from shared.cli.client.api import Api, Item
from shared.cli.screen import output, times
from shared.cli.screen.output import AsJson

PANEL = WATCH
LISTING = "kalends overlaps list"

app = typer.Typer(name="overlaps", help="Where two of your events take the same time.", no_args_is_help=True)

Chosen = Annotated[
    str, typer.Argument(metavar="OVERLAP", help="Which one: the beginning of its id.", show_default=False)
]


@app.command("list")
def list_overlaps(
    ignored: Annotated[bool, typer.Option("--ignored", help="Those that you ignore.")] = False,
    all_day: Annotated[bool, typer.Option("--all-day", help="Also count whole days against timed events.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show your double bookings of the coming three months.

    Free, declined and cancelled events do not count, and a mirror never counts beside its source. One that no longer
    stands is gone by itself.
    """
    with http.logged_in() as api:
        found = api.items("/api/overlaps", state="ignored" if ignored else "open", all_day=all_day)
    if as_json:
        output.as_json(found)
        return
    ids = output.ids(found)
    output.table(
        ("id", "when", "event", "and"),
        [(ids[one["id"]], _when(one["starts_at"], one["ends_at"]), *map(_side, one["sides"])) for one in found],
        empty="Nothing is ignored." if ignored else "Nothing overlaps.",
    )


@app.command()
def ignore(overlap: Chosen) -> None:
    """Tell of it no more, also if it goes and comes back."""
    with http.logged_in() as api:
        found = _choose(api, overlap)
        api.post(f"/api/overlaps/{found['id']}/ignore")
    output.say(f"Ignored: {_label(found)}.")


@app.command()
def unignore(overlap: Chosen) -> None:
    """Tell of it again."""
    with http.logged_in() as api:
        found = _choose(api, overlap, state="ignored")
        api.post(f"/api/overlaps/{found['id']}/unignore")
    output.say(f"Told again: {_label(found)}.")


@app.command()
def propose(
    overlap: Chosen,
    minutes: Annotated[
        int | None, typer.Option(min=5, max=600, help="How long; as long as the shorter one, if left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show free times near it, to which one of the two could move."""
    with http.logged_in() as api:
        found = api.get(f"/api/overlaps/{_choose(api, overlap)['id']}/proposals", minutes=minutes)
    if as_json:
        output.as_json(found)
        return
    unknown = "A calendar cannot be relied on, so nothing is known to be free: kalends availability tells which."
    output.table(
        ("free",),
        [(_when(one["start"], one["end"]),) for one in found["slots"]],
        empty="There is no free time within a week of it." if found["complete"] else unknown,
    )


def _choose(api: Api, typed: str, *, state: str = "open") -> Item:
    found = api.items("/api/overlaps", state=state, all_day=True)
    return choose.one(found, typed, kind="overlap", listing=LISTING, label=_label)


def _label(overlap: Item) -> str:
    return f"{' and '.join(map(_side, overlap['sides']))}, {_when(overlap['starts_at'], overlap['ends_at'])}"


def _when(start: str, end: str) -> str:
    return times.when({"start": start, "end": end, "all_day": False})


def _side(side: Item) -> str:
    return f"{side['title'] or 'an event'} ({side['calendar_name']})"
