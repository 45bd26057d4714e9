"""Operations that need no login."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from shared.cli import OPERATE
from shared.cli.client import operator
from shared.cli.doctor import show
from shared.cli.screen import output
from shared.cli.screen.output import AsJson
from shared.cli.screen.problem import MISUSED, CliError

PANEL = OPERATE

app = typer.Typer(name="ops", no_args_is_help=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which installation is operated, if that was said; `directory` is where the local cloud runs from."""

    stage: str | None
    directory: Path

    def ask(self, command: str, **more: Any) -> Any:
        """What its ops function answers. Raises CliError."""
        if self.stage is None:
            todo = f"kalends --stage local ops {command}"
            raise CliError("Say which installation.", code="OPS.STAGE", todo=todo, exit_code=MISUSED)
        return operator.invoke(self.stage, self.directory, {"command": command, **more})


@app.callback()
def ops(
    context: typer.Context,
    stage: Annotated[
        str | None, typer.Option(metavar="STAGE", help="Which installation; may also stand before ops.")
    ] = None,
    directory: Annotated[
        Path, typer.Option(metavar="FOLDER", help="For stage local: where the local cloud keeps its data.")
    ] = Path(".local"),
) -> None:
    """Operate an installation, without a login.

    kalends --stage STAGE ops COMMAND needs only the AWS right to invoke the stage's ops function; so it also works
    before there is an administrator, and when nobody can log in.
    """
    context.obj = Place(stage=stage or context.obj, directory=directory)


@app.command()
def migrate(context: typer.Context) -> None:
    """Bring the database to what this version needs."""
    applied = _place(context).ask("migrate")["applied"]
    numbers = ", ".join(str(number) for number in applied)
    output.say(f"Applied migrations {numbers}." if applied else "The database is up to date.")


@app.command("admin-link")
def admin_link(
    context: typer.Context,
    email: Annotated[
        str | None, typer.Option(help="Whose; needed once there is an administrator, who may be locked out.")
    ] = None,
) -> None:
    """Make the one-time link by which an administrator comes in.

    Whoever opens it first is one: send it to nobody else.
    """
    link = _place(context).ask("admin-link", email=email)["link"]
    if link is None:
        todo = "To make a link all the same, say for whom: ops admin-link --email EMAIL"
        raise CliError("There is an administrator already.", code="OPS.ADMINISTRATOR", todo=todo)
    output.say(link)


@app.command()
def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Check the installation.

    Says what to do where something is wrong, and exits with 1 then.
    """
    show(_place(context).ask("doctor"), as_json=as_json)


@app.command()
def gates(context: typer.Context, as_json: AsJson = False) -> None:
    """Show what may run, and who decided it."""
    found = _place(context).ask("gates")["gates"]
    if as_json:
        output.as_json(found)
        return
    output.table(
        ("gate", "state", "by", "reason"),
        [(one["name"], "open" if one["open"] else "closed", one["by"], one["reason"]) for one in found],
        empty="There are no gates.",
    )


@app.command()
def gate(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, as ops gates shows it.", show_default=False)],
    opened: Annotated[bool, typer.Option("--open/--close", help="Let it run, or stop it, at once.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it stands in the audit log.")],
) -> None:
    """Open or close a gate. Work that waits at a closed one is not lost."""
    done = _place(context).ask("gate", name=name, open=opened, reason=reason)
    output.say(f"{done['name']} is {'open' if done['open'] else 'closed'}.")


@app.command("stop-channels")
def stop_channels(context: typer.Context) -> None:
    """Stop every push channel, before the installation goes.

    Closes CALENDAR_SYNC_ENABLED first, so that no channel is opened again.
    """
    stopped = failed = 0
    while True:
        done = _place(context).ask("stop-channels")
        stopped, failed = stopped + done["stopped"], failed + done["failed"]
        if not done["left"]:
            break
        output.say(f"Stopped {stopped} push channels so far.")
    output.say(f"Stopped {stopped} push channels. CALENDAR_SYNC_ENABLED is closed.")
    if failed:
        output.say(f"{failed} were not stopped by their providers: they run out within a week.")


@app.command()
def reconcile(context: typer.Context) -> None:
    """Bring everything back in step with its providers, after the database was restored.

    Dispatch notices a restore within a minute. Until then keep CALENDAR_SYNC_ENABLED closed, or ask for this.
    """
    done = _place(context).ask("reconcile")
    output.say(f"Reconciling {output.count(done['calendars'], 'calendar')}.")


@app.command()
def rotate(
    context: typer.Context,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="runtime or operator.", show_default=False)],
) -> None:
    """Give a database role's other user a new password, and put that user to use.

    Nobody is disconnected. On AWS it happens every 30 days by itself.
    """
    done = _place(context).ask("rotate", role=role)
    output.say(f"{done['user']} is in use from now on.")


def _place(context: typer.Context) -> Place:
    place = context.obj
    if not isinstance(place, Place):
        raise TypeError("a command of ops ran without its group")
    return place
