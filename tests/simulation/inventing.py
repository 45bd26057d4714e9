"""Events as people make them. Every text holds a word that is used once: it is recognised wherever it turns up."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tests.simulation import plain
from tests.simulation.provider import EMPTY

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.plain import Item

WORD = "zq"
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney")
FRAMES = ("{}", "{} Dentist", "🦷 {} <b>bold</b>", "  {} padded  ", "{}\u200b", "{} & sons\r\n")
RULES = ("FREQ=DAILY", "FREQ=WEEKLY", "FREQ=DAILY;INTERVAL=2", "FREQ=WEEKLY;INTERVAL=2", "FREQ=MONTHLY")
FAR_AWAY = (
    {"all_day": True, "zone": "UTC", "start": "1600-02-29", "end": "1600-03-01"},
    {"all_day": True, "zone": "UTC", "start": "9999-12-30", "end": "9999-12-31"},
    {"all_day": False, "zone": "UTC", "start": "1600-02-29T12:00:00+00:00", "end": "1600-02-29T13:00:00+00:00"},
    {"all_day": False, "zone": "UTC", "start": "9999-12-30T12:00:00+00:00", "end": "9999-12-30T13:00:00+00:00"},
)
UNITS = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31}


class Inventor:
    """Makes up events around a moment."""

    series = 0.35
    """So many of what is new repeats."""

    def __init__(self, chance: Random, *, first_word: int = 1) -> None:
        self._chance = chance
        self._words = count(first_word)
        self._minutes = count(1)

    def text(self) -> dict[str, str]:
        """A title, and perhaps more."""
        chance = self._chance
        return {
            "title": "" if chance.random() < 0.04 else chance.choice(FRAMES).format(self._word()),
            "description": f"{self._word()} bring the x-ray\r\nplease " if chance.random() < 0.5 else "",
            "location": f"{self._word()} Street" if chance.random() < 0.4 else "",
        }

    def line(self) -> str:
        """A few words."""
        return self._chance.choice(FRAMES).format(self._word())

    def times(self, now: datetime) -> dict[str, Any]:
        """When something new happens: mostly soon, sometimes past or far away."""
        chance = self._chance
        kind = chance.random()
        if kind < 0.01:
            return dict(chance.choice(FAR_AWAY))
        if kind < 0.55:
            hours = chance.uniform(1, 72)
        elif kind < 0.75:
            hours = chance.uniform(72, 700)
        elif kind < 0.87:
            hours = chance.uniform(-70, 0)
        else:
            hours = chance.uniform(300 * 24, 480 * 24)
        zone = chance.choice(ZONES)
        start = (now + timedelta(hours=hours)).astimezone(ZoneInfo(zone))
        if chance.random() < 0.15:
            day = start.date()
            return {
                "all_day": True,
                "zone": "UTC",
                "start": day.isoformat(),
                "end": (day + timedelta(days=chance.choice((1, 1, 1, 3)))).isoformat(),
            }
        # Daytime, so that no clock change makes a time come twice; a minute of its own, so that no two places of
        # series fall together by chance.
        number = next(self._minutes)
        start = start.replace(hour=8 + number // 60 % 12, minute=number % 60, second=0, microsecond=0)
        length = timedelta(minutes=chance.choice((0, 15, 30, 60, 60, 90, 180, 60 * 30)))
        return {
            "all_day": False,
            "zone": zone,
            "start": plain.text(start, all_day=False),
            "end": plain.text(start + length, all_day=False),
        }

    def event(self, now: datetime, item_id: str) -> Item:
        """Something new."""
        chance = self._chance
        item = {**EMPTY, "id": item_id, **self.text(), **self.times(now)}
        if chance.random() < 0.3:
            item["guests"] = ["guest@elsewhere.example"]
            item["response"] = chance.choice(("none", "accepted", "needs_action", "tentative", "declined"))
        if chance.random() < 0.15:
            item["show"] = "free"
        if chance.random() < 0.2:
            item["visibility"] = chance.choice(("public", "private", "confidential"))
        if chance.random() < self.series and is_near(item):
            item["recurrence"] = [self.rule(item)]
        return item

    def rule(self, item: Item) -> str:
        """How something repeats, from its own start on; a monthly one only on days that every month has."""
        chance = self._chance
        rules = RULES[:-1] if plain.moment(item["start"]).day > 27 else RULES
        rule = chance.choice(rules)
        kind = chance.random()
        if kind < 0.55:
            return f"RRULE:{rule};COUNT={chance.randint(2, 9)}"
        if kind < 0.85:
            days = UNITS[rule.partition("=")[2].partition(";")[0]] * chance.randint(1, 8)
            until = plain.moment(item["start"]) + timedelta(days=days)
            return f"RRULE:{rule};UNTIL={plain.place(until, all_day=item['all_day'])}"
        return f"RRULE:{rule}"

    def moved(self, item: Item, now: datetime) -> dict[str, Any]:
        """Another time for something; a series keeps its kind of rule."""
        times = self.times(now)
        if not item["recurrence"] or not is_near({**item, **times}):
            return {**times, "recurrence": []}
        return {**times, "recurrence": [self.rule({**item, **times})]}

    def shifted(self, item: Item) -> dict[str, str]:
        """An occurrence moved a little, within its neighbours."""
        days = self._chance.choice((0, 0, 1))
        by = (
            timedelta(days=days) if item["all_day"] else timedelta(days=days, minutes=self._chance.choice((0, 45, 120)))
        )
        by = by if is_near(item) else -by
        return {name: plain.text(plain.moment(item[name]) + by, all_day=item["all_day"]) for name in ("start", "end")}

    def _word(self) -> str:
        return f"{WORD}{next(self._words)}x"


def is_near(item: Item) -> bool:
    """Whether something may repeat: nobody counts the days since 1600."""
    return "1900" < item["start"] < "9000"
