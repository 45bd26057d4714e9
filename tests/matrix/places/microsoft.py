"""A calendar at Microsoft: patterns and ranges, changes by instance, and Graph's own calendar view."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.matrix import series
from tests.matrix.places import CannotHoldError, patterns
from tests.matrix.places.simulated import SimulatedPlace
from tests.matrix.series import HOME, Occurrence

if TYPE_CHECKING:
    from tests.matrix.series import Case, Change, Local, Series

_ZONES = {
    "Europe/Berlin": "W. Europe Standard Time",
    "America/New_York": "Eastern Standard Time",
    "Australia/Sydney": "AUS Eastern Standard Time",
    "Asia/Kolkata": "India Standard Time",
    "UTC": "UTC",
}


class MicrosoftPlace(SimulatedPlace):
    """A calendar of an account at the simulated Microsoft."""

    title_field = "subject"

    def enter(self, case: Case) -> list[str]:
        """The owner's clicks. Outlook takes out single occurrences, and knows neither RDATE nor what floats."""
        if case.utc_exclusions:
            raise CannotHoldError("EXDATE")
        if case.over_change:
            raise CannotHoldError("a length that holds while clocks change: ends are on the wall clock, too")
        bodies = [self._body(one) for one in case.series]
        for one in case.series:
            _check_changes(one)
        return [self._enter(one, body, case) for one, body in zip(case.series, bodies, strict=True)]

    def _body(self, one: Series) -> dict[str, Any]:
        if one.added or len(one.rules) > 1:
            raise CannotHoldError("more than one rule")
        if one.excluded and not set(one.excluded) <= set(
            series.starts(replace(one, excluded=()), _day(max(one.excluded)))
        ):
            raise CannotHoldError("a deleted occurrence that never was")
        body = {"subject": one.title, **_times(one, one.start, one.length)}
        if one.rules:
            pattern = patterns.pattern(one.rules[0], one.start)
            bounds = patterns.bounds(one.rules[0], one.start, one.zone)
            body["recurrence"] = {
                "pattern": pattern,
                "range": {**bounds, "recurrenceTimeZone": body["start"]["timeZone"]},
            }
        return body

    def _enter(self, one: Series, body: dict[str, Any], case: Case) -> str:
        made = str(self._sim("POST", "", body)["id"])
        for at in one.excluded:
            self._sim("POST", self._place(made, one, at), {"cancelled": True})
        for change in one.changes:
            self._change(made, one, change)
        if case.overrides_first:
            self._sim("PATCH", self._path(made), {"importance": "high"})
        return made

    def _change(self, made: str, one: Series, change: Change) -> None:
        place = self._place(made, one, change.at)
        if change.cancelled:
            self._sim("POST", place, {"cancelled": True})
            return
        length = one.length if change.length is None else change.length
        times = _times(one, change.at if change.start is None else change.start, length)
        self._sim("POST", place, {"subject": change.title or one.title, **times})

    def is_series(self, title: str) -> bool:
        """Whether it is a master."""
        return any(item["type"] == "seriesMaster" for item in self._called(title))

    def _called(self, title: str) -> list[dict[str, Any]]:
        stored = [item for item in self._stored() if item["type"] in ("singleInstance", "seriesMaster")]
        return [item for item in stored if item["subject"] == title]

    def _listed(self, first: date, last: date) -> list[dict[str, Any]]:
        base = f"{self.simulator.base}/v1.0/me/calendars/{quote(self.calendar_id, safe='')}/calendarView"
        begin, end = first - timedelta(days=2), last + timedelta(days=2)
        address: str | None = f"{base}?startDateTime={begin}T00:00:00Z&endDateTime={end}T00:00:00Z&$top=999"
        found: list[dict[str, Any]] = []
        while address is not None:
            answer = self.simulator.http.get(
                address,
                headers={"authorization": f"Bearer {self._token()}", "prefer": 'outlook.timezone="UTC"'},
            )
            answer.raise_for_status()
            listed = answer.json()
            found += listed["value"]
            address = listed.get("@odata.nextLink")
        return found

    def _occurrence(self, item: dict[str, Any]) -> Occurrence:
        return Occurrence(_read(item, "start"), _read(item, "end"), item.get("subject", ""))

    def _write(self, at: Local) -> dict[str, str]:
        local = at.replace(tzinfo=None) if isinstance(at, datetime) else series.midnight(at)
        return {"dateTime": local.isoformat(), "timeZone": "UTC"}


def _check_changes(one: Series) -> None:
    """An occurrence stays between its neighbours (ErrorOccurrenceCrossingBoundary)."""
    moves = [change for change in one.changes if change.start is not None]
    if not moves:
        return
    whole = replace(one, excluded=())
    places = series.starts(whole, max(_day(change.at) for change in moves) + timedelta(days=400))
    for change in moves:
        at, day = places.index(change.at), _day(change.start or change.at)
        before, after = places[at - 1] if at else None, places[at + 1] if at + 1 < len(places) else None
        if (before and day <= _day(before)) or (after and day >= _day(after)):
            raise CannotHoldError("an occurrence moved past its neighbour")


def _day(local: Local) -> date:
    return series.midnight(local).date()


def _read(item: dict[str, Any], which: str) -> Local:
    at = datetime.fromisoformat(item[which]["dateTime"][:19])
    return at.date() if item["isAllDay"] else at.replace(tzinfo=UTC)


def _times(one: Series, start: Local, length: timedelta) -> dict[str, Any]:
    if not isinstance(start, datetime):
        return {
            "isAllDay": True,
            "start": {"dateTime": f"{start}T00:00:00", "timeZone": "UTC"},
            "end": {"dateTime": f"{start + length}T00:00:00", "timeZone": "UTC"},
        }
    zone = one.zone or (HOME if one.is_all_day else None)
    if zone not in _ZONES:
        raise CannotHoldError("a zone that Windows does not know")
    begin = series.moment(start, zone)
    local = [at.astimezone(series.ZoneInfo(zone)).replace(tzinfo=None) for at in (begin, begin + length)]
    return {
        "isAllDay": False,
        "start": {"dateTime": local[0].isoformat(), "timeZone": _ZONES[zone]},
        "end": {"dateTime": local[1].isoformat(), "timeZone": _ZONES[zone]},
    }
