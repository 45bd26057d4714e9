"""What travels on the queues. Messages are hints: they name what to look at, and never carry an event's content."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class SyncMessage(BaseModel):
    """Look at this calendar: pull what changed in it, or push what is due to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Literal["pull", "push"]
    calendar_id: UUID
    user_id: UUID
    correlation_id: str
