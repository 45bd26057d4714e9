"""Plans: what a change of links would write, seen first and done later."""

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from pydantic import model_validator

from functions.api.guard import Here
from functions.api.once import once
from functions.api.routes.link_groups import GroupChanges, NewGroup
from functions.api.routes.links import LinkChanges, NewLink, Warned
from functions.api.routing import new_router
from functions.api.shapes import IdempotencyKey, In, Out, When
from functions.visit import Visit
from shared.calendar.mirror import Appearance
from shared.sync.asking import forecast, plans

router = new_router()
TAGS = ["plans"]

Action = Literal["create", "change", "resync", "delete", "add", "remove"]

WAYS = (
    ({"create"}, None),
    ({"create_group"}, None),
    ({"change"}, "link_id"),
    ({"resync"}, "link_id"),
    ({"delete_mirrors"}, "link_id"),
    ({"change_group"}, "group_id"),
    ({"resync"}, "group_id"),
    ({"delete_mirrors"}, "group_id"),
    ({"add_calendar_id"}, "group_id"),
    ({"remove_calendar_id", "delete_mirrors"}, "group_id"),
)
"""What may be named together, and of what."""


class NewPlan(In):
    """A new link (`create`) or group (`create_group`); with `link_id` one of `change`, `resync`, `delete_mirrors` (to
    delete the link, with its mirrors or without); with `group_id` one of `change_group`, `resync`, `delete_mirrors`,
    `add_calendar_id` (a calendar joins), or `remove_calendar_id` with `delete_mirrors` (it leaves)."""

    create: NewLink | None = None
    create_group: NewGroup | None = None
    link_id: UUID | None = None
    group_id: UUID | None = None
    change: LinkChanges | None = None
    change_group: GroupChanges | None = None
    resync: Literal[True] | None = None
    delete_mirrors: bool | None = None
    add_calendar_id: UUID | None = None
    remove_calendar_id: UUID | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        named = {name for name in type(self).model_fields if getattr(self, name) is not None}
        if not any(named == wish | ({of} if of else set()) for wish, of in WAYS):
            raise ValueError("name a new link or group, or a link or a group and one thing to do with it")
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
        action, options = self._action()
        return plans.Proposal(
            action=action,
            link_id=self.link_id,
            group_id=self.group_id,
            source_calendar_id=self.add_calendar_id or self.remove_calendar_id,
            options=options,
        )

    def _action(self) -> tuple[plans.Action, dict[str, Any]]:
        changes = self.change or self.change_group
        if changes is not None:
            return "change", changes.model_dump(mode="json", exclude_unset=True)
        if self.add_calendar_id is not None:
            return "add", {}
        if self.delete_mirrors is not None:
            action: plans.Action = "remove" if self.remove_calendar_id else "delete"
            return action, {"delete_mirrors": self.delete_mirrors}
        return "resync", {}


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
    """A plan lives for an hour. `link_id` null: the link is not made yet, or the plan is for a group. `calendar_ids`:
    those of a group, null for a link by itself; `group_id` of a new one once it is made. Of `add` and `remove`
    `source_calendar_id` is the calendar that joins or leaves."""

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
    """What is being done. `mirrors`: how many are being removed with deleted links. `link_id` of a group: the link from
    the plan's source to its target."""

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
