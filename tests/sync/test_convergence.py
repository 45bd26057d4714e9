"""Random lives of linked calendars: edits on all sides, lost and repeated messages, kills, expired cursors.

Whatever happened, once it is quiet every link is in step: one mirror for each event that should show, at its time,
none for any other, and further looks write nothing (promises 1 to 7 and 10).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, precondition, rule, run_state_machine_as_test

from shared.calendar import recurrence
from shared.calendar.event import Availability, Event, Status, Text, Unit
from shared.calendar.span import AllDaySpan, TimedSpan, Window
from shared.core import clock
from shared.sync import dispatch
from shared.sync.store import orphans
from tests.sync.lives import Lives
from tests.sync.world import NOW, event

HOURS = st.integers(min_value=1, max_value=200)


class Calendars(Lives):
    """Two calendars linked both ways (masked one way, in full the other) and a third that both feed."""

    events = Bundle("events")
    series = Bundle("series")

    def begin(self) -> None:
        a, b, c = self.calendars
        self.links = [
            self.world.link(a, b),
            self.world.link(b, a, privacy="full"),
            self.world.link(a, c, privacy="title"),
            self.world.link(b, c),
        ]
        self.number = 0
        self.own: dict = {one: {} for one in self.calendars}

    def _store(self, calendar, one: Event) -> None:
        self.own[calendar][one.id] = self.world.put(calendar, one)

    @rule(target=events, place=st.sampled_from([0, 1]), hours=HOURS, title=st.sampled_from(["x", "🦷 <b>", " y\r\n"]))
    def add(self, place, hours, title):
        self.number += 1
        calendar = self.calendars[place]
        self._store(calendar, event(f"e{self.number}", hours=hours, title=title))
        return calendar, f"e{self.number}"

    @rule(target=series, place=st.sampled_from([0, 1]), hours=HOURS, all_day=st.booleans(), count=st.integers(2, 8))
    def add_series(self, place, hours, all_day, count):
        self.number += 1
        calendar = self.calendars[place]
        start = NOW + timedelta(hours=hours)
        span = (
            AllDaySpan(start=start.date(), end=start.date() + timedelta(days=1))
            if all_day
            else TimedSpan(start=start, end=start + timedelta(minutes=30), zone="America/New_York")
        )
        rules = (f"RRULE:FREQ=DAILY;COUNT={count}",)
        self._store(calendar, Event(id=f"s{self.number}", span=span, text=Text(title="series"), recurrence=rules))
        return calendar, f"s{self.number}"

    @rule(one=events, hours=HOURS)
    def move(self, one, hours):
        calendar, event_id = one
        if event_id in self.own[calendar]:
            self._store(calendar, replace(self.own[calendar][event_id], span=event(event_id, hours=hours).span))

    @rule(one=events, availability=st.sampled_from([Availability.FREE, Availability.BUSY, Availability.TENTATIVE]))
    def mark(self, one, availability):
        calendar, event_id = one
        if event_id in self.own[calendar]:
            self._store(calendar, replace(self.own[calendar][event_id], availability=availability))

    @rule(one=st.one_of(events, series))
    def delete(self, one):
        calendar, event_id = one
        if event_id in self.own[calendar]:
            del self.own[calendar][event_id]
            for override in [o for o in self.own[calendar].values() if o.series_id == event_id]:
                del self.own[calendar][override.id]
            self.world.server.remove(self.world.remote[calendar], event_id)

    @rule(one=series, place=st.integers(0, 7), shift=st.sampled_from([None, 0, 2, 26]))
    def change_occurrence(self, one, place, shift):
        calendar, series_id = one
        master = self.own[calendar].get(series_id)
        if master is None:
            return
        found = recurrence.occurrences(Unit(root=master), Window(start=None, end=None))
        original = found[place % len(found)].original_start
        span = found[place % len(found)].span
        override_id = f"{series_id}_{place % len(found)}"
        if shift is None:
            changed = Event(id=override_id, span=None, status=Status.CANCELLED)
        elif isinstance(span, AllDaySpan):
            days = timedelta(days=shift // 13)
            changed = Event(id=override_id, span=AllDaySpan(start=span.start + days, end=span.end + days))
        else:
            hours = timedelta(hours=shift)
            changed = Event(id=override_id, span=TimedSpan(start=span.start + hours, end=span.end + hours, zone="UTC"))
        self._store(calendar, replace(changed, text=Text(title="moved"), series_id=series_id, original_start=original))

    @rule(place=st.integers(0, 2), pick=st.integers(0, 50), gone=st.booleans())
    def meddle_with_a_mirror(self, place, pick, gone):
        mirrors = self.world.mirrors(self.calendars[place])
        if not mirrors:
            return
        mirror = mirrors[pick % len(mirrors)]
        if gone:
            self.world.server.remove(self.world.remote[self.calendars[place]], mirror.id)
        else:
            self.world.put(self.calendars[place], replace(mirror, text=Text(title="meddled")))

    @precondition(lambda self: hasattr(self, "world"))
    @invariant()
    def no_guest_is_notified_and_nothing_of_others_is_deleted(self):
        for calendar, own in self.own.items():
            present = {one.id for one in self.world.server.visible(self.world.remote[calendar])}
            assert own.keys() <= present

    def _quiet(self) -> None:
        for _ in range(3):
            self.time_passes()
            with self.world.database.person(self.world.user_id) as conn:
                conn.execute(
                    "UPDATE event_mappings SET state = 'open', requested = requested + 1 WHERE state = 'frozen'"
                )
                for (hold_id,) in conn.execute("SELECT id FROM held_changes WHERE resolution IS NULL").fetchall():
                    from shared.sync import held

                    held.resolve(conn, hold_id, approved=True, user_id=self.world.user_id, actor="test")
                for calendar in self.calendars:
                    orphans.approve(conn, calendar, now=clock.now())
            self.world.look(*self.calendars)
            self.world.run()
            dispatch.dispatch(self.world.engine, correlation_id="test", now=clock.now() + timedelta(hours=1))
            self.world.run()

    def end(self) -> None:
        self._quiet()
        writes = len(self.world.server.writes)
        for link in self.links:
            wanted, found = self._wanted(link), self._found(link)
            assert found == wanted, f"lost {wanted - found}, stray or duplicate {found - wanted}"
        known = {mapping_id.hex for (mapping_id,) in self.world.rows("SELECT id FROM event_mappings")}
        marked = [one for calendar in self.calendars for one in self.world.mirrors(calendar)]
        assert [one.id for one in marked if one.marker.partition(".")[0] not in known] == []
        self._quiet()
        assert self.world.server.writes[writes:] == []

    def _wanted(self, link) -> Counter:
        """When each event of the person's own in the source should block the target."""
        times: Counter = Counter()
        own = self.own[link.source_calendar_id]
        for one in own.values():
            if one.series_id is None and one.availability is not Availability.FREE:
                overrides = tuple(o for o in own.values() if o.series_id == one.id)
                times.update(_times(Unit(root=one, overrides=overrides)))
        return times

    def _found(self, link) -> Counter:
        """When the mirrors of this link block the target: told apart by the mapping in their marker."""
        ours = {
            str(mapping_id.hex)
            for (mapping_id,) in self.world.rows("SELECT id FROM event_mappings WHERE link_id = %s", link.id)
        }
        visible = self.world.server.visible(self.world.remote[link.target_calendar_id])
        times: Counter = Counter()
        for one in visible:
            if one.marker and one.marker.partition(".")[0] in ours:
                overrides = tuple(o for o in visible if o.series_id == one.id)
                times.update(_times(Unit(root=one, overrides=overrides)))
        return times


def _times(unit: Unit) -> list:
    if not unit.root.recurrence:
        return [(unit.root.span.starts_at(), unit.root.span.ends_at(), unit.root.span.is_all_day)]
    return [
        (one.span.starts_at(), one.span.ends_at(), one.span.is_all_day)
        for one in recurrence.occurrences(unit, Window(start=None, end=None))
    ]


@pytest.mark.promise(1, 2, 3, 4, 5, 9, 13)
@pytest.mark.pain(2)
@pytest.mark.slow
def test_linked_calendars_converge_whatever_happens(database, logins, record_property):
    class Bound(Calendars):
        tried = 0

        def __init__(self) -> None:
            super().__init__()
            Bound.tried += 1

    Bound.database, Bound.logins = database, logins
    run_state_machine_as_test(
        Bound,
        settings=settings(
            max_examples=40,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
    record_property("examples", Bound.tried)
