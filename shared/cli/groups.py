"""Groups of calendars that are linked with each other, both ways."""

from typing import Annotated

import typer

from shared.cli import CALENDARS
from shared.cli.calendars import Calendars
from shared.cli.client import api as http
from shared.cli.client import choose
from shared.cli.client import link_options as options
from shared.cli.client.api import Api, Item
from shared.cli.screen import ask, output, times
from shared.cli.screen import links as screen
from shared.cli.screen.output import AsJson
from shared.cli.screen.problem import MISUSED, CliError

PANEL = CALENDARS
LISTING = "kalends groups list"

app = typer.Typer(
    name="groups",
    help="Calendars linked with each other: what happens in one appears in the others, and edits flow back.",
    no_args_is_help=True,
)

Group = Annotated[str, typer.Argument(metavar="GROUP", help="The group: its name, or the beginning of its id.")]
Several = Annotated[
    list[str], typer.Argument(metavar="CALENDAR...", help="Two to eight calendars.", show_default=False)
]
Calendar = Annotated[str, typer.Argument(metavar="CALENDAR", help="Its name, or the beginning of its id.")]
Name = Annotated[str | None, typer.Option("--name", metavar="TEXT", help="What it is called.", show_default=False)]
OthersMayRead = Annotated[bool, options.OthersMayReadOption]
DeleteMirrors = Annotated[bool | None, options.DeleteMirrorsOption]


