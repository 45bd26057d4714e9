"""Push channels: Graph's subscriptions to the events of a calendar.

Source: Graph v1.0, subscription (Create, Update, Delete); outlook change notifications overview.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from shared.core.errors import InvalidError, NotFoundError, TransientError
from shared.providers.microsoft import payloads, queries
from shared.providers.microsoft.graph import Request
from shared.providers.microsoft.payloads import SubscriptionPayload
from shared.providers.port import HANDSHAKE_FAILED, Channel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

    from shared.providers.microsoft.graph import Answer, Graph

_LONGEST_TOKEN = 128
"""Characters of clientState, the only proof that a notification is Microsoft's."""


def open_channel(graph: Graph, calendar_id: str, *, address: str, token: str, expires_at: datetime) -> Channel:
    """Subscribe to a calendar, at most 10,080 minutes ahead. Raises InvalidError for a token Graph cannot carry, and
    TransientError with code HANDSHAKE_FAILED when our webhook answered late, as a cold one may.

    Graph allows one subscription for the same resource and changes: one of ours that is still there is replaced.
    """
    if len(token) > _LONGEST_TOKEN:
        raise InvalidError(f"Microsoft Graph carries at most {_LONGEST_TOKEN} characters of proof with a notification.")
    resource = f"{queries.calendar(calendar_id)}/events"
    body = {
        "changeType": "created,updated,deleted",
        "resource": resource,
        "notificationUrl": address,
        "lifecycleNotificationUrl": address,
        "clientState": token,
        "expirationDateTime": queries.moment(expires_at),
    }
    request = Request(method="POST", path="/subscriptions", what=f"a channel of calendar {calendar_id}", body=body)
    answer = graph.send(request)
    if answer.status == HTTPStatus.CONFLICT:
        for item in list(graph.pages("/subscriptions", what="the account's channels")):
            if _same_resource(item, resource):
                close_channel(graph, payloads.parse(SubscriptionPayload, item).id)
        answer = graph.send(request)
    if _handshake_failed(answer):
        raise TransientError(
            f"Microsoft Graph got no good answer from our webhook for {request.what}. It is tried again.",
            code=HANDSHAKE_FAILED,
        )
    return _channel(answer.result())


def prolong_channel(graph: Graph, subscription_id: str, *, expires_at: datetime) -> Channel:
    """Let a subscription live longer, which also answers `reauthorizationRequired`. Raises NotFoundError if it died."""
    body = {"expirationDateTime": queries.moment(expires_at)}
    request = Request(method="PATCH", path=_path(subscription_id), what=f"channel {subscription_id}", body=body)
    return _channel(graph.send(request).result())


def close_channel(graph: Graph, subscription_id: str) -> None:
    """End a subscription; one that is already gone is success."""
    request = Request(method="DELETE", path=_path(subscription_id), what=f"channel {subscription_id}")
    error = graph.send(request).error()
    if error is not None and not isinstance(error, NotFoundError):
        raise error


def _handshake_failed(answer: Answer) -> bool:
    """Graph tells it by one of two codes, of which the second says other things as well; its message is only searched.

    Source: change-notifications-delivery-webhooks, "Notification endpoint validation"; Microsoft Q&A 416427.
    """
    if answer.status != HTTPStatus.BAD_REQUEST:
        return False
    if answer.code == "ValidationError":
        return True
    return answer.code == "InvalidRequest" and "validation request" in str(answer.body["error"].get("message")).lower()


def _path(subscription_id: str) -> str:
    return f"/subscriptions/{quote(subscription_id, safe='')}"


def _same_resource(item: Mapping[str, Any], resource: str) -> bool:
    return str(item.get("resource", "")).strip("/").lower() == resource.strip("/").lower()


def _channel(answer: Mapping[str, Any]) -> Channel:
    payload = payloads.parse(SubscriptionPayload, answer)
    return Channel(id=payload.id, resource_id="", expires_at=payload.expiration_date_time)
