"""What stands under one name at a CalDAV server, and what is done to the one of a person's own event."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from shared.calendar import patch
from shared.calendar.event import Unit
from shared.core.errors import ConflictError, NotFoundError, PreconditionFailedError
from shared.providers.port import HAS_GUESTS, NOT_ORGANIZER
from tests.simulation import plain, translate
from tests.simulation.google import instance

if TYPE_CHECKING:
    from datetime import datetime

    from shared.calendar.event import Event
    from shared.providers.port import Amend, Withdraw
    from tests.simulation.plain import Item
    from tests.simulation.provider import Shelf


@dataclass(slots=True, kw_only=True)
class Resource:
    """A single event or master, and what differs in it by place; its ETag is that of the whole."""

    root: Item
    overrides: dict[str, Item] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        """Of the whole."""
        return str(self.root["etag"])

    @property
    def has_guests(self) -> bool:
        """Whether others are invited to any of it."""
        return any(one["guests"] for one in (self.root, *self.overrides.values()))


def find(shelf: Shelf, name: str) -> Resource | None:
    """A copy of what stands under a name now."""
    root = shelf.items.get(name)
    if root is None or root["series"] is not None or plain.is_gone(root):
        return None
    return Resource(root=dict(root), overrides={one["original"]: dict(one) for one in shelf.overrides(name)})


def unit(resource: Resource) -> Unit:
    """As the adapter reads it: one ETag for all of it, and none for what others are invited to. Raises InvalidError."""

    def read(item: Item) -> Event:
        event = translate.event({**item, "etag": resource.etag}, "caldav")
        return replace(event, etag=None) if resource.has_guests or event.is_cancelled else event

    root = read(resource.root)
    overrides = [resource.overrides[key] for key in sorted(resource.overrides)] if root.is_series else []
    return Unit(root=root, overrides=tuple(read(one) for one in overrides))


def require_own(resource: Resource) -> None:
    """Raises ConflictError for what somebody else organises, and for what others are invited to."""
    if resource.root["response"] != "none":
        raise ConflictError(f"Somebody else organises event {resource.root['id']}.", code=NOT_ORGANIZER)
    if resource.has_guests:
        raise ConflictError(f"Others are invited to event {resource.root['id']}.", code=HAS_GUESTS)


def require_unchanged(resource: Resource, etag: str | None) -> None:
    """Raises PreconditionFailedError for another version than that."""
    if etag is not None and resource.etag != etag:
        raise PreconditionFailedError(f"Event {resource.root['id']} has changed.")


def seen(resource: Resource, occurrence: str | None) -> Item | None:
    """The event, or what happens at that place; None if nothing does."""
    if occurrence is None:
        return resource.root
    if not plain.has_place(resource.root, occurrence):
        return None
    bare = instance(resource.root, f"{resource.root['id']}_{occurrence}", occurrence)
    item = resource.overrides.get(occurrence, bare)
    return None if item["status"] == "cancelled" else item


def amend(resource: Resource, write: Amend) -> None:
    """Change what is named, unless it shows already. Raises NotFoundError and PreconditionFailedError."""
    item = seen(resource, write.occurrence)
    if item is None:
        raise NotFoundError(f"There is no event {write.event_id}, or no occurrence {write.occurrence} of it.")
    if patch.is_shown(write.patch, translate.event({**item, "etag": resource.etag}, "caldav")):
        return
    require_unchanged(resource, write.etag)
    changed = {**item, **translate.named(write.patch, "caldav")}
    if write.occurrence is None:
        resource.root = changed
        if item["recurrence"]:
            resource.overrides = _carried_along(item, changed, resource.overrides)
    else:
        resource.overrides[write.occurrence] = {**changed, "recurrence": []}


def take_out(resource: Resource, write: Withdraw) -> None:
    """One occurrence ends, if it is still there. Raises PreconditionFailedError."""
    assert write.occurrence is not None
    item = seen(resource, write.occurrence)
    if item is not None:
        require_unchanged(resource, write.etag)
        resource.overrides[write.occurrence] = {**item, "status": "cancelled"}


def _carried_along(before: Item, after: Item, overrides: dict[str, Item]) -> dict[str, Item]:
    """What differs from a series goes along with it: as far as the series moved, or stays at its own place; what has
    neither ends. An occurrence that stood at its place moves with it."""
    kept: dict[str, Item] = {}
    for key, one in overrides.items():
        moved = plain.place(_moved(plain.at_place(key), before, after), all_day=after["all_day"])
        place = next((here for here in (moved, key) if plain.has_place(after, here) and here not in kept), None)
        if place is None:
            continue
        stood = instance(before, one["id"], key)
        stands = instance(after, f"{after['id']}_{place}", place)
        times = ("start", "end", "all_day", "zone")
        is_moved = any(one[name] != stood[name] for name in times)
        kept[place] = {**one, "id": stands["id"], "original": place} | (
            {} if is_moved else {name: stands[name] for name in times}
        )
    return kept


def _moved(at: datetime, before: Item, after: Item) -> datetime:
    """A place, moved on the wall clock as the first one was."""
    old, new = (ZoneInfo("UTC" if one["all_day"] else one["zone"]) for one in (before, after))
    first, now_first = plain.moment(before["start"]).astimezone(old), plain.moment(after["start"]).astimezone(new)
    wall = at.astimezone(old).replace(tzinfo=None) + (now_first.replace(tzinfo=None) - first.replace(tzinfo=None))
    return wall.replace(tzinfo=new)
