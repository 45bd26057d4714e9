"""Why an event is mirrored or not."""

from typing import Annotated

import typer

from shared.cli import WATCH
from shared.cli.client import api as http
from shared.cli.client.api import Item
from shared.cli.screen import output, times
from shared.cli.screen.output import AsJson

PANEL = WATCH

app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def explain(
    event: Annotated[
        str, typer.Argument(metavar="EVENT", help="Its id: ours, the provider's, or a mirror's.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Say why an event is mirrored or not, link by link, and what to do next."""
    with http.logged_in() as api:
        found = api.get("/api/events/explanation", event=event)["items"]
    if as_json:
        output.as_json(found)
        return
    for one in found:
        what = one["title"] or ("a mirror" if one["is_mirror"] else "an event")
        output.say(f"{what}, in {one['calendar_name']}{', ' + times.when(one['when']) if one['when'] else ''}")
        if not one["links"]:
            output.note(f"No link reads from {one['calendar_name']}: its events appear nowhere else.")
        for link in one["links"]:
            _show(link)


def _show(link: Item) -> None:
    output.say(f"{link['source_name']} → {link['target_name']}: {link['verdict'].replace('_', ' ')}")
    for sentence in link["sentences"]:
        output.say(f"  {sentence}")
    if link["todo"]:
        output.say(f"  What to do: {link['todo']}")
    facts = [
        ("  hidden", ", ".join(link["hidden"]) or "nothing"),
        ("  last written", times.moment(link["last_written_at"])),
        ("  source read", times.moment(link["proven_at"])),
    ]
    if link["due_since"]:
        facts.insert(0, ("  due since", times.moment(link["due_since"])))
    if link["next_attempt_at"]:
        facts.insert(1, ("  next attempt", times.moment(link["next_attempt_at"])))
    if link["last_attempt_at"]:
        facts.insert(1, ("  last attempt", times.moment(link["last_attempt_at"])))
    output.facts(facts)
