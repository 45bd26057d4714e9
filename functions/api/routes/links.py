"""Links: what happens in one calendar appears in another."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field, model_validator

from functions.api.guard import Here
from functions.api.once import once
from functions.api.routing import new_router
from functions.api.shapes import (
    After,
    AfterId,
    IdempotencyKey,
    IfMatch,
    In,
    Limit,
    OneLine,
    Out,
    Page,
    When,
    etag,
    page,
    version,
)
from functions.visit import Visit
from shared.calendar import mask
from shared.calendar.event import Event, Text
from shared.calendar.mask import Mask
from shared.calendar.mirror import Appearance, Privacy
from shared.identity import people
from shared.sync import links
from shared.sync.asking import preview, readers, requests
from shared.sync.rules.filters import Filters
from shared.sync.two_way import groups
from shared.sync.views import activity

router = new_router()
TAGS = ["links"]

PrivacyName = Literal["busy", "title", "full"]
OnEdit = Annotated[
    Literal["restore", "leave", "merge"],
    Field(
        description="What becomes of a mirror that somebody changed by hand; leave: until its source changes; merge: "
        "the change goes back to the source, as far as the link shows the source's own text, and the rest is put right."
    ),
]
OnDelete = Annotated[
    Literal["restore", "ignore", "decline", "withdraw"],
    Field(
        description="What follows when somebody deletes a mirror, or one of its occurrences, by hand; ignore: it is "
        "not made again, until this is set to restore; decline: the invitation behind it is declined as well, and "
        "nobody is mailed; withdraw: the source event is deleted as well, where nobody else is invited."
    ),
]
OnConflict = Annotated[
    Literal["newest", "source", "target", "ask"],
    Field(description="Who wins what both sides changed, where edits are merged; ask: it waits in GET /api/conflicts."),
]
Title = Annotated[str, OneLine]
DaysAhead = Annotated[int, Field(ge=1, le=links.LONGEST_AHEAD)]
DaysBehind = Annotated[int, Field(ge=0, le=365)]
Template = Annotated[
    str,
    OneLine,
    Field(
        description=f"How a mirror is called, with {', '.join(f'{{{name}}}' for name in mask.PLACEHOLDERS)}; null: by "
        "the title where it shows, and else by `busy_title`. `{title}` only where the title shows."
    ),
]


class Show(In):
    """What shows or not, whatever `privacy` says; null: as `privacy` has it.

    `availability`: also whether somebody is away or works elsewhere, and not only free, tentative or busy.
    """

    title: bool | None = None
    description: bool | None = None
    location: bool | None = None
    availability: bool | None = None


class ShownFields(Show):
    """The same, as it goes out."""

    model_config = Out.model_config


class NewSettings(In):
    """How much others see, what is left out, and what follows from what people do by hand. `days_ahead` null: without
    bound."""

    privacy: PrivacyName = "busy"
    busy_title: Title = "Busy"
    title_template: Template | None = None
    show: Show = Show()
    skip_all_day: bool = False
    skip_free: bool = True
    filters: Filters = Filters()
    on_edit: OnEdit = "restore"
    on_delete: OnDelete = "restore"
    on_conflict: OnConflict = "newest"
    days_ahead: DaysAhead | None = 365
    days_behind: DaysBehind = 1
    others_may_read: Annotated[
        bool,
        Field(
            description="Where others can read the target (`is_shared`), a link starts as `busy`, without `show` and "
            "`title_template`, unless this is true."
        ),
    ] = False


class NewLink(NewSettings):
    """From where to where, and how much others see. `days_ahead` null: without bound."""

    source_calendar_id: UUID
    target_calendar_id: UUID
    two_way: Annotated[
        bool,
        Field(
            description="Also from the target to the source, with the same settings: a group of two. `on_edit` is then "
            "`merge` if left out."
        ),
    ] = False

    def options(self) -> dict[str, Any]:
        """The settings, as the product takes them."""
        ends = {"source_calendar_id", "target_calendar_id", "two_way"}
        merges = self.two_way and "on_edit" not in self.model_fields_set
        return self.model_dump(mode="json", exclude=ends | ({"on_edit"} if merges else set()))


class LinkChanges(In):
    """What shall be otherwise; what is left out stays, inside `show` and `filters` as well.

    Every mirror is then rendered anew, past ones included: `counts.rewritten` of GET /api/status says how many are.
    """

    privacy: PrivacyName | None = None
    busy_title: Title | None = None
    title_template: Template | None = None
    show: Show | None = None
    skip_all_day: bool | None = None
    skip_free: bool | None = None
    filters: Filters | None = None
    on_edit: OnEdit | None = None
    on_delete: OnDelete | None = None
    on_conflict: OnConflict | None = None
    days_ahead: DaysAhead | None = None
    days_behind: DaysBehind | None = None

    @model_validator(mode="after")
    def _only_some_may_be_null(self) -> Self:
        told = self.model_fields_set - {"days_ahead", "title_template"}
        nulls = [name for name in told if getattr(self, name) is None]
        if nulls:
            raise ValueError(f"{', '.join(sorted(nulls))} must not be null")
        return self


class Settings(Out):
    """How a link, or each link of a group, is set."""

    privacy: PrivacyName
    busy_title: str
    title_template: str | None
    show: ShownFields
    skip_all_day: bool
    skip_free: bool
    filters: Filters
    on_edit: OnEdit
    on_delete: OnDelete
    on_conflict: OnConflict
    days_ahead: int | None
    days_behind: int


class Link(Settings):
    """A link. `version` rises with each change and is its ETag. One with a `group_id` is one direction of that group,
    and changed, paused and deleted with it: by itself it answers 409 LINK.IN_GROUP."""

    id: UUID
    group_id: UUID | None
    source_calendar_id: UUID
    target_calendar_id: UUID
    direction: Literal["one_way", "two_way"]
    state: Literal["active", "paused", "deleting"]
    version: int
    created_at: datetime
    updated_at: datetime


class Warned(Out):
    """What you should know: nothing is wrong, and nothing has to be done."""

    code: Literal["LINK.STARTS_BUSY", "LINK.OTHERS_READ", "LINK.READERS_UNKNOWN"]
    message: str


class LinkInFull(Link):
    """A link, and what its readers have to do with it: `warnings` of a target that others can read, or perhaps can."""

    warnings: list[Warned]


class DeletedLink(Out):
    """`mirrors`: how many are being removed. 0: none stood there, or they stay."""

    mirrors: int


class Skipped(Out):
    """A source event that cannot be mirrored until it changes. `title` is null where no text is kept."""

    source_event_id: str
    reason: str
    message: str
    since: datetime
    starts_at: datetime | None
    title: str | None
    has_mirror: bool


class PreviewRequest(In):
    """How much others would see. With `source_calendar_id` the example bears the names that a title may hold."""

    privacy: PrivacyName = "busy"
    busy_title: Title = "Busy"
    title_template: Template | None = None
    show: Show = Show()
    source_calendar_id: UUID | None = None


class Shown(Out):
    """An event as somebody sees it."""

    title: str
    description: str
    location: str
    when: When
    availability: str
    visibility: str


class Preview(Out):
    """`original` is an example event, `seen` exactly what readers of the target calendar would see of it."""

    original: Shown
    seen: Shown
    never_shown: list[str]


@router.get("/api/links", tags=TAGS)
def list_links(visit: Here, after: AfterId = None, limit: Limit = 50) -> Page[Link]:
    """Your links, oldest first."""
    with visit.mine() as conn:
        found = links.list_page(conn, after=after, limit=limit + 1)
    return page(found, limit, Link.model_validate, lambda one: str(one.id))


@router.post("/api/links", status_code=201, tags=TAGS)
def create_link(visit: Here, body: NewLink, idempotency_key: IdempotencyKey = None) -> Response[LinkInFull]:
    """Link two calendars. The first copy begins at once. A target that others can read is warned of.

    With `two_way` both are linked with each other; answered is the link from source to target."""

    def make() -> LinkInFull:
        options = body.options()
        create = groups.create_link if body.two_way else requests.create_link
        made = create(
            visit.engine,
            visit.by,
            source_calendar_id=body.source_calendar_id,
            target_calendar_id=body.target_calendar_id,
            **options,
        )
        return _in_full(visit, made, wanted=readers.asked(options))

    return once(visit, idempotency_key, make, shape=LinkInFull, headers=_tag)


@router.post("/api/links/preview", tags=TAGS)
def preview_link(visit: Here, body: PreviewRequest) -> Preview:
    """What others would see of an example event."""
    how = Mask(
        privacy=Privacy(body.privacy),
        busy_title=body.busy_title,
        title_template=body.title_template,
        show=mask.Show(**body.show.model_dump()),
    )
    mask.check(how)
    with visit.mine() as conn:
        zone = people.get(conn, visit.principal.user_id).timezone
        how = preview.named(conn, how, body.source_calendar_id)
    event = preview.example(zone=zone, now=visit.now)
    seen = preview.render(event, how)
    return Preview(original=_shown(event), seen=_shown(seen), never_shown=list(preview.NEVER_SHOWN))


@router.get("/api/links/<link_id>", tags=TAGS)
def get_link(visit: Here, link_id: UUID) -> Response[LinkInFull]:
    """One link."""
    with visit.mine() as conn:
        found = links.get(conn, link_id)
    return tagged(visit, found)


@router.patch("/api/links/<link_id>", tags=TAGS)
def change_link(visit: Here, link_id: UUID, body: LinkChanges, if_match: IfMatch = None) -> Response[LinkInFull]:
    """Change privacy, filters or window. One of a group answers 409 LINK.IN_GROUP: change the group."""
    return tagged(
        visit,
        requests.change_link(
            visit.engine,
            visit.by,
            link_id,
            version=version(if_match),
            changes=body.model_dump(mode="json", exclude_unset=True),
        ),
    )


@router.delete("/api/links/<link_id>", tags=TAGS)
def delete_link(
    visit: Here,
    link_id: UUID,
    delete_mirrors: Annotated[bool, Query(description="true: its mirrors are removed; false: they stay.")],
    if_match: IfMatch = None,
) -> DeletedLink:
    """Delete a link, with or without its mirrors. It is gone when its last mirror is.

    One of a group answers 409 LINK.IN_GROUP: delete the group."""
    count = requests.delete_link(
        visit.engine, visit.by, link_id, delete_mirrors=delete_mirrors, version=version(if_match)
    )
    return DeletedLink(mirrors=count)


@router.post("/api/links/<link_id>/pause", tags=TAGS)
def pause_link(visit: Here, link_id: UUID) -> Response[LinkInFull]:
    """Stop writing for a link; what changes meanwhile waits. One of a group answers 409 LINK.IN_GROUP."""
    return tagged(visit, requests.pause_link(visit.engine, visit.by, link_id))


@router.post("/api/links/<link_id>/resume", tags=TAGS)
def resume_link(visit: Here, link_id: UUID) -> Response[LinkInFull]:
    """Go on where a link was paused. One of a group answers 409 LINK.IN_GROUP."""
    return tagged(visit, requests.resume_link(visit.engine, visit.by, link_id))


@router.post("/api/links/<link_id>/resync", tags=TAGS)
def resync_link(visit: Here, link_id: UUID) -> Response[LinkInFull]:
    """Read both ends in full, and compare every mirror with its source once more. Nothing known is lost."""
    return tagged(visit, requests.resync_link(visit.engine, visit.by, link_id))


@router.get("/api/links/<link_id>/skipped", tags=TAGS)
def list_skipped(visit: Here, link_id: UUID, after: After = None, limit: Limit = 50) -> Page[Skipped]:
    """What the link cannot mirror, and why."""
    engine = visit.engine
    with visit.mine() as conn:
        found = activity.skipped(conn, engine.data_key, link_id=link_id, after=after or "", limit=limit + 1)
    return page(found, limit, Skipped.model_validate, lambda one: one.source_event_id)


def _tag(link: Link) -> dict[str, str]:
    return {"ETag": etag(link.version)}


def _in_full(visit: Visit, found: links.Link, *, wanted: Mask | None = None) -> LinkInFull:
    with visit.mine() as conn:
        told = readers.warnings(conn, found, wanted=wanted)
    return LinkInFull(**Link.model_validate(found).model_dump(), warnings=[Warned.model_validate(one) for one in told])


def tagged(visit: Visit, found: links.Link) -> Response[LinkInFull]:
    """A link as it is answered."""
    link = _in_full(visit, found)
    return Response(status_code=200, content_type=content_types.APPLICATION_JSON, body=link, headers=_tag(link))


def _shown(one: Event | Appearance) -> Shown:
    if one.span is None:
        raise AssertionError("the example has a time")
    text = one.text or Text()
    return Shown(
        title=text.title,
        description=text.description,
        location=text.location,
        when=When.of(one.span),
        availability=one.availability.value,
        visibility=one.visibility.value,
    )
