"""What can be set of a link, or of the links of a group, on the command line, and what of that was said."""

import functools
import inspect
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Literal

import typer

from shared.cli.client import filters

FOREVER = "all"
MASK = ("privacy", "busy_title", "title_template", "show")
"""The settings that say how much of an event shows."""


class Field(StrEnum):
    """What of an event shows or not."""

    TITLE = "title"
    DESCRIPTION = "description"
    LOCATION = "location"
    AVAILABILITY = "availability"


Privacy = Literal["busy", "title", "full"]
PrivacyOption = typer.Option(
    metavar="LEVEL", help="What readers of the target see of each event: busy (a new link's), title or full."
)
ShowOption = typer.Option("--show", metavar="FIELD", help=f"Show it whatever the level says: {', '.join(Field)}.")
HideOption = typer.Option("--hide", metavar="FIELD", help="Hide it whatever the level says.")
OnEdit = Literal["restore", "leave", "merge"]
OnDelete = Literal["restore", "ignore", "decline", "withdraw"]
OnConflict = Literal["newest", "source", "target", "ask"]
FilterOption = typer.Option(
    "--filter",
    metavar="NAME=VALUE",
    help=f"What is left out, once for each: {', '.join(filters.NAMES)}. E.g. title_exclude=lunch.",
)
OnEditOption = typer.Option(
    metavar="WHAT",
    help="A mirror changed by hand: restore it, leave it as it is, or merge the change into its source (a new two-way "
    "link's).",
)
OnDeleteOption = typer.Option(
    metavar="WHAT",
    help="A mirror deleted by hand: restore it, ignore the event, decline its invitation, or withdraw (delete) the "
    "event as well.",
)
OnConflictOption = typer.Option(
    metavar="WHO",
    help="What both sides changed, where edits are merged: the newest wins, the source, the target, or ask.",
)
TemplateOption = typer.Option(
    metavar="TEXT",
    help="How mirrors are called, with {title}, {calendar}, {account}, e.g. '[{account}] {title}'.",
    show_default=False,
)

BusyTitleOption = typer.Option(metavar="TEXT", help="What stands for a hidden title (a new link's: Busy).")
PresetOption = typer.Option("--as-level", metavar="FIELD", help="Show or hide it as the level has it.")
AheadOption = typer.Option(metavar="DAYS", help=f"How far ahead (a new link's: 365); {FOREVER}: without end.")
BehindOption = typer.Option(min=0, metavar="DAYS", help="How far back (a new link's: 1).")
SkipAllDayOption = typer.Option("--skip-all-day/--include-all-day", help="All-day events.", show_default=False)
IncludeFreeOption = typer.Option("--include-free/--skip-free", help="Events shown as free.", show_default=False)
TwoWayOption = typer.Option("--two-way", help="Also from the target to the source, and edits of mirrors flow back.")
DeleteMirrorsOption = typer.Option(
    "--delete-mirrors/--keep-mirrors",
    help="Whether what was written is removed, or stays; asked for if left out.",
    show_default=False,
)
OthersMayReadOption = typer.Option(
    "--others-may-read", help="Show what you say also where others can read the target; else it starts as busy."
)


type Settings = dict[str, Any]
"""Those that were named, as the API takes them."""


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command every option of a link in the place of its parameter `settings`, which it gets as what was said.
    What is not said stays as it is, or is, of a new link, as the host has it."""
    own = inspect.signature(command, eval_str=True)
    options = inspect.signature(_said, eval_str=True).parameters

    @functools.wraps(command)
    def with_what_was_said(**given: Any) -> None:
        command(settings=_said(**{name: given.pop(name) for name in options}), **given)

    parameters: list[inspect.Parameter] = []
    for name, one in own.parameters.items():
        parameters += options.values() if name == "settings" else [one]
    keyword = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    with_what_was_said.__signature__ = own.replace(parameters=keyword)  # type: ignore[attr-defined]
    with_what_was_said.__annotations__ = {one.name: one.annotation for one in keyword}
    del with_what_was_said.__wrapped__
    return with_what_was_said


def _said(
    *,
    privacy: Annotated[Privacy | None, PrivacyOption] = None,
    busy_title: Annotated[str | None, BusyTitleOption] = None,
    title_template: Annotated[str | None, TemplateOption] = None,
    show: Annotated[list[Field] | None, ShowOption] = None,
    hide: Annotated[list[Field] | None, HideOption] = None,
    preset: Annotated[list[Field] | None, PresetOption] = None,
    skip_all_day: Annotated[bool | None, SkipAllDayOption] = None,
    include_free: Annotated[bool | None, IncludeFreeOption] = None,
    left_out: Annotated[list[str] | None, FilterOption] = None,
    on_edit: Annotated[OnEdit | None, OnEditOption] = None,
    on_delete: Annotated[OnDelete | None, OnDeleteOption] = None,
    on_conflict: Annotated[OnConflict | None, OnConflictOption] = None,
    days_ahead: Annotated[str | None, AheadOption] = None,
    days_behind: Annotated[int | None, BehindOption] = None,
) -> Settings:
    """The settings that were named, as the API takes them; "" takes a title template away.

    Raises typer.BadParameter.
    """
    fields: dict[str, bool | None] = {**shown(show, hide), **dict.fromkeys(preset or ())}
    given: dict[str, Any] = {
        "privacy": privacy,
        "busy_title": busy_title,
        "skip_all_day": skip_all_day,
        "on_edit": on_edit,
        "on_delete": on_delete,
        "on_conflict": on_conflict,
        "days_behind": days_behind,
        "show": fields or None,
        "skip_free": None if include_free is None else not include_free,
        "filters": filters.parse(left_out) or None,
    }
    found: Settings = {name: value for name, value in given.items() if value is not None}
    if title_template is not None:
        found["title_template"] = title_template or None
    if days_ahead is not None:
        found["days_ahead"] = days(days_ahead)
    return found


def days(typed: str) -> int | None:
    """How far ahead, None without end. Raises typer.BadParameter."""
    if typed == FOREVER:
        return None
    if not typed.isdecimal() or int(typed) < 1:
        raise typer.BadParameter(f"{typed!r} is neither a number of days nor {FOREVER!r}.", param_hint="--days-ahead")
    return int(typed)


def shown(show: list[Field] | None, hide: list[Field] | None) -> dict[str, bool]:
    """What shows whatever the level says. Raises typer.BadParameter."""
    both = sorted(set(show or ()) & set(hide or ()))
    if both:
        raise typer.BadParameter(f"{both[0]} cannot be shown and hidden at once.", param_hint="--show / --hide")
    return {**dict.fromkeys(show or (), True), **dict.fromkeys(hide or (), False)}
