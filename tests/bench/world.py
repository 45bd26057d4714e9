"""The sync engine with a real adapter on a real database, for benchmarks: lanes run when told to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from shared.sync import linking, pull, push
from shared.sync.run import Outcome
from shared.sync.store import calendars
from tests.sync import world

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from shared.providers.port import CalendarProvider
    from shared.store.database import Database


class World(world.World):
    """One person whose calendars are all in one account. No channels: nobody knocks."""

    def __init__(self, database: Database, *, open_account: Callable[[], CalendarProvider]) -> None:
        super().__init__(database)
        account = open_account()
        self.engine = replace(self.engine, open_provider=lambda connection, **_: account)

    @classmethod
    def at_google(cls, database: Database, *, base: str, token: str) -> World:
        """The account is at a simulated Google."""
        from shared.providers.google.client import GoogleCalendar

        return cls(database, open_account=lambda: GoogleCalendar(access_token=token, api_endpoint=base))

    @classmethod
    def at_caldav(cls, database: Database, *, base: str, username: str, password: str) -> World:
        """The account is at a CalDAV server on this machine; calendars are known by their addresses."""
        from shared import providers

        login = providers.AppPassword(url=base, username=username, password=password)
        return cls(database, open_account=lambda: providers.log_in("caldav", login=login, allowed_hosts=("127.0.0.1",)))

    def calendar(self, name: str) -> UUID:
        """A calendar, known to the provider under this id."""
        calendar_id = super().calendar(name)
        with self.database.everyone() as conn:
            conn.execute("UPDATE calendars SET supports_push = false WHERE id = %s", (calendar_id,))
        return calendar_id

    def connect(self, source: UUID, target: UUID, *, privacy: str) -> None:
        """A link; nothing is read yet."""
        with self.database.person(self.user_id) as conn:
            linking.create(
                conn, user_id=self.user_id, source_calendar_id=source, target_calendar_id=target, privacy=privacy
            )

    def ask(self, *calendar_ids: UUID) -> None:
        """What a notification leaves behind."""
        with self.database.person(self.user_id) as conn:
            calendars.request(conn, calendar_ids)

    def read(self, calendar_id: UUID) -> None:
        """Pull until all pages are read. Raises RuntimeError when the pull ends in any other way."""
        self._until_done(pull.pull, calendar_id)

    def write(self, calendar_id: UUID) -> None:
        """Push until nothing is due. Raises RuntimeError when the push ends in any other way."""
        self._until_done(push.push, calendar_id)

    def _until_done(self, work: Callable[..., Outcome], calendar_id: UUID) -> None:
        ended = Outcome.MORE
        while ended is Outcome.MORE:
            ended = work(self.engine, calendar_id, user_id=self.user_id, correlation_id=str(uuid4()))
        if ended is not Outcome.DONE:
            raise RuntimeError(f"the {work.__name__} ended {ended.value}")
