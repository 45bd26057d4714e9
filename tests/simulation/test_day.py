"""A small day of a few people (`make day` lives a whole one), and whether it would see what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulation import day, history, spending, store
from tests.simulation.machine import Machine
from tests.simulation.working import Day, Size, beginning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.store import Store

SMALL = Size(people=6, hours=3, edits=(40, 80), imported=30, meddlers=2)


@pytest.fixture(scope="module")
def served() -> Iterator[Store]:
    with store.serve() as one:
        yield one


def test_a_day_of_several_people_keeps_every_promise_and_every_quota_line(served):
    outcome = day.run(served, SMALL)

    assert outcome.report.findings == []
    assert outcome.is_good
    assert outcome.told["calendars"] == 18
    assert min(outcome.told[name] for name in ("links", "mirrors", "edits", "writes", "faults")) > 0
    assert outcome.report.faults["provider is away"] > 0
    assert all(sum(counts) > 0 for counts in outcome.spending.per_person.values())
    assert len(outcome.spending.table().splitlines()) == 10


def test_a_day_is_the_same_each_time(served):
    first, second = (day.run(served, Size(people=3, hours=1)).report.digest for _ in range(2))

    assert first == second


def test_what_is_wrong_for_one_person_of_many_is_seen(served):
    lived = Day(served, Machine(1, begin=beginning()), SMALL)
    assert history.through(lived).findings == []
    shelf = next(shelf for shelf in lived.people[-1].person.shelves if shelf.living("kalends"))
    mirror = shelf.living("kalends")[0]

    lived.world.server.erase(shelf, mirror["id"], by="kalends")
    lived.judge("in the end", excused=set())

    kinds = [one.partition(":")[0] for one in lived.report.findings]
    assert sorted(kinds) == ["lost", "not journalled", "unproved delete"]


def test_a_word_of_another_person_is_a_leak(served):
    lived = Day(served, Machine(2, begin=beginning()), Size(people=3, hours=1))
    assert history.through(lived).findings == []
    first, other = lived.people[0].person, lived.people[1].person
    word = first.shelves[0].living("person")[0]["title"]
    shelf = next(shelf for shelf in other.shelves if shelf.living("kalends"))
    mirror = shelf.living("kalends")[0]

    lived.world.server.put(shelf, {**mirror, "title": f"zq1000001x {word}"}, by="kalends")
    lived.judge("in the end", excused=set())

    assert any(one.startswith("leak: zq1000001x") for one in lived.report.findings)


def test_the_busiest_minute_is_found_wherever_it_begins_and_a_line_that_is_crossed_is_told():
    sent = [(30.0 + number / 10, 400) for number in range(2)] + [(95.0, 300)]
    calls = [{"account": "g", "exchanges": [{"at": at, "until": at + 1, "requests": number}]} for at, number in sent]

    spent = spending.count(calls, owners={"g": "somebody"}, kinds={"g": "google"}, begin=0, end=100)

    most = {one.what: one.most for one in spent.lines if one.provider == "google"}
    assert most == {"project, day": 1100, "project, busiest minute": 800, "user, busiest minute": 800}
    assert [one.what for one in spent.lines if not one.is_kept] == ["user, busiest minute"]
    assert "OVER" in spent.table()


def test_batches_at_one_mailbox_are_counted_as_what_runs_side_by_side():
    exchanges = [
        {"at": 0.0, "until": 2.0, "requests": 3},
        {"at": 1.0, "until": 2.0, "requests": 2},
        {"at": 2.0, "until": 3.0, "requests": 20},
    ]

    spent = spending.count(
        [{"account": "m", "exchanges": exchanges}],
        owners={"m": "somebody"},
        kinds={"m": "microsoft"},
        begin=0,
        end=100,
    )

    most = {one.what: one.most for one in spent.lines if one.provider == "microsoft"}
    assert most == {"mailbox, busiest 10 minutes": 25, "mailbox, at once": 5}
