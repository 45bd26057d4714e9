"""The oracle is judged first: it must see every fault that is planted, and none in a calendar that is right."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.smoke import oracle
from tests.smoke.oracle import Calendar, Link

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BUSY = Link(source="work", target="home", privacy="busy")
FULL = Link(source="home", target="work", privacy="full")
SECRET = "Meeting the divorce lawyer"


def google(id_: str, start: str, end: str, **more: Any) -> dict[str, Any]:
    """An event as Google's simulator has it; `start` and `end` are dates or times in UTC."""

    def when(text: str) -> dict[str, str]:
        return {"dateTime": text, "timeZone": "Europe/Zurich"} if "T" in text else {"date": text}

    return {
        "id": id_,
        "status": "confirmed",
        "eventType": "default",
        "summary": SECRET,
        "start": when(start),
        "end": when(end),
        "reminders": {"useDefault": True},
        **more,
    }


def graph(id_: str, start: str, end: str, **more: Any) -> dict[str, Any]:
    """An event as Microsoft's simulator has it, made as a busy mirror should be."""
    all_day = "T" not in start
    return {
        "id": id_,
        "subject": "Busy",
        "body": {"contentType": "html", "content": ""},
        "location": {"displayName": ""},
        "isAllDay": all_day,
        "start": {"dateTime": f"{start}T00:00:00.0000000" if all_day else f"{start}.0000000", "timeZone": "UTC"},
        "end": {"dateTime": f"{end}T00:00:00.0000000" if all_day else f"{end}.0000000", "timeZone": "UTC"},
        "originalStartTimeZone": "UTC",
        "showAs": "busy",
        "sensitivity": "private",
        "responseStatus": {"response": "organizer"},
        "attendees": [],
        "isReminderOn": False,
        "isOnlineMeeting": False,
        "hasAttachments": False,
        "recurrence": None,
        **more,
    }


def weekly(start: str, *, count: int) -> dict[str, Any]:
    """Graph's recurrence of a weekly series on Mondays."""
    pattern = {
        "type": "weekly",
        "interval": 1,
        "daysOfWeek": ["monday"],
        "firstDayOfWeek": "sunday",
        "dayOfMonth": 0,
        "month": 0,
        "index": "first",
    }
    bounds = {
        "type": "numbered",
        "startDate": start,
        "endDate": "0001-01-01",
        "numberOfOccurrences": count,
        "recurrenceTimeZone": "W. Europe Standard Time",
    }
    return {"pattern": pattern, "range": bounds}


SOURCE = (
    google("lunch", "2026-03-03T11:00:00Z", "2026-03-03T12:00:00Z"),
    google("trip", "2026-04-10", "2026-04-13"),
    google("free", "2026-03-03T15:00:00Z", "2026-03-03T16:00:00Z", transparency="transparent"),
    google(
        "standup",
        "2026-03-23T08:00:00Z",
        "2026-03-23T08:15:00Z",
        recurrence=["RRULE:FREQ=WEEKLY;COUNT=4"],
    ),
    google(
        "standup_20260330T070000Z",
        "2026-03-30T09:00:00Z",
        "2026-03-30T09:15:00Z",
        recurringEventId="standup",
        originalStartTime={"dateTime": "2026-03-30T07:00:00Z"},
    ),
    {
        "id": "standup_20260406T070000Z",
        "status": "cancelled",
        "recurringEventId": "standup",
        "originalStartTime": {"dateTime": "2026-04-06T07:00:00Z"},
    },
)
LUNCH = graph("m-lunch", "2026-03-03T11:00:00", "2026-03-03T12:00:00")
TRIP = graph("m-trip", "2026-04-10", "2026-04-13")
STANDUP = graph("m-standup", "2026-03-23T08:00:00", "2026-03-23T08:15:00", recurrence=weekly("2026-03-23", count=4))
MOVED = graph(
    "m-standup-2",
    "2026-03-30T09:00:00",
    "2026-03-30T09:15:00",
    seriesMasterId="m-standup",
    originalStart="2026-03-30T07:00:00.0000000Z",
)
CANCELLED = {
    "id": "m-standup-3",
    "seriesMasterId": "m-standup",
    "originalStart": "2026-04-06T07:00:00.0000000Z",
    "isCancelled": True,
}
RIGHT = (LUNCH, TRIP, STANDUP, MOVED, CANCELLED)


