"""A world inside Radicale. The person acts through the caldav library: an independent client, with its own parser."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import caldav
import httpx
import icalendar
import pytest

from shared import providers
from shared.calendar.event import Availability
from shared.calendar.span import AllDaySpan, TimedSpan, parse_occurrence_key
from shared.providers import AppPassword
from tests import radicale
from tests.providers.caldav.front import Front, before

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.calendar.mirror import Appearance
    from shared.calendar.span import Span
    from shared.providers.port import CalendarProvider

EMAIL = radicale.USER


class CalDavWorld:
    """An account at Radicale, behind a front that can misbehave."""

    def __init__(self, upstream: str, front: Front) -> None:
        self.email = EMAIL
        self.front = front
        self.name = f"work-{uuid.uuid4().hex[:8]}"
        self.address = radicale.make_calendar(upstream, EMAIL, self.name)
        self.calendar_id = self.address.replace(upstream, front.base)
        self.client = caldav.DAVClient(url=upstream, username=EMAIL, password=radicale.PASSWORD)
        self.calendar = self.client.calendar(url=self.address)
        self.provider = self.connect_again()

    def connect_again(self) -> CalendarProvider:
        login = AppPassword(url=self.front.base, username=EMAIL, password=radicale.PASSWORD)
        return providers.log_in("caldav", login=login, allowed_hosts=("127.0.0.1",))

    # The person

    def add(self, appearance: Appearance, *, guest: str | None = None) -> str:
        event = icalendar.Event()
        event.add("uid", uuid.uuid4().hex)
        event.add("dtstamp", datetime.now(UTC))
        event.add("summary", appearance.text.title)
        if appearance.text.location:
            event.add("location", appearance.text.location)
        if appearance.availability is Availability.FREE:
            event.add("transp", "TRANSPARENT")
        _set_times(event, appearance.span)
        for line in appearance.recurrence:
            event.add("rrule", icalendar.vRecur.from_ical(line.removeprefix("RRULE:")))
        if guest:
            event.add("organizer", f"mailto:{EMAIL}")
            event.add("attendee", f"mailto:{guest}")
        return self.put(f"{event['uid']}.ics", event)

    def invite(self, appearance: Appearance) -> tuple[str, str]:
        name = self.add(appearance)
        master, _ = self._resource(name)
        master.add("organizer", "mailto:boss@example.com")
        for address, answer in ((EMAIL, "NEEDS-ACTION"), ("colleague@example.com", "ACCEPTED")):
            master.add("attendee", f"mailto:{address}", parameters={"PARTSTAT": answer, "RSVP": "TRUE"})
        return self.calendar_id, self.put(name, master)

    def put(self, name: str, *events: icalendar.Event) -> str:
        """Store a resource; answers its name."""
        whole = icalendar.Calendar()
        whole.add("version", "2.0")
        whole.add("prodid", "-//Somebody//EN")
        for event in events:
            whole.add_component(event)
        whole.add_missing_timezones()
        return self.put_text(name, whole.to_ical().decode())

    def put_text(self, name: str, text: str) -> str:
        """Store a resource as it is written."""
        headers = {"content-type": "text/calendar; charset=utf-8"}
        answer = self.http("PUT", name, content=text.encode(), headers=headers)
        assert answer.is_success, answer.text
        return name

    def text(self, name: str) -> str:
        """A resource as it stands."""
        return self.http("GET", name).text

    def http(self, method: str, name: str, **more: Any) -> httpx.Response:
        """A request of the person's own program."""
        return httpx.request(method, f"{self.address}{name}", auth=(EMAIL, radicale.PASSWORD), **more)

    def retitle(self, event_id: str, title: str) -> None:
        master, others = self._resource(event_id)
        for event in (master, *others):
            event["summary"] = icalendar.vText(title)
        self.put(event_id, master, *others)

    def remove(self, event_id: str) -> None:
        assert self.http("DELETE", event_id).is_success

    def move(self, series_id: str, key: str, span: Span) -> None:
        master, others = self._resource(series_id)
        kept = [one for one in others if _key(one) != key]
        moved = icalendar.Event()
        moved.add("uid", master["uid"])
        moved.add("dtstamp", datetime.now(UTC))
        moved.add("recurrence-id", parse_occurrence_key(key))
        moved.add("summary", str(master["summary"]))
        _set_times(moved, span)
        self.put(series_id, master, *kept, moved)

    def cancel(self, series_id: str, key: str) -> None:
        master, others = self._resource(series_id)
        start = parse_occurrence_key(key)
        master.add("exdate", start)
        self.put(series_id, master, *[one for one in others if _key(one) != key])

    def titles(self) -> list[str]:
        found = [event.get_icalendar_instance() for event in self.calendar.events()]
        masters = [one for each in found for one in each.walk("VEVENT") if "RECURRENCE-ID" not in one]
        return sorted(str(one.get("summary", "")) for one in masters)

    def guests(self, event_id: str) -> list[str]:
        master, others = self._resource(event_id)
        return [str(one["attendee"]).removeprefix("mailto:") for one in (master, *others) if "attendee" in one]

    def _resource(self, name: str) -> tuple[icalendar.Event, list[icalendar.Event]]:
        events = icalendar.Calendar.from_ical(self.text(name)).walk("VEVENT")
        (master,) = [one for one in events if "RECURRENCE-ID" not in one]
        return master, [one for one in events if one is not master]

    # The server

    @property
    def hook_address(self) -> str:
        raise AssertionError("CalDAV has no push")

    def mails(self) -> int:
        return 0

    def notifications(self, at_least: int) -> int:
        return 0

    def forget_cursors(self) -> None:
        self.front.forgets_all = True

    def refuse_token(self) -> None:
        self.front.refuses = True

    def faults(self, **switches: Any) -> None:
        self.front.switches = switches

    def requests(self) -> int:
        count, self.front.count = self.front.count, 0
        return count


def _set_times(event: icalendar.Event, span: Span) -> None:
    if isinstance(span, AllDaySpan):
        event.add("dtstart", span.start)
        event.add("dtend", span.end)
        return
    assert isinstance(span, TimedSpan)
    zone = ZoneInfo(span.zone)
    event.add("dtstart", span.start.astimezone(zone))
    event.add("dtend", span.end.astimezone(zone))


def _key(event: icalendar.Event) -> str:
    start: datetime | date = event["recurrence-id"].dt
    return f"{start.astimezone(UTC):%Y%m%dT%H%M%SZ}" if isinstance(start, datetime) else f"{start:%Y%m%d}"


@pytest.fixture
def world(radicale_base: str) -> Iterator[CalDavWorld]:
    """An account with an empty calendar."""
    with before(radicale_base) as front:
        made = CalDavWorld(radicale_base, front)
        yield made
        httpx.delete(made.address, auth=(EMAIL, radicale.PASSWORD))
