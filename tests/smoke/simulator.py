"""A simulated provider, as its people and its auditors reach it: by its /_sim routes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

type Resource = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    """One provider. Every method raises httpx.HTTPError when the simulator refuses or does not answer."""

    provider: str
    base: str
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=httpx.Timeout(30, read=90)))

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Call a /_sim route and answer its JSON."""
        answer = self.http.request(method, f"{self.base}/_sim{path}", json=body, params=query)
        if answer.is_error:
            raise httpx.HTTPStatusError(
                f"{method} {path} at the {self.provider} simulator: {answer.status_code} {answer.text[:500]}",
                request=answer.request,
                response=answer,
            )
        return answer.json() if answer.content else None

    def add_account(self, email: str, *, name: str) -> None:
        """A new person, with an empty primary calendar."""
        self.call("POST", "/accounts", {"email": email, "name": name})

    def add_calendar(self, email: str, *, summary: str) -> str:
        """A further calendar of a person; answers its id."""
        return str(self.call("POST", f"/accounts/{quote(email)}/calendars", {"summary": summary})["id"])

    def primary(self, email: str) -> str:
        """The id of a person's primary calendar."""
        calendars = self.call("GET", f"/accounts/{quote(email)}/calendars")["calendars"]
        return str(next(calendar["id"] for calendar in calendars if calendar["primary"]))

    def writes(self, after: int, *, wait: float = 0, calendar: str = "") -> tuple[list[Resource], int]:
        """The writes numbered above `after`, waiting up to `wait` seconds for the first; and the newest number."""
        query = {"calendar": calendar} if calendar else {}
        found = self.call("GET", "/writes", after=after, wait=wait, **query)
        return found["writes"], found["last"]

    def last(self) -> int:
        """The number of the newest write."""
        return self.writes(2**53)[1]

    def writes_of(self, email: str) -> list[Resource]:
        """All writes to a person's calendars."""
        return [one for one in self.writes(0)[0] if one["account"] == email]

    def mail(self, email: str) -> list[Resource]:
        """What the guests of a person would have got."""
        return [one for one in self.call("GET", "/mail")["mail"] if one["account"] == email]

    def delivered(self) -> int:
        """How many notifications were accepted by webhooks."""
        return int(self.call("GET", "/deliveries")["delivered"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Agenda:
    """A calendar at a simulator, changed by the hand of its owner. `real` grows with what the owner adds."""

    simulator: Simulator
    owner: str
    calendar: str
    name: str
    real: set[str] = field(default_factory=set)

    @property
    def provider(self) -> str:
        """Whose calendar it is."""
        return self.simulator.provider

    @property
    def _events(self) -> str:
        return f"/calendars/{quote(self.calendar, safe='')}/events"

    def items(self) -> list[Resource]:
        """Everything in it, in the provider's own shape."""
        found: list[Resource] = self.simulator.call("GET", self._events)["events"]
        return found

    def add(self, body: Resource) -> str:
        """Add an event; answers its id."""
        made = str(self.simulator.call("POST", self._events, body)["id"])
        self.real.add(made)
        return made

    def add_all(self, bodies: list[Resource]) -> list[str]:
        """Add many events at once; answers their ids in the same order."""
        made = self.simulator.call("POST", f"{self._events}:bulk", {"events": bodies})["events"]
        ids = [str(event["id"]) for event in made]
        self.real.update(ids)
        return ids

    def patch(self, event: str, body: Resource) -> None:
        """Change an event or a whole series."""
        self.simulator.call("PATCH", f"{self._events}/{quote(event, safe='')}", body)

    def delete(self, event: str) -> None:
        """Delete an event or a whole series."""
        self.simulator.call("DELETE", f"{self._events}/{quote(event, safe='')}")

    def edit(self, event: str, original_start: str, body: Resource) -> None:
        """Change or cancel one occurrence."""
        place = f"{quote(event, safe='')}/instances/{quote(original_start, safe='')}"
        self.simulator.call("POST", f"{self._events}/{place}", body)

    def writes(self, after: int, *, wait: float = 0) -> tuple[list[Resource], int]:
        """The writes to this calendar numbered above `after`."""
        return self.simulator.writes(after, wait=wait, calendar=self.calendar)
