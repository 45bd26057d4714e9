"""The part of the contract about what mirrors hold: texts, times, guests, markers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from shared.calendar import recurrence
from shared.calendar.event import Availability, Status, Text
from shared.providers.port import (
    CancelOccurrence,
    Delete,
    Update,
    WriteOccurrence,
)
from tests.providers.replica import WINDOW
from tests.providers.samples import (
    BERLIN,
    MARKER,
    MONDAYS,
    accepted,
    at,
    days,
    event,
    get,
    insert,
    timed,
    weekly,
    write,
)

if TYPE_CHECKING:
    from shared.calendar.span import Span
    from tests.providers.world import World


class ContentsContract:
    """What every provider keeps of a mirror."""

    # Texts, times, guests

    @pytest.mark.promise(3)
    @pytest.mark.pain(3)
    @pytest.mark.parametrize(
        "text",
        [
            Text(title="🦷 Zahnarzt 👩🏽‍⚕️", description="👍", location="🏥"),
            Text(title="Review", description="<p>Hello <b>you</b> &amp; me</p>", is_html=True),
            Text(title="a < b & c > d", description="1 < 2 & 3 > 2"),
            Text(title="Lines", description="one\r\ntwo\r\n\r\nthree"),
            Text(title="Spaces  ", description="trailing \n", location="  leading"),
            Text(title="Long", description="word " * 1638),
            Text(title="עברית العربية 漢字 e\u0301", description="zero\u200bwidth"),
            Text(title="x" * 250),
        ],
        ids=["emoji", "html", "angles", "crlf", "spaces", "8 kB", "scripts", "long title"],
    )
    def test_odd_texts_come_to_rest_after_one_write(self, world: World, text: Text) -> None:
        first = insert(world, event(text=text))
        assert first.text is not None

        again = Update(event_id=first.id, marker=MARKER, appearance=event(text=first.text), etag=first.etag)
        second = accepted(write(world, again)[0]).event

        assert second is not None
        assert second.text == first.text
        assert get(world, first.id).root.text == first.text
        assert first.text.title.strip() == text.title.strip()

    @pytest.mark.pain(6)
    @pytest.mark.parametrize(
        "span",
        [
            timed(at(2), minutes=0),
            timed(at(29, 1), minutes=120),
            timed(at(25, 1, 30, month=10), minutes=120),
            timed(at(2, zone="America/New_York"), minutes=45),
            timed(at(2, zone="UTC")),
            days(2),
            days(28, 4),
        ],
        ids=["zero length", "into summer", "into winter", "new york", "utc", "all-day", "four days"],
    )
    def test_spans_are_written_as_they_are(self, world: World, span: Span) -> None:
        written = insert(world, event("Busy", span)).span

        assert written is not None
        assert (written.is_all_day, written.starts_at(), written.ends_at()) == (
            span.is_all_day,
            span.starts_at(),
            span.ends_at(),
        )

    @pytest.mark.pain(5)
    @pytest.mark.parametrize("zone", [BERLIN, "America/New_York", "Australia/Sydney", "UTC"])
    def test_local_time_holds_for_two_years(self, world: World, zone: str) -> None:
        nine = weekly("Busy", timed(at(5, month=1, zone=zone)), rule="FREQ=WEEKLY")

        series = insert(world, nine)

        found = recurrence.occurrences(get(world, series.id), WINDOW)
        assert len(found) > 100
        assert {f"{one.span.starts_at().astimezone(ZoneInfo(zone)):%a %H:%M}" for one in found} == {"Mon 09:00"}

    def test_tentative_mirrors_are_told_from_certain_ones(self, world: World) -> None:
        maybe = event("Maybe", availability=Availability.TENTATIVE, status=Status.TENTATIVE)

        written = insert(world, maybe)

        assert written.availability is Availability.TENTATIVE

    @pytest.mark.promise(9)
    @pytest.mark.pain(12)
    def test_no_guest_hears_of_a_mirror(self, world: World) -> None:
        series = insert(world, weekly("With guest@example.com"))

        write(world, Update(event_id=series.id, marker=MARKER, appearance=weekly("Changed")))
        write(world, WriteOccurrence(series_id=series.id, key=MONDAYS[1], appearance=event("Moved")))
        write(world, CancelOccurrence(series_id=series.id, key=MONDAYS[2]))
        assert world.guests(series.id) == []
        write(world, Delete(event_id=series.id, marker=MARKER))

        assert world.mails() == 0

    @pytest.mark.promise(9)
    @pytest.mark.pain(12)
    def test_a_guest_added_to_a_mirror_by_hand_hears_nothing_from_us(self, world: World) -> None:
        invited = world.add(event("Meeting"), guest="guest@example.com")
        before = world.mails()

        write(world, Update(event_id=invited, marker=MARKER, appearance=event("Changed", days(9))))
        write(world, Delete(event_id=invited, marker=MARKER))

        assert world.mails() == before

    # Markers

    @pytest.mark.pain(15)
    def test_mirrors_are_found_by_their_markers_and_nothing_else_is(self, world: World) -> None:
        world.add(event("Not ours"))
        single = insert(world, event("Busy"), 1)
        series = insert(world, weekly("Busy"), 2)
        write(world, WriteOccurrence(series_id=series.id, key=MONDAYS[1], appearance=event("Busy", timed(at(24, 14)))))
        deleted = insert(world, event("Busy"), 3)
        write(world, Delete(event_id=deleted.id, marker=MARKER))

        found = world.provider.find_marked(world.calendar_id)

        assert sorted(one.id for one in found) == sorted([single.id, series.id])
        assert {one.marker for one in found} == {MARKER}
