"""A calendar at a simulator: what its owner does there by the simulator's own addresses, whoever is simulated."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.matrix import series

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, timedelta

    from tests.installation import Simulator
    from tests.matrix.series import Local, Occurrence, Series


class SimulatedPlace:
    """A calendar of an account at a simulator; `token` gives the account's access token."""

    title_field: str

    def __init__(self, simulator: Simulator, calendar_id: str, *, token: Callable[[], str]) -> None:
        self.simulator, self.calendar_id, self._token = simulator, calendar_id, token

    def read(self, first: date, last: date) -> list[Occurrence]:
        """What the provider's API expands."""
        return series.inside((self._occurrence(item) for item in self._listed(first, last)), first, last)

    def move(self, one: Occurrence, by: timedelta) -> None:
        """Change an occurrence, or an event."""
        times = {name: self._write(at + by) for name, at in (("start", one.start), ("end", one.end))}
        self._sim("PATCH", self._path(self._id(one)), times)

    def cancel(self, one: Occurrence) -> None:
        """Delete an occurrence, or an event."""
        self._sim("DELETE", self._path(self._id(one)))

    def rename(self, title: str, new: str) -> bool:
        """Change the title of a master, or of an event."""
        found = self._called(title)
        if len(found) == 1:
            self._sim("PATCH", self._path(found[0]["id"]), {self.title_field: new})
        return len(found) == 1

    def _sim(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What the owner does, as the simulator's own page sends it."""
        return self.simulator.sim(method, f"/calendars/{quote(self.calendar_id, safe='')}/events{path}", body)

    def _stored(self) -> list[dict[str, Any]]:
        """Every item that the calendar keeps."""
        items: list[dict[str, Any]] = self._sim("GET", "")["events"]
        return items

    def _id(self, one: Occurrence) -> str:
        day = one.start.date() if isinstance(one.start, datetime) else one.start
        (found,) = [item for item in self._listed(day, day) if self._occurrence(item) == one]
        return str(found["id"])

    @staticmethod
    def _path(event_id: str) -> str:
        return f"/{quote(event_id, safe='')}"

    @classmethod
    def _place(cls, event_id: str, one: Series, at: Local) -> str:
        """The address of an occurrence, by its original start."""
        start = f"{series.moment(at, one.zone):%Y-%m-%dT%H:%M:%SZ}" if isinstance(at, datetime) else f"{at}"
        return f"{cls._path(event_id)}/instances/{start}"

    # What differs

    def _called(self, title: str) -> list[dict[str, Any]]:
        """The stored events and masters of that title."""
        raise NotImplementedError

    def _listed(self, first: date, last: date) -> list[dict[str, Any]]:
        """What happens between two days and a little around, expanded."""
        raise NotImplementedError

    def _occurrence(self, item: dict[str, Any]) -> Occurrence:
        raise NotImplementedError

    def _write(self, at: Local) -> dict[str, str]:
        """A time as the provider takes it."""
        raise NotImplementedError
