"""A calendar at Google: RFC 5545 lines in a JSON event, changes by instance, and Google's own expansion."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.matrix import series
from tests.matrix.places import CannotHoldError
from tests.matrix.places.simulated import SimulatedPlace
from tests.matrix.series import HOME, Occurrence

if TYPE_CHECKING:
    from tests.matrix.series import Case, Local, Series


class GooglePlace(SimulatedPlace):
    """A calendar of an account at the simulated Google."""

    title_field = "summary"

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
        made = self._sim("POST", "", {**body, **({"recurrence": lines} if lines else {})})["id"]
        for change in one.changes:
            place = self._place(made, one, change.at)
            if change.cancelled:
                self._sim("POST", place, {"cancelled": True})
                continue
            length = one.length if change.length is None else change.length
            times = _times(one, change.at if change.start is None else change.start, length)
            cleared = {name: {"date": None, "dateTime": None, "timeZone": None, **at} for name, at in times.items()}
            self._sim("POST", place, {"summary": change.title or one.title, **cleared})
        if case.overrides_first:  # what was changed last is listed last
            self._sim("PATCH", self._path(made), {"description": "agenda"})
        return str(made)

    def is_series(self, title: str) -> bool:
        """Whether it has a recurrence."""
        return any("recurrence" in item for item in self._called(title))

    def _called(self, title: str) -> list[dict[str, Any]]:
        stored = [item for item in self._stored() if "recurringEventId" not in item]
        return [item for item in stored if item.get("summary") == title and item["status"] != "cancelled"]

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

    def _occurrence(self, item: dict[str, Any]) -> Occurrence:
        return Occurrence(_read(item["start"]), _read(item["end"]), item.get("summary", ""))

    def _write(self, at: Local) -> dict[str, str]:
        return {"dateTime": at.isoformat()} if isinstance(at, datetime) else {"date": at.isoformat()}


def _read(time: dict[str, str]) -> Local:
    if "date" in time:
        return date.fromisoformat(time["date"])
    return datetime.fromisoformat(time["dateTime"]).astimezone(UTC)


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
