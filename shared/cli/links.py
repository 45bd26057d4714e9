"""Links between calendars."""

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
LISTING = "kalends links list"

app = typer.Typer(
    name="links", help="What of one calendar appears in another, and how much others see.", no_args_is_help=True
)


Link = Annotated[str, typer.Argument(metavar="LINK", help="The link: the beginning of its id.", show_default=False)]


@app.command()
@options.with_settings
def create(
    source: Annotated[str, typer.Option("--source", "--from", metavar="CALENDAR", help="Whose events appear.")],
    target: Annotated[str, typer.Option("--target", "--to", metavar="CALENDAR", help="Where they appear.")],
    settings: options.Settings,
    two_way: Annotated[bool, options.TwoWayOption] = False,
    others_may_read: Annotated[bool, options.OthersMayReadOption] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only show what others would see; create nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Link two calendars: what happens in the source appears in the target; with --two-way in both, and edits of a
    mirror flow back to its source.

    Calendars are named as in kalends calendars list, as ACCOUNT/NAME where a name alone is not enough, or by the
    beginning of their id. The first copy begins at once.
    """
    with http.logged_in() as api:
        calendars = Calendars.of(api)
        ends = calendars.one(source), calendars.one(target)
        if preview:
            mask = {name: settings[name] for name in options.MASK if name in settings}
            seen = api.post("/api/links/preview", {**mask, "source_calendar_id": ends[0]["id"]})
            screen.show_preview(seen, ends[1], as_json=as_json)
            return
        body = {
            "source_calendar_id": ends[0]["id"],
            "target_calendar_id": ends[1]["id"],
            "two_way": two_way,
            **settings,
            "others_may_read": others_may_read,
        }
        made = api.create("/api/links", body)
    if as_json:
        output.as_json(made)
        return
    joined = "with" if two_way else "to"
    output.say(f"Linked {ends[0]['name']} {joined} {ends[1]['name']} ({made['privacy']}): {made['id']}")
    screen.warn(made)
    output.note("The first copy has begun: kalends status shows how far it is.")


@app.command()
@options.with_settings
def preview(
    settings: options.Settings,
    link: Annotated[
        str | None, typer.Argument(metavar="[LINK]", help="A link that is there.", show_default=False)
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", "--from", metavar="CALENDAR", help="For a new link.")
    ] = None,
    target: Annotated[str | None, typer.Option("--target", "--to", metavar="CALENDAR", help="For a new link.")] = None,
    two_way: Annotated[bool, options.TwoWayOption] = False,
    others_may_read: Annotated[bool, options.OthersMayReadOption] = False,
    resync: Annotated[bool, typer.Option("--resync", help="Read the link anew.")] = False,
    delete_mirrors: Annotated[
        bool | None,
        typer.Option("--delete-mirrors/--keep-mirrors", help="Delete the link, so or so.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a new link, or a change of one, would write; nothing is written.

    The plan can be carried out for an hour: kalends links apply PLAN. What is not said stays as it is.
    """
    wishes = [bool(settings), resync, delete_mirrors is not None]
    is_new = source is not None and target is not None
    if is_new == bool(link) or (bool(link) and sum(wishes) != 1) or (is_new and any(wishes[1:])) or (link and two_way):
        todo = (
            "kalends links preview --source CALENDAR --target CALENDAR, or kalends links preview LINK --privacy LEVEL"
        )
        message = "Name two calendars, or a link and one change of it."
        raise CliError(message, code="CLI.USAGE", todo=todo, exit_code=MISUSED)
    with http.logged_in() as api:
        calendars = Calendars.of(api)
        body: Item
        if link is None:
            chosen = {
                "source_calendar_id": calendars.one(source or ""),
                "target_calendar_id": calendars.one(target or ""),
            }
            ends = {name: one["id"] for name, one in chosen.items()}
            body = {"create": {**ends, **settings, "two_way": two_way, "others_may_read": others_may_read}}
        else:
            body = {"link_id": choose_link(api, link)["id"]}
            if resync:
                body["resync"] = True
            elif delete_mirrors is not None:
                body["delete_mirrors"] = delete_mirrors
            else:
                body["change"] = settings
        made = api.create("/api/plans", body)
    if as_json:
        output.as_json(made)
        return
    screen.show_plan(made)


@app.command()
def apply(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="The plan's id, whole.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Carry out what kalends links preview showed, unless something has changed since."""
    with http.logged_in() as api:
        done = api.post(f"/api/plans/{plan}/apply")
    if as_json:
        output.as_json(done)
        return
    what = f"group {done['group_id']}" if done["group_id"] else f"link {done['link_id']}"
    output.say(f"Carried out: {done['action']} of {what}.")
    output.note("kalends status shows how far it is.")


@app.command()
def resync(link: Link) -> None:
    """Read both ends in full and put right what is not as it should be; nothing known is lost."""
    _set(link, "resync", "Reading anew:")


@app.command("list")
def list_links(as_json: AsJson = False) -> None:
    """Show your links."""
    with http.logged_in() as api:
        found = api.items("/api/links")
        groups = output.ids(api.items("/api/link-groups"))
        calendars = Calendars.of(api)
    if as_json:
        output.as_json(found)
        return
    ids = output.ids(found)
    output.table(
        ("id", "source", "target", "privacy", "state", "since", "group"),
        [
            (
                ids[one["id"]],
                calendars.name(one["source_calendar_id"]),
                calendars.name(one["target_calendar_id"]),
                one["privacy"],
                one["state"],
                times.moment(one["created_at"]),
                groups.get(one["group_id"], ""),
            )
            for one in found
        ],
        empty="There are no links yet. Next: kalends links create --source CALENDAR --target CALENDAR",
    )


@app.command()
def show(link: Link, as_json: AsJson = False) -> None:
    """Show one link: how it is set, how it stands, what it skips and why."""
    with http.logged_in() as api:
        chosen = api.get(f"/api/links/{choose_link(api, link)['id']}")
        if as_json:
            output.as_json(chosen)
            return
        state = next(one for one in api.get("/api/status")["links"] if one["link"]["id"] == chosen["id"])
        skipped = api.items(f"/api/links/{chosen['id']}/skipped")
    counts = state["counts"]
    facts = (
        ("link", chosen["id"]),
        ("group", chosen["group_id"] or "none: one way"),
        ("source", state["source_name"]),
        ("target", state["target_name"]),
        ("privacy", screen.privacy(chosen)),
        ("left out", ", ".join(screen.left_out(chosen)) or "nothing"),
        ("by hand", screen.by_hand(chosen)),
        ("window", f"{output.count(chosen['days_behind'], 'day')} back, {screen.ahead(chosen['days_ahead'])}"),
        ("state", state["state"]),
        ("mirrors", f"{counts['mirrors']}, {counts['rewritten']} of them as the link is set now"),
        ("waiting", f"{counts['due']} to write, {counts['held']} held, {counts['frozen']} frozen"),
        ("last written", times.moment(state["last_written_at"])),
        ("source read", times.moment(state["proven_at"])),
    )
    output.facts(facts)
    screen.warn(chosen)
    if skipped:
        output.table(
            ("skipped", "starts", "reason", "why"),
            [(one["title"] or "", times.moment(one["starts_at"]), one["reason"], one["message"]) for one in skipped],
            empty="",
        )


@app.command()
@options.with_settings
def change(
    link: Link,
    settings: options.Settings,
    as_json: AsJson = False,
) -> None:
    """Change a link; what is not named stays. Every mirror is brought in line, past ones included.

    An empty --title-template takes the template away. Refused if somebody else changed the link meanwhile.
    """
    if not settings:
        raise typer.BadParameter("Say what shall be otherwise: kalends links change --help")
    with http.logged_in() as api:
        chosen = choose_link(api, link)
        changed = api.patch(f"/api/links/{chosen['id']}", settings, version=chosen["version"])
        name = link_name(chosen, Calendars.of(api))
    if as_json:
        output.as_json(changed)
        return
    output.say(f"Changed {name} ({screen.privacy(changed)}).")
    screen.warn(changed)
    output.note("Its mirrors are brought in line: kalends links show tells how many already are.")


@app.command()
def readers(
    link: Link,
    may_read: Annotated[
        bool | None,
        typer.Option(
            "--may-read/--only-busy", help="They may read this; or show no more than busy.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show who else reads what a link writes, and say whether they may.

    --may-read holds until the target is shared with somebody else. --only-busy brings every mirror in line.
    """
    with http.logged_in() as api:
        chosen = choose_link(api, link)
        path = f"/api/links/{chosen['id']}/readers"
        if may_read is not None:
            api.post(path, {"may_read": may_read})
        found = api.get(path)
    if as_json:
        output.as_json(found)
        return
    output.facts(screen.readers(found))
    if found["new"]:
        output.note(f"Next: kalends links readers {chosen['id']} --may-read, or --only-busy")


@app.command()
def pause(link: Link) -> None:
    """Stop writing for a link; what changes meanwhile waits."""
    _set(link, "pause", "Paused")


@app.command()
def resume(link: Link) -> None:
    """Go on where a link was paused."""
    _set(link, "resume", "Resumed")


@app.command()
def delete(
    link: Link,
    delete_mirrors: Annotated[bool | None, options.DeleteMirrorsOption] = None,
) -> None:
    """Delete a link, with or without what it wrote."""
    with http.logged_in() as api:
        chosen = choose_link(api, link)
        name = link_name(chosen, Calendars.of(api))
        if delete_mirrors is None:
            delete_mirrors = ask.agreed(
                f"Remove what {name} wrote as well?", option="--delete-mirrors or --keep-mirrors"
            )
        path = f"/api/links/{chosen['id']}"
        done = api.delete(path, version=chosen["version"], delete_mirrors=delete_mirrors)
    mirrors = f"with {output.count(done['mirrors'], 'mirror')}" if delete_mirrors else "but not its mirrors"
    output.say(f"Deleted {name}, {mirrors}.")


def choose_link(api: Api, typed: str) -> Item:
    """The link that is meant. Raises CliError."""
    calendars, found = Calendars.of(api), api.items("/api/links")
    return choose.one(found, typed, kind="link", listing=LISTING, label=lambda one: link_name(one, calendars))


def link_name(link: Item, calendars: Calendars) -> str:
    """A link as people call it."""
    return f"{calendars.name(link['source_calendar_id'])} → {calendars.name(link['target_calendar_id'])}"


def _set(link: str, verb: str, done: str) -> None:
    with http.logged_in() as api:
        chosen = choose_link(api, link)
        api.post(f"/api/links/{chosen['id']}/{verb}")
        name = link_name(chosen, Calendars.of(api))
    output.say(f"{done} {name}.")
