"""What is made of a delta's hints, with answers written by hand that no simulator would give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.core.errors import CursorExpiredError, TransientError
from shared.providers.microsoft.client import MicrosoftCalendar
from shared.providers.microsoft.writing import CATEGORY, MARKER_PROPERTY
from shared.providers.port import Page, Removed, Upserted
from tests.providers.microsoft import answers, scripted
from tests.providers.microsoft.scripted import Received, Reply
from tests.providers.replica import WINDOW

if TYPE_CHECKING:
    from collections.abc import Mapping


def only(page: Page) -> Upserted:
    (change,) = page.changes
    assert isinstance(change, Upserted)
    return change


class Service:
    """Answers a delta with these items, and a GET of an event with what `events` holds; anything else is not found."""

    def __init__(self, *items: Any, **events: Any) -> None:
        self.items, self.events, self.link = list(items), events, "?$deltatoken=next"

    def __call__(self, request: Received) -> Reply:
        base = f"http://{request.headers['host']}/v1.0"
        if "/delta" in request.path:
            link = f"{base}/me/calendars/CAL/calendarView/delta{self.link}"
            return Reply(body={"value": self.items, "@odata.deltaLink": link})
        if request.path.endswith("/$batch"):
            found = [self._get(item["url"]) for item in request.body["requests"]]
            return Reply(
                body={
                    "responses": [
                        {"id": str(number), "status": one.status, "body": one.body} for number, one in enumerate(found)
                    ]
                }
            )
        return self._get(request.path)

    def _get(self, url: str) -> Reply:
        event_id = url.partition("?")[0].rpartition("/")[2]
        status, body = self.events.get(event_id, answers.load("errors")["ErrorItemNotFound"])
        return Reply(body=body, status=status)


def changes(service: Service, *, cursor: str | None = None) -> Page:
    with scripted.serve(service) as server:
        provider = MicrosoftCalendar(access_token="t", graph_endpoint=f"{server.base}/v1.0")
        return provider.changes("CAL", cursor=cursor, page=None, window=WINDOW)


def single(event_id: str, **more: Any) -> dict[str, Any]:
    return answers.load("single") | {"id": event_id} | more


def test_a_removed_event_is_gone_only_if_its_own_get_says_so() -> None:
    removed = [{"id": name, "@removed": {"reason": "deleted"}} for name in ("GONE", "MOVED")]

    page = changes(Service(*removed, MOVED=(200, single("MOVED"))))

    assert [change.event_id for change in page.changes if isinstance(change, Removed)] == ["GONE"]
    assert [change.event.id for change in page.changes if isinstance(change, Upserted)] == ["MOVED"]


@pytest.mark.parametrize("name", ["UnknownError", "ErrorInternalServerError", "GatewayTimeout", "ApplicationThrottled"])
def test_without_proof_the_cursor_stays_where_it_is(name: str) -> None:
    removed = {"id": "A", "@removed": {"reason": "deleted"}}

    with pytest.raises(TransientError):
        changes(Service(removed, A=tuple(answers.load("errors")[name])))


def test_a_removed_occurrence_makes_its_series_be_read() -> None:
    occurrence = single("OCC", type="exception", seriesMasterId="SERIES", originalStart="2026-03-06T01:00:00Z")
    master = answers.load("series") | {"id": "SERIES"}

    page = changes(Service({"id": "OCC", "@removed": {}}, OCC=(200, occurrence), SERIES=(200, master)))

    assert only(page).event.id == "SERIES"


def test_repeats_are_told_once_and_the_newest_wins() -> None:
    old, new = (
        single("A", subject=text, lastModifiedDateTime=f"2026-01-0{day}T00:00:00Z")
        for text, day in (("old", 1), ("new", 2))
    )

    page = changes(Service(new, old, new, old))

    assert only(page).event.text is not None
    assert only(page).event.text.title == "new"  # type: ignore[union-attr]


def test_what_is_both_there_and_removed_is_asked_for() -> None:
    page = changes(Service(single("A"), {"id": "A", "@removed": {}}))

    assert page.changes == (Removed(event_id="A"),)


def test_a_mirror_that_is_as_we_left_it_is_not_asked_for() -> None:
    left, changed, doubtful = (
        single(name, categories=[CATEGORY], **{"@odata.etag": 'W/"1"'}) for name in ("LEFT", "CHANGED", "DOUBTFUL")
    )
    newer = doubtful | {"@odata.etag": 'W/"2"'}
    asked: list[dict[str, str]] = []

    def as_left(etags: Mapping[str, str]) -> set[str]:
        asked.append(dict(etags))
        return {"LEFT"}

    with scripted.serve(Service(left, changed, doubtful, newer)) as server:
        provider = MicrosoftCalendar(access_token="t", graph_endpoint=f"{server.base}/v1.0")
        page = provider.changes("CAL", cursor=None, page=None, window=WINDOW, as_left=as_left)

    assert asked == [{"LEFT": 'W/"1"', "CHANGED": 'W/"1"'}]
    assert set(page.changes) == {Removed(event_id="CHANGED"), Removed(event_id="DOUBTFUL")}
    assert page.requests == 3


def test_one_bad_item_is_skipped_alone_and_its_text_is_not_told() -> None:
    custom = "tzone://Microsoft/Custom"
    series = answers.load("series")
    unknown = series | {
        "id": "CUSTOM",
        "originalStartTimeZone": custom,
        "recurrence": {
            "pattern": series["recurrence"]["pattern"],
            "range": {"type": "noEnd", "recurrenceTimeZone": custom},
        },
    }
    items = [
        single("GOOD"),
        single("BAD", start="Dentist"),
        single("NO-TIME", start=None),
        {"subject": "Dentist"},
        {"id": "X", "seriesMasterId": "CUSTOM", "type": "occurrence"},
        {"id": "Y", "seriesMasterId": "FORBIDDEN", "type": "occurrence"},
    ]
    forbidden = tuple(answers.load("errors")["ErrorAccessDenied"])

    page = changes(Service(*items, CUSTOM=(200, unknown), FORBIDDEN=forbidden))

    assert only(page).event.id == "GOOD"
    assert [skipped.event_id for skipped in page.skipped] == ["BAD", "", "NO-TIME", "FORBIDDEN", "CUSTOM"]
    assert not any("Dentist" in skipped.reason for skipped in page.skipped)


def test_a_series_that_became_a_single_event_meanwhile_is_told_as_it_is() -> None:
    page = changes(Service({"id": "O", "seriesMasterId": "A", "type": "occurrence"}, A=(200, single("A"))))

    assert only(page).event.id == "A"
    assert not only(page).event.is_series


def test_the_cursor_holds_no_address_so_that_it_outlives_a_move() -> None:
    page = changes(Service())

    assert page.cursor == "/me/calendars/CAL/calendarView/delta?$deltatoken=next"
    assert changes(Service(), cursor=page.cursor).cursor == page.cursor


@pytest.mark.parametrize("cursor", ["x", "nonsense", "https://elsewhere.test/calendarView/delta"])
def test_a_cursor_that_is_not_graphs_is_not_sent(cursor: str) -> None:
    with pytest.raises(CursorExpiredError):
        changes(Service(), cursor=cursor)


def test_a_page_that_is_not_ours_is_not_sent() -> None:
    provider = MicrosoftCalendar(access_token="t", graph_endpoint="http://127.0.0.1:9/v1.0")

    for page in ("/me/calendars", "one /me/calendars", "2 https://elsewhere.test/"):
        with pytest.raises(CursorExpiredError):
            provider.changes("CAL", cursor=None, page=page, window=WINDOW)


def test_a_delta_link_that_graph_calls_malformed_has_expired() -> None:
    malformed = Reply(body={"error": {"code": "BadRequest", "message": "Badly formed token."}}, status=400)
    with scripted.serve(lambda _: malformed) as server:
        provider = MicrosoftCalendar(access_token="t", graph_endpoint=f"{server.base}/v1.0")

        with pytest.raises(CursorExpiredError):
            provider.changes(
                "CAL", cursor="/me/calendars/CAL/calendarView/delta?$deltatoken=x", page=None, window=WINDOW
            )


@pytest.mark.parametrize("links", [{}, {"@odata.nextLink": "x", "@odata.deltaLink": "x"}])
def test_a_page_that_does_not_say_how_to_go_on_is_passing(links: dict[str, str]) -> None:
    def script(request: Received) -> Reply:
        base = f"http://{request.headers['host']}/v1.0/me/calendars/CAL/calendarView/delta?"
        return Reply(body={"value": [], **{name: base + value for name, value in links.items()}})

    with scripted.serve(script) as server:
        provider = MicrosoftCalendar(access_token="t", graph_endpoint=f"{server.base}/v1.0")

        with pytest.raises(TransientError):
            provider.changes("CAL", cursor=None, page=None, window=WINDOW)


def test_a_marked_event_that_cannot_be_read_is_still_found() -> None:
    unreadable = single("A", start=None, singleValueExtendedProperties=[{"id": MARKER_PROPERTY, "value": "m"}])

    def script(request: Received) -> Reply:
        if "$filter" in request.path and "/events?" in request.path:
            return Reply(body={"value": [{"id": "A"}]})
        return Reply(body=unreadable)

    with scripted.serve(script) as server:
        provider = MicrosoftCalendar(access_token="t", graph_endpoint=f"{server.base}/v1.0")
        (found,) = provider.find_marked("CAL", window=WINDOW)

    assert (found.id, found.span, found.marker) == ("A", None, "m")
