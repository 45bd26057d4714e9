"""Who else reads the target of a link: such a link starts as busy, unless its person insists, and says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.calendar.mask import Mask, Show
from shared.calendar.mirror import Privacy
from shared.connections import calendars

if TYPE_CHECKING:
    from uuid import UUID

    from shared.store.database import Connection
    from shared.sync.links import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """What the person should know: a code, and a sentence that says what to do."""

    code: str
    message: str


def asked(options: dict[str, Any]) -> Mask:
    """How much of an event the options of `links.create` would show."""
    return Mask(
        privacy=Privacy(options.get("privacy") or Privacy.BUSY),
        busy_title=options.get("busy_title", "Busy"),
        title_template=options.get("title_template"),
        show=Show(**(options.get("show") or {})),
    )


def guarded(conn: Connection, target_calendar_id: UUID, options: dict[str, Any]) -> dict[str, Any]:
    """The options with which a link starts whose person has not insisted: busy, where others can read the target.

    Raises NotFoundError.
    """
    if not asked(options).tells or not calendars.get(conn, target_calendar_id).is_shared:
        return options
    return {**options, "privacy": Privacy.BUSY.value, "show": {}, "title_template": None}


def warnings(conn: Connection, link: Link, *, wanted: Mask | None = None) -> list[Warned]:
    """What others will see through a link, where others can read its target; `wanted` is what it was asked to show.

    Raises NotFoundError.
    """
    target = calendars.get(conn, link.target_calendar_id)
    if not target.is_shared:
        return []
    if wanted is not None and wanted.tells and not link.mask.tells:
        message = (
            f"Others can read {target.name}, so the link starts as busy, whatever it was asked to show. To show it to "
            "them, make the link with others_may_read, or change it."
        )
        return [Warned(code="LINK.STARTS_BUSY", message=message)]
    seen = ", ".join(link.mask.tells) or "only when you are busy"
    return [Warned(code="LINK.OTHERS_READ", message=f"Others can read {target.name}. There they see: {seen}.")]