def verdict(*mirrors: dict[str, Any], source: tuple[dict[str, Any], ...] = SOURCE) -> oracle.Verdict:
    """The judgement of these mirrors."""
    calendars = [
        Calendar(
            name="work",
            provider="google",
            items=source,
            real=frozenset(item["id"] for item in source if "recurringEventId" not in item),
        ),
        Calendar(name="home", provider="microsoft", items=mirrors, real=frozenset()),
    ]
    return oracle.judge(calendars, [BUSY], now=NOW, private=[SECRET])


def kinds(judged: oracle.Verdict) -> list[str]:
    """What was found, sorted."""
    return sorted(finding.kind for finding in judged.findings)


def test_right_mirrors_are_right() -> None:
    judged = verdict(*RIGHT)

    assert judged.findings == []
    assert judged.mirrors == 3


def test_missing_mirror_is_lost_and_named() -> None:
    judged = verdict(*RIGHT[1:])

    assert kinds(judged) == ["lost"]
    assert "lunch" in str(judged.findings[0])
    assert "2026-03-03 11:00" in str(judged.findings[0])


def test_missing_occurrences_are_lost_one_by_one() -> None:
    shorter = STANDUP | {"recurrence": weekly("2026-03-23", count=2)}

    judged = verdict(LUNCH, TRIP, shorter, MOVED)

    assert kinds(judged) == ["lost"]


def test_second_mirror_of_one_event_is_a_duplicate() -> None:
    judged = verdict(*RIGHT, LUNCH | {"id": "again"})

    assert kinds(judged) == ["duplicate"]
    assert "again" in str(judged.findings[0]) or "m-lunch" in str(judged.findings[0])


def test_two_events_at_one_time_have_two_mirrors() -> None:
    both = (*SOURCE, google("other", "2026-03-03T11:00:00Z", "2026-03-03T12:00:00Z"))

    assert kinds(verdict(*RIGHT, source=both)) == ["lost"]
    assert kinds(verdict(*RIGHT, LUNCH | {"id": "second"}, source=both)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(graph("m-lunch", "2026-03-03T12:00:00", "2026-03-03T13:00:00"), id="shifted by an hour"),
        pytest.param(graph("m-lunch", "2026-03-03T11:00:00", "2026-03-03T12:30:00"), id="too long"),
    ],
)
def test_mirror_at_the_wrong_time_is_a_loss_and_a_stray(wrong: dict[str, Any]) -> None:
    assert kinds(verdict(wrong, *RIGHT[1:])) == ["lost", "stray"]


@pytest.mark.parametrize(("start", "end"), [("2026-04-09", "2026-04-12"), ("2026-04-10", "2026-04-12")])
def test_all_day_mirror_off_by_one_day_is_a_loss_and_a_stray(start: str, end: str) -> None:
    judged = verdict(LUNCH, graph("m-trip", start, end), STANDUP, MOVED, CANCELLED)

    assert kinds(judged) == ["lost", "stray"]


def test_series_that_ignores_the_change_of_clocks_is_found() -> None:
    in_utc = weekly("2026-03-23", count=4)
    in_utc["range"]["recurrenceTimeZone"] = "UTC"
    frozen = STANDUP | {"recurrence": in_utc}
    moved = MOVED | {"originalStart": "2026-03-30T08:00:00.0000000Z"}
    cancelled = CANCELLED | {"originalStart": "2026-04-06T08:00:00.0000000Z"}

    judged = verdict(LUNCH, TRIP, frozen, moved, cancelled)

    assert kinds(judged) == ["lost", "stray"]


