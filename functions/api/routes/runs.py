"""Runs: what was written together, and taking it back."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from functions.api.guard import Here
from functions.api.routing import new_router
from functions.api.shapes import AfterId, Limit, Out, Page, page
from shared.sync import undo

router = new_router()
TAGS = ["runs"]


class Run(Out):
    """A run that wrote to a calendar, or takes another back (`undo`). `writes` are those it has in the journal."""

    id: UUID
    kind: Literal["pull", "full", "push", "undo"]
    calendar_id: UUID
    calendar_name: str
    started_at: datetime
    finished_at: datetime | None
    outcome: Literal["success", "partial", "failure"] | None
    writes: int
    undoes: UUID | None
    undone_by: UUID | None


class Item(Out):
    """One mirror that an undo takes back. `reason`, where it was refused: a code and a sentence."""

    mapping_id: UUID
    outcome: Literal["waiting", "done", "refused"]
    reason: str | None


class RunInFull(Run):
    """With what became of each mirror, for a run of kind undo."""

    items: list[Item]


class FollowedAgain(Out):
    """How many mirrors rested undone."""

    mirrors: int


@router.get("/api/runs", tags=TAGS)
def list_runs(visit: Here, after: AfterId = None, limit: Limit = 50) -> Page[Run]:
    """The runs that wrote something, newest first."""
    with visit.mine() as conn:
        found = undo.list_page(conn, before=after, limit=limit + 1)
    return page(found, limit, Run.model_validate, lambda one: str(one.id))


@router.get("/api/runs/<run_id>", tags=TAGS)
def get_run(visit: Here, run_id: UUID) -> RunInFull:
    """One run."""
    with visit.mine() as conn:
        found, items = undo.get(conn, run_id), undo.items(conn, run_id)
    return RunInFull(**Run.model_validate(found).model_dump(), items=[Item.model_validate(one) for one in items])


@router.post("/api/runs/<run_id>/undo", status_code=202, tags=TAGS)
def undo_run(visit: Here, run_id: UUID) -> RunInFull:
    """Take back what a run wrote, within 30 days. Answers the run that does so; a second time the same.

    What somebody else has changed since is refused, item by item. What was undone rests until its source changes.
    """
    return get_run(visit, undo.undo(visit.engine, visit.by, run_id).id)


@router.post("/api/runs/<run_id>/follow", tags=TAGS)
def follow_again(visit: Here, run_id: UUID) -> FollowedAgain:
    """Sync again: what an undo put back follows its sources from now on."""
    return FollowedAgain(mirrors=undo.follow_again(visit.engine, visit.by, run_id))
