"""Events: list, view, instances, get, create, change, delete (vendor docs: user-list-events,
calendar-list-calendarview, event-list-instances, event-get, user-post-events, event-update, event-delete)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from infra.local.simulators.credentials import Caller
from infra.local.simulators.exchange import Answer, Call
from infra.local.simulators.microsoft import errors, extended, identifiers, odata, rendering, requests
from infra.local.simulators.microsoft.faults import MicrosoftFaults
from infra.local.simulators.microsoft.items import Calendar, Extras, Item
from infra.local.simulators.microsoft.mailboxes import Mailboxes
from infra.local.simulators.microsoft.odata import Any_, Combined, Comparison, Expression, Row
from infra.local.simulators.microsoft.rendering import Event, View
from infra.local.simulators.microsoft.writes import Actor, Writes
from infra.local.simulators.port import Parts

_PAGE, _LARGEST_PAGE = 10, 1000
_LONGEST_VIEW = timedelta(days=1825)


class Events:
    """The handlers of events. `calendar` is an id; without one the person's primary calendar is meant."""

    def __init__(self, parts: Parts, mailboxes: Mailboxes, writes: Writes) -> None:
        self._parts = parts
        self._mailboxes = mailboxes
        self._writes = writes

    # Finding

    def calendar(self, caller: Caller, calendar: str | None) -> Calendar:
        """The caller's calendar. Raises Refused with 404."""
        found = self._mailboxes.calendar(calendar) if calendar else self._mailboxes.primary(caller.email)
        if found is None or found.mailbox != caller.email:
            raise errors.item_not_found()
        return found

    def find(self, caller: Caller, event: str, calendar: str | None = None) -> Event:
        """The caller's event or occurrence of an id of either kind. Raises Refused with 400 or 404."""
        try:
            reference = identifiers.parse_event_id(caller.email, event)
        except identifiers.MalformedIdError:
            raise errors.malformed_id() from None
        item = self._mailboxes.item(reference.number)
        if item is None or (calendar and self._mailboxes.calendar_of(item).id != calendar):
            raise errors.item_not_found()
        found = item if reference.day is None else item.occurrence(reference.day)
        if found is None:
            raise errors.item_not_found()
        return found

    # Reading

    def list_all(self, call: Call, caller: Caller, calendar: str | None = None) -> Answer:
        """GET events: single events and series, nothing expanded; of the primary calendar without `calendar`."""
        requests.need_read(caller)
        place = self.calendar(caller, calendar)
        condition = requests.options(call).get("$filter")
        if condition is None:
            return self._listing(call, caller, self._mailboxes.items(place), None)
        expression = _canonical(odata.parse_filter(condition))
        return self._listing(call, caller, self._candidates(place, expression), expression)

    def list_view(self, call: Call, caller: Caller, calendar: str | None = None) -> Answer:
        """GET calendarView: everything expanded in [startDateTime, endDateTime), by start."""
        requests.need_read(caller)
        place = self.calendar(caller, calendar)
        first, last = requests.options(call).window()
        if last - first > _LONGEST_VIEW:
            raise errors.refused(
                400,
                "ErrorCalendarViewRangeTooBig",
                "Your request can't be completed. The range between the start and end dates is greater than the "
                f"allowed range. Maximum number of days: {_LONGEST_VIEW.days}",
            )
        condition = requests.options(call).get("$filter")
        expression = _canonical(odata.parse_filter(condition)) if condition else None
        rows = self._mailboxes.expanded(place, first, last, floating=self._faults.all_day_floating)
        return self._listing(call, caller, rows, expression)

    def list_instances(self, call: Call, caller: Caller, event: str, calendar: str | None = None) -> Answer:
        """GET instances of a series, in [startDateTime, endDateTime)."""
        requests.need_read(caller)
        item = self.find(caller, event, calendar)
        first, last = requests.options(call).window()
        if not isinstance(item, Item) or item.recurrence is None:
            raise errors.refused(400, "ErrorInvalidRequest", "The event is not the master of a series.")
        rows = item.occurrences(first, last, floating=self._faults.all_day_floating)
        condition = requests.options(call).get("$filter")
        return self._listing(call, caller, rows, _canonical(odata.parse_filter(condition)) if condition else None)

    def get(self, call: Call, caller: Caller, event: str, calendar: str | None = None) -> Answer:
        """GET one event, series or occurrence."""
        requests.need_read(caller)
        found = self.find(caller, event, calendar)
        options = requests.options(call)
        view = requests.view(call, self._faults)
        resource = rendering.event_json(found, view)
        names = options.select()
        if names is not None:
            lower = {name.lower() for name in names}
            if isinstance(found, Item) and found.recurrence:
                resource |= _series_details(found, view, lower, expanded="exceptionoccurrences" in options.expand())
            kept = {"singleValueExtendedProperties", "extensions"} & set(resource)
            resource = odata.selected(resource, [*names, *kept])
        return self._answer(call, caller, resource)

    # Writing

    def create(self, call: Call, caller: Caller, calendar: str | None = None) -> Answer:
        """POST events."""
        requests.need_write(caller)
        place = self.calendar(caller, calendar)
        item, _ = self._writes.create(place, requests.body(call), self.actor(caller))
        view = requests.view(call, self._faults)
        resource = rendering.event_json(item, view)
        location = f"{call.base}/v1.0/users('{quote(caller.email)}')/events('{quote(resource['id'])}')"
        return self._answer(call, caller, resource, status=201, headers={"Location": location})

    def update(self, call: Call, caller: Caller, event: str, calendar: str | None = None) -> Answer:
        """PATCH an event, a series, or an occurrence, which becomes an exception."""
        requests.need_write(caller)
        found = self.find(caller, event, calendar)
        self._heed_if_match(call, found)
        body = requests.body(call)
        changed: Event | None
        if isinstance(found, Item):
            changed = self._writes.update(found, body, self.actor(caller))
        else:
            changed = self._writes.update_occurrence(found, body, self.actor(caller)).occurrence(found.day)
        if changed is None:
            raise errors.item_not_found()
        return self._answer(call, caller, rendering.event_json(changed, requests.view(call, self._faults)))

    def delete(self, call: Call, caller: Caller, event: str, calendar: str | None = None) -> Answer:
        """DELETE an event, a series, or one occurrence."""
        requests.need_write(caller)
        found = self.find(caller, event, calendar)
        self._heed_if_match(call, found)
        if isinstance(found, Item):
            self._writes.delete(found, self.actor(caller))
        else:
            self._writes.cancel_occurrence(found, self.actor(caller))
        return requests.answer(None, status=204)

    def decline(self, call: Call, caller: Caller, event: str, calendar: str | None = None) -> Answer:
        """POST decline (vendor doc: event-decline): 202 and nothing else; without sendResponse nobody is mailed."""
        requests.need_write(caller)
        body = requests.body(call)
        self._writes.decline(
            self.find(caller, event, calendar), self.actor(caller), tell=body.get("sendResponse") is not False
        )
        return requests.answer(None, status=202)

    # Open extensions

    def add_extension(self, call: Call, caller: Caller, event: str) -> Answer:
        """POST extensions."""
        requests.need_write(caller)
        found = self.find(caller, event)
        name, extras = extended.with_extension(requests.body(call), _extras(found))
        self._set_extras(found, extras, caller)
        return self._answer(call, caller, extended.extension_json(name, extras.extensions[name]), status=201)

    def get_extension(self, call: Call, caller: Caller, event: str, extension: str) -> Answer:
        """GET an extension by its name or its full id."""
        requests.need_read(caller)
        name = extended.extension_name(extension)
        data = _extras(self.find(caller, event)).extensions.get(name)
        if data is None:
            raise errors.item_not_found()
        return self._answer(call, caller, extended.extension_json(name, data))

    def update_extension(self, call: Call, caller: Caller, event: str, extension: str) -> Answer:
        """PATCH an extension: the body replaces its data."""
        requests.need_write(caller)
        found = self.find(caller, event)
        name = extended.extension_name(extension)
        if name not in _extras(found).extensions:
            raise errors.item_not_found()
        _, extras = extended.with_extension({**requests.body(call), "extensionName": name}, _extras(found))
        self._set_extras(found, extras, caller)
        return self._answer(call, caller, extended.extension_json(name, extras.extensions[name]))

    def delete_extension(self, call: Call, caller: Caller, event: str, extension: str) -> Answer:
        """DELETE an extension."""
        requests.need_write(caller)
        found = self.find(caller, event)
        name = extended.extension_name(extension)
        if name not in _extras(found).extensions:
            raise errors.item_not_found()
        self._set_extras(found, extended.without_extension(name, _extras(found)), caller)
        return requests.answer(None, status=204)

    # Inside

    @property
    def _faults(self) -> MicrosoftFaults:
        settings: MicrosoftFaults = self._parts.switchboard.settings
        return settings

    def actor(self, caller: Caller) -> Actor:
        """The caller as one who writes."""
        return Actor(account=self._parts.authorization.accounts[caller.email], client_id=caller.client_id)

    def _set_extras(self, found: Event, extras: Extras, caller: Caller) -> None:
        item, day = (found, None) if isinstance(found, Item) else (found.item, found.day)
        self._writes.set_extras(item, day, extras, self.actor(caller))

    def _heed_if_match(self, call: Call, found: Event) -> None:
        """Nobody documents whether events heed If-Match; `honour_if_match` says."""
        wanted = call.headers.get("If-Match")
        if not self._faults.honour_if_match or wanted is None or wanted.strip() == "*":
            return
        if rendering.etag(found.stamps) not in [tag.strip() for tag in wanted.split(",")]:
            raise errors.refused(
                412,
                "ErrorIrresolvableConflict",
                "The send or update operation could not be performed because the change key passed in the request "
                "does not match the current change key for the item.",
            )

    def _candidates(self, place: Calendar, expression: Expression) -> Sequence[Event]:
        """Items that may match: few when the filter asks for an extended property's value."""
        marker = _marker(expression)
        if marker is None:
            return self._mailboxes.items(place)
        found = (self._mailboxes.item(number) for number in sorted(self._mailboxes.marked(*marker)))
        return [item for item in found if item and item.calendar == place.number]

    def _listing(self, call: Call, caller: Caller, rows: Sequence[Event], expression: Expression | None) -> Answer:
        options, view = requests.options(call), requests.view(call, self._faults)

        def read(event: Event) -> Row:
            return _row(event, view)

        found = list(rows) if expression is None else [row for row in rows if odata.matches(expression, read(row))]
        if order := options.get("$orderby"):
            found = odata.ordered(found, order, read)
        wanted = requests.preferences(call).get("odata.maxpagesize", "")
        preferred = min(int(wanted), _LARGEST_PAGE) if wanted.isdecimal() and int(wanted) else _PAGE
        size = options.number("$top", preferred, _LARGEST_PAGE)
        skip = options.number("$skip", 0, 2**31)
        page = [rendering.event_json(event, view) for event in found[skip : skip + size]]
        if (names := options.select()) is not None:
            page = [odata.selected(one, names) for one in page]
        resource: dict[str, Any] = {}
        if (options.get("$count") or "").lower() == "true":
            resource["@odata.count"] = len(found)
        more = skip + size < len(found)
        if size and (more or self._faults.endless_pages or self._faults.repeat_page_token):
            resource["@odata.nextLink"] = self._next_link(call, skip + size)
        return self._answer(call, caller, {**resource, "value": page})

    def _next_link(self, call: Call, skip: int) -> str:
        pairs = [(key, value) for key, value in call.query.items() if key.lower() != "$skip"]
        if not self._faults.repeat_page_token:
            pairs.append(("$skip", str(skip)))
        return f"{call.base}/v1.0{call.path}?{urlencode(pairs, safe='$:,', quote_via=quote)}"

    def _answer(
        self, call: Call, caller: Caller, resource: dict[str, Any], *, status: int = 200, **more: Any
    ) -> Answer:
        user = identifiers.guid("user", self._parts.authorization.accounts[caller.email].subject)
        kind = "" if "value" in resource else "/$entity"
        context = f"{call.base}/v1.0/$metadata#users('{user}')/events{kind}"
        headers = {**requests.applied(call), **more.pop("headers", {})}
        return requests.answer({"@odata.context": context, **resource}, status=status, headers=headers)


