"""Feeds: calendars published at a secret address."""

from typing import Annotated, Literal

import typer

from shared.cli import CALENDARS
from shared.cli.calendars import Calendars
from shared.cli.client import api as http
from shared.cli.client import choose
from shared.cli.client.api import Api, Item
from shared.cli.screen import output, times
from shared.cli.screen.output import AsJson

PANEL = CALENDARS
LISTING = "kalends feeds list"

app = typer.Typer(name="feeds", help="Calendars published at a secret address.", no_args_is_help=True)

Feed = Annotated[str, typer.Argument(metavar="FEED", help="Its name, or the beginning of its id.", show_default=False)]


@app.command("list")
def list_feeds(as_json: AsJson = False) -> None:
    """Show your feeds, revoked ones included."""
    with http.logged_in() as api:
        found = api.items("/api/feeds")
        calendars = Calendars.of(api)
    if as_json:
        output.as_json(found)
        return
    ids = output.ids(found)
    output.table(
        ("id", "name", "calendars", "privacy", "address", "last read", "state"),
        [
            (
                ids[one["id"]],
                one["name"],
                ", ".join(calendars.name(calendar_id) for calendar_id in one["calendar_ids"]),
                one["privacy"],
                one["hint"],
                times.moment(one["last_read_at"]),
                "revoked" if one["revoked_at"] else "open",
            )
            for one in found
        ],
        empty="There are no feeds. Next: kalends feeds create NAME --calendar CALENDAR",
    )


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What readers see it called.", show_default=False)],
    calendar: Annotated[list[str], typer.Option(metavar="CALENDAR", help="Whose events it shows; may be repeated.")],
    privacy: Annotated[
        Literal["busy", "title", "full"],
        typer.Option(metavar="LEVEL", help="What readers see of each event: busy, title or full."),
    ] = "busy",
    busy_title: Annotated[str, typer.Option(metavar="TEXT", help="What --privacy busy calls every event.")] = "Busy",
    skip_all_day: Annotated[bool, typer.Option("--skip-all-day", help="Leave all-day events out.")] = False,
    include_free: Annotated[bool, typer.Option("--include-free", help="Also those that are shown as free.")] = False,
    days_ahead: Annotated[int, typer.Option(min=1, max=730, metavar="DAYS", help="How far ahead.")] = 365,
    days_behind: Annotated[int, typer.Option(min=0, max=365, metavar="DAYS", help="How far back.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Publish calendars. The address is shown this once; whoever has it can read what the feed shows."""
    with http.logged_in() as api:
        calendars = Calendars.of(api)
        body = {
            "name": name,
            "calendar_ids": [calendars.one(typed)["id"] for typed in calendar],
            "privacy": privacy,
            "busy_title": busy_title,
            "skip_all_day": skip_all_day,
            "skip_free": not include_free,
            "days_ahead": days_ahead,
            "days_behind": days_behind,
        }
        made = api.create("/api/feeds", body)
    _tell(made, as_json=as_json)


@app.command()
def preview(feed: Feed, as_json: AsJson = False) -> None:
    """Show what a feed's readers see now."""
    with http.logged_in() as api:
        seen = api.get(f"/api/feeds/{_chosen(api, feed)['id']}/preview")
    if as_json:
        output.as_json(seen)
        return
    output.table(
        ("starts", "title", "place", "shown as", "repeats"),
        [
            (
                one["when"]["start"] if one["when"]["all_day"] else times.moment(one["when"]["start"]),
                one["title"],
                one["location"],
                one["availability"].replace("_", " "),
                "yes" if one["is_series"] else "",
            )
            for one in seen["first"]
        ],
        empty="Its readers see nothing.",
    )
    if seen["events"] > len(seen["first"]):
        output.note(f"These are the first of {output.count(seen['events'], 'event')}.")


@app.command()
def rotate(feed: Feed, as_json: AsJson = False) -> None:
    """Give a feed another address; the one before opens nothing any more."""
    with http.logged_in() as api:
        made = api.post(f"/api/feeds/{_chosen(api, feed)['id']}/rotate")
    _tell(made, as_json=as_json)


@app.command()
def revoke(feed: Feed) -> None:
    """End a feed: its address opens nothing any more."""
    with http.logged_in() as api:
        chosen = _chosen(api, feed)
        api.delete(f"/api/feeds/{chosen['id']}")
    output.say(f"Revoked {chosen['name']!r}.")


def _tell(made: Item, *, as_json: bool) -> None:
    if as_json:
        output.as_json(made)
        return
    output.say(made["url"])
    output.note(f"This is {made['name']!r}; it is not shown again. To end it: kalends feeds revoke {made['id']}")


def _chosen(api: Api, typed: str) -> Item:
    living = [one for one in api.items("/api/feeds") if one["revoked_at"] is None]
    return choose.one(
        living,
        typed,
        kind="feed",
        listing=LISTING,
        label=lambda one: f"{one['name']} of {times.moment(one['created_at'])}",
        names=lambda one: [one["name"]],
    )
