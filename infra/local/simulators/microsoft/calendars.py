"""The person, their calendars, settings and free/busy (vendor docs: user, calendar, mailboxSettings,
outlookuser-supportedtimezones, calendar-getschedule)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from infra.local.simulators.credentials import Account, Caller
from infra.local.simulators.exchange import Answer, Call
from infra.local.simulators.microsoft import errors, identifiers, odata, rendering, requests, zones
from infra.local.simulators.microsoft.events import Events
from infra.local.simulators.microsoft.faults import MicrosoftFaults
from infra.local.simulators.microsoft.items import Calendar, Item, Occurrence
from infra.local.simulators.microsoft.mailboxes import Mailboxes
from infra.local.simulators.port import Parts

_AVAILABILITY = {"free": "0", "tentative": "1", "busy": "2", "oof": "3", "workingElsewhere": "4"}
_WORK_DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday"]
_MOST_SCHEDULES = 20
_LONGEST_SCHEDULE = timedelta(days=62)


class Calendars:
    """The handlers of everything about a mailbox that is no event."""

    def __init__(self, parts: Parts, mailboxes: Mailboxes, events: Events) -> None:
        self._parts = parts
        self._mailboxes = mailboxes
        self._events = events

    def me(self, call: Call, caller: Caller) -> Answer:
        """GET /me."""
        requests.need(caller, "User.Read", "User.ReadBasic.All", "openid")
        account = self._account(caller.email)
        given, _, family = account.name.partition(" ")
        user: dict[str, Any] = {
            "businessPhones": [],
            "displayName": account.name,
            "givenName": given,
            "jobTitle": None,
            "mail": account.email,
            "mobilePhone": None,
            "officeLocation": None,
            "preferredLanguage": "en-US",
            "surname": family or None,
            "userPrincipalName": account.email,
            "id": identifiers.guid("user", account.subject),
        }
        if (names := requests.options(call).select()) is not None:
            user = odata.selected(user, names)
        return self._answer(call, "users/$entity", user)

    def list_all(self, call: Call, caller: Caller) -> Answer:
        """GET /me/calendars."""
        requests.need_read(caller)
        options = requests.options(call)
        found = self._mailboxes.calendars(caller.email)
        size, skip = options.number("$top", 10, 1000), options.number("$skip", 0, 2**31)
        page = [self._json(calendar, options) for calendar in found[skip : skip + size]]
        resource: dict[str, Any] = {"value": page}
        if size and skip + size < len(found):
            resource["@odata.nextLink"] = f"{call.base}/v1.0/me/calendars?$top={size}&$skip={skip + size}"
        return self._answer(call, f"users('{self._user(caller)}')/calendars", resource)

    def get(self, call: Call, caller: Caller, calendar: str | None = None) -> Answer:
        """GET a calendar, or the primary one."""
        requests.need_read(caller)
        found = self._events.calendar(caller, calendar)
        context = f"users('{self._user(caller)}')/calendars/$entity"
        return self._answer(call, context, self._json(found, requests.options(call)))

    def create(self, call: Call, caller: Caller) -> Answer:
        """POST /me/calendars."""
        requests.need_write(caller)
        name = requests.body(call).get("name")
        if not isinstance(name, str) or not name.strip():
            raise errors.invalid("A calendar needs a name.")
        if any(one.name == name for one in self._mailboxes.calendars(caller.email)):
            raise errors.refused(409, "ErrorFolderExists", "A folder with the specified name already exists.")
        zone = self._mailboxes.primary(caller.email).zone
        made = self._mailboxes.add_calendar(caller.email, name=name, zone=zone, primary=False)
        context = f"users('{self._user(caller)}')/calendars/$entity"
        return self._answer(call, context, self._json(made, requests.options(call)), status=201)

    def update(self, call: Call, caller: Caller, calendar: str | None = None) -> Answer:
        """PATCH a calendar's name or colour."""
        requests.need_write(caller)
        found, body = self._events.calendar(caller, calendar), requests.body(call)
        changed = replace(
            found,
            name=str(body.get("name", found.name)),
            color=str(body.get("color", found.color)),
            version=self._mailboxes.next_number(),
        )
        self._mailboxes.put_calendar(changed)
        context = f"users('{self._user(caller)}')/calendars/$entity"
        return self._answer(call, context, self._json(changed, requests.options(call)))

    def delete(self, call: Call, caller: Caller, calendar: str) -> Answer:
        """DELETE a calendar; the primary one stays."""
        del call
        requests.need_write(caller)
        found = self._events.calendar(caller, calendar)
        if found.primary:
            raise errors.refused(400, "ErrorDeleteDistinguishedFolder", "Distinguished folders cannot be deleted.")
        self._mailboxes.drop_calendar(found)
        return requests.answer(None, status=204)

    def mailbox_settings(self, call: Call, caller: Caller) -> Answer:
        """GET /me/mailboxSettings."""
        requests.need(caller, "MailboxSettings.Read", "MailboxSettings.ReadWrite")
        zone = self._zone(caller.email)
        settings = {
            "timeZone": zone,
            "dateFormat": "yyyy-MM-dd",
            "timeFormat": "HH:mm",
            "delegateMeetingMessageDeliveryOptions": "sendToDelegateOnly",
            "language": {"locale": "en-US", "displayName": "English (United States)"},
            "workingHours": _working_hours(zone),
            "userPurpose": "user",
        }
        return self._answer(call, f"users('{self._user(caller)}')/mailboxSettings", settings)

    def time_zones(self, call: Call, caller: Caller, standard: str = "Windows") -> Answer:
        """GET /me/outlook/supportedTimeZones, in Windows or IANA names."""
        requests.need(caller, "User.Read", "User.ReadBasic.All")
        names = zones.iana_names() if standard.lower() == "iana" else zones.names()
        value = [{"alias": name, "displayName": name} for name in names]
        return self._answer(call, "Collection(microsoft.graph.timeZoneInformation)", {"value": value})

    def schedule(self, call: Call, caller: Caller) -> Answer:
        """POST getSchedule: free/busy of people here; details of one's own events only."""
        requests.need_read(caller)
        body = requests.body(call)
        first, last = (_instant(body.get(key), key) for key in ("startTime", "endTime"))
        interval = body.get("availabilityViewInterval", 30)
        if not isinstance(interval, int) or not 5 <= interval <= 1440:
            raise errors.refused(400, "ErrorInvalidParameter", "availabilityViewInterval must be from 5 to 1440.")
        people = body.get("schedules")
        if not isinstance(people, list) or not people or len(people) > _MOST_SCHEDULES:
            raise errors.refused(400, "ErrorInvalidParameter", f"Ask for 1 to {_MOST_SCHEDULES} schedules.")
        if not first < last <= first + _LONGEST_SCHEDULE:
            raise errors.refused(400, "ErrorInvalidParameter", "The time period must be from one minute to 62 days.")
        view = requests.view(call, self._faults)
        value = [self._schedule(str(person), caller, first, last, interval, view.zone) for person in people]
        return self._answer(call, "Collection(microsoft.graph.scheduleInformation)", {"value": value})

    def _schedule(
        self, person: str, caller: Caller, first: datetime, last: datetime, interval: int, zone: str
    ) -> dict[str, Any]:
        account = next((one for one in self._accounts() if one.email.lower() == person.lower()), None)
        if account is None:
            error = {"message": "Unable to resolve the address.", "responseCode": "ErrorMailRecipientNotFound"}
            return {"scheduleId": person, "error": error, "scheduleItems": []}
        primary = self._mailboxes.primary(account.email)
        found = self._mailboxes.expanded(primary, first, last, floating=False)
        own = account.email == caller.email
        return {
            "scheduleId": person,
            "availabilityView": _availability(found, first, last, timedelta(minutes=interval)),
            "scheduleItems": [_schedule_item(event, zone, own) for event in found],
            "workingHours": _working_hours(self._zone(account.email)),
        }

    @property
    def _faults(self) -> MicrosoftFaults:
        settings: MicrosoftFaults = self._parts.switchboard.settings
        return settings

    def _accounts(self) -> list[Account]:
        return list(self._parts.authorization.accounts.values())

    def _account(self, email: str) -> Account:
        return self._parts.authorization.accounts[email]

    def _user(self, caller: Caller) -> str:
        return identifiers.guid("user", self._account(caller.email).subject)

    def _zone(self, email: str) -> str:
        return zones.windows_name(self._mailboxes.primary(email).zone) or "UTC"

    def _json(self, calendar: Calendar, options: requests.Options) -> dict[str, Any]:
        resource = rendering.calendar_json(calendar, self._account(calendar.mailbox).name)
        names = options.select()
        return resource if names is None else odata.selected(resource, names)

    @staticmethod
    def _answer(call: Call, context: str, resource: dict[str, Any], status: int = 200) -> Answer:
        annotated = {"@odata.context": f"{call.base}/v1.0/$metadata#{context}", **resource}
        return requests.answer(annotated, status=status, headers=requests.applied(call))