def _extras(event: Event) -> Extras:
    if isinstance(event, Item):
        return event.extras
    return event.change.extras if event.change else event.item.extras


def _row(event: Event, view: View) -> Row:
    """Reads a property for $filter and $orderby; the whole resource is made only when one asks for its parts."""
    made: dict[str, Any] = {}

    def read(name: str) -> Any:
        extras = _extras(event)
        if name == "singlevalueextendedproperties":
            return [{"id": key, "value": value} for key, value in extras.properties.items()]
        if name == "extensions":
            return [extended.extension_json(key, data) for key, data in extras.extensions.items()]
        if not made:
            made.update(
                (key.lower(), value) for key, value in rendering.event_json(event, replace(view, zone="UTC")).items()
            )
        if name not in made:
            raise errors.refused(
                400, "BadRequest", f"Could not find a property named '{name}' on type 'microsoft.graph.event'."
            )
        return made[name]

    return read


def _series_details(item: Item, view: View, names: set[str], *, expanded: bool) -> dict[str, Any]:
    """cancelledOccurrences and exceptionOccurrences, which need $select, the latter $expand too (vendor doc: event)."""
    details: dict[str, Any] = {}
    master = rendering.id_of(item, view)
    if "cancelledoccurrences" in names:
        details["cancelledOccurrences"] = [identifiers.occurrence_id(master, day) for day in sorted(item.cancelled)]
    if "exceptionoccurrences" in names and expanded:
        exceptions = (item.occurrence(day) for day in sorted(item.exceptions))
        details["exceptionOccurrences"] = [rendering.event_json(one, view) for one in exceptions if one]
    return details


