"""Sync now."""

from typing import Self
from uuid import UUID

from pydantic import model_validator

from functions.api.guard import Here
from functions.api.routing import new_router
from functions.api.shapes import In, Out
from shared.sync.asking import requests

router = new_router()


class SyncRequest(In):
    """A calendar, a link, or, with neither, everything that is linked."""

    calendar_id: UUID | None = None
    link_id: UUID | None = None

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.calendar_id and self.link_id:
            raise ValueError("name a calendar or a link, not both")
        return self


class Asked(Out):
    """The look has happened once the calendar's `done` in the status reaches `requested`."""

    calendar_id: UUID
    requested: int


class SyncAsked(Out):
    """The calendars that will be looked at."""

    items: list[Asked]


@router.post("/api/sync", status_code=202, tags=["sync"])
def sync_now(visit: Here, body: SyncRequest) -> SyncAsked:
    """Look for changes now and write what waits, sooner than it would happen by itself. A paused link and an account
    that backs off stay as they are."""
    asked = requests.sync_now(visit.engine, visit.by, calendar_id=body.calendar_id, link_id=body.link_id)
    return SyncAsked(items=[Asked.model_validate(one) for one in asked])
