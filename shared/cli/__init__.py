"""`kalends`, the command line: a client of the HTTP API.

Every module beside this one is a command group and is found by itself: its `app` becomes a group under its name, or,
without a name, its commands stand at the top. `client/` is the way to the API, `screen/` the way to the person.
"""

import importlib
import os
import pkgutil
import sys
from functools import cache
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from shared.cli.screen import problem
from shared.core.redaction import redact_text

BEGIN, CALENDARS, WATCH, OPERATE = "Begin", "Calendars and links", "What happens", "Operate"
PANELS = (BEGIN, CALENDARS, WATCH, OPERATE)
"""The headings of the first page of help, in order; each module names its own as PANEL."""


class Commands(TyperGroup):
    """The root: what a command refuses is told in two lines, and sets the exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except problem.CliError as error:
            problem.show(error)
            raise typer.Exit(error.exit_code) from None


@cache
def application() -> typer.Typer:
    """The whole command line."""
    root = typer.Typer(cls=Commands, no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_enable=False)
    root.callback()(_kalends)
    names = [found.name for found in pkgutil.iter_modules(__path__) if not (found.ispkg or found.name == "__main__")]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    for module in sorted(modules, key=lambda one: PANELS.index(one.PANEL)):
        root.add_typer(module.app, rich_help_panel=module.PANEL)
    return root


def main() -> None:
    """Run the command that the arguments name. Exit codes: 0 done, 1 failed, 2 misused, 3 the host is out of reach."""
    try:
        try:
            application()(prog_name="kalends")
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has had enough, as `head` does: Python must not find the pipe again at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(problem.FAILED) from None
    except Exception as error:
        if os.environ.get("KALENDS_TRACEBACK"):
            raise
        text = redact_text(f"{type(error).__name__}: {error}".splitlines()[0])
        todo = "Set KALENDS_TRACEBACK=1, try again, and report what is printed."
        problem.show(problem.CliError(f"kalends itself failed: {text}", code="CLI.INTERNAL", todo=todo))
        raise SystemExit(problem.FAILED) from None


def _kalends(
    context: typer.Context,
    stage: Annotated[
        str | None, typer.Option(metavar="STAGE", help="For ops: which installation (local, dev, staging, prod).")
    ] = None,
) -> None:
    """Keep calendars in step: accounts, links between calendars, and how it all stands.

    Begin with: kalends login --host URL
    """
    if stage is not None and context.invoked_subcommand != "ops":
        context.fail(
            "--stage belongs to ops: kalends --stage STAGE ops COMMAND. Everything else asks your login's host."
        )
    context.obj = stage
