"""Choosing one of several by what a person types: an id, the beginning of one, or a name."""

from collections.abc import Callable, Sequence

from shared.cli.client.api import Item
from shared.cli.screen import output
from shared.cli.screen.problem import CliError

_SHOWN = 10


def one(
    items: Sequence[Item],
    typed: str,
    *,
    kind: str,
    listing: str,
    label: Callable[[Item], str],
    names: Callable[[Item], Sequence[str]] = lambda item: (),
) -> Item:
    """The item that is meant. `listing` is the command that shows what there is; `label` tells items apart in a list.

    An id wins over a name, a name (in capitals or not) over the beginning of an id. Raises CliError for nothing, and
    for several: it lists them.
    """
    wanted = _digits(typed)
    exact = [item for item in items if _digits(item["id"]) == wanted]
    named = [item for item in items if typed.strip().casefold() in map(str.casefold, names(item))]
    begun = [item for item in items if wanted and _digits(item["id"]).startswith(wanted)]
    found = exact or named or begun
    if len(found) == 1:
        return found[0]
    if not found:
        code = f"{kind.upper().replace(' ', '_')}.NOT_FOUND"
        raise CliError(f"There is no {kind} {typed!r}.", code=code, todo=f"Look what there is: {listing}")
    lines = output.aligned([["", item["id"], output.plain(label(item))] for item in found[:_SHOWN]])
    more = len(found) - _SHOWN
    raise CliError(
        f"{typed!r} may be any of {len(found)}: say more of the id.",
        code="CLI.AMBIGUOUS",
        listing=lines + (f"  and {more} more" if more > 0 else ""),
        todo=f"Look at all of them: {listing}",
    )


def _digits(text: str) -> str:
    return text.strip().lower().replace("-", "")
