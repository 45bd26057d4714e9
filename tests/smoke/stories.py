"""What a person does to a calendar while everything runs: small stories of single steps, told in turns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING, Any

from tests.smoke import seeding, shapes
from tests.smoke.seeding import ZONES, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.smoke.simulator import Agenda

type Resource = dict[str, Any]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing a person does, and what it is called."""

    name: str
    do: Callable[[], None]


def seen(agenda: Agenda, *, now: datetime, full: bool, count: int) -> list[Step]:
    """That many steps, each of which shows in a mirror; `full`: also those that only change texts."""
    teller = _Teller(agenda, now)
    stories = [teller.meeting(), teller.series(), teller.days(), teller.answers(), teller.birthdays()]
    stories.append(teller.texts() if full else teller.oddities())
    told = (step for step in chain.from_iterable(zip_longest(*stories)) if step is not None)
    # Every step is bound to what came before in its story: taking the first ones breaks none.
    steps = list(islice(told, count))
    if len(steps) < count:
        raise ValueError(f"the stories have {len(steps)} steps, not {count}")
    return steps


def unseen(agenda: Agenda, *, now: datetime, words: tuple[str, ...]) -> list[Step]:
    """Steps that show in no mirror of a busy link; the first makes the event and does."""
    return list(_Teller(agenda, now).whispers(words))


class _Teller:
    """Tells stories of one calendar. Each keeps its own event, which its first step makes."""

    def __init__(self, agenda: Agenda, now: datetime) -> None:
        self._agenda = agenda
        self._first = now.date() + 3 * DAY

    def meeting(self) -> Iterator[Step]:
        """The life of a meeting."""
        it = Event(self._agenda, self._at(9, "A meeting"))
        yield Step(name="create", do=it.make)
        yield Step(name="move", do=lambda: it.span(start=it.start + DAY + 2 * HOUR, end=it.end + DAY + 2 * HOUR))
        yield Step(name="resize", do=lambda: it.span(end=it.end + timedelta(minutes=45)))
        yield Step(name="make all-day", do=lambda: it.span(start=it.start.date(), end=it.start.date() + DAY))
        yield Step(name="make timed", do=lambda: it.span(start=self._time(14), end=self._time(15)))
        yield Step(name="change time zone", do=lambda: it.span(zone=ZONES[1]))
        yield Step(name="make tentative", do=lambda: it.patch({"status": "tentative"}, {"showAs": "tentative"}))
        yield Step(name="confirm", do=lambda: it.patch({"status": "confirmed"}, {"showAs": "busy"}))
        yield Step(name="delete", do=it.delete)

    def series(self) -> Iterator[Step]:
        """The life of a weekly series."""
        begin = self._time(10)
        rule = f"FREQ=WEEKLY;BYDAY={weekday(begin)};COUNT=12"
        it = Event(self._agenda, Plan(title="Weekly", start=begin, end=begin + HOUR, zone=ZONES[2], rule=rule))
        shorter = replace(it.plan, rule=rule.replace("COUNT=12", "COUNT=8"))
        yield Step(name="create series", do=it.make)
        yield Step(name="move instance", do=lambda: it.edit(2, it.start + 14 * DAY + 3 * HOUR))
        yield Step(name="cancel instance", do=lambda: it.cancel(4))
        yield Step(name="move instance to the next day", do=lambda: it.edit(3, it.start + 22 * DAY))
        yield Step(name="move instance back", do=lambda: it.edit(2, it.start + 14 * DAY))
        yield Step(name="change series time", do=lambda: it.span(start=it.start + HOUR, end=it.end + 2 * HOUR))
        yield Step(name="shorten series", do=lambda: it.recur(shorter))
        yield Step(name="delete series", do=it.delete)

    def days(self) -> Iterator[Step]:
        """A holiday that grows."""
        it = Event(self._agenda, Plan(title="Away", start=self._first, end=self._first + 3 * DAY))
        yield Step(name="create all-day", do=it.make)
        yield Step(name="extend all-day", do=lambda: it.span(end=self._first + 5 * DAY))
        yield Step(name="move all-day", do=lambda: it.span(start=self._first + 7 * DAY, end=self._first + 12 * DAY))
        yield Step(name="delete all-day", do=it.delete)

    def answers(self) -> Iterator[Step]:
        """An invitation that changes its mind."""
        it = Event(self._agenda, replace(self._at(11, "Invited"), guests=("Kim",), answer="accepted"))
        yield Step(name="create with guests", do=it.make)
        yield Step(name="make free", do=lambda: it.patch({"transparency": "transparent"}, {"showAs": "free"}))
        yield Step(name="make busy", do=lambda: it.patch({"transparency": "opaque"}, {"showAs": "busy"}))
        yield Step(name="decline", do=lambda: it.answer("declined"))
        yield Step(name="accept", do=lambda: it.answer("accepted"))

    def birthdays(self) -> Iterator[Step]:
        """An all-day series."""
        it = Event(
            self._agenda,
            Plan(title="Standby", start=self._first, end=self._first + DAY, rule="FREQ=DAILY;INTERVAL=2;COUNT=10"),
        )
        yield Step(name="create all-day series", do=it.make)
        yield Step(name="cancel all-day instance", do=lambda: it.cancel(3))
        yield Step(name="delete all-day series", do=it.delete)

    def texts(self) -> Iterator[Step]:
        """What only a full mirror shows."""
        html = "<p>Agenda</p><ul><li>One &amp; <b>two</b></li></ul>"
        it = Event(self._agenda, replace(self._at(16, "Draft 🎨  "), description="First\r\nsecond line  "))
        yield Step(name="create with odd text", do=it.make)
        yield Step(name="rename", do=lambda: it.patch({"summary": "Final 🏁"}, {"subject": "Final 🏁"}))
        yield Step(
            name="write html",
            do=lambda: it.patch({"description": html}, {"body": {"contentType": "html", "content": html}}),
        )
        yield Step(
            name="change place", do=lambda: it.patch({"location": "Café"}, {"location": {"displayName": "Café"}})
        )
        yield Step(name="delete with text", do=it.delete)

    def oddities(self) -> Iterator[Step]:
        """What a busy mirror can trip over."""
        point = self._time(17)
        instant = Event(self._agenda, Plan(title="Point", start=point, end=point))
        night = Event(self._agenda, replace(self._at(22, "Night"), end=self._time(22) + 9 * HOUR, zone=ZONES[3]))
        twin = Event(self._agenda, replace(self._at(22, "Night"), end=self._time(22) + 9 * HOUR, zone=ZONES[3]))
        yield Step(name="create without length", do=instant.make)
        yield Step(name="create over midnight", do=night.make)
        yield Step(name="create a twin", do=twin.make)
        yield Step(name="delete one twin", do=night.delete)
        yield Step(name="give it length", do=lambda: instant.span(end=point + HOUR))

    def whispers(self, words: tuple[str, ...]) -> Iterator[Step]:
        """Texts and trifles that a busy mirror does not show."""
        it = Event(self._agenda, self._at(13, "Quiet"))
        title, text, place = words
        yield Step(name="create", do=it.make)
        yield Step(name="rename", do=lambda: it.patch({"summary": title}, {"subject": title}))
        yield Step(
            name="write text",
            do=lambda: it.patch({"description": text}, {"body": {"contentType": "text", "content": text}}),
        )
        yield Step(name="change place", do=lambda: it.patch({"location": place}, {"location": {"displayName": place}}))
        yield Step(name="change colour", do=lambda: it.patch({"colorId": "5"}, {"categories": ["Red category"]}))

    def _time(self, hour: int) -> datetime:
        return datetime.combine(self._first, time(hour))

    def _at(self, hour: int, title: str) -> Plan:
        return Plan(title=title, start=self._time(hour), end=self._time(hour) + HOUR, zone=ZONES[0])


