"""Edits: mirrors that somebody changed by hand, in links that merge that. Seen by the pull of the target.

A page is a hint only: it may show what was before our own last write. So the mirror is asked for by name, and kept,
sealed, as it looks, with what both sides were when they last agreed; the pull of the source merges it (`flow_back`).
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.calendar import codec, merge, two_way
from shared.calendar.event import Unit
from shared.calendar.patch import Field
from shared.core.errors import ConflictError, InvalidError
from shared.providers.port import Upserted
from shared.sync import by_name, links, sealing
from shared.sync.sight import Sight, differing, of_unit
from shared.sync.store import calendars, edits, journal, mappings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from shared.calendar.mirror import Mirror
    from shared.crypto.keyring import DataKey
    from shared.providers.port import CalendarProvider, Page
    from shared.store.database import Connection
    from shared.sync.links import Link
    from shared.sync.run import Run
    from shared.sync.store.calendars import SyncedCalendar
    from shared.sync.store.mappings import Mapping
    from shared.sync.writes import Work

ASKED_FOR = 100
"""Of so many edits on one page each is asked for by name: more were made by a program, and a page takes seconds."""
CLOCKS = timedelta(minutes=1)
"""So far the clocks of workers and of the database may differ."""
EDITED = "SYNC.MIRROR_EDITED"
"""The code of the ConflictError for a mirror that was found edited just before it was to be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A mirror as somebody left it, and as both sides were when they last agreed: the source as rendered (`base`), the
    target as it showed that (`shown`). `observed` are its checksums, `left` those that we knew before it was looked at,
    and `rendering` is the mapping's at that time. `held` are
    the fields by place of one that is merged already and stays because a conflict waits; the others it shows as they
    are about to be written."""

    mirror: Mirror
    base: Mirror
    shown: Mirror
    observed: dict[str, str]
    left: dict[str, str]
    changed_at: datetime | None
    rendering: int
    held: dict[str, frozenset[Field]] = field(default_factory=dict)

    def is_overwritten(self, standing: Mapping) -> bool:
        """Whether we have written the mirror since it was looked at: a push was under way. It may show what was before
        the edit, and must be written again, and what it shows by then is nobody's edit."""
        return not self.held and self.left != (standing.observed or {})

    def seal(self, mapping: Mapping, *, key: DataKey) -> bytes:
        """For the mapping's `edit` column."""
        value = {
            "mirror": codec.mirror_to_json(self.mirror).decode(),
            "base": codec.mirror_to_json(self.base).decode(),
            "shown": codec.mirror_to_json(self.shown).decode(),
            "observed": self.observed,
            "left": self.left,
            "changed_at": self.changed_at and self.changed_at.isoformat(),
            "rendering": self.rendering,
            "held": {place: sorted(fields) for place, fields in self.held.items()},
        }
        return key.seal(json.dumps(value).encode(), aad=str(mapping.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A mirror as it looks now, None if nobody can understand it, and its mapping as it was before that was asked: a
    push may have written it since."""

    mapping: Mapping
    unit: Unit | None


type Looks = dict[UUID, Look]
"""By mapping."""


def opened(sealed: bytes, mapping: Mapping, *, key: DataKey) -> Edit:
    """The inverse of `Edit.seal`."""
    value = json.loads(key.open(sealed, aad=str(mapping.id)))
    return Edit(
        mirror=codec.mirror_from_json(value["mirror"]),
        base=codec.mirror_from_json(value["base"]),
        shown=codec.mirror_from_json(value["shown"]),
        observed=value["observed"],
        left=value["left"],
        changed_at=value["changed_at"] and datetime.fromisoformat(value["changed_at"]),
        rendering=value["rendering"],
        held={place: frozenset(map(Field, fields)) for place, fields in value["held"].items()},
    )


def may_be_merged(mapping: Mapping, link: Link, *, is_restored: bool) -> bool:
    """Whether an edit of this mirror is merged: it stands, and what it was written as is known; or the database was
    restored (`is_restored`) and knows neither, and what somebody wrote is kept all the same."""
    is_whole = is_restored or (mapping.may_have_mirror and mapping.base is not None)
    return link.on_edit == links.MERGE and is_whole and mapping.state == "open" and not mapping.is_removal


def intended(work: Work, *, key: DataKey) -> bytes | None:
    """What a mirror is about to be created as, sealed, where edits of it are merged. None where that is not certain
    either: an earlier attempt, perhaps carried out, would have made another one."""
    mapping = work.mapping
    if not work.merges or work.mirror is None:
        return None
    before = None if mapping.base is None else sealing.opened(mapping.base, mapping.id, key=key)
    if mapping.tried and before != work.mirror:
        return None
    return sealing.seal(work.mirror, mapping.id, key=key)


def look(run: Run, provider: CalendarProvider, page: Page, *, asked: datetime) -> Looks:
    """What a page shows as edited, asked for by name before the page is applied.

    Where very much was edited at once, and after a restore, when nothing flows back, the page itself must do, but for
    what we have written since it was `asked` for.
    """
    with run.engine.database.person(run.calendar.user_id) as conn:
        suspects = _suspects(conn, run.calendar, page, key=run.key)
        asked_for = ASKED_FOR if run.calendar.reconcile_since is None else 0
        told = [mapping.id for mapping, shown in suspects[asked_for:] if shown is not None]
        written = journal.accepted_since(conn, told, asked - CLOCKS) if told else set()
    by_page = {*told} - written
    looks: Looks = {}
    for mapping, shown in suspects:
        if mapping.id in by_page:
            looks[mapping.id] = Look(mapping=mapping, unit=shown)
            continue
        try:
            unit = by_name.look(run, provider, mapping.mirror_id)
        except InvalidError:
            looks[mapping.id] = Look(mapping=mapping, unit=None)
            continue
        if unit is not None:
            looks[mapping.id] = Look(mapping=mapping, unit=unit)
    return looks


def note(conn: Connection, standing: Mapping, mapping: Mapping, unit: Unit, *, key: DataKey) -> UUID | None:
    """Keep an edit until it is merged; answers the source calendar that is to be looked at for that, None if the mirror
    looks as it was left, or as it is noted already. `mapping` is as it was before the `unit` was read, `standing` as it
    is now. Raises InvalidError for a rule that nobody can expand."""
    seen = of_unit(unit, key=key)
    known = None if standing.edit is None else opened(standing.edit, mapping, key=key)
    if (known is not None and known.observed == seen) or (known is None and not differing(mapping, seen)):
        return None
    mirror = merge.shown(unit)
    if known is not None:
        base, shown = known.base, known.shown  # both agreed last before the earlier edit
        if known.held and mapping.shown is not None:  # what it merged is not written to the target yet
            shown = two_way.kept(shown, sealing.opened(mapping.shown, mapping.id, key=key), known.held)
    else:
        base, shown = _heard(conn, mapping, mirror, _agreed(mapping, mirror, key=key), key=key)
    if mapping.observed is None and not two_way.unlike(shown, mirror):
        return None  # it looks as it was to be created, which nobody came to record
    if mapping.applied is None:
        # It is being created: what does not differ yet is about to be written, after the series, and not an edit.
        mirror = replace(mirror, overrides={**base.overrides, **mirror.overrides})
    moments = [one.updated_at for one in (unit.root, *unit.overrides) if one.updated_at is not None]
    edit = Edit(
        mirror=mirror,
        base=base,
        shown=shown,
        observed=seen,
        left=mapping.observed or {},
        changed_at=max(moments, default=None),
        rendering=mapping.rendering,
    )
    edits.save(conn, mapping.id, edit=edit.seal(mapping, key=key), etag=unit.root.etag)
    calendars.request(conn, [mapping.source_calendar_id])
    return mapping.source_calendar_id


def is_ours(conn: Connection, mapping: Mapping, unit: Unit, *, key: DataKey) -> bool:
    """Whether a mirror looks as writes of ours left it, or half of them, whose answers nobody heard. That is nobody's
    edit, and is written again. Raises InvalidError for a rule that nobody can expand."""
    if not journal.unanswered(conn, [mapping.id]):
        return False
    if _is_cut_short(mapping, unit, key=key):
        return True
    if mapping.base is None or mapping.applied is None:
        return False
    mirror = merge.shown(unit)
    _, shown = _heard(conn, mapping, mirror, _agreed(mapping, mirror, key=key), key=key)
    return not two_way.unlike(shown, mirror)


def _agreed(mapping: Mapping, mirror: Mirror, *, key: DataKey) -> tuple[Mirror, Mirror]:
    """What both sides were when they last agreed: the source as rendered, the target as it showed that."""
    base = mirror if mapping.base is None else sealing.opened(mapping.base, mapping.id, key=key)
    return base, base if mapping.shown is None else sealing.opened(mapping.shown, mapping.id, key=key)


def _heard(
    conn: Connection, mapping: Mapping, mirror: Mirror, agreed: tuple[Mirror, Mirror], *, key: DataKey
) -> tuple[Mirror, Mirror]:
    """What both sides agree on by what the mirror shows of writes whose answers nobody heard."""
    base, shown = agreed
    unheard = journal.sent(conn, mapping.id)
    if unheard:
        # Between two requests the root shows what was sent already, and what differs in it does not yet.
        apart = [place for place, one in mirror.overrides.items() if one is not None]
        base, shown = two_way.pinned(base, apart), two_way.pinned(shown, apart)
    for sealed in unheard:
        written = sealing.opened(sealed, mapping.id, key=key)
        echo = two_way.echoed(written, mirror, shown)
        base, shown = two_way.kept(written, base, echo), two_way.kept(written, shown, echo)
    return base, shown


def _is_cut_short(mapping: Mapping, unit: Unit, *, key: DataKey) -> bool:
    """Whether a series looks as it does between two requests of ours: without its rule, or without occurrences that
    differ, which a provider drops with the old rule. If an answer was not heard, that is nobody's edit, and is written
    again. Raises InvalidError for a rule that nobody can expand."""
    base = None if mapping.base is None else sealing.opened(mapping.base, mapping.id, key=key)
    if base is None or not base.root.recurrence:
        return False
    mirror = merge.shown(unit)
    return not mirror.root.recurrence or any(one not in mirror.overrides for one in base.overrides)


def check(run: Run, provider: CalendarProvider, work: Sequence[Work]) -> None:
    """Before a mirror is overwritten without a precondition: an edit that no pull has seen yet is noted, not lost. One
    that nobody can understand is put right."""
    for one in work:
        mapping = one.mapping
        is_kept = not one.is_removal and mapping.base is not None
        if not one.merges or not is_kept or mapping.mirror_etag or one.root_write is None:
            continue
        unit = by_name.look(run, provider, mapping.mirror_id)
        if unit is None or not differing(mapping, of_unit(unit, key=run.key)):
            continue
        with contextlib.suppress(InvalidError), run.transaction(run.engine.now()) as conn:
            if one.unanswered and is_ours(conn, mapping, unit, key=run.key):
                continue  # by what was announced just now alone nobody can tell
            standing = mappings.lock(conn, [mapping.id]).get(mapping.id)
            # Of one that is to go by now nothing is merged: it is left to the write that removes it.
            if standing is not None and (standing.is_removal or note(conn, standing, mapping, unit, key=run.key)):
                one.refused = ConflictError(f"The mirror of mapping {mapping.id} was edited.", code=EDITED)


def _suspects(
    conn: Connection, calendar: SyncedCalendar, page: Page, *, key: DataKey
) -> list[tuple[Mapping, Unit | None]]:
    """Mirrors that seem to be edited, each as the page shows it, None where it does not show all of it."""
    upserts = [change for change in page.changes if isinstance(change, Upserted)]
    ours = mappings.of_mirrors(conn, calendar.id, sorted({change.event.root_id for change in upserts}))
    if not ours:
        return []
    of_links = links.by_ids(conn, sorted({mapping.link_id for mapping in ours.values()}))
    is_restored = calendar.reconcile_since is not None
    sights = {
        event_id: Sight(mapping=mapping)
        for event_id, mapping in ours.items()
        if may_be_merged(mapping, of_links[mapping.link_id], is_restored=is_restored)
    }
    shown: dict[str, Unit] = {}
    for change in upserts:
        sight = sights.get(change.event.root_id)
        if sight is None:
            continue
        sight.add(change, key=key)
        if not change.event.is_override and (is_restored or not change.event.is_series or change.overrides is not None):
            shown[change.event.id] = Unit(root=change.event, overrides=change.overrides or ())
    return [
        (sight.mapping, shown.get(event_id))
        for event_id, sight in sights.items()
        if sight.differing and not sight.is_gone
    ]
