"""What becomes of one change: how many writes, and how much time beside the provider's own."""

from __future__ import annotations

import contextlib
import multiprocessing
import statistics
import time
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
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from uuid import UUID

    from tests.bench.google import Google
    from tests.postgres import Logins, Server
    from tests.smoke.simulator import Agenda

MIRRORS = 3
PROVIDER_SECONDS = 0.1
OVERHEAD_MILLISECONDS = 15
WEEKS = 104
_STOP_SECONDS = 10


def three(server: Server, provider: Google, *, turns: int = 11) -> list[Row]:
    """One change, three mirrors, a provider that takes 100 ms for each call: from the plan to the moment the
    last mirror stands there.

    Each target's message is taken by a worker of its own, as Lambda does: three processes.
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
        together: list[float] = []
        accepted: list[float] = []
        in_turn: list[float] = []
        writes: list[float] = []
        with contextlib.ExitStack() as stack:
            workers = [stack.enter_context(_worker(logins, provider, world.user_id, target)) for target in targets]

            def work(*numbers: int) -> None:
                for number in numbers:
                    workers[number].send("work")
                for number in numbers:
                    ended = workers[number].recv()
                    if ended != Outcome.DONE.value:
                        raise RuntimeError(f"a push ended {ended}")

            everyone = range(MIRRORS)
            work(*everyone)
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
                        work(*everyone)
                    else:
                        for number in everyone:
                            work(number)
                    times.append(1000 * (time.perf_counter() - began))
                    provider.slow(0)
                    found = _written(provider, before, others)
                    written += len(found)
                    if times is together:
                        accepted.append((max(found) - at) / timedelta(milliseconds=1))
                writes.append(written / 2)
        world.database.close()
    ours = statistics.median(accepted)
    most = 1000 * PROVIDER_SECONDS + OVERHEAD_MILLISECONDS
    return [
        Row(
            work=f"one change to {MIRRORS} mirrors, a provider that takes {1000 * PROVIDER_SECONDS:.0f} ms",
            ours={
                "ms": ours,
                "ms until all is recorded": statistics.median(together),
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


@contextlib.contextmanager
def _worker(logins: Logins, provider: Google, user_id: UUID, target: UUID) -> Iterator[Connection]:
    """A process that pushes into `target` whenever it is told to, and answers how that ended."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(
        target=_serve, args=(theirs, logins.runtime, provider.base, provider.token, user_id, target), daemon=True
    )
    process.start()
    try:
        yield ours
    finally:
        ours.send("stop")
        process.join(_STOP_SECONDS)


def _serve(told: Connection, conninfo: str, base: str, token: str, user_id: UUID, target: UUID) -> None:
    engine = World.at_google(Database(conninfo), base=base, token=token).engine
    while told.recv() != "stop":
        told.send(push.push(engine, target, user_id=user_id, correlation_id=str(uuid4())).value)


def _calendar(provider: Google) -> Agenda:
    return provider.calendar(f"calendar {uuid4().hex[:8]}")


def _written(provider: Google, after: int, agendas: list[Agenda]) -> list[datetime]:
    """When programs have written to these calendars since then, by the provider's clock."""
    names = {agenda.calendar for agenda in agendas}
    writes = provider.simulator.writes(after)[0]
    ours = [write for write in writes if write["origin"] == "api" and write["calendar"] in names]
    return [datetime.fromisoformat(write["at"]).astimezone(UTC) for write in ours]