class Event:
    """An event under way: its plan as it stands, and how to change it at either provider."""

    def __init__(self, agenda: Agenda, plan: Plan) -> None:
        self.plan = plan
        self._agenda = agenda
        self._google = agenda.provider == "google"
        self._id = ""
        self._span = shapes.google_span if self._google else shapes.microsoft_span

    @property
    def start(self) -> Any:
        return self.plan.start

    @property
    def end(self) -> Any:
        return self.plan.end

    def make(self) -> None:
        self._id = self._agenda.add(shapes.event(self._agenda.provider, self.plan, owner=self._agenda.owner))

    def delete(self) -> None:
        self._agenda.delete(self._id)

    def patch(self, google: Resource, microsoft: Resource) -> None:
        self._agenda.patch(self._id, google if self._google else microsoft)

    def span(self, **changes: datetime | date | str) -> None:
        self.plan = replace(self.plan, **changes)  # type: ignore[arg-type]
        self._agenda.patch(self._id, self._span(self.plan.start, self.plan.end, self.plan.zone))

    def recur(self, plan: Plan) -> None:
        rule = plan.rule
        self.plan = replace(self.plan, rule=rule)
        self.patch({"recurrence": [f"RRULE:{rule}"]}, {"recurrence": shapes.graph_recurrence(self.plan)})

    def edit(self, number: int, start: datetime) -> None:
        body = self._span(start, start + (self.end - self.start), self.plan.zone)
        self._agenda.edit(self._id, self._original(number), body)

    def cancel(self, number: int) -> None:
        self._agenda.edit(self._id, self._original(number), {"cancelled": True})

    def answer(self, response: str) -> None:
        attendees = shapes.google(replace(self.plan, answer=response), owner=self._agenda.owner).get("attendees", [])
        answered = {"response": response, "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        self.patch({"attendees": attendees}, {"responseStatus": answered})

    def _original(self, number: int) -> str:
        return shapes.original(next(islice(seeding.starts(self.plan), number, None)), self.plan.zone)


def weekday(moment: datetime) -> str:
    """As BYDAY says it."""
    return ("MO", "TU", "WE", "TH", "FR", "SA", "SU")[moment.weekday()]
