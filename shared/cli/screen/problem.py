"""What goes wrong, told in two lines on standard error: what happened with its code, and what to do next."""

import sys

from rich.console import Console
from rich.text import Text

from shared.cli.screen import output
from shared.core.errors import KalendsError

FAILED, MISUSED, UNREACHABLE = 1, 2, 3


class CliError(KalendsError):
    """A command cannot go on. `todo` is what the person does next; `listing` are lines to choose from."""

    code = "CLI.FAILED"

    def __init__(
        self, message: str, *, code: str | None = None, todo: str = "", listing: str = "", exit_code: int = FAILED
    ) -> None:
        super().__init__(message, code=code)
        self.todo = todo
        self.listing = listing
        self.exit_code = exit_code


def show(error: CliError) -> None:
    """Tell the person."""
    console = Console(stderr=True, no_color=not sys.stderr.isatty(), soft_wrap=True, highlight=False)
    console.print(
        Text.assemble(("error: ", "bold red"), output.plain(error.message), (f" ({error.error_code})", "dim"))
    )
    if error.listing:
        console.print(Text(error.listing))
    if error.todo:
        console.print(Text.assemble(("next:  ", "bold"), output.plain(error.todo)))
