"""Every command explains itself, and every list speaks JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from shared.cli import application

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Kalends

LISTS = {
    "list",
    "status",
    "events",
    "availability",
    "attention",
    "changes",
    "gates",
    "doctor",
    "show",
    "now",
    "sessions",
}
"""Commands that show what there is, by their last word."""


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every group and command, with the words that call it."""
    yield path, command
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from walk(below, (*path, name))


EVERYTHING = dict(walk(get_command(application())))
COMMANDS = {path: one for path, one in EVERYTHING.items() if not isinstance(one, TyperGroup)}


def options(command: Any) -> dict[str, Any]:
    return {option: one for one in command.params for option in one.opts}


def test_these_are_the_commands() -> None:
    assert {" ".join(path) for path in COMMANDS} == {
        *("login", "logout", "connect", "status", "events", "changes", "explain", "doctor", "sync now"),
        *("attention", "availability", "overlaps list", "overlaps ignore", "overlaps unignore", "overlaps propose"),
        *("connections list", "connections add-caldav", "connections add-ics", "connections disconnect"),
        *("calendars list", "feeds list", "feeds create", "feeds preview", "feeds rotate", "feeds revoke"),
        *("links create", "links list", "links show", "links change", "links pause", "links resume", "links delete"),
        *("links preview", "links apply", "links resync", "links readers"),
        *("groups create", "groups list", "groups show", "groups set", "groups pause", "groups resume"),
        *("groups preview", "groups resync", "groups add", "groups remove", "groups delete"),
        *("conflicts list", "conflicts show", "conflicts resolve"),
        *("runs list", "runs show", "runs follow", "undo"),
        *("profile show", "profile set", "profile password", "profile sessions", "profile sign-out"),
        *("held list", "held approve", "held discard", "tokens list", "tokens create", "tokens revoke"),
        *("reconcile", "orphans list", "orphans purge", "ops reconcile"),
        *("ops migrate", "ops admin-link", "ops doctor", "ops gates", "ops gate", "ops stop-channels", "ops rotate"),
    }


@pytest.mark.parametrize("path", EVERYTHING, ids=" ".join)
def test_each_has_help_for_itself_and_all_its_parameters(kalends: Kalends, path: tuple[str, ...]) -> None:
    shown = " ".join(kalends(*path, "--help").out.split())

    command = EVERYTHING[path]
    first = (command.help or "").split("\n\n")[0]
    assert len(first) > 10
    assert " ".join(first.split()) in shown
    assert f"Usage: {' '.join(('kalends', *path))}" in shown
    assert not [one.name for one in command.params if not one.help]


@pytest.mark.parametrize("path", [path for path in COMMANDS if path[-1] in LISTS], ids=" ".join)
def test_each_list_speaks_json(path: tuple[str, ...]) -> None:
    assert "--json" in options(COMMANDS[path])


def test_groups_alone_show_their_help(kalends: Kalends) -> None:
    for path in EVERYTHING.keys() - COMMANDS.keys():
        ran = kalends(*path, code=2)

        assert "Usage: kalends" in ran.out + ran.err


def test_a_misspelt_command_is_guessed(kalends: Kalends) -> None:
    assert re.search(r"Did you mean 'calendars'", kalends("calender", code=2).err)
