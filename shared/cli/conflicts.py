"""What both sides of a link changed, and who wins."""

from typing import Annotated, Literal

import typer

from shared.cli import WATCH
from shared.cli.calendars import Calendars
from shared.cli.client import api as http
from shared.cli.client import choose
from shared.cli.client.api import Item
from shared.cli.screen import output, times
from shared.cli.screen.output import AsJson

PANEL = WATCH
LISTING = "kalends conflicts list"

app = typer.Typer(
    name="conflicts", help="What was changed on both sides of a link, with both values.", no_args_is_help=True
)

Chosen = Annotated[str, typer.Argument(metavar="CONFLICT", help="Which one: the beginning of its id.")]


@app.command("list")
def list_conflicts(
    everything: Annotated[
        bool, typer.Option("--all", help="Those resolved in the last 30 days, too, and edits that were refused.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what waits for your decision, with both values."""
    with http.logged_in() as api:
        found = api.items("/api/conflicts", resolved=everything)
        calendars = Calendars.of(api)
    if as_json:
        output.as_json(found)
        return
    ids = output.ids(found)
    output.table(
        ("id", "event", "field", "source", "target", "state"),
        [
            (
                ids[one["id"]],
                one["title"] or "an event",
                one["field"],
                f"{_value(one['source'], one['field'])} ({calendars.name(one['source_calendar_id'])})",
                f"{_value(one['target'], one['field'])} ({calendars.name(one['target_calendar_id'])})",
                _state(one),
            )
            for one in found
        ],
        empty="Nothing waits for you.",
    )


@app.command()
def show(conflict: Chosen, as_json: AsJson = False) -> None:
    """Show one: both values in full, since when, and who decided."""
    with http.logged_in() as api:
        found = _choose(api.items("/api/conflicts", resolved=True), conflict)
        calendars = Calendars.of(api)
    if as_json:
        output.as_json(found)
        return
    source, target = (calendars.name(found[f"{side}_calendar_id"]) for side in ("source", "target"))
    output.facts(
        (
            ("conflict", found["id"]),
            ("event", found["title"] or "an event"),
            ("occurrence", found["occurrence"] or "none: the event, or series, itself"),
            ("field", found["field"]),
            (f"source, {source}", _value(found["source"], found["field"])),
            (f"target, {target}", _value(found["target"], found["field"])),
            ("since", times.moment(found["detected_at"])),
            ("state", _state(found)),
            ("decided by", found["decided_by"] or ""),
        )
    )


@app.command()
def resolve(
    conflict: Chosen,
    winner: Annotated[
        Literal["source", "target"], typer.Argument(metavar="WINNER", help="Whose value stays: source or target.")
    ],
) -> None:
    """Say whose value stays, on both sides."""
    with http.logged_in() as api:
        found = _choose(api.items("/api/conflicts"), conflict)
        api.post(f"/api/conflicts/{found['id']}/resolve", {"winner": winner})
    output.say(f"The {winner} wins: {_label(found)} will be {_value(found[winner], found['field'])}.")


def _choose(found: list[Item], typed: str) -> Item:
    return choose.one(found, typed, kind="conflict", listing=LISTING, label=_label)


def _label(conflict: Item) -> str:
    return f"{conflict['field']} of {conflict['title'] or 'an event'}"


def _state(conflict: Item) -> str:
    if conflict["winner"] is None:
        return "waiting"
    return f"{conflict['winner']} wins" if conflict["resolved_at"] is None else f"{conflict['winner']} won"


def _value(value: Item | None, field: str) -> str:
    """What one side has, on one line."""
    if value is None:
        return "no such occurrence"
    if field == "occurrence":
        return "it takes place"
    if field == "when":
        return times.when(value["when"]) if value["when"] else ""
    if field == "recurrence":
        return "; ".join(value["recurrence"] or ()) or "once"
    return str(value[field] or "(empty)")
