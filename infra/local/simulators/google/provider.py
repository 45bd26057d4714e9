"""The simulated Google: its parts put together, and what it gives to the modules that know no provider."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from aiohttp import web

from infra.local.simulators.credentials import Account
from infra.local.simulators.exchange import Exchange, Handler, Route
from infra.local.simulators.google import errors, resources
from infra.local.simulators.google.batch import Batches
from infra.local.simulators.google.calendars import Calendars
from infra.local.simulators.google.channels import Channels
from infra.local.simulators.google.events import EventMethods
from infra.local.simulators.google.invitations import Invitations
from infra.local.simulators.google.listing import Listings
from infra.local.simulators.google.oauth import OAuth
from infra.local.simulators.google.person import Person
from infra.local.simulators.google.store import Store
from infra.local.simulators.google.writing import Writer
from infra.local.simulators.port import AgendaItem, Draft, NotFoundError, Parts, Resource

_ROOT = "/calendar/v3"
_DEMO_ZONE = "Europe/Zurich"


class Google:
    """Implements port.Provider."""

    name = "google"
    title = "Google"

    def __init__(self, parts: Parts, *, require_https: bool) -> None:
        self.parts = parts
        self._store = Store(parts.state)
        self._channels = Channels(parts, self._store, require_https=require_https)
        self._invitations = Invitations(parts, self._store)
        self._writer = Writer(parts, self._store, changed=self._channels.changed, committed=self._invitations.committed)
        self._invitations.use(self._writer)
        self._calendars = Calendars(parts, self._store, self._channels)
        self._listings = Listings(parts, self._store)
        self._events = EventMethods(parts, self._store, self._writer)
        self._person = Person(self._store, self._writer, self._channels)
        self._oauth = OAuth(parts)
        self._calls = Exchange(
            routes=self._methods(),
            refuse=errors.refuse,
            authorization=parts.authorization,
            switchboard=parts.switchboard,
            journal=parts.journal,
            holds=parts.holds,
            clock=parts.clock,
        )
        self._batches = Batches(parts, self._calls, root=_ROOT)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The OAuth endpoints, the API and its batch."""
        return [
            *self._oauth.routes(),
            web.post("/batch/calendar/v3", self._batches.serve),
            web.route("*", _ROOT + "/{path:.*}", partial(self._calls.serve, root=_ROOT)),
        ]

    def _methods(self) -> list[Route]:
        calendars, events, listings, channels = self._calendars, self._events, self._listings, self._channels
        entry, calendar = "/users/me/calendarList/{calendar}", "/calendars/{calendar}"
        event = calendar + "/events/{event}"
        methods: list[tuple[str, str, Handler]] = [
            ("GET", "/users/me/calendarList", calendars.list),
            ("POST", "/users/me/calendarList", calendars.insert_entry),
            ("GET", entry, calendars.get_entry),
            ("PUT", entry, calendars.change_entry),
            ("PATCH", entry, calendars.change_entry),
            ("DELETE", entry, calendars.delete_entry),
            ("POST", "/calendars", calendars.insert),
            ("GET", calendar, calendars.get),
            ("PUT", calendar, calendars.change_by_client),
            ("PATCH", calendar, calendars.change_by_client),
            ("DELETE", calendar, calendars.delete),
            ("GET", calendar + "/events", listings.events),
            ("POST", calendar + "/events", events.insert),
            ("POST", calendar + "/events/import", events.import_),
            ("POST", calendar + "/events/watch", channels.watch),
            ("GET", event, events.get),
            ("PUT", event, events.update),
            ("PATCH", event, events.patch),
            ("DELETE", event, events.delete),
            ("GET", event + "/instances", listings.instances),
            ("POST", event + "/move", events.move),
            ("POST", "/channels/stop", channels.stop),
            ("GET", "/colors", calendars.colors),
            ("POST", "/freeBusy", calendars.free_busy),
            ("GET", "/users/me/settings", calendars.settings),
            ("GET", "/users/me/settings/{setting}", calendars.setting),
        ]
        return [Route(method=method, template=template, handler=handler) for method, template, handler in methods]

    def load(self) -> None:
        """Take up the saved state, or begin with the demo accounts."""
        rows = self.parts.state.load()
        if "account" not in rows:
            self._begin()
            return
        self.parts.authorization.load(rows)
        self._store.load(rows)
        self._channels.load(rows)

    def reset(self) -> None:
        """Forget everything and put the demo accounts back; faults off."""
        self.parts.reset()
        self._channels.reset()
        self._store.clear()
        self._begin()

    def _begin(self) -> None:
        for number, (email, name) in enumerate([("alex@example.com", "Alex"), ("sam@example.com", "Sam")]):
            self.add_account(Account(email=email, name=name, subject=f"10000000000000000000{number}"))
            self._calendars.create(email, summary=f"{name}'s family", time_zone=_DEMO_ZONE)

    def add_account(self, account: Account) -> None:
        """A new person with an empty primary calendar; one who is known keeps the calendars."""
        self.parts.authorization.add_account(account)
        if account.email not in self._store.calendars:
            self._calendars.create(account.email, summary=account.email, time_zone=_DEMO_ZONE, primary=True)

    def calendars(self, email: str) -> Sequence[Resource]:
        """The person's calendar list entries; `primary` is always there."""
        self._account(email)
        entries = self._store.lists.get(email, {}).values()
        shown = [self._calendars.shown(entry) for entry in entries if not entry.removed]
        return [{"primary": False, **entry} for entry in shown]

    def add_calendar(self, email: str, body: Mapping[str, Any]) -> Resource:
        """Beyond the port, `accessRole` may make it a calendar this person can only read."""
        self._account(email)
        zone = str(body.get("timeZone") or _DEMO_ZONE)
        if body.get("primary"):
            primary = self._store.calendar(email)
            changed = self._calendars.change(primary, summary=str(body.get("summary") or email), time_zone=zone)
            return self._shown(email, changed.id)
        role = str(body.get("accessRole") or "owner")
        if role not in ("owner", "writer", "reader", "freeBusyReader"):
            raise errors.invalid("accessRole must be owner, writer, reader or freeBusyReader")
        summary = str(body.get("summary") or "Calendar")
        return self._shown(email, self._calendars.create(email, summary=summary, time_zone=zone, role=role).id)

    def _shown(self, email: str, calendar_id: str) -> Resource:
        return {"primary": False, **self._calendars.shown(self._store.lists[email][calendar_id])}

    def _account(self, email: str) -> None:
        if email not in self.parts.authorization.accounts:
            raise NotFoundError(f"there is no account {email!r}")

    def items(self, calendar_id: str) -> Sequence[Resource]:
        """Every stored event, deleted ones too, with times in the calendar's zone."""
        calendar = self._store.calendar(calendar_id)
        return [resources.shown(record.event, calendar.time_zone) for record in self._store.events[calendar.id]]

    def _as_shown(self, calendar_id: str, event: Resource) -> Resource:
        return resources.shown(event, self._store.calendar(calendar_id).time_zone)

    def insert(self, calendar_id: str, body: Resource) -> Resource:
        """The person adds an event."""
        return self._as_shown(calendar_id, self._person.insert(calendar_id, body))

    def insert_many(self, calendar_id: str, bodies: Sequence[Resource]) -> Sequence[Resource]:
        """The person adds events."""
        events = self._person.insert_many(calendar_id, bodies)
        return [self._as_shown(calendar_id, event) for event in events]

    def patch(self, calendar_id: str, event_id: str, body: Resource) -> Resource:
        """The person changes an event."""
        return self._as_shown(calendar_id, self._person.patch(calendar_id, event_id, body))

    def delete(self, calendar_id: str, event_id: str) -> None:
        """The person deletes an event."""
        self._person.delete(calendar_id, event_id)

    def edit_occurrence(self, calendar_id: str, event_id: str, original_start: str, body: Resource) -> Resource:
        """The person changes or cancels one occurrence."""
        event = self._person.edit_occurrence(calendar_id, event_id, original_start, body)
        return self._as_shown(calendar_id, event)

    def agenda(self, calendar_id: str, first: date, days: int) -> Sequence[AgendaItem]:
        """What the page shows."""
        return self._person.agenda(calendar_id, first, days)

    def add_draft(self, calendar_id: str, draft: Draft) -> None:
        """The form for a new event."""
        self._person.add_draft(calendar_id, draft)

    def change_draft(self, calendar_id: str, event_id: str, draft: Draft) -> None:
        """The form of an event."""
        self._person.change_draft(calendar_id, event_id, draft)

    def expire_cursors(self) -> None:
        """Every sync token answers 410 from now on."""
        self._store.expire_cursors()

    def channels(self) -> Sequence[Resource]:
        """Live channels."""
        return self._channels.alive()

    def drop_channels(self) -> int:
        """End them silently."""
        return self._channels.drop_all()
