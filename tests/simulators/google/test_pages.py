"""The pages: a person adds, moves, renames and deletes events by hand, without a script."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from tests.simulators.google.samples import all_day, series, timed

if TYPE_CHECKING:
    from tests.simulators.google.api import Api
    from tests.simulators.running import Simulator

HOME = "/calendars/alex@example.com?from=2026-03-01"


class _Page(HTMLParser):
    """Links by their text, labels, the names of fields, and everything that is written."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: dict[str, str] = {}
        self.labelled: set[str] = set()
        self.fields: dict[str, str] = {}
        self.ids: set[str] = set()
        self.meta: list[dict[str, str | None]] = []
        self.text = ""
        self._href = ""
        self._in_label = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self._href = values.get("href") or "" if tag == "a" else ""
        if tag == "meta":
            self.meta.append(values)
        if tag == "label":
            self._in_label = True
            self.labelled.add(values.get("for") or "")
        if tag in ("input", "select"):
            name = values.get("name") or ""
            self.fields[name] = values.get("value") or ""
            self.ids.add(values.get("id") or "")
            if self._in_label:
                self.labelled.add(values.get("id") or "")

    def handle_endtag(self, tag: str) -> None:
        self._in_label = self._in_label and tag != "label"
        self._href = "" if tag == "a" else self._href

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._href:
            self.links[data.strip()] = self._href


async def _get(simulator: Simulator, path: str, *, status: int = 200) -> _Page:
    async with simulator.session.get(simulator.base + path) as answer:
        text = await answer.text()
        assert answer.status == status, text
        return _Page(text)


async def _post(simulator: Simulator, path: str, form: dict[str, str], *, status: int = 200) -> _Page:
    async with simulator.session.post(simulator.base + path, data=form) as answer:
        text = await answer.text()
        assert answer.status == status, text
        return _Page(text)


def _form(**fields: str) -> dict[str, str]:
    return {"title": "Walk", "start": "2026-03-02T09:00", "end": "2026-03-02T10:00", "repeat": "", **fields}


async def test_the_first_page_leads_to_every_calendar(simulator: Simulator) -> None:
    page = await _get(simulator, "/")

    calendar = await _get(simulator, page.links["Alex's family"])

    assert {"alex@example.com", "sam@example.com"} <= page.links.keys()
    assert "Alex's family" in calendar.text


async def test_a_person_adds_an_event(alex: Api, simulator: Simulator) -> None:
    page = await _post(simulator, HOME, _form())

    event = (await alex.list())[0][0]
    assert "Walk" in page.links
    assert "Mon 02 Mar 09:00 – 10:00" in page.text
    assert event["start"] == {"dateTime": "2026-03-02T09:00:00+01:00", "timeZone": "Europe/Zurich"}


async def test_a_person_adds_all_day_and_repeating_events(alex: Api, simulator: Simulator) -> None:
    await _post(simulator, HOME, _form(all_day="on", end="2026-03-03T00:00"))
    page = await _post(simulator, HOME, _form(title="Stretch", repeat="DAILY"))

    first, second = (await alex.list())[0]
    assert (first["start"], first["end"]) == ({"date": "2026-03-02"}, {"date": "2026-03-04"})
    assert second["recurrence"] == ["RRULE:FREQ=DAILY"]
    assert "Mon 02 Mar – Tue 03 Mar, all day" in page.text


async def test_a_person_moves_and_renames_an_event(alex: Api, simulator: Simulator) -> None:
    await alex.insert(timed(id="event1", description="kept"))
    page = await _get(simulator, HOME)

    edit = await _get(simulator, page.links["Dentist"])
    after = await _post(simulator, page.links["Dentist"], _form(start="2026-03-05T14:00", end="2026-03-05T15:30"))

    event = await alex.get("event1")
    assert (edit.fields["title"], edit.fields["start"]) == ("Dentist", "2026-03-02T09:00")
    assert "Thu 05 Mar 14:00 – 15:30" in after.text
    assert (event["summary"], event["description"]) == ("Walk", "kept")
    assert event["start"]["dateTime"] == "2026-03-05T14:00:00+01:00"


