"""How every webhook answers: alike to everything it refuses, so that nobody learns which channels there are."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any

from functions.http import Request, Response
from shared.core import clock
from shared.core.errors import ForbiddenError, InvalidError, KalendsError
from shared.core.lanes import Lane
from shared.sync.listening import notifications

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.sync.listening.notifications import Notification
    from shared.wiring import App

log = logging.getLogger(__name__)

LARGEST_BODY = 256 * 1024
"""Bytes; Graph's batches stay far below."""


def answer(
    event: dict[str, Any], read: Callable[[Request], list[Notification]], *, accepted: int = 204
) -> dict[str, Any]:
    """Receive what `read` finds in the request. Bodies are never logged."""
    try:
        request = Request.of(event)
        found = read(request) if len(request.body) <= LARGEST_BODY else []
    except InvalidError:
        return _refused()
    app = _app()
    try:
        count = found and notifications.receive(
            app.database,
            found,
            queues={Lane.LIVE: app.pull_queue, Lane.REPAIR: app.repair_queue, Lane.BACKFILL: app.backfill_queue},
            flags=app.flags,
            correlation_id=request.id,
            now=clock.now(),
        )
    except ForbiddenError as error:
        return _problem(403, error)
    except KalendsError as error:
        log.exception("notification not taken", extra={"category": "calendar_sync", "error_code": error.error_code})
        return _problem(503, error)
    return Response(status=accepted).event(request_id=request.id) if count else _refused()


def _refused() -> dict[str, Any]:
    return Response(
        status=404,
        body='{"type":"about:blank","title":"Not found","status":404,"code":"WEBHOOK.REFUSED"}',
        content_type="application/problem+json",
    ).event()


def _problem(status: int, error: KalendsError) -> dict[str, Any]:
    return Response(
        status=status,
        body=f'{{"type":"about:blank","title":"Not now","status":{status},"code":"{error.error_code}"}}',
        content_type="application/problem+json",
    ).event()


@cache
def _app() -> App:
    from shared.wiring import app

    return app()
