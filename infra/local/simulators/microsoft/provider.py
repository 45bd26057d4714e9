"""Microsoft as the common modules see it: accounts, calendars and events, changed by the hand of their person."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from infra.local.simulators.credentials import Account
from infra.local.simulators.microsoft import identifiers, rendering, tenants, zones
from infra.local.simulators.microsoft.calendars import Calendars
from infra.local.simulators.microsoft.delta import Delta
from infra.local.simulators.microsoft.drafts import to_graph
from infra.local.simulators.microsoft.events import Events
from infra.local.simulators.microsoft.faults import MicrosoftFaults
from infra.local.simulators.microsoft.graph import Graph
from infra.local.simulators.microsoft.identifiers import Reference
from infra.local.simulators.microsoft.items import Calendar, Item, Occurrence
from infra.local.simulators.microsoft.mailboxes import Mailboxes
from infra.local.simulators.microsoft.rendering import Event, View
from infra.local.simulators.microsoft.sharing import Sharing
from infra.local.simulators.microsoft.sign_in import SignIn
from infra.local.simulators.microsoft.subscriptions import LIFECYCLE_EVENTS, Subscriptions
from infra.local.simulators.microsoft.tokens import Tokens
from infra.local.simulators.microsoft.writes import Actor, Writes
from infra.local.simulators.port import AgendaItem, Draft, NotFoundError, Parts, Resource

_DEMO_PEOPLE = (
    ("Alex Weber", "alex@contoso.example"),
    ("Sam Okafor", "sam@contoso.example"),
    ("Kim Berg", "kim@outlook.example"),
)
_ZONE = "Europe/Berlin"


class Microsoft:
    """The provider (see port.Provider)."""

    name = "microsoft"
    title = "Microsoft"

    def __init__(self, parts: Parts, *, require_https: bool) -> None:
        self.parts = parts
        self._mailboxes = Mailboxes(parts.state)
        self._subscriptions = Subscriptions(parts, self._mailboxes, require_https=require_https)
        self._writes = Writes(parts, self._mailboxes, self._subscriptions.publish)
        events = Events(parts, self._mailboxes, self._writes)
        self._sharing = Sharing(parts, self._mailboxes, events)
        self._graph = Graph(
            parts,
            events=events,
            delta=Delta(parts, self._mailboxes, events),
            calendars=Calendars(parts, self._mailboxes, events),
            sharing=self._sharing,
            subscriptions=self._subscriptions,
        )
        self._sign_in = SignIn(parts)
        self._tokens = Tokens(parts)
        rows = parts.state.load()
        parts.authorization.load(rows)
        if rows.get("account"):
            self._mailboxes.load(rows)
            self._subscriptions.load(rows.get("subscription", {}))
            self._sign_in.load(rows.get("admin_consent", {}))
        else:
            self._add_demo_people()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """OAuth, Graph, a lifecycle switch of Microsoft's own, and what Outlook has for sharing a calendar."""
        lifecycle = web.post("/_sim/lifecycle", self._send_lifecycle)
        share = web.post("/_sim/calendars/{calendar}/share", self._share)
        return [*self._sign_in.routes(), *self._tokens.routes(), *self._graph.routes(), lifecycle, share]

    def tick(self) -> None:
        """Let time pass for what ends by itself."""
        self._subscriptions.tick()

    def reset(self) -> None:
        """Forget everything and put the demo accounts back; faults off."""
        self.parts.state.clear()
        self.parts.authorization.reset()
        self.parts.journal.reset()
        self.parts.switchboard.reset()
        self.parts.holds.reset()
        self._subscriptions.drop_all()
        self._mailboxes.clear()
        self._sign_in.reset()
        self._add_demo_people()

    def add_account(self, account: Account) -> None:
        """A new person with an empty primary calendar; the tenant follows from the address unless it is given."""
        account = replace(account, tenant=account.tenant or tenants.of_address(account.email))
        self.parts.authorization.add_account(account)
        if not self._mailboxes.calendars(account.email):
            self._mailboxes.add_calendar(account.email, name="Calendar", zone=_ZONE, primary=True)

    def calendars(self, email: str) -> Sequence[Resource]:
        """A person's calendars in Graph's shape, with summary, timeZone and primary besides."""
        account = self.parts.authorization.accounts.get(email)
        if account is None:
            raise NotFoundError(f"there is no account {email!r}")
        return [self._calendar_json(one, account) for one in self._mailboxes.calendars(email)]

    def add_calendar(self, email: str, body: Mapping[str, Any]) -> Resource:
        """A new calendar; with primary the name and zone of the existing primary one."""
        self.calendars(email)
        zone = str(body.get("timeZone") or _ZONE)
        if zones.windows_name(zone) is None:
            raise NotFoundError(f"there is no time zone {zone!r}")
        name = str(body.get("summary") or "Calendar")
        if body.get("primary"):
            primary = self._mailboxes.primary(email)
            made = replace(primary, name=name, zone=zones.zone(zone).key, version=self._mailboxes.next_number())
            self._mailboxes.put_calendar(made)
        else:
            made = self._mailboxes.add_calendar(email, name=name, zone=zones.zone(zone).key, primary=False)
        return self._calendar_json(made, self.parts.authorization.accounts[email])

    def items(self, calendar_id: str) -> Sequence[Resource]:
        """Single events, masters, exceptions, and a stub flagged isCancelled for each cancelled occurrence.

        With immutable ids, all extended properties and all extensions.
        """
        resources: list[Resource] = []
        for item in self._mailboxes.items(self._calendar(calendar_id)):
            resources.append(rendering.event_json(item, self._view))
            exceptions = (item.occurrence(day) for day in sorted(item.exceptions))
            resources += [rendering.event_json(one, self._view) for one in exceptions if one]
            resources += [self._cancelled_json(item, day) for day in sorted(item.cancelled)]
        return resources

    def insert(self, calendar_id: str, body: Resource) -> Resource:
        """The person adds an event. Exchange gives the ids: one in the body is not heeded."""
        calendar = self._calendar(calendar_id)
        item, _ = self._writes.create(calendar, body, self._person(calendar))
        return rendering.event_json(item, self._view)

    def insert_many(self, calendar_id: str, bodies: Sequence[Resource]) -> Sequence[Resource]:
        """Like `insert` for each."""
        return [self.insert(calendar_id, body) for body in bodies]

    def patch(self, calendar_id: str, event_id: str, body: Resource) -> Resource:
        """The person changes an event, or an occurrence by its own id."""
        calendar = self._calendar(calendar_id)
        return self._change(self._find(calendar, event_id), body, self._person(calendar))

    def delete(self, calendar_id: str, event_id: str) -> None:
        """The person deletes an event, a series, or an occurrence by its own id."""
        calendar = self._calendar(calendar_id)
        found = self._find(calendar, event_id)
        if isinstance(found, Item):
            self._writes.delete(found, self._person(calendar))
        else:
            self._writes.cancel_occurrence(found, self._person(calendar))

    def edit_occurrence(self, calendar_id: str, event_id: str, original_start: str, body: Resource) -> Resource:
        """Change or cancel the occurrence that starts then by its pattern."""
        calendar = self._calendar(calendar_id)
        item = self._find(calendar, event_id)
        day = _original_day(item, original_start)
        occurrence = item.occurrence(day) if isinstance(item, Item) and day else None
        if occurrence is None or day is None:
            raise NotFoundError(f"the event has no occurrence at {original_start!r}")
        if body.get("cancelled") is True:
            return self._cancelled_json(self._writes.cancel_occurrence(occurrence, self._person(calendar)), day)
        return self._change(occurrence, body, self._person(calendar))

    def agenda(self, calendar_id: str, first: date, days: int) -> Sequence[AgendaItem]:
        """What touches these days of the calendar's zone, by start."""
        calendar = self._calendar(calendar_id)
        start = datetime.combine(first, datetime.min.time(), ZoneInfo(calendar.zone)).astimezone(UTC)
        found = self._mailboxes.expanded(calendar, start, start + timedelta(days=days), floating=False)
        return [_line(event, rendering.id_of(event, self._view)) for event in found]

    def add_draft(self, calendar_id: str, draft: Draft) -> None:
        """A person adds an event by the form."""
        self.insert(calendar_id, to_graph(draft, self._calendar(calendar_id).zone))

    def change_draft(self, calendar_id: str, event_id: str, draft: Draft) -> None:
        """A person moves or renames an event, or one occurrence."""
        self.patch(calendar_id, event_id, to_graph(replace(draft, repeat=""), self._calendar(calendar_id).zone))

    def expire_cursors(self) -> None:
        """Every delta token given out so far is refused from now on."""
        self._mailboxes.expire_cursors()

    def channels(self) -> Sequence[Resource]:
        """The subscriptions that are alive."""
        return self._subscriptions.channels()

    def drop_channels(self) -> int:
        """End all subscriptions without telling anybody."""
        return self._subscriptions.drop_all()

    @property
    def _view(self) -> View:
        return View(immutable=True, floating=self._faults.all_day_floating, properties=None, extensions=None)

    @property
    def _faults(self) -> MicrosoftFaults:
        settings: MicrosoftFaults = self.parts.switchboard.settings
        return settings

    def _add_demo_people(self) -> None:
        for name, email in _DEMO_PEOPLE:
            self.add_account(Account(email=email, name=name, subject=identifiers.guid("demo", email)))
            self._mailboxes.add_calendar(email, name="Team", zone=_ZONE, primary=False)

    def _calendar(self, calendar_id: str) -> Calendar:
        calendar = self._mailboxes.calendar(calendar_id)
        if calendar is None:
            raise NotFoundError(f"there is no calendar {calendar_id!r}")
        return calendar

    def _find(self, calendar: Calendar, event_id: str) -> Event:
        try:
            reference = identifiers.parse_event_id(calendar.mailbox, event_id)
        except identifiers.MalformedIdError:
            raise NotFoundError(f"{event_id!r} is no id of this mailbox") from None
        item = self._mailboxes.item(reference.number)
        found = item.occurrence(reference.day) if item and reference.day else item
        if item is None or found is None or item.calendar != calendar.number:
            raise NotFoundError(f"there is no event {event_id!r} in this calendar")
        return found

    def _change(self, found: Event, body: Resource, actor: Actor) -> Resource:
        if isinstance(found, Item):
            return rendering.event_json(self._writes.update(found, body, actor), self._view)
        changed = self._writes.update_occurrence(found, body, actor).occurrence(found.day)
        if changed is None:
            raise NotFoundError("the occurrence is gone")
        return rendering.event_json(changed, self._view)

    def _person(self, calendar: Calendar) -> Actor:
        return Actor(account=self.parts.authorization.accounts[calendar.mailbox])

    def _calendar_json(self, calendar: Calendar, account: Account) -> Resource:
        own = {"summary": calendar.name, "timeZone": calendar.zone, "primary": calendar.primary}
        return rendering.calendar_json(calendar, account.name) | own

    def _cancelled_json(self, item: Item, day: date) -> Resource:
        reference = Reference(number=item.number, day=day)
        starts, _ = item.times_on(day).instants(floating=self._view.floating)
        return {
            "id": identifiers.event_id(item.mailbox, reference, calendar=item.calendar, immutable=True),
            "type": "occurrence",
            "seriesMasterId": rendering.id_of(item, self._view),
            "originalStart": rendering.stamp(starts),
            "isCancelled": True,
        }

    async def _send_lifecycle(self, request: web.Request) -> web.Response:
        """POST /_sim/lifecycle {"event": ..., "subscription": id or absent for all}."""
        body = await request.json()
        event = next((one for one in LIFECYCLE_EVENTS if one == body.get("event")), None)
        if event is None:
            return web.json_response({"error": f"event must be one of {', '.join(LIFECYCLE_EVENTS)}"}, status=400)
        chosen = [body["subscription"]] if "subscription" in body else None
        return web.json_response({"sent": self._subscriptions.lifecycle(event, chosen)})

    async def _share(self, request: web.Request) -> web.Response:
        """POST /_sim/calendars/{calendar}/share {"address": ... or "My Organization", "role": "none" to end it}."""
        body = await request.json()
        calendar = self._calendar(request.match_info["calendar"])
        self._sharing.share(calendar, str(body.get("address")), str(body.get("role")))
        return web.json_response({})