def _canonical(expression: Expression) -> Expression:
    """The expression with ids of extended properties and extensions as they are kept."""
    match expression:
        case Combined(operator=operator, parts=parts):
            return Combined(operator=operator, parts=tuple(_canonical(part) for part in parts))
        case Any_(collection="singlevalueextendedproperties"):
            return replace(expression, condition=_with_ids(expression.condition, extended.property_id))
        case Any_(collection="extensions"):
            return replace(expression, condition=_with_ids(expression.condition, extended.extension_id))
        case _:
            return expression


def _with_ids(expression: Expression, canonical: Callable[[str], str]) -> Expression:
    match expression:
        case Comparison(path=path, value=str(value)) if path[-1] == "id":
            return replace(expression, value=canonical(value))
        case Combined(operator=operator, parts=parts):
            return Combined(operator=operator, parts=tuple(_with_ids(part, canonical) for part in parts))
        case _:
            return expression


def _marker(expression: Expression) -> tuple[str, str] | None:
    """The extended property and value that every match must have, when the filter says so plainly."""
    match expression:
        case Combined(operator="and", parts=parts):
            return next((found for part in parts if (found := _marker(part))), None)
        case Any_(collection="singlevalueextendedproperties", condition=Combined(operator="and", parts=parts)):
            equal = {
                part.path[-1]: part.value
                for part in parts
                if isinstance(part, Comparison) and part.operator == "eq" and isinstance(part.value, str)
            }
            return (equal["id"], equal["value"]) if {"id", "value"} <= set(equal) else None
        case _:
            return None
