"""What a provider gives to the modules that know no provider: the admin routes, the pages and the server."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from aiohttp import web

from infra.local.simulators.authorization import AuthorizationServer
from infra.local.simulators.clock import Clock
from infra.local.simulators.credentials import Account
from infra.local.simulators.deliveries import Deliveries
from infra.local.simulators.faults import FaultSettings, Switchboard
from infra.local.simulators.holds import Holds
from infra.local.simulators.journal import Journal
from infra.local.simulators.state import StateFile

type Resource = dict[str, Any]
"""JSON in the provider's own shape."""

type Repeat = Literal["", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]


class NotFoundError(LookupError):
    """There is no such account, calendar or event; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The modules every provider is built on."""

    clock: Clock
    switchboard: Switchboard[Any]
    state: StateFile
    authorization: AuthorizationServer
    journal: Journal
    deliveries: Deliveries
    holds: Holds

    def reset(self) -> None:
        """Forget people, tokens, saved rows, requests and mail; faults off. Registered clients stay."""
        self.switchboard.reset()
        self.journal.reset()
        self.deliveries.reset()
        self.holds.reset()
        self.state.clear()
        self.authorization.reset()


def parts(faults: FaultSettings, *, state: Path | None, access_prefix: str = "", refresh_prefix: str = "") -> Parts:
    """Fresh parts; `state` is the file that keeps data between runs, or None."""
    clock = Clock()
    switchboard = Switchboard(faults, clock)
    rows = StateFile(state)
    return Parts(
        clock=clock,
        switchboard=switchboard,
        state=rows,
        authorization=AuthorizationServer(rows, access_prefix=access_prefix, refresh_prefix=refresh_prefix),
        journal=Journal(),
        deliveries=Deliveries(switchboard),
        holds=Holds(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgendaItem:
    """One line of a calendar's page: an event or an occurrence. Dates mean all day, the end exclusive.

    `note` says in a few words what a person cannot see otherwise ("private", "3 guests", "tentative").
    """

    id: str
    title: str
    start: datetime | date
    end: datetime | date
    series: bool
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a person typed into the form. `repeat` is used by new events only."""

    title: str
    start: datetime | date
    end: datetime | date
    repeat: Repeat = ""


class Provider(Protocol):
    """A simulated provider. Where a calendar or event is unknown, methods raise NotFoundError; where the
    provider would refuse the content, they raise exchange.Refused."""

    @property
    def name(self) -> str:
        """One word, lower case: `google`."""

    @property
    def title(self) -> str:
        """As people know it: `Google`."""

    @property
    def parts(self) -> Parts:
        """The modules it is built on."""

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Its OAuth and API endpoints."""

    def reset(self) -> None:
        """Forget everything and put the demo accounts back; faults off."""

    def add_account(self, account: Account) -> None:
        """A new person with an empty primary calendar."""

    def calendars(self, email: str) -> Sequence[Resource]:
        """A person's calendars; each has at least id, summary, timeZone (IANA) and primary."""

    def add_calendar(self, email: str, body: Mapping[str, Any]) -> Resource:
        """Body {"summary", "timeZone", "primary"}; with primary the existing primary calendar is changed."""

    def items(self, calendar_id: str) -> Sequence[Resource]:
        """Every item in the provider's shape: masters, overrides, cancelled ones flagged, nothing expanded."""

    def insert(self, calendar_id: str, body: Resource) -> Resource:
        """The person adds an event; the body may carry an id."""

    def insert_many(self, calendar_id: str, bodies: Sequence[Resource]) -> Sequence[Resource]:
        """Like `insert` for each, quickly."""

    def patch(self, calendar_id: str, event_id: str, body: Resource) -> Resource:
        """The person changes an event, or an occurrence by its own id."""

    def delete(self, calendar_id: str, event_id: str) -> None:
        """The person deletes an event, a series, or an occurrence by its own id."""

    def edit_occurrence(self, calendar_id: str, event_id: str, original_start: str, body: Resource) -> Resource:
        """Change one occurrence of a series; body {"cancelled": true} cancels it.

        `original_start` is RFC 3339 in UTC, or a date for an all-day series.
        """

    def agenda(self, calendar_id: str, first: date, days: int) -> Sequence[AgendaItem]:
        """What the page shows: occurrences that touch these days of the calendar's zone, by start."""

    def add_draft(self, calendar_id: str, draft: Draft) -> None:
        """A person adds an event by the form."""

    def change_draft(self, calendar_id: str, event_id: str, draft: Draft) -> None:
        """A person moves or renames an event, or one occurrence."""

    def expire_cursors(self) -> None:
        """Every sync or delta token given out so far is refused from now on."""

    def channels(self) -> Sequence[Resource]:
        """The push channels or subscriptions that are alive."""

    def drop_channels(self) -> int:
        """End all channels without telling anybody; answers how many."""
