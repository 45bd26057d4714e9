"""Published feeds: GET and HEAD /feeds/{token}.ics, for calendar programs. Runs each time one of them asks.

The address is the only credential, so nothing that is logged holds it: API Gateway logs the route, and this nothing.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from functions.front import fronted
from functions.http import Request, Response, respond
from functions.observability import observed
from shared.core import clock
from shared.sync.publishing import contents
from shared.wiring import app

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from shared.sync.publishing.contents import Document

log = logging.getLogger(__name__)

_ADDRESS = re.compile(r"/feeds/([A-Za-z0-9_-]{43})(?:\.ics)?")
_NOTHING = Response(status=404, body="Not found\n")
"""To every address that opens nothing, whatever the reason."""


@observed
@fronted
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """200 with the calendar, 304 where the reader has it already, 404 for anything else."""
    return respond(event, _answer)


def _answer(request: Request) -> Response:
    address = _ADDRESS.fullmatch(request.path)
    if address is None or not request.is_safe:
        return _NOTHING
    application = app()
    found = contents.read(application.database, address[1], data_key=application.data_key, now=clock.now())
    if found is None:
        return _NOTHING
    headers = {
        "etag": found.etag,
        "last-modified": format_datetime(found.changed_at.astimezone(UTC), usegmt=True),
        "cache-control": "private, no-cache",  # a revoked feed ends at once
        "content-disposition": 'inline; filename="calendar.ics"',
        "x-robots-tag": "noindex",
    }
    if _is_known(request, found):
        return Response(status=304, headers=headers)
    body = "" if request.method == "HEAD" else found.body.decode()
    return Response(status=200, body=body, content_type="text/calendar; charset=utf-8", headers=headers)


def _is_known(request: Request, found: Document) -> bool:
    """Whether the reader has this already (RFC 9110, 13.1.2 and 13.1.3: the tag goes before the time)."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or found.etag in {tag.strip().removeprefix("W/") for tag in tags.split(",")}
    since = request.headers.get("if-modified-since")
    try:
        moment = parsedate_to_datetime(since) if since else datetime.min.replace(tzinfo=UTC)
    except ValueError:
        return False
    return found.changed_at.replace(microsecond=0) <= moment.replace(tzinfo=moment.tzinfo or UTC)