async def test_a_person_makes_an_event_all_day_and_back(alex: Api, simulator: Simulator) -> None:
    await alex.insert(all_day(id="fair0"))
    page = await _get(simulator, HOME)
    edit = await _get(simulator, page.links["Fair"])

    assert "all_day" in edit.fields
    page = await _post(simulator, page.links["Fair"], _form())
    assert (await alex.get("fair0"))["start"]["dateTime"] == "2026-03-02T09:00:00+01:00"
    await _post(simulator, page.links["Walk"], _form(all_day="on"))
    assert (await alex.get("fair0"))["start"] == {"date": "2026-03-02"}


async def test_a_person_changes_one_occurrence_of_a_series(alex: Api, simulator: Simulator) -> None:
    await alex.insert(series("RRULE:FREQ=DAILY;COUNT=2", id="standup"))
    path = "/calendars/alex@example.com/events/standup_20260303T080000Z?from=2026-03-01&days=14"

    await _post(simulator, path, _form(title="Later", start="2026-03-03T11:00", end="2026-03-03T12:00"))

    shown, _ = await alex.list(singleEvents=True, orderBy="startTime")
    assert [(event["summary"], event["start"]["dateTime"][11:16]) for event in shown] == [
        ("Stand-up", "09:00"),
        ("Later", "11:00"),
    ]


async def test_a_person_deletes_an_event(alex: Api, simulator: Simulator) -> None:
    await alex.insert(timed(id="event1"))
    page = await _get(simulator, HOME)

    after = await _post(simulator, page.links["Dentist"], {"do": "delete"})

    assert "Dentist" not in after.links
    assert (await alex.get("event1"))["status"] == "cancelled"


async def test_what_was_typed_wrongly_is_explained_and_kept(simulator: Simulator) -> None:
    backwards = await _post(simulator, HOME, _form(end="2026-03-01T09:00"), status=400)
    empty = await _post(simulator, HOME, _form(start=""), status=400)

    assert "The end must not be before the start." in backwards.text
    assert backwards.fields["title"] == "Walk"
    assert "Give a start and an end" in empty.text


async def test_every_field_has_a_label_and_the_page_fits_a_phone(alex: Api, simulator: Simulator) -> None:
    await alex.insert(timed(id="event1"))
    page = await _get(simulator, HOME)
    edit = await _get(simulator, page.links["Dentist"])

    for shown in (page, edit):
        assert shown.ids <= shown.labelled
        assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in shown.meta


async def test_a_page_refreshes_itself_on_request(simulator: Simulator) -> None:
    page = await _get(simulator, HOME)

    live = await _get(simulator, page.links["Refresh every 2 s"])

    assert {"http-equiv": "refresh", "content": "2"} in live.meta
    assert live.fields == {}


async def test_titles_are_text_and_never_markup(alex: Api, simulator: Simulator) -> None:
    await alex.insert(timed(summary="<script>alert(1)</script>"))

    async with simulator.session.get(simulator.base + HOME) as answer:
        text = await answer.text()

    assert "<script>" not in text
    assert "&lt;script&gt;" in text


async def test_what_is_not_there_is_not_found(simulator: Simulator) -> None:
    for path in ("/calendars/nobody", "/calendars/alex@example.com/events/never?from=2026-03-01"):
        await _get(simulator, path, status=404)
    for path in ("/calendars/alex@example.com?from=yesterday", "/calendars/alex@example.com/events/never"):
        await _get(simulator, path, status=400)


async def test_a_year_can_be_shown_and_walked(alex: Api, simulator: Simulator) -> None:
    await alex.insert(timed())

    page = await _get(simulator, "/calendars/alex@example.com?from=2026-02-01&days=28")
    later = await _get(simulator, page.links["Later"])

    assert "Dentist" not in page.links
    assert "Dentist" in later.links


async def test_the_event_says_what_cannot_be_seen(alex: Api, simulator: Simulator) -> None:
    guests: list[dict[str, Any]] = [{"email": "guest@else.example"}]
    await alex.insert(
        timed(
            visibility="private",
            status="tentative",
            attendees=guests,
            extendedProperties={"private": {"origin": "elsewhere"}},
        )
    )

    page = await _get(simulator, HOME)

    assert "private, 1 guest, tentative, written by an application" in page.text