def test_instance_that_was_cancelled_at_the_source_alone_is_a_stray() -> None:
    assert kinds(verdict(LUNCH, TRIP, STANDUP, MOVED)) == ["stray"]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        pytest.param({"subject": SECRET}, ["altered", "leak"], id="title"),
        pytest.param({"body": {"contentType": "html", "content": f"<p>{SECRET}</p>"}}, ["altered", "leak"], id="body"),
        pytest.param({"location": {"displayName": "Zurich"}}, ["altered"], id="place"),
        pytest.param({"sensitivity": "normal"}, ["leak"], id="public"),
        pytest.param({"showAs": "free"}, ["altered"], id="free"),
        pytest.param({"isReminderOn": True}, ["altered"], id="reminder"),
        pytest.param({"attendees": [{}]}, ["guests"], id="guests"),
        pytest.param({"singleValueExtendedProperties": [{"id": "x", "value": SECRET}]}, ["leak"], id="hidden"),
        pytest.param({"isOnlineMeeting": True}, ["leak"], id="meeting"),
    ],
)
def test_mirror_that_shows_or_does_too_much_is_found(wrong: dict[str, Any], expected: list[str]) -> None:
    assert kinds(verdict(LUNCH | wrong, *RIGHT[1:])) == expected


def test_mirror_of_a_free_event_is_a_stray() -> None:
    assert kinds(verdict(*RIGHT, graph("m-free", "2026-03-03T15:00:00", "2026-03-03T16:00:00"))) == ["stray"]


def test_mirror_of_a_declined_event_is_a_stray() -> None:
    answer = {"email": "me@example.com", "self": True, "responseStatus": "declined"}
    declined = (SOURCE[0] | {"attendees": [answer]}, *SOURCE[1:])

    assert kinds(verdict(*RIGHT, source=declined)) == ["stray"]


def test_event_outside_the_window_has_no_mirror() -> None:
    far = (*SOURCE, google("far", "2027-03-20T11:00:00Z", "2027-03-20T12:00:00Z"))

    assert kinds(verdict(*RIGHT, source=far)) == []
    assert kinds(verdict(*RIGHT, graph("m-far", "2027-03-20T11:00:00", "2027-03-20T12:00:00"), source=far)) == ["stray"]


def test_event_at_the_edge_of_the_window_may_have_a_mirror_or_not() -> None:
    edge = (NOW + timedelta(days=365)).strftime("%Y-%m-%dT%H:%M:%S")
    after = (NOW + timedelta(days=365, hours=1)).strftime("%Y-%m-%dT%H:%M:%S")
    source = (*SOURCE, google("edge", f"{edge}Z", f"{after}Z"))

    assert kinds(verdict(*RIGHT, source=source)) == []
    assert kinds(verdict(*RIGHT, graph("m-edge", edge, after), source=source)) == []


def test_what_a_person_made_in_the_target_is_no_mirror() -> None:
    own = graph("own", "2026-03-05T08:00:00", "2026-03-05T09:00:00", subject=SECRET)
    calendars = [
        Calendar(name="work", provider="google", items=(), real=frozenset()),
        Calendar(name="home", provider="microsoft", items=[own], real=frozenset({"own"})),
    ]

    judged = oracle.judge(calendars, [BUSY], now=NOW, private=[SECRET])

    assert judged == oracle.Verdict()


def test_mirror_of_a_mirror_is_a_stray() -> None:
    back = google(
        "echo",
        "2026-03-03T11:00:00Z",
        "2026-03-03T12:00:00Z",
        summary="Busy",
        visibility="private",
        reminders={"useDefault": False},
    )
    calendars = [
        Calendar(name="work", provider="google", items=[SOURCE[0], back], real=frozenset({"lunch"})),
        Calendar(name="home", provider="microsoft", items=[LUNCH], real=frozenset()),
    ]

    judged = oracle.judge(calendars, [BUSY, replace(FULL, privacy="busy")], now=NOW)

    assert kinds(judged) == ["stray"]
    assert "echo" in str(judged.findings[0])


