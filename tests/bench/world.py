"""The sync engine with the real Google adapter on a real database, for benchmarks: lanes run when told to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.providers.google.client import GoogleCalendar
from shared.sync import links, pull
from shared.sync.run import Outcome
from shared.sync.store import calendars
from tests.sync import world

if TYPE_CHECKING:
    from uuid import UUID

    from shared.store.database import Database
    from shared.sync.context import Engine


class World(world.World):
    """One person whose calendars are at Google. No channels: nobody knocks."""

    def __init__(self, database: Database, *, base: str, token: str) -> None:
        super().__init__(database)
        google = GoogleCalendar(access_token=token, api_endpoint=base)
        self.engine = replace(self.engine, open_provider=lambda connection, *, refused=False, live=True: google)
        self._base, self._token = base, token

    def calendar(self, name: str) -> UUID:
        """A calendar, known to Google under this id."""
        calendar_id = super().calendar(name)
        with self.database.everyone() as conn:
            conn.execute("UPDATE calendars SET supports_push = false WHERE id = %s", (calendar_id,))
        return calendar_id

    def connect(self, source: UUID, target: UUID, *, privacy: str) -> None:
        """A link; nothing is read yet."""
        with self.database.person(self.user_id) as conn:
            links.create(
                conn, user_id=self.user_id, source_calendar_id=source, target_calendar_id=target, privacy=privacy
            )

    def ask(self, calendar_id: UUID) -> None:
        """What a notification leaves behind."""
        with self.database.person(self.user_id) as conn:
            calendars.request(conn, [calendar_id])

    def read(self, calendar_id: UUID) -> None:
        """Pull until all pages are read. Raises RuntimeError when the pull ends in any other way."""
        while (ended := self._pull(calendar_id)) is not Outcome.DONE:
            if ended is not Outcome.MORE:
                raise RuntimeError(f"the pull ended {ended.value}")

    def elsewhere(self, database: Database) -> Engine:
        """The engine as another Lambda has it: connections of its own, to the database and to Google."""
        google = GoogleCalendar(access_token=self._token, api_endpoint=self._base)
        return replace(
            self.engine,
            database=database,
            open_provider=lambda connection, *, refused=False, live=True: google,
            holder="another",
        )

    def _pull(self, calendar_id: UUID) -> Outcome:
        return pull.pull(self.engine, calendar_id, user_id=self.user_id, correlation_id="bench")
