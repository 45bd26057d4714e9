"""What can be set of a link on the command line, and what of that was said."""

from enum import StrEnum
from typing import Any, Literal

import typer

from shared.cli.client import filters

FOREVER = "all"


class Field(StrEnum):
    """What of an event shows or not."""

    TITLE = "title"
    DESCRIPTION = "description"
    LOCATION = "location"
    AVAILABILITY = "availability"


Privacy = Literal["busy", "title", "full"]
PrivacyOption = typer.Option(metavar="LEVEL", help="What readers of the target see of each event: busy, title or full.")
ShowOption = typer.Option("--show", metavar="FIELD", help=f"Show it whatever the level says: {', '.join(Field)}.")
HideOption = typer.Option("--hide", metavar="FIELD", help="Hide it whatever the level says.")
OnEdit = Literal["restore", "leave"]
OnDelete = Literal["restore", "ignore", "decline"]
FilterOption = typer.Option(
    "--filter",
    metavar="NAME=VALUE",
    help=f"What is left out, once for each: {', '.join(filters.NAMES)}. E.g. title_exclude=lunch.",
)
OnEditOption = typer.Option(metavar="WHAT", help="A mirror changed by hand: restore it, or leave it as it is.")
OnDeleteOption = typer.Option(
    metavar="WHAT", help="A mirror deleted by hand: restore it, ignore the event, or decline its invitation."
)
TemplateOption = typer.Option(
    metavar="TEXT",
    help="How mirrors are called, with {title}, {calendar}, {account}, e.g. '[{account}] {title}'.",
    show_default=False,
)

BusyTitleOption = typer.Option(metavar="TEXT", help="What stands for a hidden title.")
PresetOption = typer.Option("--as-level", metavar="FIELD", help="Show or hide it as the level has it.")
AheadOption = typer.Option(metavar="DAYS", help=f"How far ahead; {FOREVER}: without end.")
BehindOption = typer.Option(min=0, metavar="DAYS", help="How far back.")
SkipAllDayOption = typer.Option("--skip-all-day/--include-all-day", help="All-day events.")
IncludeFreeOption = typer.Option("--include-free/--skip-free", help="Events shown as free.")
OthersMayReadOption = typer.Option(
    "--others-may-read", help="Show what you say also where others can read the target; else it starts as busy."
)


def said(
    *,
    title_template: str | None,
    show: list[Field] | None,
    hide: list[Field] | None,
    preset: list[Field] | None,
    include_free: bool | None,
    left_out: list[str] | None,
    days_ahead: str | None,
    **plain: Any,
) -> dict[str, Any]:
    """The settings that were named, as the API takes them; "" takes a title template away.

    Raises typer.BadParameter.
    """
    fields: dict[str, bool | None] = {**shown(show, hide), **dict.fromkeys(preset or ())}
    given = {
        **plain,
        "show": fields or None,
        "skip_free": None if include_free is None else not include_free,
        "filters": filters.parse(left_out) or None,
    }
    found = {name: value for name, value in given.items() if value is not None}
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