@app.command()
@options.with_settings
def create(
    calendars: Several,
    settings: options.Settings,
    name: Name = None,
    others_may_read: OthersMayRead = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only show what it would write; kalends links apply does it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Link calendars with each other, all under the same settings. The first copies begin at once.

    Where others can read one of them, all start as busy, unless --others-may-read is said.
    """
    with http.logged_in() as api:
        known = Calendars.of(api)
        body = {"calendar_ids": [known.one(one)["id"] for one in calendars], "name": name, **settings}
        body["others_may_read"] = others_may_read
        if preview:
            plan = api.create("/api/plans", {"create_group": body})
            output.as_json(plan) if as_json else screen.show_plan(plan)
            return
        made = api.create("/api/link-groups", body)
    if as_json:
        output.as_json(made)
        return
    output.say(f"Linked {_joined(made, known)} ({made['privacy']}): {made['id']}")
    screen.warn(made)
    output.note("The first copies have begun: kalends status shows how far they are.")


@app.command("list")
def list_groups(as_json: AsJson = False) -> None:
    """Show your groups; a two-way link is a group of two."""
    with http.logged_in() as api:
        found = api.items("/api/link-groups")
        calendars = Calendars.of(api)
    if as_json:
        output.as_json(found)
        return
    ids = output.ids(found)
    output.table(
        ("id", "name", "calendars", "privacy", "state", "since"),
        [
            (
                ids[one["id"]],
                one["name"],
                _joined(one, calendars),
                one["privacy"],
                one["state"],
                times.moment(one["created_at"]),
            )
            for one in found
        ],
        empty="There are no groups yet. Next: kalends groups create CALENDAR CALENDAR",
    )


@app.command()
def show(group: Group, as_json: AsJson = False) -> None:
    """Show one group: its calendars, how it is set, and what waits in its links."""
    with http.logged_in() as api:
        chosen = api.get(f"/api/link-groups/{_choose(api, group)['id']}")
        if as_json:
            output.as_json(chosen)
            return
        calendars = Calendars.of(api)
        states = [one for one in api.get("/api/status")["links"] if one["link"]["group_id"] == chosen["id"]]
    output.facts(
        (
            ("group", chosen["id"]),
            ("name", chosen["name"]),
            ("calendars", _joined(chosen, calendars)),
            ("privacy", screen.privacy(chosen)),
            ("left out", ", ".join(screen.left_out(chosen)) or "nothing"),
            ("by hand", screen.by_hand(chosen)),
            ("window", f"{output.count(chosen['days_behind'], 'day')} back, {screen.ahead(chosen['days_ahead'])}"),
            ("state", chosen["state"]),
        )
    )
    screen.warn(chosen)
    output.table(
        ("link", "state", "mirrors", "to write", "held", "last written"),
        [
            (
                f"{one['source_name']} → {one['target_name']}",
                one["state"],
                one["counts"]["mirrors"],
                one["counts"]["due"],
                one["counts"]["held"],
                times.moment(one["last_written_at"]),
            )
            for one in states
        ],
        empty="",
    )


@app.command("set")
@options.with_settings
def change(group: Group, settings: options.Settings, name: Name = None, as_json: AsJson = False) -> None:
    """Change the settings of all its links, or its name; what is not said stays.

    Every mirror is brought in line, past ones included. Refused if somebody else changed the group meanwhile.
    """
    changes = {**settings, **({"name": name} if name is not None else {})}
    if not changes:
        raise typer.BadParameter("Say what shall be otherwise: kalends groups set --help")
    with http.logged_in() as api:
        chosen = _choose(api, group)
        changed = api.patch(f"/api/link-groups/{chosen['id']}", changes, version=chosen["version"])
    if as_json:
        output.as_json(changed)
        return
    output.say(f"Changed {changed['name']} ({screen.privacy(changed)}).")
    screen.warn(changed)


@app.command()
@options.with_settings
def preview(
    group: Group,
    settings: options.Settings,
    name: Name = None,
    resync: Annotated[bool, typer.Option("--resync", help="Read all its calendars anew.")] = False,
    add: Annotated[
        str | None, typer.Option("--add", metavar="CALENDAR", help="One more calendar.", show_default=False)
    ] = None,
    remove: Annotated[
        str | None, typer.Option("--remove", metavar="CALENDAR", help="Without this calendar.", show_default=False)
    ] = None,
    delete_mirrors: Annotated[
        bool | None,
        typer.Option(
            "--delete-mirrors/--keep-mirrors", help="Delete the group, or --remove, so or so.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a change of a group would write, or its end; nothing is written.

    The plan can be carried out for an hour: kalends links apply PLAN. What is not said stays as it is.
    """
    changes = {**settings, **({"name": name} if name is not None else {})}
    ends = remove is not None or delete_mirrors is not None
    if sum((bool(changes), resync, add is not None, ends)) != 1 or (remove is not None and delete_mirrors is None):
        message = "Name one change of the group; --remove with --delete-mirrors or --keep-mirrors."
        todo = "kalends groups preview GROUP --privacy LEVEL"
        raise CliError(message, code="CLI.USAGE", todo=todo, exit_code=MISUSED)
    with http.logged_in() as api:
        known = Calendars.of(api)
        wish: Item = {
            "change_group": changes or None,
            "resync": resync or None,
            "add_calendar_id": known.one(add)["id"] if add is not None else None,
            "remove_calendar_id": known.one(remove)["id"] if remove is not None else None,
            "delete_mirrors": delete_mirrors,
        }
        said = {field: value for field, value in wish.items() if value is not None}
        plan = api.create("/api/plans", {"group_id": _choose(api, group)["id"], **said})
    output.as_json(plan) if as_json else screen.show_plan(plan)


@app.command()
def pause(group: Group) -> None:
    """Stop writing for all its links; what changes meanwhile waits."""
    _set(group, "pause", "Paused")


@app.command()
def resume(group: Group) -> None:
    """Go on where a group was paused."""
    _set(group, "resume", "Resumed")


@app.command()
def resync(group: Group) -> None:
    """Read all its calendars in full and put right what is not as it should be; nothing known is lost."""
    _set(group, "resync", "Reading anew:")


@app.command()
def add(group: Group, calendar: Calendar) -> None:
    """Link one more calendar with all of the group, under its settings."""
    with http.logged_in() as api:
        chosen, known = _choose(api, group), Calendars.of(api)
        one = known.one(calendar)
        grown = api.post(f"/api/link-groups/{chosen['id']}/calendars", {"calendar_id": one["id"]})
    output.say(f"Added {one['name']}: {_joined(grown, known)}.")
    screen.warn(grown)


@app.command()
def remove(group: Group, calendar: Calendar, delete_mirrors: DeleteMirrors = None) -> None:
    """Take a calendar out of a group of three or more, with or without the mirrors between it and the others."""
    with http.logged_in() as api:
        chosen, known = _choose(api, group), Calendars.of(api)
        one = known.one(calendar)
        what = f"between {one['name']} and the others of {chosen['name']}"
        goes = _mirrors_go(delete_mirrors, what)
        path = f"/api/link-groups/{chosen['id']}/calendars/{one['id']}"
        done = api.delete(path, delete_mirrors=goes)
    output.say(f"Took {one['name']} out of {chosen['name']}, {_with_mirrors(done, goes)}.")


@app.command()
def delete(group: Group, delete_mirrors: DeleteMirrors = None) -> None:
    """Delete a group and its links, with or without their mirrors. What its calendars hold themselves stays."""
    with http.logged_in() as api:
        chosen = _choose(api, group)
        goes = _mirrors_go(delete_mirrors, f"of {chosen['name']}")
        path = f"/api/link-groups/{chosen['id']}"
        done = api.delete(path, version=chosen["version"], delete_mirrors=goes)
    output.say(f"Deleted {chosen['name']}, {_with_mirrors(done, goes)}.")


def _choose(api: Api, typed: str) -> Item:
    return choose.one(
        api.items("/api/link-groups"),
        typed,
        kind="group",
        listing=LISTING,
        label=lambda one: str(one["name"]),
        names=lambda one: [one["name"]],
    )


def _joined(group: Item, calendars: Calendars) -> str:
    return " ⇄ ".join(calendars.name(one) for one in group["calendar_ids"])


def _mirrors_go(said: bool | None, what: str) -> bool:
    if said is not None:
        return said
    return ask.agreed(f"Remove the mirrors {what} as well?", option="--delete-mirrors or --keep-mirrors")


def _with_mirrors(done: Item, goes: bool) -> str:
    return f"with {output.count(done['mirrors'], 'mirror')}" if goes else "but not its mirrors"


def _set(group: str, verb: str, done: str) -> None:
    with http.logged_in() as api:
        chosen = _choose(api, group)
        api.post(f"/api/link-groups/{chosen['id']}/{verb}")
    output.say(f"{done} {chosen['name']}.")
