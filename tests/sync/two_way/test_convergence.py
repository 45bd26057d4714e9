"""Random lives of calendars that are linked both ways: edits of events and of their mirrors, on all sides.

Whatever happened, once it is quiet every calendar holds the same events, each once, no value came back that somebody
had changed since, and further looks write nothing (promises 1 to 4 and 13).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from shared.calendar import recurrence
from shared.calendar.event import Event, Status, Unit
from shared.calendar.span import TimedSpan, Window
from shared.core import clock
from shared.sync import dispatch
from shared.sync.store import orphans
from shared.sync.two_way import groups
from tests.sync.lives import Lives
from tests.sync.world import by, event, occurrence

PLACES = st.integers(0, 2)
PICKS = st.integers(0, 50)
FIELDS = ("title", "location", "start")


class TwoWay(Lives):
    """A group of three calendars, in full."""

    policy = "newest"
    privacy = "full"

    def begin(self) -> None:
        self.number = 0
        self.agreed: dict[str, dict] = {}
        """By event, named by its description, the values of its fields when all was quiet."""
        self.edits: dict[str, dict[str, dict[int, object]]] = {}
        """By event and field, what was last written into it since, by calendar."""
        groups.create(
            self.world.engine,
            by(self.world),
            calendar_ids=self.calendars,
            privacy=self.privacy,
            on_conflict=self.policy,
        )
        self.world.look(*self.calendars)
        self.world.run()

    is_restored = False

    @precondition(lambda self: self.backup is not None)
    @rule()
    def restore(self):
        self.put_back_up()
        self.is_restored = True

    # What people do

    @rule(place=PLACES, hours=st.integers(30, 200), weekly=st.booleans())
    def add(self, place, hours, weekly):
        self.number += 1
        name = f"event {self.number}"
        rules = ("RRULE:FREQ=WEEKLY;COUNT=5",) if weekly else ()
        made = event(f"e{self.number}", hours=hours, title=f"{name}, as it began", recurrence=rules)
        made = replace(made, text=replace(made.text, description=name))
        self.world.put(self.calendars[place], made)
        self.agreed[name] = values(made)
        self.edits[name] = {}

    @rule(place=PLACES, pick=PICKS, field=st.sampled_from(FIELDS), number=st.integers(1, 9))
    def edit(self, place, pick, field, number):
        one = self._pick(place, pick)
        if one is None:
            return
        text, span = one.text, one.span
        if field == "title":
            text = replace(text, title=f"{text.description}, {number} of {place}")
        elif field == "location":
            text = replace(text, location=f"Street {number}")
        else:
            hours = timedelta(hours=number)
            span = TimedSpan(start=span.start + hours, end=span.end + hours, zone=span.zone)
        changed = replace(one, text=text, span=span)
        self.world.put(self.calendars[place], changed)
        self.edits[text.description].setdefault(field, {})[place] = values(changed)[field]

    @rule(place=PLACES, pick=PICKS, which=st.integers(0, 4), title=st.sampled_from(["first", "second"]))
    def edit_an_occurrence(self, place, pick, which, title):
        one = self._pick(place, pick)
        if one is None or not one.recurrence:
            return
        found = occurrence(one, which, text=replace(one.text, title=f"{title} of {which}"))
        standing = next((o for o in self._overrides(place, one) if o.original_start == found.original_start), found)
        self.world.put(self.calendars[place], replace(standing, text=found.text, status=Status.CONFIRMED))
        # Whoever changes an occurrence wants its place in the series: against a move of the series that is a conflict.
        self.edits[one.text.description].setdefault("start", {}).setdefault(place, values(one)["start"])

    @rule(place=PLACES, pick=PICKS)
    def delete_a_mirror(self, place, pick):
        one = self._pick(place, pick)
        if one is None or not one.marker:
            return
        self.world.server.remove(self.world.remote[self.calendars[place]], one.id)
        name = one.text.description
        for field, written in self.edits[name].items():
            if place in written:  # perhaps nobody had read it: then it is gone with the mirror
                written[~place] = self.agreed[name][field]

    @rule()
    def rest(self):
        """All becomes quiet, in the middle of life."""
        self._quiet()
        self._check()

    # What is asked of it

    def end(self) -> None:
        self._quiet()
        self._check()
        writes = len(self.world.server.writes)
        self._quiet()
        assert self.world.server.writes[writes:] == []

    def _check(self) -> None:
        contents = [self._content(place) for place in range(3)]
        for one in contents:
            assert Counter(name for name, _, _ in one) == Counter(list(self.agreed)), "lost or doubled"
        for name, shown, times in contents[0]:
            for other in contents[1:]:
                (theirs,) = [found for found in other if found[0] == name]
                assert theirs == (name, shown, times), "out of step"
            for field, value in zip(FIELDS, shown, strict=True):
                edits = list(self.edits[name].get(field, {}).values())
                # After a restore the source wins, and what a mirror shows otherwise is kept as a conflict.
                allowed = [*edits, *([self.agreed[name][field]] if self.is_restored or not edits else [])]
                assert value in allowed, f"{field} of {name} came from nowhere"
            self.agreed[name] = dict(zip(FIELDS, shown, strict=True))
            self.edits[name] = {}
        self.is_restored = False
        assert self.world.rows("SELECT count(*) FROM event_mappings WHERE edit IS NOT NULL") == [(0,)]

    def _content(self, place: int) -> list:
        """Every event of a calendar: its name, what it shows, and when it happens with what title."""
        found = []
        for root in self._roots(place):
            unit = Unit(root=root, overrides=tuple(self._overrides(place, root)))
            titles = {one.original_start: one.text.title for one in unit.overrides if one.text}
            times = (
                [
                    (one.span.starts_at(), one.span.ends_at(), titles.get(one.original_start, root.text.title))
                    for one in recurrence.occurrences(unit, Window(start=None, end=None))
                ]
                if root.recurrence
                else []
            )
            found.append((root.text.description, tuple(values(root).values()), tuple(times)))
        return found

    def _quiet(self) -> None:
        for _ in range(4):
            self.time_passes()
            with self.world.database.everyone() as conn:
                conn.execute(
                    "UPDATE event_mappings SET state = 'open', requested = requested + 1 WHERE state = 'frozen'"
                )
                for calendar in self.calendars:
                    orphans.approve(conn, calendar, now=clock.now())
            self.world.look(*self.calendars)
            self.world.run()
            dispatch.dispatch(self.world.engine, correlation_id="test", now=clock.now() + timedelta(hours=1))
            self.world.run()

    def _roots(self, place: int) -> list[Event]:
        visible = self.world.server.visible(self.world.remote[self.calendars[place]])
        return sorted((one for one in visible if not one.is_override), key=lambda one: one.text.description)

    def _overrides(self, place: int, root: Event) -> list[Event]:
        visible = self.world.server.visible(self.world.remote[self.calendars[place]])
        return [one for one in visible if one.series_id == root.id]

    def _pick(self, place: int, pick: int) -> Event | None:
        roots = self._roots(place)
        return roots[pick % len(roots)] if roots else None


def values(one: Event) -> dict[str, object]:
    """What is compared of an event."""
    assert one.text is not None
    assert one.span is not None
    return {"title": one.text.title, "location": one.text.location, "start": one.span.starts_at()}


@pytest.mark.promise(1, 2, 3, 4, 13)
@pytest.mark.slow
@pytest.mark.parametrize("policy", ["newest", "source", "target"])
def test_calendars_linked_both_ways_converge_whatever_happens(database, logins, record_property, policy):
    class Bound(TwoWay):
        tried = 0

        def __init__(self) -> None:
            super().__init__()
            Bound.tried += 1

    Bound.database, Bound.logins, Bound.policy = database, logins, policy
    run_state_machine_as_test(
        Bound,
        settings=settings(
            max_examples=15,
            phases=[Phase.generate],
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
    record_property("examples", Bound.tried)
