"""A calendar at Google: RFC 5545 lines in a JSON event, changes by instance, and Google's own expansion."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.matrix import series
from tests.matrix.places import CannotHoldError
from tests.matrix.series import HOME, Occurrence

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.installation import Simulator
    from tests.matrix.series import Case, Local, Series


class GooglePlace:
    """A calendar of an account at the simulated Google; `token` gives the account's access token."""

    def __init__(self, simulator: Simulator, calendar_id: str, *, token: Callable[[], str]) -> None:
        self.simulator, self.calendar_id, self._token = simulator, calendar_id, token

    def enter(self, case: Case) -> list[str]:
        """The owner's clicks. Google has zones of IANA alone, and nothing that floats."""
        if case.windows_zone is not None or any(one.zone is None and not one.is_all_day for one in case.series):
            raise CannotHoldError("a time without an IANA zone")
        return [self._enter(one, case) for one in case.series]

    def _enter(self, one: Series, case: Case) -> str:
        body = {"summary": one.title, **_times(one, one.start, one.length)}
        lines = [f"RRULE:{rule}" for rule in one.rules]
        lines += [
            _line(name, one, times, utc=case.utc_exclusions)
            for name, times in (("RDATE", one.added), ("EXDATE", one.excluded))
            if times
        ]
        made = self.sim("POST", "", {**body, **({"recurrence": lines} if lines else {})})["id"]
        for change in one.changes:
            place = f"/{made}/instances/{_instance(one, change.at)}"
            if change.cancelled:
                self.sim("POST", place, {"cancelled": True})
                continue
            length = one.length if change.length is None else change.length
            times = _times(one, change.at if change.start is None else change.start, length)
            cleared = {name: {"date": None, "dateTime": None, "timeZone": None, **at} for name, at in times.items()}
            self.sim("POST", place, {"summary": change.title or one.title, **cleared})
        if case.overrides_first:  # what was changed last is listed last
            self.sim("PATCH", f"/{made}", {"description": "agenda"})
        return str(made)

    def sim(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What the owner does, as the simulator's own page sends it."""
        return self.simulator.sim(method, f"/calendars/{quote(self.calendar_id, safe='')}/events{path}", body)

    def read(self, first: date, last: date) -> list[Occurrence]:
        """Events: list with singleEvents."""
        return series.inside((_occurrence(item) for item in self._listed(first, last)), first, last)

    def move(self, one: Occurrence, by: timedelta) -> None:
        """Change an instance, or an event."""
        times = {name: _write(at + by) for name, at in (("start", one.start), ("end", one.end))}
        self.sim("PATCH", f"/{self._id(one)}", times)

    def cancel(self, one: Occurrence) -> None:
        """Delete an instance, or an event."""
        self.sim("DELETE", f"/{self._id(one)}")

    def rename(self, title: str, new: str) -> bool:
        """Change the summary of a master, or of an event."""
        found = self._called(title)
        if len(found) == 1:
            self.sim("PATCH", f"/{found[0]['id']}", {"summary": new})
        return len(found) == 1

    def is_series(self, title: str) -> bool:
        """Whether it has a recurrence."""
        return any("recurrence" in item for item in self._called(title))

    def _called(self, title: str) -> list[dict[str, Any]]:
        stored = [item for item in self.sim("GET", "")["events"] if "recurringEventId" not in item]
        return [item for item in stored if item.get("summary") == title and item["status"] != "cancelled"]

    def _id(self, one: Occurrence) -> str:
        day = one.start.date() if isinstance(one.start, datetime) else one.start
        (found,) = [item for item in self._listed(day, day) if _occurrence(item) == one]
        return str(found["id"])

    def _listed(self, first: date, last: date) -> list[dict[str, Any]]:
        asked = {
            "singleEvents": "true",
            "timeMin": f"{first - timedelta(days=2)}T00:00:00Z",
            "timeMax": f"{last + timedelta(days=2)}T00:00:00Z",
            "maxResults": "2500",
            "timeZone": "UTC",
        }
        found: list[dict[str, Any]] = []
        page: dict[str, str] = {}
        while True:
            answer = self.simulator.http.get(
                f"{self.simulator.base}/calendar/v3/calendars/{quote(self.calendar_id, safe='')}/events",
                params=asked | page,
                headers={"authorization": f"Bearer {self._token()}"},
            )
            answer.raise_for_status()
            listed = answer.json()
            found += [item for item in listed["items"] if item["status"] != "cancelled"]
            if "nextPageToken" not in listed:
                return found
            page = {"pageToken": listed["nextPageToken"]}


def _occurrence(item: dict[str, Any]) -> Occurrence:
    return Occurrence(_read(item["start"]), _read(item["end"]), item.get("summary", ""))


def _read(time: dict[str, str]) -> Local:
    if "date" in time:
        return date.fromisoformat(time["date"])
    return datetime.fromisoformat(time["dateTime"]).astimezone(UTC)


def _write(at: Local) -> dict[str, str]:
    return {"dateTime": at.isoformat()} if isinstance(at, datetime) else {"date": at.isoformat()}


def _times(one: Series, start: Local, length: timedelta) -> dict[str, Any]:
    if not isinstance(start, datetime):
        return {"start": {"date": f"{start}"}, "end": {"date": f"{start + length}"}}
    zone = one.zone or HOME
    begin = series.moment(start, zone)
    return {
        name: {"dateTime": at.astimezone(series.ZoneInfo(zone)).isoformat(), "timeZone": zone}
        for name, at in (("start", begin), ("end", begin + length))
    }


def _line(name: str, one: Series, times: tuple[Local, ...], *, utc: bool) -> str:
    if one.is_all_day:
        return f"{name};VALUE=DATE:{','.join(f'{at:%Y%m%d}' for at in times)}"
    if utc:
        return f"{name}:{','.join(f'{series.moment(at, one.zone):%Y%m%dT%H%M%SZ}' for at in times)}"
    return f"{name};TZID={one.zone}:{','.join(f'{at:%Y%m%dT%H%M%S}' for at in times)}"


def _instance(one: Series, at: Local) -> str:
    return f"{series.moment(at, one.zone):%Y-%m-%dT%H:%M:%SZ}" if isinstance(at, datetime) else f"{at}"
