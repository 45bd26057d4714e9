"""Looking for changes now."""

from typing import Annotated

import typer

from shared.cli import WATCH
from shared.cli.calendars import Calendars
from shared.cli.client import api as http
from shared.cli.client.api import Item
from shared.cli.links import choose_link
from shared.cli.screen import output, waiting
from shared.cli.screen.output import AsJson
from shared.cli.screen.problem import MISUSED, CliError
from shared.cli.screen.waiting import Tell

PANEL = WATCH

app = typer.Typer(name="sync", help="Look for changes now. They also come by themselves.", no_args_is_help=True)


@app.command()
def now(
    calendar: Annotated[
        str | None, typer.Option(metavar="CALENDAR", help="Only this calendar: its name or id.")
    ] = None,
    link: Annotated[str | None, typer.Option(metavar="LINK", help="Only this link: the beginning of its id.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is done.")] = False,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds to wait with --wait.")] = 300,
    as_json: AsJson = False,
) -> None:
    """Look for changes now, and write what waits: of a calendar, of a link, or of everything that is linked.

    A paused link, and an account that rests after failures, stay as they are.
    """
    if calendar and link:
        raise CliError("Name a calendar or a link, not both.", code="CLI.USAGE", exit_code=MISUSED)
    with http.logged_in() as api:
        body = {
            "calendar_id": Calendars.of(api).one(calendar)["id"] if calendar else None,
            "link_id": choose_link(api, link)["id"] if link else None,
        }
        asked = api.post("/api/sync", body)["items"]
        if wait and asked:
            with waiting.progress() as tell:
                left = waiting.until(lambda: _left(asked, api.get("/api/status"), tell), seconds=timeout)
            if left is None:
                message = f"It is not done after {output.count(timeout, 'second')}; it goes on by itself."
                raise CliError(message, code="SYNC.TIMEOUT", todo="Look how it stands: kalends status")
            for line in left:
                output.note(line)
    if as_json:
        output.as_json(asked)
    elif not asked:
        output.say("Nothing is linked, so there is nothing to look at. Next: kalends links create")
    else:
        output.say(f"{'Looked' if wait else 'Asked to look'} at {output.count(len(asked), 'calendar')}.")
        if not wait:
            output.note("kalends status shows when it is done; kalends sync now --wait waits for it.")


def _left(asked: list[Item], status: Item, tell: Tell) -> list[str] | None:
    """None as long as something moves; then what cannot move now, in words."""
    calendars = {one["id"]: one for one in status["calendars"]}
    chosen = {one["calendar_id"]: calendars[one["calendar_id"]] for one in asked if one["calendar_id"] in calendars}
    looked = {one["calendar_id"] for one in asked if chosen[one["calendar_id"]]["done"] >= one["requested"]}
    stuck = {key for key, one in chosen.items() if key not in looked and one["state"] in ("waiting", "vanished")}
    links = [one for one in status["links"] if _ends(one["link"]) & chosen.keys()]
    due = sum(_due(one) for one in links)
    tell(f"Looking at calendars, {output.count(due, 'mirror')} to write", len(looked), len(asked))
    if due or len(looked) + len(stuck) < len(asked):
        return None
    return [f"{chosen[key]['name']} was not looked at: it is {chosen[key]['state']}." for key in stuck]


def _ends(link: Item) -> set[str]:
    return {link["source_calendar_id"], link["target_calendar_id"]}


def _due(link: Item) -> int:
    """What will be written without anybody doing anything, and without a failure's rest."""
    if link["state"] in ("paused", "waiting"):
        return 0
    return int(link["counts"]["due"] - link["counts"]["retrying"])
