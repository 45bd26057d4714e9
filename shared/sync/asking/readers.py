"""Who else reads the target of a link: such a link starts as busy unless its person insists, and where a target is
shared later, its person is asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from shared.calendar.mask import Mask, Show
from shared.calendar.mirror import Privacy
from shared.connections import calendars

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from shared.store.database import Connection
    from shared.sync.links import Link

SHOWING = ("privacy", "show", "title_template")
"""The settings that say how much others see: whoever changes them knows who reads, for the answer says so."""
ONLY_BUSY = {"privacy": Privacy.BUSY.value, "show": asdict(Show()), "title_template": None}
"""The change that hides whatever a link shows."""
NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """What the person should know: a code, and a sentence that says what to do."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """Who reads in the target of a link more than when somebody is busy, None where nobody knows; who of them is `new`:
    the person has not said that they may; and what of the link's events they `see`."""

    readers: list[str] | None
    new: list[str]
    see: tuple[str, ...]


def asked(options: dict[str, Any]) -> Mask:
    """How much of an event the options of `linking.create` would show."""
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
    return {**options, **ONLY_BUSY}


def warnings(conn: Connection, link: Link, *, wanted: Mask | None = None) -> list[Warned]:
    """What others will see through a link, where others can read its target, or nobody knows whether they can; `wanted`
    is what it was asked to show.

    Raises NotFoundError.
    """
    target = calendars.get(conn, link.target_calendar_id)
    if target.is_shared is None and link.mask.tells:
        message = (
            f"Whether others can read {target.name} is not known: its provider does not say it. Look there with whom "
            f"it is shared: they see {', '.join(link.mask.tells)}."
        )
        return [Warned(code="LINK.READERS_UNKNOWN", message=message)]
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


def of_link(conn: Connection, link: Link) -> Readers:
    """Who reads what a link writes. Raises NotFoundError."""
    target = calendars.get(conn, link.target_calendar_id)
    new = unaccepted(conn).get(link.id, []) if link.mask.tells else []
    return Readers(readers=target.readers, new=new, see=link.mask.tells)


def accept(conn: Connection, link_ids: Sequence[UUID]) -> None:
    """Whoever reads the targets of these links by now may read what they show."""
    conn.execute(
        """
        UPDATE links l SET accepted_readers = coalesce(c.readers, '{}')
          FROM calendars c WHERE c.id = l.target_calendar_id AND l.id = ANY(%s)
        """,
        (list(link_ids),),
    )


def unaccepted(conn: Connection) -> dict[UUID, list[str]]:
    """By link, who reads its target and was never accepted: with whom it was shared later, or nobody knew before."""
    return dict(
        conn.execute(
            """
            SELECT l.id, ARRAY(SELECT unnest(c.readers) EXCEPT SELECT unnest(l.accepted_readers) ORDER BY 1)
              FROM links l JOIN calendars c ON c.id = l.target_calendar_id
             WHERE l.state <> 'deleting' AND NOT c.readers <@ l.accepted_readers
            """
        ).fetchall()
    )


def named(readers: Sequence[str]) -> str:
    """Readers in a sentence, the first of them by name."""
    rest = len(readers) - NAMED
    return ", ".join(readers[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
