"""Google's notifications: an empty body and headers (https://developers.google.com/workspace/calendar/api/guides/push).

Runs for each POST /webhooks/google: verifies, marks the calendar, enqueues one pull.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.front import fronted
from functions.observability import observed
from functions.webhooks.answers import answer
from shared.sync.listening.notifications import Notification

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from functions.http import Request


@observed
@fronted
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """204 for a notification that proves its origin, 404 for any other, 403 while webhooks are switched off."""
    return answer(event, _read)


def _read(request: Request) -> list[Notification]:
    headers = request.headers
    number = headers.get("x-goog-message-number", "")
    if not number.isdecimal() or request.body:
        return []
    return [
        Notification(
            provider="google",
            channel_id=headers.get("x-goog-channel-id", ""),
            token=headers.get("x-goog-channel-token", ""),
            resource_id=headers.get("x-goog-resource-id", ""),
            message_number=int(number),
        )
    ]
