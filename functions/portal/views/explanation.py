"""Why an event is mirrored or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.portal import rendering
from shared.core.errors import InvalidError
from shared.sync.views import explain

if TYPE_CHECKING:
    from functions.http import Response
    from functions.visit import Visit

LONGEST = 1024


def show(visit: Visit) -> Response:
    """Link by link, in sentences. Raises NotFoundError, InvalidError."""
    event = visit.request.query.get("event", "")
    if not 1 <= len(event) <= LONGEST:
        raise InvalidError("Name an event: /explain?event=...", code="REQUEST.INVALID")
    with visit.mine() as conn:
        found = explain.explain(conn, visit.engine.data_key, event, now=visit.now)
    return rendering.page("explanation.html", visit, found=found)