def test_full_mirror_has_title_text_and_place_whatever_dress_the_text_wears() -> None:
    html = "<html><body><p>Bring the <b>&euro;&nbsp;list</b></p><p>and 🎉</p></body></html>"
    real = graph(
        "talk",
        "2026-03-05T08:00:00",
        "2026-03-05T09:00:00",
        subject="Talk  ",
        body={"contentType": "html", "content": html},
        location={"displayName": "Room 4"},
    )
    mirror = google(
        "m-talk",
        "2026-03-05T08:00:00Z",
        "2026-03-05T09:00:00Z",
        summary="Talk",
        description="Bring the <b>€ list</b><br>and 🎉",
        location="Room 4",
        visibility="private",
        reminders={"useDefault": False},
    )

    def judged(**wrong: Any) -> list[str]:
        home = Calendar(name="home", provider="microsoft", items=[real], real=frozenset({"talk"}))
        work = Calendar(name="work", provider="google", items=[mirror | wrong], real=frozenset())
        return kinds(oracle.judge([home, work], [FULL], now=NOW))

    assert judged() == []
    assert judged(description="Bring the list") == ["altered"]
    assert judged(summary="Busy") == ["altered"]
    assert judged(location="") == ["altered"]


def test_mail_about_a_mirror_and_a_write_to_a_real_event_are_found() -> None:
    calendar = Calendar(name="work", provider="google", items=SOURCE, real=frozenset({"standup", "lunch"}))
    write = {
        "calendar": "work",
        "client_id": "kalends",
        "operation": "update",
        "event": "standup_20260330T070000Z",
        "at": "",
    }

    found = oracle.courtesy(
        "google",
        [calendar],
        mail=[
            {"kind": "invitation", "to": ["a@example.com"], "event": "lunch"},
            {"kind": "invitation", "to": ["a@example.com"], "event": "mirror"},
        ],
        writes=[write | {"origin": "api"}, write | {"origin": "person"}, write | {"origin": "api", "event": "mirror"}],
    )

    assert [finding.kind for finding in found] == ["mail", "touched"]
    assert "mirror" in found[0].what
    assert "standup" in found[1].what


def caldav(id_: str, *lines: str, **more: str) -> dict[str, Any]:
    """A resource of a CalDAV calendar with one event, made as a busy mirror should be, and these further lines."""
    given = {"UID": id_, "SUMMARY": "Busy", "CLASS": "PRIVATE", "TRANSP": "OPAQUE", "STATUS": "CONFIRMED", **more}
    event = [*(f"{name}:{value}" for name, value in given.items()), *lines]
    whole = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//A//EN", "BEGIN:VEVENT", *event, "END:VEVENT", "END:VCALENDAR"]
    return {"id": id_, "data": "\r\n".join([*whole, ""])}


MIRRORED_AT_CALDAV = (
    caldav("c-lunch", "DTSTART:20260303T110000Z", "DTEND:20260303T120000Z"),
    caldav("c-trip", "DTSTART;VALUE=DATE:20260410", "DTEND;VALUE=DATE:20260413"),
    caldav(
        "c-standup",
        "DTSTART;TZID=Europe/Zurich:20260323T090000",
        "DTEND;TZID=Europe/Zurich:20260323T091500",
        "RRULE:FREQ=WEEKLY;COUNT=4",
        "EXDATE;TZID=Europe/Zurich:20260406T090000",
        "END:VEVENT",
        "BEGIN:VEVENT",
        "UID:c-standup",
        "RECURRENCE-ID;TZID=Europe/Zurich:20260330T090000",
        "DTSTART;TZID=Europe/Zurich:20260330T110000",
        "DTEND;TZID=Europe/Zurich:20260330T111500",
        "SUMMARY:Busy",
        "CLASS:PRIVATE",
    ),
)


def at_caldav(*mirrors: dict[str, Any]) -> oracle.Verdict:
    """The judgement of these mirrors in a CalDAV calendar."""
    work = Calendar(name="work", provider="google", items=SOURCE, real=frozenset({"lunch", "trip", "free", "standup"}))
    home = Calendar(name="home", provider="caldav", items=mirrors, real=frozenset())
    return oracle.judge([work, home], [BUSY], now=NOW, private=[SECRET])


