"""Series that a target cannot hold: each occurrence inside the window is mirrored as an event of its own.

The mapping of the series stays, without a mirror, and gives way; each occurrence has a mapping under the id of
`shared.calendar.expansion`, and is planned, rendered and removed like any single event.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shared import providers
from shared.calendar import expansion
from shared.calendar.span import Window
from shared.core.errors import InvalidError
from shared.sync import links
from shared.sync.rules import plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.calendar.event import Unit
    from shared.store.database import Connection
    from shared.sync.links import Link

EXPANDED = "expanded"
"""Why a series has no mirror of its own, or why an occurrence has one no more: the target can hold the series now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is mirrored by one event: a source event as it is (`id` is `root`), or an occurrence of a series.

    `gives_way`: the other form of the series takes its place.
    """

    id: str
    root: str
    unit: Unit | None
    gives_way: bool = False


def parts(
    conn: Connection, link: Link, roots: Sequence[str], units: Mapping[str, Unit], *, now: datetime
) -> list[Part]:
    """What a link mirrors these source events by; `units` are those of them that are there."""
    provider, before = _target(conn, link, roots)
    expanded = {root for root in roots if root in units and not _holds(provider, units[root])}
    standing = _standing(conn, link, sorted(expanded | before))
    found: list[Part] = []
    for root in roots:
        unit = units.get(root)
        found.append(Part(id=root, root=root, unit=unit, gives_way=root in expanded))
        there = set(standing.get(root, ()))
        if unit is not None and root not in expanded:
            found += [Part(id=one, root=root, unit=unit, gives_way=True) for one in sorted(there)]
            continue
        if unit is not None:
            there |= set(expansion.names(unit, _bounded(link, now=now)))
        found += [Part(id=one, root=root, unit=_single(unit, one)) for one in sorted(there)]
    return found


def place(conn: Connection, calendar_id: UUID, source_event_id: str) -> tuple[str, str]:
    """The event of a source that a mapping speaks of, and which occurrence of it ("": all of it)."""
    named = expansion.parse(source_event_id)
    if named is None:
        return source_event_id, ""
    row = conn.execute(
        """
        SELECT FROM external_calendar_events
         WHERE calendar_id = %s AND external_event_id = %s AND booking_id IS NULL AND series_id IS NULL
        """,
        (calendar_id, source_event_id),
    ).fetchone()
    return named if row is None else (source_event_id, "")


def _single(unit: Unit | None, name: str) -> Unit | None:
    place = expansion.parse(name)
    return expansion.single(unit, place[1]) if unit is not None and place is not None else None


def has_strays(unit: Unit) -> bool:
    """Whether occurrences of a series are at places that its rule does not have; not where nobody can expand that."""
    try:
        return unit.root.is_series and expansion.has_strays(unit)
    except InvalidError:
        return False


def _holds(provider: str, unit: Unit) -> bool:
    try:
        return not unit.root.is_series or (not expansion.has_strays(unit) and providers.holds(provider, unit))
    except InvalidError:
        return True  # nobody can say when it happens: the push records why (promise 10)


def _bounded(link: Link, *, now: datetime) -> Window:
    window = plan.window(link, now=now)
    end = window.end if window.end is not None else now + timedelta(days=links.LONGEST_AHEAD)
    return Window(start=window.start, end=end)


def _target(conn: Connection, link: Link, roots: Sequence[str]) -> tuple[str, set[str]]:
    """The provider of a link's target, and which of these series were expanded for it until now."""
    row = conn.execute(
        """
        SELECT x.provider, ARRAY(SELECT m.source_event_id FROM event_mappings m
                                  WHERE m.link_id = %(link)s AND m.source_event_id = ANY(%(roots)s) AND m.gives_way)
          FROM calendars c JOIN external_calendar_connections x ON x.id = c.connection_id
         WHERE c.id = %(target)s
        """,
        {"link": link.id, "roots": list(roots), "target": link.target_calendar_id},
    ).fetchone()
    return (row[0], set(row[1])) if row else ("", set())


def _standing(conn: Connection, link: Link, roots: Sequence[str]) -> dict[str, list[str]]:
    """The occurrences that have mappings, by series."""
    if not roots:
        return {}
    rows = conn.execute(
        """
        SELECT r.root, m.source_event_id FROM event_mappings m
          JOIN unnest(%(roots)s::text[]) AS r(root) ON starts_with(m.source_event_id, r.root || '_')
         WHERE m.link_id = %(link)s
        """,
        {"link": link.id, "roots": list(roots)},
    ).fetchall()
    found: dict[str, list[str]] = {}
    for root, name in rows:
        place = expansion.parse(name)
        if place is not None and place[0] == root:
            found.setdefault(root, []).append(name)
    return found
