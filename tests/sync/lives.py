"""What befalls linked calendars in random lives: lost and repeated messages, kills, expired cursors, restores."""

from __future__ import annotations

import random

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from shared.core import clock
from shared.sync import reconciliation
from tests.sync import restoring
from tests.sync.world import World, each_of


class KilledError(BaseException):
    """The worker's process is gone, in the middle of a line."""


class Lives(RuleBasedStateMachine):
    """A world with calendars a, b and c; what is done in them is the heirs' affair."""

    database = None
    logins = None

    @initialize()
    def begin_world(self) -> None:
        self.world = World(self.database)
        self.calendars = [self.world.calendar(name) for name in "abc"]
        with self.database.everyone() as conn:
            reconciliation.notice_restore(conn, now=clock.now())
        self.backup = None
        self.begin()

    def begin(self) -> None:
        """Link the calendars."""
        raise NotImplementedError

    @rule(place=st.integers(0, 2))
    def look(self, place):
        self.world.look(self.calendars[place])

    @rule()
    def work(self):
        self.world.run()

    @rule(after=st.integers(0, 5))
    def work_and_be_killed(self, after):
        left = iter(range(after))

        def kill(write):
            if next(left, None) is None:
                raise KilledError

        self.world.server.after_write = kill
        try:
            self.world.run()
        except KilledError:
            self.world.database.close()
            self.time_passes()
        finally:
            self.world.server.after_write = lambda write: None

    @rule(seed=st.integers(0, 1000))
    def lose_repeat_and_shuffle_messages(self, seed):
        chance = random.Random(seed)
        for lane in each_of(self.world.lanes):
            kept = [one for one in lane.messages for _ in range(chance.choice([0, 1, 1, 3]))]
            chance.shuffle(kept)
            lane.messages.clear()
            lane.messages.extend(kept)

    @rule()
    def expire_cursors(self):
        self.world.server.expire_cursors()

    @rule()
    def back_up(self):
        self.backup = restoring.back_up(self.logins)

    @precondition(lambda self: self.backup is not None)
    @rule()
    def restore(self):
        self.put_back_up()

    def put_back_up(self):
        """The database comes back as it was."""
        restoring.restore(self.logins, self.backup)
        with self.world.database.everyone() as conn:
            reconciliation.notice_restore(conn, now=clock.now())

    def end(self) -> None:
        """What is asked of every life."""
        raise NotImplementedError

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.end()
        finally:  # a life that failed is not to disturb the next one in this database
            with self.world.database.everyone() as conn:
                conn.execute("DELETE FROM profiles WHERE id = %s", (self.world.user_id,))

    def time_passes(self) -> None:
        """Leases, backoffs and queue marks end."""
        with self.world.database.everyone() as conn:
            conn.execute("UPDATE leases SET until = now() - interval '1 second'")
            conn.execute("UPDATE calendar_sync_state SET pull_queued_at = NULL, push_queued_at = NULL")
        self.world.time_passes()
