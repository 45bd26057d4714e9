"""For administrators: what is misconfigured, and the job runner on demand (runbook 004, S4-32 to S4-34)."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import AwareDatetime, model_validator

from functions.api.guard import Here
from functions.api.routing import new_router
from functions.api.shapes import In, Out
from shared.calendar.span import Window
from shared.operations import checks

router = new_router()
TAGS = ["administration"]


class Finding(Out):
    """One check: `detail` says what was found, or what is wrong and what to do."""

    name: str
    ok: bool
    detail: str
    code: str | None


class Diagnosis(Out):
    """Every check; `ok` if all are."""

    ok: bool
    checks: list[Finding]


class RunWindow(In):
    """From `start` (inclusive) to `end` (exclusive)."""

    start: AwareDatetime
    end: AwareDatetime

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.end <= self.start:
            raise ValueError("a window ends after it starts")
        return self


class RunRequest(In):
    """Whose connections to run: a person's (`provider_id`), one (`connection_id`), or all.

    What changed is always read. With a `window` every event that touches it is planned again, and what failed of those
    is tried at once.
    """

    provider_id: UUID | None = None
    connection_id: UUID | None = None
    window: RunWindow | None = None


class RunError(Out):
    """A connection that failed, and with which code."""

    connection_id: UUID | None
    error: str


class RunSummary(Out):
    """What a run did."""

    connections_processed: int
    connections_succeeded: int
    connections_failed: int
    items_ingested: int
    items_updated: int
    outbound_retried: int
    outbound_succeeded: int
    errors: list[RunError]
    duration_ms: int


class RunAnswer(Out):
    """`success`: no connection failed."""

    success: bool
    summary: RunSummary
    run_by: str
    timestamp: datetime


@router.get("/api/doctor", tags=TAGS)
def doctor(visit: Here) -> Diagnosis:
    """Whether this installation is set up as it should be, and what to do where it is not."""
    findings = [Finding.model_validate(one) for one in checks.examine(visit.application)]
    return Diagnosis(ok=all(one.ok for one in findings), checks=findings)


@router.post("/api/admin/calendar/jobs/run", tags=TAGS)
def run_jobs(visit: Here, body: RunRequest) -> RunAnswer:
    """Run the jobs of the chosen connections now and sum up what happened. What does not fit into 20 s is queued."""
    from shared.sync import jobs  # it brings the whole engine, which no other route needs

    window = Window(start=body.window.start, end=body.window.end) if body.window else None
    summary = jobs.run(
        visit.engine,
        window=window,
        provider_id=body.provider_id,
        connection_id=body.connection_id,
        correlation_id=visit.request.id,
        now=visit.now,
    )
    return RunAnswer(
        success=not summary["errors"],
        summary=RunSummary.model_validate(summary),
        run_by=visit.principal.actor,
        timestamp=visit.now,
    )
