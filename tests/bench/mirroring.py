"""What becomes of one change: how many writes, and how much time beside the provider's own."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from shared.store.database import Database
from shared.sync import push
from shared.sync.run import Outcome
from tests.bench import google
from tests.bench.table import Row
from tests.bench.world import World

if TYPE_CHECKING:
    from tests.bench.google import Google
    from tests.postgres import Server
    from tests.smoke.simulator import Agenda

MIRRORS = 3
PROVIDER_SECONDS = 0.1
OVERHEAD_MILLISECONDS = 15
WEEKS = 104


def three(server: Server, provider: Google, *, turns: int = 11) -> list[Row]:
    """One change, three mirrors, a provider that takes 100 ms for each call: from the plan to the last write.

    Each target's message is taken by a worker of its own, as Lambda does: three threads with connections of their own.
    """
    with server.database() as logins:
        world = World.at_google(Database(logins.runtime), base=provider.base, token=provider.token)
        source, others = _calendar(provider), [_calendar(provider) for _ in range(MIRRORS)]
        calendar, targets = world.calendar(source.calendar), [world.calendar(one.calendar) for one in others]
        for target in targets:
            world.connect(calendar, target, privacy="full")
        event = source.add(google.body(2))
        for one in (calendar, *targets):
            world.read(one)
        workers = [world.elsewhere(Database(logins.runtime)) for _ in targets]
        together: list[float] = []
        accepted: list[float] = []
        in_turn: list[float] = []
        writes: list[float] = []
        with ThreadPoolExecutor(max_workers=MIRRORS) as pool:

            def work(number: int) -> None:
                ended = push.push(workers[number], targets[number], user_id=world.user_id, correlation_id=str(uuid4()))
                if ended is not Outcome.DONE:
                    raise RuntimeError(f"a push ended {ended.value}")

            for number in range(MIRRORS):
                work(number)
            for _ in range(turns):
                written = 0
                for times in (together, in_turn):
                    source.patch(event, {"summary": f"Moved {uuid4().hex}"})
                    world.ask(calendar)
                    world.read(calendar)
                    before = provider.simulator.last()
                    provider.slow(PROVIDER_SECONDS)
                    began, at = time.perf_counter(), datetime.now(UTC)
                    if times is together:
                        list(pool.map(work, range(MIRRORS)))
                    else:
                        for number in range(MIRRORS):
                            work(number)
                    times.append(1000 * (time.perf_counter() - began))
                    provider.slow(0)
                    found = _written(provider, before, others)
                    written += len(found)
                    if times is together:
                        accepted.append((max(found) - at) / timedelta(milliseconds=1))
                writes.append(written / 2)
        for worker in workers:
            worker.database.close()
        world.database.close()
    ours = statistics.median(together)
    most = 1000 * PROVIDER_SECONDS + OVERHEAD_MILLISECONDS
    return [
        Row(
            work=f"one change to {MIRRORS} mirrors, a provider that takes {1000 * PROVIDER_SECONDS:.0f} ms",
            ours={
                "ms": ours,
                "ms until the last write was accepted": statistics.median(accepted),
                "writes": statistics.mean(writes),
            },
            peer={"ms": statistics.median(in_turn)},
            peer_name="our own workers, one after the other",
            limit={"ms": 1000 * PROVIDER_SECONDS},
            limit_name="the slowest write",
            target=f"{most:.0f} ms, {MIRRORS} writes",
            met=ours <= most and set(writes) == {MIRRORS},
        )
    ]


def series(server: Server, provider: Google, *, weeks: int = WEEKS) -> list[Row]:
    """A weekly series, mirrored: how many writes."""
    with server.database() as logins:
        world = World.at_google(Database(logins.runtime), base=provider.base, token=provider.token)
        source, other = _calendar(provider), _calendar(provider)
        calendar, target = world.calendar(source.calendar), world.calendar(other.calendar)
        world.connect(calendar, target, privacy="busy")
        source.add({**google.body(2), "recurrence": [f"RRULE:FREQ=WEEKLY;COUNT={weeks}"]})
        before = provider.simulator.last()
        for one in (calendar, target):
            world.read(one)
        push.push(world.engine, target, user_id=world.user_id, correlation_id=str(uuid4()))
        writes = len(_written(provider, before, [other]))
        world.database.close()
    return [
        Row(
            work=f"a weekly series of {weeks} occurrences, mirrored",
            ours={"writes": writes},
            peer={"writes": weeks},
            peer_name="one write for each occurrence",
            limit={"writes": 1},
            target="1 write",
            met=writes == 1,
        )
    ]


def _calendar(provider: Google) -> Agenda:
    return provider.calendar(f"calendar {uuid4().hex[:8]}")


def _written(provider: Google, after: int, agendas: list[Agenda]) -> list[datetime]:
    """When programs have written to these calendars since then, by the provider's clock."""
    names = {agenda.calendar for agenda in agendas}
    writes = provider.simulator.writes(after)[0]
    ours = [write for write in writes if write["origin"] == "api" and write["calendar"] in names]
    return [datetime.fromisoformat(write["at"]).astimezone(UTC) for write in ours]