def _working_hours(zone: str) -> dict[str, Any]:
    hours = {"startTime": "08:00:00.0000000", "endTime": "17:00:00.0000000", "timeZone": {"name": zone}}
    return {"daysOfWeek": _WORK_DAYS, **hours}


def _instant(given: Any, name: str) -> datetime:
    zone = zones.windows_name(str(given.get("timeZone") or "UTC")) if isinstance(given, dict) else None
    if zone is None:
        raise errors.refused(400, "ErrorInvalidParameter", f"{name} must be a dateTimeTimeZone with a known zone.")
    return zones.to_utc(requests.instant(str(given.get("dateTime")), name).replace(tzinfo=None), zone)


def _content(event: Item | Occurrence) -> dict[str, Any]:
    if isinstance(event, Item):
        return dict(event.content)
    return {**event.item.content, **(event.change.content if event.change else {})}


def _availability(events: Sequence[Item | Occurrence], first: datetime, last: datetime, interval: timedelta) -> str:
    """A digit for each interval: the busiest of what is in it."""
    busy = [
        (event.times.starts, event.times.ends, _AVAILABILITY.get(_content(event)["showAs"], "0")) for event in events
    ]
    digits, start = [], first
    while start < last:
        end = start + interval
        digits.append(max((digit for starts, ends, digit in busy if starts < end and ends > start), default="0"))
        start = end
    return "".join(digits)


def _schedule_item(event: Item | Occurrence, zone: str, own: bool) -> dict[str, Any]:
    content, times = _content(event), event.times
    private = content["sensitivity"] in {"private", "confidential"}
    item: dict[str, Any] = {
        "status": content["showAs"],
        "start": rendering.date_time(times.starts, zone),
        "end": rendering.date_time(times.ends, zone),
    }
    if own:
        item |= {"isPrivate": private, "subject": content["subject"], "location": content["location"]["displayName"]}
    return item
