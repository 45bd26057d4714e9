"""Groups: calendars that are linked with each other, both ways."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from functions.api.guard import Here
from functions.api.once import once
from functions.api.routes.links import DeletedLink, LinkChanges, NewSettings, OnEdit, Settings, Title, Warned
from functions.api.routing import new_router
from functions.api.shapes import (
    AfterId,
    IdempotencyKey,
    IfMatch,
    In,
    Limit,
    Page,
    etag,
    page,
    version,
)
from functions.visit import Visit
from shared.calendar.mask import Mask
from shared.sync.asking import readers
from shared.sync.two_way import groups

router = new_router()
TAGS = ["groups"]

DeleteMirrors = Annotated[bool, Query(description="true: its mirrors are removed; false: they stay.")]


class NewGroup(NewSettings):
    """Calendars to link with each other, under the same settings. `name` null: by those of the calendars."""

    calendar_ids: Annotated[list[UUID], Field(min_length=2, max_length=groups.LARGEST)]
    name: Title | None = None
    on_edit: OnEdit = "merge"

    def options(self) -> dict[str, Any]:
        """The settings and the name, as the product takes them."""
        return self.model_dump(mode="json", exclude={"calendar_ids"})


class GroupChanges(LinkChanges):
    """What shall be otherwise of all its links; what is left out stays, inside `show` and `filters` as well."""

    name: Title | None = None


class OneMore(In):
    """A calendar to link with all of the group."""

    calendar_id: UUID


class Group(Settings):
    """A group: `link_ids` are its links, one for each ordered pair of its calendars, all set alike. `version` rises
    with each change and is its ETag."""

    id: UUID
    name: str
    calendar_ids: list[UUID]
    link_ids: list[UUID]
    state: Literal["active", "paused", "deleting"]
    version: int
    created_at: datetime

    @classmethod
    def of(cls, group: groups.Group) -> "Group":
        """A group of the product."""
        return cls(
            **Settings.model_validate(group.settings).model_dump(),
            id=group.id,
            name=group.name,
            calendar_ids=list(group.calendar_ids),
            link_ids=[link.id for link in group.links],
            state=group.settings.state,
            version=group.version,
            created_at=group.created_at,
        )


class GroupInFull(Group):
    """A group, and `warnings` of each calendar of it that others can read."""

    warnings: list[Warned]


@router.get("/api/link-groups", tags=TAGS)
def list_groups(visit: Here, after: AfterId = None, limit: Limit = 50) -> Page[Group]:
    """Your groups, oldest first. A two-way link is a group of two."""
    with visit.mine() as conn:
        found = groups.list_page(conn, after=after, limit=limit + 1)
    return page(found, limit, Group.of, lambda one: str(one.id))


@router.post("/api/link-groups", status_code=201, tags=TAGS)
def create_group(visit: Here, body: NewGroup, idempotency_key: IdempotencyKey = None) -> Response[GroupInFull]:
    """Link calendars with each other: what happens in one appears in all others, and what is changed there flows back.

    Two to eight calendars that you may write to. The first copies begin at once. Where others can read one of them, all
    start as busy, unless `others_may_read`."""

    def make() -> GroupInFull:
        options = body.options()
        made = groups.create(visit.engine, visit.by, calendar_ids=body.calendar_ids, **options)
        return _in_full(visit, made, wanted=readers.asked(options))

    return once(visit, idempotency_key, make, shape=GroupInFull, headers=_tag)


@router.get("/api/link-groups/<group_id>", tags=TAGS)
def get_group(visit: Here, group_id: UUID) -> Response[GroupInFull]:
    """One group."""
    with visit.mine() as conn:
        found = groups.get(conn, group_id)
    return _tagged(visit, found)


@router.patch("/api/link-groups/<group_id>", tags=TAGS)
def change_group(visit: Here, group_id: UUID, body: GroupChanges, if_match: IfMatch = None) -> Response[GroupInFull]:
    """Change the settings of all its links, or its name."""
    changes = body.model_dump(mode="json", exclude_unset=True)
    return _tagged(visit, groups.change(visit.engine, visit.by, group_id, version=version(if_match), changes=changes))


@router.delete("/api/link-groups/<group_id>", tags=TAGS)
def delete_group(visit: Here, group_id: UUID, delete_mirrors: DeleteMirrors, if_match: IfMatch = None) -> DeletedLink:
    """Delete a group and its links, with or without their mirrors. What its calendars hold themselves stays."""
    count = groups.delete(visit.engine, visit.by, group_id, delete_mirrors=delete_mirrors, version=version(if_match))
    return DeletedLink(mirrors=count)


@router.post("/api/link-groups/<group_id>/pause", tags=TAGS)
def pause_group(visit: Here, group_id: UUID) -> Response[GroupInFull]:
    """Stop writing for all its links; what changes meanwhile waits."""
    return _tagged(visit, groups.set_state(visit.engine, visit.by, group_id, "paused"))


@router.post("/api/link-groups/<group_id>/resume", tags=TAGS)
def resume_group(visit: Here, group_id: UUID) -> Response[GroupInFull]:
    """Go on where a group was paused."""
    return _tagged(visit, groups.set_state(visit.engine, visit.by, group_id, "active"))


@router.post("/api/link-groups/<group_id>/resync", tags=TAGS)
def resync_group(visit: Here, group_id: UUID) -> Response[GroupInFull]:
    """Read all its calendars in full, and compare every mirror with its source once more. Nothing known is lost."""
    return _tagged(visit, groups.resync(visit.engine, visit.by, group_id))


@router.post("/api/link-groups/<group_id>/calendars", tags=TAGS)
def add_calendar(visit: Here, group_id: UUID, body: OneMore) -> Response[GroupInFull]:
    """Link one more calendar with all of a group, under its settings.

    One that others can read is refused with GROUP.OTHERS_READ while the group shows more than when you are busy."""
    return _tagged(visit, groups.add(visit.engine, visit.by, group_id, body.calendar_id))


@router.delete("/api/link-groups/<group_id>/calendars/<calendar_id>", tags=TAGS)
def remove_calendar(visit: Here, group_id: UUID, calendar_id: UUID, delete_mirrors: DeleteMirrors) -> DeletedLink:
    """Take a calendar out of a group of three or more, with or without the mirrors between it and the others."""
    count = groups.remove(visit.engine, visit.by, group_id, calendar_id, delete_mirrors=delete_mirrors)
    return DeletedLink(mirrors=count)


def _tag(group: Group) -> dict[str, str]:
    return {"ETag": etag(group.version)}


def _in_full(visit: Visit, found: groups.Group, *, wanted: Mask | None = None) -> GroupInFull:
    with visit.mine() as conn:
        told = groups.warnings(conn, found, wanted=wanted)
    return GroupInFull(**Group.of(found).model_dump(), warnings=[Warned.model_validate(one) for one in told])


def _tagged(visit: Visit, found: groups.Group) -> Response[GroupInFull]:
    group = _in_full(visit, found)
    return Response(status_code=200, content_type=content_types.APPLICATION_JSON, body=group, headers=_tag(group))
