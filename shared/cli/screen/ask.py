"""Questions. Without a terminal the answers are lines of standard input."""

import sys

import typer

from shared.cli.screen.problem import MISUSED, CliError

_YES, _NO = ("y", "yes"), ("n", "no")


def text(question: str, *, option: str, hidden: bool = False) -> str:
    """An answer. Refuses to go on without one, naming the `option` that would have said it."""
    if sys.stdin.isatty():
        return str(typer.prompt(question, hide_input=hidden, err=True))
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise _unanswered(question, option)
    return line


def agreed(question: str, *, option: str) -> bool:
    """Yes or no. Refuses to go on without either, naming the `option` that would have said it."""
    if sys.stdin.isatty():
        return typer.confirm(question, default=None, err=True)
    line = sys.stdin.readline().strip().lower()
    if line not in (*_YES, *_NO):
        raise _unanswered(question, option)
    return line in _YES


def _unanswered(question: str, option: str) -> CliError:
    return CliError(
        f"There is no terminal to ask: {question}",
        code="CLI.NO_ANSWER",
        todo=f"Say it with {option}, or answer with a line on standard input.",
        exit_code=MISUSED,
    )
