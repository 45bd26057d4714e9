"""The accounts and calendars of one run, and the links between them."""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING

from tests.smoke import dav, live
from tests.smoke.oracle import Link, Privacy
from tests.smoke.simulator import Agenda, Simulator
from tests.smoke.texts import Canaries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from tests.smoke.dav import Collection, Server
    from tests.smoke.live import Lane

CANARIES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The accounts and calendars of one run. `more` are lanes besides those that every run has."""

    google_a: Agenda
    google_b: Agenda
    google_pair: Agenda
    microsoft_a: Agenda
    microsoft_b: Agenda
    microsoft_c: Agenda
    microsoft_pair: Agenda
    caldav_a: Collection
    caldav_b: Collection
    canaries: Canaries
    titles: tuple[str, ...]
    more: tuple[Lane, ...] = ()

    @property
    def agendas(self) -> tuple[Agenda | Collection, ...]:
        """All calendars."""
        ends = (agenda for lane in self.lanes for agenda in (lane.source, lane.target))
        return tuple({agenda.name: agenda for agenda in ends}.values())

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """All links."""
        return self.masked, self.open, self.back, self.into_caldav, self.from_caldav, *self.pair, *self.more

    @property
    def masked(self) -> Lane:
        """Google A, of which Microsoft A sees only that somebody is busy."""
        return lane(self.google_a, self.microsoft_a, "busy", self._words)

    @property
    def open(self) -> Lane:
        """Microsoft B, of which Google B sees everything that is written."""
        return lane(self.microsoft_b, self.google_b, "full")

    @property
    def back(self) -> Lane:
        """From Microsoft A back to Google A: with `masked` it makes a ring."""
        return lane(self.microsoft_a, self.google_a, "busy")

    @property
    def into_caldav(self) -> Lane:
        """Google A again, of which CalDAV A sees only that somebody is busy."""
        return lane(self.google_a, self.caldav_a, "busy", self._words)

    @property
    def from_caldav(self) -> Lane:
        """CalDAV B, of which Microsoft C sees everything that is written."""
        return lane(self.caldav_b, self.microsoft_c, "full")

    @property
    def pair(self) -> tuple[Lane, Lane]:
        """Both directions of the two-way link."""
        ends = self.google_pair, self.microsoft_pair
        return lane(*ends, "full"), lane(*reversed(ends), "full")

    @property
    def _words(self) -> tuple[str, ...]:
        return (*self.canaries.planted, *self.titles)


def lane(
    source: Agenda | Collection, target: Agenda | Collection, privacy: Privacy, words: tuple[str, ...] = ()
) -> Lane:
    """A link as the oracle knows it, with its two ends."""
    link = Link(source=source.name, target=target.name, privacy=privacy)
    return live.Lane(link=link, source=source, target=target, words=words)


def make(addresses: Mapping[str, str], server: Server, random: Random) -> World:
    """A new person at each provider, with calendars that are empty; `addresses` are the simulators' by provider."""
    google = Simulator(provider="google", base=addresses["google"])
    microsoft = Simulator(provider="microsoft", base=addresses["microsoft"])
    who = f"smoke-{token_hex(3)}"
    at_google, at_microsoft = f"{who}@example.com", f"{who}@contoso.example"
    google.add_account(at_google, name="Smoke")
    microsoft.add_account(at_microsoft, name="Smoke")

    def primary(simulator: Simulator, owner: str, name: str) -> Agenda:
        return Agenda(simulator=simulator, owner=owner, name=name, calendar=simulator.primary(owner))

    def further(beside: Agenda, name: str) -> Agenda:
        made = beside.simulator.add_calendar(beside.owner, summary=name)
        return Agenda(simulator=beside.simulator, owner=beside.owner, name=name, calendar=made)

    google_a, microsoft_a = primary(google, at_google, at_google), primary(microsoft, at_microsoft, "Calendar")
    return World(
        google_a=google_a,
        google_b=further(google_a, "Google B"),
        google_pair=further(google_a, "Google pair"),
        microsoft_a=microsoft_a,
        microsoft_b=further(microsoft_a, "Microsoft B"),
        microsoft_c=further(microsoft_a, "Microsoft C"),
        microsoft_pair=further(microsoft_a, "Microsoft pair"),
        caldav_a=dav.collection(server, "CalDAV A"),
        caldav_b=dav.collection(server, "CalDAV B"),
        canaries=Canaries(random, most=CANARIES),
        titles=("Series ", "Ferien", "Declined", "Zero length", "Family dinner"),
    )
