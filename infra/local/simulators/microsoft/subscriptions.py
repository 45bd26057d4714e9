"""Change notifications: subscriptions, their handshake, batches and life (vendor docs: subscription,
change-notifications-delivery-webhooks, change-notifications-lifecycle-events)."""

import asyncio
import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

from pydantic import TypeAdapter

from infra.local.simulators.credentials import Caller
from infra.local.simulators.deliveries import Notification
from infra.local.simulators.exchange import Answer, Call
from infra.local.simulators.microsoft import errors, identifiers, rendering, requests, tenants
from infra.local.simulators.microsoft.endpoints import Endpoints
from infra.local.simulators.microsoft.faults import MicrosoftFaults
from infra.local.simulators.microsoft.identifiers import Reference
from infra.local.simulators.microsoft.items import Item
from infra.local.simulators.microsoft.mailboxes import Mailboxes
from infra.local.simulators.microsoft.writes import ChangeType
from infra.local.simulators.port import Parts

type LifecycleEvent = Literal["reauthorizationRequired", "subscriptionRemoved", "missed"]

LIFECYCLE_EVENTS: tuple[LifecycleEvent, ...] = ("reauthorizationRequired", "subscriptionRemoved", "missed")
_CHANGE_TYPES = ("created", "updated", "deleted")
_SHORTEST = timedelta(minutes=45)
_WARNED_BEFORE = timedelta(minutes=15)
_HANDSHAKE_SECONDS = 10
_GATHER_SECONDS = 0.01
_LARGEST_BATCH = 50
_RESOURCE = re.compile(r"/?(?:me|users/([^/]+))/(?:(?:calendar|calendars/([^/]+))/)?events/?", re.IGNORECASE)
_KEYS = {
    "changeType", "notificationUrl", "lifecycleNotificationUrl", "resource", "expirationDateTime", "clientState",
    "latestSupportedTlsVersion", "includeResourceData", "encryptionCertificate", "encryptionCertificateId",
    "notificationQueryOptions", "notificationUrlAppId", "id", "applicationId", "creatorId",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One subscription. `calendar` is the number of the one it watches, None for the whole mailbox."""

    id: str
    mailbox: str
    client_id: str
    resource: str
    calendar: int | None
    change_types: tuple[str, ...]
    address: str
    lifecycle_address: str | None
    client_state: str | None
    tls: str | None
    immutable: bool
    expires_at: datetime
    warned: bool = False


_ROW = TypeAdapter(Subscription)


class Subscriptions:
    """The handlers of /subscriptions, and the sender of notifications."""

    def __init__(self, parts: Parts, mailboxes: Mailboxes, *, require_https: bool) -> None:
        self._parts = parts
        self._mailboxes = mailboxes
        self._require_https = require_https
        self._alive: dict[str, Subscription] = {}
        self._by_mailbox: dict[str, dict[str, None]] = {}
        self._endpoints = Endpoints(parts, self._missed)
        self._waiting: dict[str, list[dict[str, Any]]] = {}

    # Handlers

    async def create(self, call: Call, caller: Caller) -> Answer:
        """POST /subscriptions: checks, shakes hands with both addresses, answers 201."""
        requests.need_read(caller)
        body = requests.body(call)
        wanted = self._read(body, caller, immutable=requests.view(call, self._faults).immutable)
        if self._faults.refuse_duplicate_subscription and self._has_twin(wanted):
            raise errors.refused(
                409, "ExtensionError", "Operation: Create; Exception: [Status Code: Conflict; Reason: Conflict]"
            )
        for address in dict.fromkeys(filter(None, (wanted.address, wanted.lifecycle_address))):
            await self._shake_hands(address)
        self._put(wanted)
        return self._answer(call, wanted, 201)

    def list_all(self, call: Call, caller: Caller) -> Answer:
        """GET /subscriptions: those of this application and person."""
        self.tick()
        own = [one for one in self._alive.values() if (one.mailbox, one.client_id) == (caller.email, caller.client_id)]
        context = f"{call.base}/v1.0/$metadata#subscriptions"
        return requests.answer({"@odata.context": context, "value": [self._json(one) for one in own]})

    def get(self, call: Call, caller: Caller, subscription: str) -> Answer:
        """GET /subscriptions/{id}."""
        return self._answer(call, self._find(caller, subscription), 200)

    def renew(self, call: Call, caller: Caller, subscription: str) -> Answer:
        """PATCH /subscriptions/{id}: a new expirationDateTime, or another notificationUrl; also reauthorizes."""
        found, body = self._find(caller, subscription), requests.body(call)
        if unknown := sorted(set(body) - {"expirationDateTime", "notificationUrl", "@odata.type"}):
            raise errors.refused(400, "InvalidRequest", f"The property '{unknown[0]}' cannot be updated.")
        if "expirationDateTime" not in body:
            raise errors.refused(400, "InvalidRequest", "The property 'expirationDateTime' is required.")
        expires_at = self._expiry(body["expirationDateTime"])
        address = self._address(body, "notificationUrl") if "notificationUrl" in body else found.address
        changed = replace(found, expires_at=expires_at, address=address or found.address, warned=False)
        self._put(changed)
        return self._answer(call, changed, 200)

    def reauthorize(self, call: Call, caller: Caller, subscription: str) -> Answer:
        """POST /subscriptions/{id}/reauthorize: access is good again, the end stays."""
        del call
        self._find(caller, subscription)
        return requests.answer(None, status=204)

    def delete(self, call: Call, caller: Caller, subscription: str) -> Answer:
        """DELETE /subscriptions/{id}."""
        del call
        self._drop(self._find(caller, subscription))
        return requests.answer(None, status=204)

    # What happens

    def publish(self, item: Item, change: ChangeType) -> None:
        """An item changed: tell who watches it, soon, several changes in one POST."""
        now = self._parts.clock.now()
        for id_ in self._by_mailbox.get(item.mailbox, ()):
            one = self._alive[id_]
            if one.calendar in {None, item.calendar} and change in one.change_types and one.expires_at > now:
                self._send(one.address, self._change_json(one, item, change))

    def lifecycle(self, event: LifecycleEvent, ids: Iterable[str] | None = None) -> int:
        """Send a lifecycle notification for these subscriptions, or all; a removed one ends. Answers how many."""
        named = None if ids is None else set(ids)
        chosen = [one for one in self._alive.values() if named is None or one.id in named]
        for one in chosen:
            if event == "subscriptionRemoved":
                self._drop(one)
            if one.lifecycle_address:
                self._send(one.lifecycle_address, {**self._common_json(one), "lifecycleEvent": event})
        return len(chosen)

    def tick(self) -> None:
        """Let time pass: subscriptions end, are warned before, and end when their person's consent does."""
        now = self._parts.clock.now()
        for one in list(self._alive.values()):
            if one.expires_at <= now:
                self._drop(one)
            elif not self._parts.authorization.consented(one.client_id, one.mailbox):
                self.lifecycle("subscriptionRemoved", [one.id])
            elif not one.warned and one.expires_at - now <= _WARNED_BEFORE:
                self._put(replace(one, warned=True))
                self.lifecycle("reauthorizationRequired", [one.id])
        self._endpoints.tick()

    def channels(self) -> list[dict[str, Any]]:
        """What is alive, for /_sim/channels."""
        self.tick()
        return [{**self._json(one), "account": one.mailbox} for one in self._alive.values()]

    def drop_all(self) -> int:
        """End all without telling anybody."""
        ended = list(self._alive.values())
        for one in ended:
            self._drop(one)
        return len(ended)

    def load(self, rows: dict[str, Any]) -> None:
        """Take up what was saved."""
        for row in rows.values():
            self._put(_ROW.validate_python(row))

    # Inside

    @property
    def _faults(self) -> MicrosoftFaults:
        settings: MicrosoftFaults = self._parts.switchboard.settings
        return settings

    def _put(self, one: Subscription) -> None:
        self._alive[one.id] = one
        self._by_mailbox.setdefault(one.mailbox, {})[one.id] = None
        self._parts.state.put("subscription", one.id, _ROW.dump_python(one, mode="json"))

    def _drop(self, one: Subscription) -> None:
        if self._alive.pop(one.id, None):
            del self._by_mailbox[one.mailbox][one.id]
            self._parts.state.drop("subscription", one.id)

    def _find(self, caller: Caller, id_: str) -> Subscription:
        self.tick()
        found = self._alive.get(id_)
        if found is None or (found.mailbox, found.client_id) != (caller.email, caller.client_id):
            raise errors.refused(404, "ResourceNotFound", "The object was not found.")
        return found

    def _has_twin(self, wanted: Subscription) -> bool:
        return any(
            (one.mailbox, one.client_id, one.resource.strip("/").lower(), set(one.change_types))
            == (wanted.mailbox, wanted.client_id, wanted.resource.strip("/").lower(), set(wanted.change_types))
            for one in self._alive.values()
        )

    def _read(self, body: dict[str, Any], caller: Caller, *, immutable: bool) -> Subscription:
        for key in body:
            if key not in _KEYS and not key.startswith("@"):
                raise errors.unknown_property(key, "subscription")
        if body.get("includeResourceData"):
            raise errors.refused(
                400, "InvalidRequest", "This simulator sends no resource data: leave includeResourceData out."
            )
        types = tuple(dict.fromkeys(one.strip().lower() for one in str(body.get("changeType", "")).split(",")))
        if not set(types) <= set(_CHANGE_TYPES):
            raise errors.refused(
                400, "InvalidRequest", "The property 'changeType' must list created, updated or deleted."
            )
        state = body.get("clientState")
        if state is not None and (not isinstance(state, str) or len(state) > 128):
            raise errors.refused(400, "InvalidRequest", "The clientState may have at most 128 characters.")
        address = self._address(body, "notificationUrl")
        if address is None:
            raise errors.refused(400, "InvalidRequest", "The property 'notificationUrl' is required.")
        return Subscription(
            id=str(uuid.uuid4()),
            mailbox=caller.email,
            client_id=caller.client_id,
            resource=str(body.get("resource", "")),
            calendar=self._watched(str(body.get("resource", "")), caller),
            change_types=types,
            address=address,
            lifecycle_address=self._address(body, "lifecycleNotificationUrl"),
            client_state=state,
            tls=body.get("latestSupportedTlsVersion"),
            immutable=immutable,
            expires_at=self._expiry(body.get("expirationDateTime")),
        )

    def _watched(self, resource: str, caller: Caller) -> int | None:
        found = _RESOURCE.fullmatch(resource.strip())
        account = self._parts.authorization.accounts[caller.email]
        own = {caller.email.lower(), identifiers.guid("user", account.subject)}
        if found is None or (found[1] and unquote(found[1]).lower() not in own):
            raise errors.refused(400, "ExtensionError", f"Unsupported or forbidden resource '{resource}'.")
        if "/calendar/" in resource.lower():
            return self._mailboxes.primary(caller.email).number
        if found[2] is None:
            return None
        calendar = self._mailboxes.calendar(unquote(found[2]))
        if calendar is None or calendar.mailbox != caller.email:
            raise errors.refused(404, "ExtensionError", "The specified object was not found in the store.")
        return calendar.number

    def _address(self, body: dict[str, Any], key: str) -> str | None:
        given = body.get(key)
        if given is None:
            return None
        parts = urlsplit(given) if isinstance(given, str) else None
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
            raise errors.refused(400, "InvalidRequest", f"The property '{key}' must be an absolute address.")
        loopback = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if parts.scheme != "https" and (self._require_https or not loopback):
            raise errors.refused(400, "InvalidRequest", f"The property '{key}' must be an https address.")
        return str(given)

    def _expiry(self, given: Any) -> datetime:
        if not isinstance(given, str):
            raise errors.refused(400, "InvalidRequest", "The property 'expirationDateTime' is required.")
        now, wanted = self._parts.clock.now(), requests.instant(given, "expirationDateTime")
        if wanted <= now:
            raise errors.refused(400, "InvalidRequest", "The expirationDateTime must be in the future.")
        limit = self._faults.subscription_limit_minutes
        if wanted - now > timedelta(minutes=limit):
            raise errors.refused(
                400, "ExtensionError", f"Subscription expiration can only be {limit} minutes in the future."
            )
        return max(wanted, now + _SHORTEST)

    async def _shake_hands(self, address: str) -> None:
        token = f"Validation: Testing client application reachability for subscription Request-Id: {uuid.uuid4()}"
        joined = f"{address}{'&' if urlsplit(address).query else '?'}validationToken={quote(token)}"
        status, kind, text = await self._parts.deliveries.ask(
            joined, headers={"Content-Type": "text/plain; charset=utf-8"}, seconds=_HANDSHAKE_SECONDS
        )
        if status != 200 or kind != "text/plain" or text != token:
            raise errors.refused(
                400,
                "ValidationError",
                "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation "
                "request.",
            )

    def _send(self, address: str, entry: dict[str, Any]) -> None:
        waiting = self._waiting.setdefault(address, [])
        waiting.append(entry)
        if len(waiting) == 1:
            asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._flush, address)

    def _flush(self, address: str) -> None:
        entries = self._waiting.pop(address, [])
        for start in range(0, len(entries), _LARGEST_BATCH):
            batch = entries[start : start + _LARGEST_BATCH]
            self._endpoints.post(
                Notification(
                    address=address,
                    headers={"Content-Type": "application/json; charset=utf-8"},
                    body=json.dumps({"value": batch}).encode(),
                    insistent=True,
                ),
                [entry["subscriptionId"] for entry in batch],
            )

    def _missed(self, ids: set[str]) -> None:
        self.lifecycle("missed", ids)

    def _common_json(self, one: Subscription) -> dict[str, Any]:
        account = self._parts.authorization.accounts[one.mailbox]
        return {
            "subscriptionId": one.id,
            "subscriptionExpirationDateTime": rendering.stamp(one.expires_at),
            "clientState": one.client_state,
            "tenantId": tenants.tenant_id(account.tenant),
        }

    def _change_json(self, one: Subscription, item: Item, change: ChangeType) -> dict[str, Any]:
        reference = Reference(number=item.number)
        id_ = identifiers.event_id(item.mailbox, reference, calendar=item.calendar, immutable=one.immutable)
        account = self._parts.authorization.accounts[one.mailbox]
        path = f"Users/{identifiers.guid('user', account.subject)}/Events/{id_}"
        data = {
            "@odata.type": "#Microsoft.Graph.Event",
            "@odata.id": path,
            "@odata.etag": rendering.etag(item.stamps),
            "id": id_,
        }
        return {**self._common_json(one), "changeType": change, "resource": path, "resourceData": data}

    def _json(self, one: Subscription) -> dict[str, Any]:
        account = self._parts.authorization.accounts[one.mailbox]
        return {
            "id": one.id,
            "resource": one.resource,
            "applicationId": identifiers.guid("application", one.client_id),
            "changeType": ",".join(one.change_types),
            "clientState": one.client_state,
            "notificationUrl": one.address,
            "notificationQueryOptions": None,
            "lifecycleNotificationUrl": one.lifecycle_address,
            "expirationDateTime": rendering.stamp(one.expires_at),
            "creatorId": identifiers.guid("user", account.subject),
            "includeResourceData": None,
            "latestSupportedTlsVersion": one.tls or "v1_2",
            "encryptionCertificate": None,
            "encryptionCertificateId": None,
            "notificationUrlAppId": None,
        }

    def _answer(self, call: Call, one: Subscription, status: int) -> Answer:
        context = f"{call.base}/v1.0/$metadata#subscriptions/$entity"
        return requests.answer({"@odata.context": context, **self._json(one)}, status=status)
