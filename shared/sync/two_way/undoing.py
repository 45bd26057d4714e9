"""Undo of edits that flowed back: the source is put back as it was, unless somebody has changed it since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.calendar import codec, merge, patch, showing
from shared.core.errors import InvalidError
from shared.sync import by_hand, links
from shared.sync.store import calendars, events, journal, undo_items

if TYPE_CHECKING:
    from uuid import UUID

    from shared.calendar.mirror import Mirror
    from shared.calendar.patch import Patch
    from shared.crypto.keyring import DataKey
    from shared.store.database import Connection
    from shared.sync.context import Engine
    from shared.sync.store.mappings import Mapping


def ask(conn: Connection, engine: Engine, mapping: Mapping, *, run_id: UUID, undone_by: UUID) -> str | None:
    """Have taken back what a run wrote to the source of a mapping; answers why it is not."""
    written = journal.at_source(conn, run_id, mapping.id)
    key = engine.data_key(conn, calendars.get(conn, mapping.source_calendar_id).connection_id)
    whole = _whole(conn, mapping, key=key)
    patches: list[tuple[str, bytes]] = []
    for one in written:
        if one.operation == "decline":
            return "UNDO.DECLINED: An invitation that was declined is not accepted again: answer it yourself."
        if one.inverse is None:
            return "UNDO.WITHDRAWN: What was deleted at the source does not come back: make it again there."
        before, after = codec.patches_from_json(key.open(one.inverse, aad=str(mapping.id)))
        if whole is None or not _shows(whole, one.occurrence, after):
            return f"{undo_items.CHANGED}: The source was changed or deleted since: it is left alone."
        sealed = key.seal(codec.patches_to_json(after, before), aad=str(mapping.id))
        patches.append((one.occurrence or "", sealed))
    for occurrence, sealed in patches:
        by_hand.ask(conn, mapping, by_hand.AMEND, occurrence=occurrence, patches=sealed, undo_run=undone_by)
    return None


def _whole(conn: Connection, mapping: Mapping, *, key: DataKey) -> Mirror | None:
    link = links.get(conn, mapping.link_id)
    ids = [mapping.source_event_id]
    unit = events.units(conn, mapping.source_calendar_id, ids, key=key, with_text=link.needs_text).get(ids[0])
    try:
        return None if unit is None else merge.shown(unit)
    except InvalidError:
        return None


def _shows(whole: Mirror, occurrence: str | None, change: Patch) -> bool:
    one = showing.at(whole, occurrence) if occurrence else whole.root
    return one is not None and all(patch.same(part, patch.applied(one, change), one) for part in change.fields)
