"""Plans: what a change of links would write, seen first and done later."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from pydantic import model_validator

from functions.api.guard import Here
from functions.api.once import once
from functions.api.routes.link_groups import NewGroup
from functions.api.routes.links import LinkChanges, NewLink, Warned
from functions.api.routing import new_router
from functions.api.shapes import IdempotencyKey, In, Out, When
from functions.visit import Visit
from shared.calendar.mirror import Appearance
from shared.sync.asking import forecast, plans

router = new_router()
TAGS = ["plans"]

Action = Literal["create", "change", "resync", "delete"]


class NewPlan(In):
    """A new link (`create`) or group (`create_group`), or with `link_id` one of: `change`, `resync`, `delete_mirrors`
    (to delete the link, with its mirrors or without)."""

    create: NewLink | None = None
    create_group: NewGroup | None = None
    link_id: UUID | None = None
    change: LinkChanges | None = None
    resync: Literal[True] | None = None
    delete_mirrors: bool | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        of_a_link = [one for one in (self.change, self.resync, self.delete_mirrors) if one is not None]
        new = [one for one in (self.create, self.create_group) if one is not None]
        if len(of_a_link) + len(new) != 1 or bool(new) == (self.link_id is not None):
            raise ValueError("name a new link or group, or a link and one of change, resync and delete_mirrors")
        return self

    def proposal(self) -> plans.Proposal:
        """The same as the product has it."""
        if self.create is not None:
            source, target = self.create.source_calendar_id, self.create.target_calendar_id
            options = self.create.options()
            if self.create.two_way:
                return plans.Proposal(action="create", calendar_ids=(source, target), options=options)
            return plans.Proposal(
                action="create", source_calendar_id=source, target_calendar_id=target, options=options
            )
        if self.create_group is not None:
            calendar_ids = tuple(self.create_group.calendar_ids)
            return plans.Proposal(action="create", calendar_ids=calendar_ids, options=self.create_group.options())
        if self.change is not None:
            changes = self.change.model_dump(mode="json", exclude_unset=True)
            return plans.Proposal(action="change", link_id=self.link_id, options=changes)
        if self.delete_mirrors is not None:
            options = {"delete_mirrors": self.delete_mirrors}
            return plans.Proposal(action="delete", link_id=self.link_id, options=options)
        return plans.Proposal(action="resync", link_id=self.link_id, options={})


class Look(Out):
    """A mirror exactly as readers of the target see it."""

    title: str
    description: str
    location: str
    when: When
    availability: str
    status: str
    visibility: str
    repeats: bool


class Sample(Out):
    """One write. `before` null: there is no mirror yet, or its look is not kept; `after` null: it goes."""

    kind: Literal["create", "rewrite", "remove", "held"]
    source_event_id: str
    before: Look | None
    after: Look | None


class Counts(Out):
    """Mirrors to create, rewrite, remove, leave; deletions that will wait for you (`held`); what is skipped or left
    out, by reason. `writes` are those to the provider; `unknown` says what was not looked at."""

    create: int
    rewrite: int
    remove: int
    leave: int
    held: int
    writes: int
    skipped: dict[str, int]
    left_out: dict[str, int]
    unknown: list[str]


class Plan(Out):
    """A plan lives for an hour. `link_id` null: the link is not made yet. `calendar_ids`: those of a new group, null
    for a link by itself; `group_id` once it is made."""

    id: UUID
    action: Action
    link_id: UUID | None
    group_id: UUID | None
    source_calendar_id: UUID
    target_calendar_id: UUID
    calendar_ids: list[UUID] | None
    counts: Counts
    created_at: datetime
    expires_at: datetime
    applied_at: datetime | None


class NewlyMadePlan(Plan):
    """`samples` are shown once: no event is kept with a plan. `warnings`: of a target that others can read."""

    samples: list[Sample]
    warnings: list[Warned]


class AppliedPlan(Out):
    """What is being done. `mirrors`: how many of a deleted link's mirrors are being removed. `link_id` of a new group:
    the link from its first calendar to its second."""

    plan_id: UUID
    action: Action
    link_id: UUID
    group_id: UUID | None
    mirrors: int


@router.post("/api/plans", status_code=201, tags=TAGS)
def create_plan(visit: Here, body: NewPlan, idempotency_key: IdempotencyKey = None) -> Response[NewlyMadePlan]:
    """See what a change of links would write. Nothing is written; a source that is not known yet is looked into."""
    return once(
        visit,
        idempotency_key,
        lambda: _make(visit, body),
        shape=NewlyMadePlan,
        kept=lambda made: made.model_copy(update={"samples": []}),
    )


@router.get("/api/plans/<plan_id>", tags=TAGS)
def get_plan(visit: Here, plan_id: UUID) -> Plan:
    """One plan."""
    with visit.mine() as conn:
        return Plan.model_validate(plans.get(conn, plan_id))


@router.post("/api/plans/<plan_id>/apply", tags=TAGS)
def apply_plan(visit: Here, plan_id: UUID) -> AppliedPlan:
    """Carry out a plan, once. 409 if a link, an event or a mirror that it was made for has changed since."""
    return AppliedPlan.model_validate(plans.apply(visit.engine, visit.by, plan_id))


def _make(visit: Visit, body: NewPlan) -> NewlyMadePlan:
    kept, found = plans.make(visit.engine, visit.by, body.proposal())
    return NewlyMadePlan(
        **Plan.model_validate(kept).model_dump(),
        samples=[_sample(one) for one in found.samples],
        warnings=[Warned.model_validate(one) for one in found.warnings],
    )


def _sample(one: forecast.Sample) -> Sample:
    return Sample(
        kind=one.kind,
        source_event_id=one.source_event_id,
        before=_look(one.before) if one.before else None,
        after=_look(one.after) if one.after else None,
    )


def _look(one: Appearance) -> Look:
    return Look(
        title=one.text.title,
        description=one.text.description,
        location=one.text.location,
        when=When.of(one.span),
        availability=one.availability.value,
        status=one.status.value,
        visibility=one.visibility.value,
        repeats=bool(one.recurrence),
    )
