"""With whom calendars are shared (vendor docs: calendarPermission, calendar-list-calendarpermissions,
outlook-share-or-delegate-calendar)."""

import base64
from dataclasses import replace
from typing import Any

from infra.local.simulators.credentials import Caller
from infra.local.simulators.exchange import Answer, Call
from infra.local.simulators.microsoft import errors, identifiers, requests, tenants
from infra.local.simulators.microsoft.events import Events
from infra.local.simulators.microsoft.items import Calendar
from infra.local.simulators.microsoft.mailboxes import Mailboxes
from infra.local.simulators.port import Parts

ORGANIZATION = "My Organization"
_OUTSIDE = ["freeBusyRead", "limitedRead", "read"]
_INSIDE = [*_OUTSIDE, "write"]
_DELEGATES = ["delegateWithoutPrivateEventAccess", "delegateWithPrivateEventAccess"]
_BY_DEFAULT = "freeBusyRead"


class Sharing:
    """Graph's listing of permissions, and the hand of the person who shares in Outlook."""

    def __init__(self, parts: Parts, mailboxes: Mailboxes, events: Events) -> None:
        self._parts = parts
        self._mailboxes = mailboxes
        self._events = events

    def permissions(self, call: Call, caller: Caller, calendar: str | None = None) -> Answer:
        """GET calendarPermissions of one's own calendar."""
        requests.need_read(caller)
        found = self._events.calendar(caller, calendar)
        user = identifiers.guid("user", self._parts.authorization.accounts[caller.email].subject)
        context = f"{call.base}/v1.0/$metadata#users('{user}')/calendars('{found.id}')/calendarPermissions"
        resource = {"@odata.context": context, "value": self._listed(found)}
        return requests.answer(resource, headers=requests.applied(call))

    def share(self, calendar: Calendar, address: str, role: str) -> None:
        """Share a calendar, change how, or with role none no more; `address` may be My Organization."""
        if role not in {"none", *self._roles(calendar, address)}:
            raise errors.invalid("The role is not one that this recipient can have.")
        shared = {**calendar.shared, address: role}
        if role == "none" and address != ORGANIZATION:
            del shared[address]
        self._mailboxes.put_calendar(replace(calendar, shared=shared, version=self._mailboxes.next_number()))

    def _listed(self, calendar: Calendar) -> list[dict[str, Any]]:
        organization = {ORGANIZATION: _BY_DEFAULT} if calendar.primary and self._tenant(calendar.mailbox) else {}
        return [
            {
                "id": base64.b64encode(("Default" if address == ORGANIZATION else address).encode()).decode(),
                "isRemovable": address != ORGANIZATION,
                "isInsideOrganization": self._is_inside(calendar, address),
                "role": role,
                "allowedRoles": self._roles(calendar, address),
                "emailAddress": {"name": address} | ({} if address == ORGANIZATION else {"address": address}),
            }
            for address, role in (organization | dict(calendar.shared)).items()
        ]

    def _roles(self, calendar: Calendar, address: str) -> list[str]:
        if address == ORGANIZATION:
            return ["none", *_INSIDE]
        if not self._is_inside(calendar, address):
            return _OUTSIDE
        return [*_INSIDE, *(_DELEGATES if calendar.primary else [])]

    def _is_inside(self, calendar: Calendar, address: str) -> bool:
        return address == ORGANIZATION or tenants.of_address(address) == self._tenant(calendar.mailbox)

    def _tenant(self, mailbox: str) -> str:
        """The organisation of a mailbox; empty for a personal one."""
        tenant = self._parts.authorization.accounts[mailbox].tenant
        return "" if tenant == tenants.CONSUMERS else tenant
