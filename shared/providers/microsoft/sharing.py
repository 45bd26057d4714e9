"""Who else reads a person's own calendars.

Source: Graph v1.0, "List calendarPermissions", resource type calendarPermission, and "Share or delegate a calendar in
Outlook". Only the owner is told; `Calendars.ReadWrite` suffices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.core.errors import ForbiddenError, InvalidError, KalendsError, NotFoundError
from shared.providers.microsoft import payloads, queries
from shared.providers.microsoft.graph import Request, items
from shared.providers.microsoft.payloads import PermissionPayload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.providers.microsoft.graph import Answer, Graph
    from shared.providers.microsoft.payloads import CalendarPayload

_WHAT = "who reads a calendar"
_BUSY_AT_MOST = {"none", "freeBusyRead"}
_SOMEBODY = "others"


def readers(graph: Graph, calendar_ids: Sequence[str]) -> dict[str, tuple[str, ...] | None]:
    """Whoever sees more there than when somebody is busy; None for a calendar of which Graph does not say it.

    Raises TransientError, RateLimitedError, ReauthRequiredError.
    """
    asked = [
        Request(method="GET", path=f"{queries.calendar(one)}/calendarPermissions", what=_WHAT) for one in calendar_ids
    ]
    return {one: _told(graph, answer) for one, answer in zip(calendar_ids, graph.batch(asked), strict=True)}


def of_another(calendar: CalendarPayload) -> tuple[str, ...]:
    """Whoever a calendar belongs to that is not the person's own."""
    return ((calendar.owner.address if calendar.owner else "") or _SOMEBODY,)


def _told(graph: Graph, answer: Answer | KalendsError) -> tuple[str, ...] | None:
    try:
        if isinstance(answer, KalendsError):
            raise answer
        page = answer.result()
        found = items(page, what=_WHAT)
        following = graph.relative(page.get("@odata.nextLink"), what=_WHAT)
        if following is not None:
            found += graph.pages(following, what=_WHAT)
    except (ForbiddenError, NotFoundError, InvalidError):
        return None  # a mailbox that does not say it; the calendar itself is listed
    return tuple(sorted(filter(None, (_reader(payloads.parse(PermissionPayload, one)) for one in found))))


def _reader(permission: PermissionPayload) -> str:
    """How somebody is called who reads, and what if not everything; empty for those who see no more than busy."""
    if permission.role in _BUSY_AT_MOST:
        return ""
    who = permission.email_address
    name = (who.address or who.name if who else "") or _SOMEBODY
    return f"{name} (titles and places)" if permission.role == "limitedRead" else name
