"""The mailboxes' contents: calendars and items, found quickly and kept between runs.

Nothing here knows Graph's wire or rules; `writes` does, and everything goes through it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from infra.local.simulators.microsoft import identifiers
from infra.local.simulators.microsoft.changes import ChangeLog
from infra.local.simulators.microsoft.items import Calendar, Item, Occurrence
from infra.local.simulators.state import StateFile

_ITEM = TypeAdapter(Item)
_CALENDAR = TypeAdapter(Calendar)
_VIEWS_KEPT = 32

type _ViewKey = tuple[int, int, datetime, datetime, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """A remembered POST: the item it made, what it said, and when."""

    number: int
    fingerprint: str
    at: datetime


class Mailboxes:
    """Every calendar and item of every account, with the change log of each calendar."""

    def __init__(self, state: StateFile) -> None:
        self._state = state
        self._count = 0
        self._numbers: dict[int, dict[int, None]] = {}
        self._calendars: dict[str, Calendar] = {}
        self._by_number: dict[int, Calendar] = {}
        self._by_mailbox: dict[str, dict[int, None]] = {}
        self._items: dict[int, Item] = {}
        self._logs: dict[int, ChangeLog] = {}
        self._transactions: dict[tuple[str, str], Transaction] = {}
        self._views: dict[_ViewKey, list[Item | Occurrence]] = {}
        self._marked: dict[tuple[str, str], set[int]] = {}
        self._cursors = 0

    def next_number(self) -> int:
        """A number never given before; items, calendars and versions share the sequence."""
        self._count += 1
        return self._count

    # Calendars

    def add_calendar(self, mailbox: str, *, name: str, zone: str, primary: bool) -> Calendar:
        """A new, empty calendar."""
        number = self.next_number()
        id_ = identifiers.calendar_id(mailbox, number)
        calendar = Calendar(
            number=number, id=id_, mailbox=mailbox, name=name, zone=zone, primary=primary, version=number
        )
        self.put_calendar(calendar)
        return calendar

    def put_calendar(self, calendar: Calendar) -> None:
        """Add a calendar or replace it by its new self."""
        self._calendars[calendar.id] = calendar
        self._by_number[calendar.number] = calendar
        self._by_mailbox.setdefault(calendar.mailbox, {})[calendar.number] = None
        self._numbers.setdefault(calendar.number, {})
        self._logs.setdefault(calendar.number, ChangeLog())
        self._state.put("calendar", calendar.id, _CALENDAR.dump_python(calendar, mode="json"))

    def drop_calendar(self, calendar: Calendar) -> None:
        """Forget a calendar and what is in it."""
        for item in self.items(calendar):
            self._forget(item)
        self._state.drop("calendar", calendar.id)
        del self._calendars[calendar.id], self._by_number[calendar.number]
        del self._numbers[calendar.number], self._logs[calendar.number]
        del self._by_mailbox[calendar.mailbox][calendar.number]

    def calendar(self, id_: str) -> Calendar | None:
        """The calendar of an id."""
        return self._calendars.get(id_)

    def calendar_of(self, item: Item) -> Calendar:
        """Where an item is."""
        return self._by_number[item.calendar]

    def calendars(self, mailbox: str) -> list[Calendar]:
        """A person's calendars, the primary one first."""
        own = [self._by_number[number] for number in self._by_mailbox.get(mailbox, ())]
        return sorted(own, key=lambda calendar: (not calendar.primary, calendar.number))

    def primary(self, mailbox: str) -> Calendar:
        """A person's primary calendar; every account has one."""
        return self.calendars(mailbox)[0]

    # Items

    def item(self, number: int) -> Item | None:
        """The item of a number."""
        return self._items.get(number)

    def items(self, calendar: Calendar) -> list[Item]:
        """A calendar's items in the order of their making."""
        return [self._items[number] for number in self._numbers[calendar.number]]

    def expanded(
        self, calendar: Calendar, first: datetime, last: datetime, *, floating: bool
    ) -> Sequence[Item | Occurrence]:
        """Single events and occurrences that touch [first, last), by start; kept until the calendar changes."""
        key = (calendar.number, self.log(calendar).last, first, last, floating)
        if key not in self._views:
            rows: list[Item | Occurrence] = []
            for item in self.items(calendar):
                if item.recurrence is not None:
                    rows += item.occurrences(first, last, floating=floating)
                elif item.times.overlap(first, last, floating=floating):
                    rows.append(item)
            rows.sort(key=lambda event: event.times.instants(floating=floating))
            while len(self._views) >= _VIEWS_KEPT:
                del self._views[next(iter(self._views))]
            self._views[key] = rows
        return self._views[key]

    def log(self, calendar: Calendar) -> ChangeLog:
        """A calendar's changes."""
        return self._logs[calendar.number]

    def put_item(self, item: Item) -> None:
        """Add an item or replace it; its stamps' version is the number of the change."""
        self._unmark(item.number)
        self._keep(item)
        self._logs[item.calendar].record(item.stamps.version, item.number)
        self._state.put("item", str(item.number), _ITEM.dump_python(item, mode="json"))

    def drop_item(self, item: Item) -> None:
        """Remove an item and note that it went."""
        self._forget(item)
        version = self.next_number()
        self._logs[item.calendar].record(version, item.number)
        self._state.put("removed", str(item.number), {"calendar": item.calendar, "version": version})

    def marked(self, property_id: str, value: str) -> set[int]:
        """The numbers of items whose own extended property has this value, in any case."""
        return self._marked.get((property_id, value.casefold()), set())

    def _keep(self, item: Item) -> None:
        self._items[item.number] = item
        self._numbers[item.calendar][item.number] = None
        for property_id, value in item.extras.properties.items():
            self._marked.setdefault((property_id, value.casefold()), set()).add(item.number)

    def _unmark(self, number: int) -> None:
        known = self._items.get(number)
        for property_id, value in known.extras.properties.items() if known else ():
            self._marked[property_id, value.casefold()].discard(number)

    def _forget(self, item: Item) -> None:
        self._unmark(item.number)
        del self._items[item.number], self._numbers[item.calendar][item.number]
        self._state.drop("item", str(item.number))

    # Transactions and cursors

    def transaction(self, mailbox: str, id_: str) -> Transaction | None:
        """The POST that a mailbox remembers under this transactionId."""
        return self._transactions.get((mailbox, id_))

    def remember(self, mailbox: str, id_: str, transaction: Transaction) -> None:
        """Remember a POST. Forgotten when the simulator stops, as such memories end anyhow."""
        self._transactions[mailbox, id_] = transaction

    @property
    def cursors(self) -> int:
        """The generation of delta tokens that is good."""
        return self._cursors

    def expire_cursors(self) -> None:
        """No delta token given so far is good any more."""
        self._cursors += 1
        self._state.put("cursors", "generation", self._cursors)

    # Between runs

    def load(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Take up what `StateFile.load` answered."""
        for row in rows.get("calendar", {}).values():
            self.put_calendar(_CALENDAR.validate_python(row))
        for item in sorted(map(_ITEM.validate_python, rows.get("item", {}).values()), key=lambda item: item.number):
            self._keep(item)
        changes = [(item.stamps.version, item.number, item.calendar) for item in self._items.values()]
        removed = rows.get("removed", {})
        changes += [(row["version"], int(number), row["calendar"]) for number, row in removed.items()]
        for version, number, calendar in sorted(changes):
            if calendar in self._logs:
                self._logs[calendar].record(version, number)
        self._cursors = rows.get("cursors", {}).get("generation", 0)
        self._count = max([0, *_flat(changes), *self._by_number])

    def clear(self) -> None:
        """Forget everything but the numbers given, so that no id comes back."""
        for known in (self._calendars, self._by_number, self._by_mailbox, self._numbers, self._items, self._logs):
            known.clear()
        self._transactions.clear()
        self._marked.clear()
        self._views.clear()
        self._cursors += 1


def _flat(changes: Iterable[tuple[int, int, int]]) -> Iterable[int]:
    return (max(version, number) for version, number, _ in changes)
