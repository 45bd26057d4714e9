"""What the simulated Google knows: calendars, who has them in their list, and the events, in memory.

Every change of an event gets the next number of its calendar's log, so that "what changed since" costs as much as
what changed.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from infra.local.simulators.port import NotFoundError
from infra.local.simulators.state import StateFile

type Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A calendar. `id` is the owner's address for a primary one. `born` tells it from earlier ones of that id."""

    id: str
    owner: str
    summary: str
    time_zone: str
    primary: bool
    born: str
    version: int
    description: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A calendar in somebody's list. `seq` numbers the changes of that list; a removed one stays as a tombstone."""

    calendar: str
    role: str
    seq: int
    version: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    removed: bool = False


class Record:
    """One version of one event; frozen, apart from remembering how it looks as JSON."""

    __slots__ = ("event", "seq", "text", "text_zone")

    def __init__(self, event: Event, seq: int) -> None:
        self.event = event
        self.seq = seq
        self.text = ""
        self.text_zone = ""

    @property
    def id(self) -> str:
        """The event's id."""
        return str(self.event["id"])

    @property
    def cancelled(self) -> bool:
        """Whether it is deleted, or an occurrence that was."""
        return bool(self.event["status"] == "cancelled")

    @property
    def master_id(self) -> str | None:
        """The series this is an exception of."""
        return self.event.get("recurringEventId")

    @property
    def is_series(self) -> bool:
        """Whether it is a series' master."""
        return "recurrence" in self.event


class Events:
    """The events of one calendar, with the log of their changes."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._log: list[tuple[int, str]] = []
        self._exceptions: dict[str, set[str]] = {}
        self._by_uid: dict[str, set[str]] = {}
        self.seq = 0

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def __len__(self) -> int:
        return len(self._records)

    def find(self, event_id: str) -> Record | None:
        """A stored event, deleted ones too; occurrences only when they are exceptions."""
        return self._records.get(event_id)

    def is_gone(self, record: Record) -> bool:
        """Whether it is deleted, be it with its series; a cancelled occurrence of a live series is not gone."""
        master = self._records.get(record.master_id) if record.master_id else None
        return record.cancelled if master is None else master.cancelled

    def exceptions(self, master_id: str) -> list[Record]:
        """Changed and cancelled occurrences of a series."""
        return [self._records[event_id] for event_id in sorted(self._exceptions.get(master_id, ()))]

    def by_uid(self, uid: str) -> list[Record]:
        """The events with this iCalUID: a series comes with its exceptions."""
        return [self._records[event_id] for event_id in sorted(self._by_uid.get(uid, ()))]

    def put(self, event: Event, seq: int | None = None) -> Record:
        """Store a new version; the dictionary belongs to the store from now on."""
        self.seq = self.seq + 1 if seq is None else max(self.seq, seq)
        record = Record(event, self.seq if seq is None else seq)
        self._records[record.id] = record
        self._log.append((record.seq, record.id))
        if record.master_id:
            self._exceptions.setdefault(record.master_id, set()).add(record.id)
        self._by_uid.setdefault(event.get("iCalUID", ""), set()).add(record.id)
        if len(self._log) > 64 + 2 * len(self._records):
            self._log = [(seq, event_id) for seq, event_id in self._log if self._records[event_id].seq == seq]
        return record

    def changed(self, after: int, until: int) -> Iterator[Record]:
        """Current versions whose last change is numbered in (after, until], oldest change first."""
        first = bisect_right(self._log, after, key=lambda entry: entry[0])
        for position in range(first, len(self._log)):
            seq, event_id = self._log[position]
            if seq > until:
                return
            record = self._records[event_id]
            if record.seq == seq:
                yield record

    def sort_log(self) -> None:
        """Put the log in order after loading."""
        self._log.sort()


class Store:
    """Everything, and its copy in the state file."""

    def __init__(self, state: StateFile) -> None:
        self._state = state
        self.calendars: dict[str, Calendar] = {}
        self.events: dict[str, Events] = {}
        self.lists: dict[str, dict[str, Entry]] = {}
        self.version = 0
        self.cursor_epoch = 0

    def next_version(self, now: datetime) -> int:
        """A number for an ETag: it looks like Google's (twice the microseconds) and never repeats."""
        self.version = max(self.version + 2, int(now.timestamp() * 1_000_000) * 2)
        return self.version

    def calendar(self, calendar_id: str) -> Calendar:
        """The calendar; NotFoundError otherwise."""
        try:
            return self.calendars[calendar_id]
        except KeyError:
            raise NotFoundError(f"there is no calendar {calendar_id!r}") from None

    def put_calendar(self, calendar: Calendar) -> None:
        """Add or replace a calendar."""
        self.calendars[calendar.id] = calendar
        self.events.setdefault(calendar.id, Events())
        self._state.put("calendar", calendar.id, asdict(calendar))

    def drop_calendar(self, calendar_id: str) -> None:
        """Forget a calendar with its events, and leave a tombstone in every list."""
        del self.calendars[calendar_id]
        self._state.drop("calendar", calendar_id)
        for record in self.events.pop(calendar_id):
            self._state.drop("event", f"{calendar_id} {record.id}")
        for email, entries in self.lists.items():
            if calendar_id in entries:
                self.put_entry(email, replace(entries[calendar_id], removed=True))

    def put_entry(self, email: str, entry: Entry) -> Entry:
        """Add or change a calendar in somebody's list; the list's next number is stamped on it."""
        entries = self.lists.setdefault(email, {})
        entry = replace(entry, seq=self.list_seq(email) + 1)
        entries[entry.calendar] = entry
        self._state.put("entry", f"{email} {entry.calendar}", {**asdict(entry), "email": email})
        return entry

    def default_reminders(self, calendar: Calendar) -> list[Event]:
        """The reminders that events of a calendar inherit: its owner's."""
        entry = self.lists.get(calendar.owner, {}).get(calendar.id)
        return list(entry.settings.get("defaultReminders", ())) if entry else []

    def list_seq(self, email: str) -> int:
        """The number of the newest change of a person's list."""
        return max((entry.seq for entry in self.lists.get(email, {}).values()), default=0)

    def put_event(self, calendar_id: str, event: Event) -> Record:
        """Store a new version of an event."""
        record = self.events[calendar_id].put(event)
        self._state.put(
            "event", f"{calendar_id} {record.id}", {"calendar": calendar_id, "seq": record.seq, "event": event}
        )
        return record

    def expire_cursors(self) -> None:
        """No sync token given out so far is good any more."""
        self.cursor_epoch += 1
        self._state.put("meta", "cursor_epoch", self.cursor_epoch)

    def clear(self) -> None:
        """Forget everything; sync tokens of before are not good for what comes."""
        self.calendars.clear()
        self.events.clear()
        self.lists.clear()
        self.expire_cursors()

    def load(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Take up what the state file had."""
        self.cursor_epoch = rows.get("meta", {}).get("cursor_epoch", 0)
        for row in rows.get("calendar", {}).values():
            calendar = Calendar(**row)
            self.calendars[calendar.id] = calendar
            self.events[calendar.id] = Events()
            self.version = max(self.version, calendar.version)
        for row in rows.get("entry", {}).values():
            email = row["email"]
            entry = Entry(**{key: value for key, value in row.items() if key != "email"})
            self.lists.setdefault(email, {})[entry.calendar] = entry
        for row in rows.get("event", {}).values():
            self.events[row["calendar"]].put(row["event"], row["seq"])
            self.version = max(self.version, int(row["event"]["etag"].strip('"')))
        for events in self.events.values():
            events.sort_log()