def _original_day(event: Event, original_start: str) -> date | None:
    """The original day, in the series' zone, of an occurrence given by its original start or date."""
    if not isinstance(event, Item):
        return None
    try:
        if len(original_start) == len("2026-03-01"):
            return date.fromisoformat(original_start)
        instant = datetime.fromisoformat(original_start)
    except ValueError:
        raise NotFoundError(f"{original_start!r} is neither a date nor a time") from None
    day = zones.to_local(instant, event.times.start_zone).date()
    return day if event.times_on(day).starts == instant.astimezone(UTC) else None


def _line(event: Item | Occurrence, id_: str) -> AgendaItem:
    content = event.item.content if isinstance(event, Occurrence) else event.content
    if isinstance(event, Occurrence) and event.change:
        content = {**content, **event.change.content}
    notes = [content["showAs"] if content["showAs"] != "busy" else ""]
    notes += [content["sensitivity"] if content["sensitivity"] != "normal" else ""]
    notes += [f"{len(content['attendees'])} guests" if content["attendees"] else ""]
    times = event.times
    return AgendaItem(
        id=id_,
        title=content["subject"],
        start=times.start.date() if times.all_day else times.starts,
        end=times.end.date() if times.all_day else times.ends,
        series=isinstance(event, Occurrence),
        note=", ".join(filter(None, notes)),
    )
