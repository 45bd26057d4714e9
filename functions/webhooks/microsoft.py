"""Microsoft Graph's notifications (https://learn.microsoft.com/graph/change-notifications-delivery-webhooks).

Runs for each POST /webhooks/microsoft: the handshake of a new subscription, batches of changes that mix
subscriptions, and lifecycle notifications, which are all "look again" (`missed` is nothing else): the pull that follows
prolongs a subscription that asks for reauthorization, and opens another in place of one that was removed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from functions.front import fronted
from functions.http import Request, Response
from functions.observability import observed
from functions.webhooks.answers import answer
from shared.sync.listening.notifications import Notification

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

LONGEST_TOKEN = 2_048


@observed
@fronted
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """202 if anything in the batch proves its origin, 404 if nothing does, 200 with the token for a handshake."""
    request = Request.of({**event, "body": None})
    token = request.query.get("validationToken")
    if token is not None and len(token) <= LONGEST_TOKEN:
        return Response(status=200, body=token).event(request_id=request.id)
    return answer(event, _read, accepted=202)


def _read(request: Request) -> list[Notification]:
    """What can be understood of the body; anything else in it is left out, for one bad item must not spoil the rest."""
    try:
        items = json.loads(request.body)["value"]
    except (ValueError, KeyError, TypeError):
        return []
    if not isinstance(items, list):
        return []
    return [
        Notification(
            provider="microsoft",
            channel_id=item["subscriptionId"],
            token=item["clientState"],
            is_over=item.get("lifecycleEvent") == "subscriptionRemoved",
            needs_renewal=item.get("lifecycleEvent") == "reauthorizationRequired",
        )
        for item in items
        if isinstance(item, dict)
        and isinstance(item.get("subscriptionId"), str)
        and isinstance(item.get("clientState"), str)
    ]