def test_right_mirrors_at_caldav_are_right() -> None:
    judged = at_caldav(*MIRRORED_AT_CALDAV)

    assert judged.findings == []
    assert judged.mirrors == 3


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"SUMMARY": SECRET}, ["altered", "leak"]),
        ({"X-NOTE": SECRET}, ["leak"]),
        ({"CLASS": "PUBLIC"}, ["leak"]),
        ({"STATUS": "TENTATIVE"}, ["altered"]),
        ({"STATUS": "CANCELLED"}, ["lost"]),
        ({"ATTENDEE": "mailto:kim@example.com"}, ["guests"]),
        ({"ATTACH": "https://example.com/minutes.pdf"}, ["leak"]),
    ],
)
def test_wrong_mirror_at_caldav_is_found(wrong: dict[str, str], expected: list[str]) -> None:
    lunch = caldav("c-lunch", "DTSTART:20260303T110000Z", "DTEND:20260303T120000Z", **wrong)

    assert sorted(kinds(at_caldav(lunch, *MIRRORED_AT_CALDAV[1:]))) == expected


def test_alarm_at_caldav_is_found() -> None:
    alarm = ("BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER:-PT5M", "DESCRIPTION:!", "END:VALARM")
    lunch = caldav("c-lunch", "DTSTART:20260303T110000Z", "DTEND:20260303T120000Z", *alarm)

    assert kinds(at_caldav(lunch, *MIRRORED_AT_CALDAV[1:])) == ["altered"]


def test_missing_and_second_mirrors_at_caldav_are_found() -> None:
    lunch, trip, standup = MIRRORED_AT_CALDAV

    assert kinds(at_caldav(trip, standup)) == ["lost"]
    assert kinds(at_caldav(lunch, lunch | {"id": "again"}, trip, standup)) == ["duplicate"]


EDIT = oracle.Edit(
    calendar="work",
    event="lunch",
    title="Lunch",
    when=(datetime(2026, 3, 3, 13, tzinfo=UTC), datetime(2026, 3, 3, 14, tzinfo=UTC)),
)


@pytest.mark.parametrize(
    ("start", "end", "title", "found"),
    [
        ("2026-03-03T13:00:00Z", "2026-03-03T14:00:00Z", "Lunch", []),
        ("2026-03-03T11:00:00Z", "2026-03-03T12:00:00Z", "Lunch", ["lost"]),
        ("2026-03-03T13:00:00Z", "2026-03-03T14:00:00Z", SECRET, ["lost"]),
    ],
)
def test_edit_of_a_mirror_is_lost_unless_its_event_shows_it(start: str, end: str, title: str, found: list[str]) -> None:
    lunch = google("lunch", start, end, summary=title)
    work = Calendar(name="work", provider="google", items=[lunch], real=frozenset({"lunch"}))

    assert [finding.kind for finding in oracle.flowed_back([work], [EDIT], now=NOW)] == found


def test_edit_of_a_mirror_is_lost_when_another_event_shows_it() -> None:
    other = google("other", "2026-03-03T13:00:00Z", "2026-03-03T14:00:00Z", summary="Lunch")
    work = Calendar(name="work", provider="google", items=[other], real=frozenset({"lunch", "other"}))

    assert [finding.kind for finding in oracle.flowed_back([work], [EDIT], now=NOW)] == ["lost"]


def test_programs_may_update_what_was_edited_elsewhere_and_nothing_else() -> None:
    work = Calendar(name="work", provider="google", items=SOURCE, real=frozenset({"lunch", "trip"}))
    write = {"calendar": "work", "client_id": "kalends", "at": "2026-03-01T12:00:00Z", "origin": "api"}
    writes = [
        write | {"operation": "update", "event": "lunch"},
        write | {"operation": "delete", "event": "lunch"},
        write | {"operation": "update", "event": "trip"},
    ]

    found = oracle.courtesy("google", [work], mail=[], writes=writes, edits=[EDIT])

    assert [finding.what.split(",")[0] for finding in found] == [
        "kalends did delete on lunch",
        "kalends did update on trip",
    ]
