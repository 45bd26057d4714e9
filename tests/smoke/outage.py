"""An outage of the database that lasts longer than the queues' patience, while people go on changing calendars."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from tests.smoke import privacy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.e2e.cloud import Cloud
    from tests.smoke.stories import Step

SECONDS = 120.0
LANES = ("Pull", "Push", "Repair", "Backfill")
IMPATIENT = 3
"""Seconds until a failed message comes again: what takes half an hour otherwise happens within the outage then."""
PACE = 4.0
"""Seconds between two changes by people."""
NONSENSE = "This is no message of ours."
POLL = timedelta(hours=6, minutes=5)
"""A little longer than a calendar with a push channel goes without a look."""


@dataclass(slots=True, kw_only=True)
class Outage:
    """Stops the database of a cloud, and looks after the queues."""

    cloud: Cloud
    say: Callable[[str], None]
    seconds: float = 0.0
    changes: int = 0
    dead_letters: int = 0
    _patience: dict[str, str] = field(default_factory=dict)

    def happen(self, steps: Iterable[Step]) -> None:
        """Two minutes without a database: messages that were under way fail, changes go on."""
        hints = self._hints()
        self._lose_patience()
        self.cloud.stop_database()
        self.say("the database is stopped")
        began = time.monotonic()
        try:
            for hint in hints:
                self._send(hint["task"].capitalize(), json.dumps(hint))
            self._send("Pull", NONSENSE)
            for step in steps:
                if time.monotonic() - began > SECONDS - PACE:
                    break
                step.do()
                self.changes += 1
                time.sleep(PACE)
            time.sleep(max(0.0, SECONDS - (time.monotonic() - began)))
            self.dead_letters = self.in_dead_letters()
        finally:
            self.cloud.start_database()
            self.seconds = round(time.monotonic() - began, 1)
            self._regain_patience()
        self.say(f"the database is back after {self.seconds:.0f} s; {self.dead_letters} dead letters")

    def in_dead_letters(self) -> int:
        """How many messages stand in the dead-letter queues."""
        return sum(self._count(self.cloud.outputs[f"{lane}DeadLettersUrl"]) for lane in LANES)

    def bodies(self) -> list[str]:
        """What stands there, read without taking anything away."""
        sqs, found = self.cloud.aws("sqs"), []
        for lane in LANES:
            url = self.cloud.outputs[f"{lane}DeadLettersUrl"]
            got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
            found += [message["Body"] for message in got]
        return found

    def let_hours_pass(self) -> None:
        """Make every calendar look as if nobody had looked at it for longer than any poll waits.

        A lost notification is found by the poll that follows, which nobody waits for here; dispatch does the rest.
        """
        with psycopg.connect(self._superuser) as conn:
            conn.execute("UPDATE calendar_sync_state SET last_synced_at = last_synced_at - %s", (POLL,))

    def looked_at(self) -> bool:
        """Whether every linked calendar has been looked at since."""
        with psycopg.connect(self._superuser) as conn:
            row = conn.execute(
                """
                SELECT count(*) FROM calendar_sync_state s WHERE s.last_synced_at < now() - %s
                   AND EXISTS (SELECT FROM links l WHERE s.calendar_id IN (l.source_calendar_id, l.target_calendar_id))
                """,
                (POLL,),
            ).fetchone()
        return row is not None and row[0] == 0

    @property
    def _superuser(self) -> str:
        return privacy.superuser(self.cloud.directory, self.cloud.dsn_owner)

    def _hints(self) -> list[dict[str, Any]]:
        """Messages such as wait in the queues at any moment: one of each task for each linked calendar."""
        with psycopg.connect(self._superuser) as conn:
            rows = conn.execute(
                """
                SELECT s.calendar_id, s.user_id FROM calendar_sync_state s
                 WHERE EXISTS (SELECT FROM links l WHERE s.calendar_id IN (l.source_calendar_id, l.target_calendar_id))
                """
            ).fetchall()
        return [
            {"task": task, "calendar_id": str(calendar), "user_id": str(user), "correlation_id": "smoke-outage"}
            for calendar, user in rows
            for task in ("pull", "push")
        ]

    def _send(self, lane: str, body: str) -> None:
        self.cloud.aws("sqs").send_message(QueueUrl=self.cloud.outputs[f"{lane}QueueUrl"], MessageBody=body)

    def _count(self, url: str) -> int:
        asked = "ApproximateNumberOfMessages"
        found = self.cloud.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[asked])
        return int(found["Attributes"][asked])

    def _lose_patience(self) -> None:
        sqs = self.cloud.aws("sqs")
        for lane in LANES:
            url, asked = self.cloud.outputs[f"{lane}QueueUrl"], "VisibilityTimeout"
            self._patience[url] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[asked])["Attributes"][asked]
            sqs.set_queue_attributes(QueueUrl=url, Attributes={asked: str(IMPATIENT)})

    def _regain_patience(self) -> None:
        for url, seconds in self._patience.items():
            self.cloud.aws("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": seconds})
