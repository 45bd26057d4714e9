"""What the oracle is told: the providers' plain data, what was asked of them, and the log that triggers have kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tests.simulation.inventing import WORD
from tests.simulation.oracle.judging import History

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.queues import Letter
    from tests.simulation.world import World

TABLES = (
    "event_mappings",
    "external_calendar_events",
    "sync_runs",
    "sync_jobs",
    "sync_journal",
    "held_changes",
    "outbox",
    "external_calendar_connections",
    "calendar_sync_state",
    "audit_log",
    "webhook_channels",
)
LISTS = ("links", "link_log", "purged", "frozen", "journal", "calls", "told", "dead", "lying", "renewed", "kept")
OPTIONS = (
    "privacy",
    "show",
    "busy_title",
    "title_template",
    "skip_all_day",
    "skip_free",
    "days_ahead",
    "days_behind",
    "state",
    "group_id",
    "on_edit",
    "on_delete",
    "on_conflict",
)


class Facts:
    """Gathers a history's facts as it goes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._read_up_to = 0
        self._link_log: list[tuple[float, dict[str, Any] | None, dict[str, Any] | None]] = []
        self._tags: dict[str, dict[str, str]] = {}
        self._states: dict[str, str] = {}
        self._approved: set[str] = set()
        self._purged: list[tuple[float, str]] = []
        self._frozen: list[tuple[float, str]] = []
        self._kept: list[dict[str, Any]] = []
        self._intended: dict[tuple[str, str], list[tuple[float, dict[str, Any]]]] = {}
        self._links: dict[str, dict[str, Any]] = {}
        self._taken: set[str] = set()

    def gather(self, *, excused: set[str]) -> History:
        """Everything up to now."""
        world = self._world
        self._read_log()
        return History(
            began=world.machine.begin,
            now=world.machine.now(),
            calendars={name: list(shelf.items.values()) for name, shelf in world.server.shelves.items()},
            kinds={name: shelf.kind for name, shelf in world.server.shelves.items()},
            links=list(self._links.values()),
            link_log=self._link_log,
            tags=self._tags,
            discarded={tag for tag, state in self._states.items() if state == "discarded"},
            approved=self._approved,
            purged=self._purged,
            intended=self._intended,
            frozen=self._frozen,
            journal=world.server.journal,
            calls=world.server.calls,
            told=[(one.calendar, one.changed) for one in world.channels.told],
            dead=[letter.failures for letter in world.queues.dead],
            lying=[one.failures for one in world.queues.dead_letters.lying.values() if one.message is not None],
            ended=world.ended,
            renewed=world.renewed,
            restores=world.restores,
            taken=self._taken,
            kept=self._kept,
            conflicts=self._conflicts(),
            refused=self._refused(),
            journalled=self._journalled(),
            unread=self._unread(),
            skewed=world.skewed,
            excused=excused,
        )

    def by_person(self, history: History) -> Iterator[History]:
        """The same as each person alone knows it. What is nobody's, such as poison, is told of the first."""
        people = self._world.people
        calendars = {shelf.name: number for number, one in enumerate(people) for shelf in one.shelves}
        accounts = {account.name: number for number, one in enumerate(people) for account in one.accounts}
        users = {one.user_id: number for number, one in enumerate(people)}
        links = {
            link["id"]: calendars[link["source"]] for _, was, now in history.link_log for link in (was, now) if link
        }
        tags = {tag: links.get(named["link"], 0) for tag, named in history.tags.items()}
        parts: list[dict[str, Any]] = [
            {
                "calendars": {shelf.name: history.calendars[shelf.name] for shelf in one.shelves},
                "tags": {},
                "journalled": {},
                **{name: set() for name in ("discarded", "approved", "unread", "excused")},
                **{name: [] for name in LISTS},
            }
            for one in people
        ]
        for link in history.links:
            parts[links[link["id"]]]["links"].append(link)
        for entry in history.link_log:
            parts[links[(entry[1] or entry[2] or {})["id"]]]["link_log"].append(entry)
        for name in ("tags", "journalled"):
            for tag, value in getattr(history, name).items():
                parts[tags.get(tag, 0)][name][tag] = value
        for name in ("discarded", "approved"):
            for tag in getattr(history, name):
                parts[tags.get(tag, 0)][name].add(tag)
        for at, tag in history.frozen:
            parts[tags.get(tag, 0)]["frozen"].append((at, tag))
        for at, tag in history.purged:
            parts[tags.get(tag, 0)]["purged"].append((at, tag))
        for entry in history.journal:
            parts[calendars[entry["calendar"]]]["journal"].append(entry)
        for call in history.calls:
            parts[accounts[call["account"]]]["calls"].append(call)
        for calendar, at in history.told:
            parts[calendars[calendar]]["told"].append((calendar, at))
        for account, at in history.renewed:
            parts[accounts[account]]["renewed"].append((account, at))
        for entry in history.kept:
            whose = parts if entry["what"] == "restored" else [parts[calendars.get(self._leased(entry["resource"]), 0)]]
            for part in whose:
                part["kept"].append(entry)
        for calendar, event_id in history.unread:
            parts[calendars.get(calendar, 0)]["unread"].add((calendar, event_id))
        for calendar in history.excused:
            parts[calendars[calendar]]["excused"].add(calendar)
        queues = self._world.queues
        for letter in queues.dead:
            parts[_addressee(letter, users)]["dead"].append(letter.failures)
        for letter in queues.dead_letters.lying.values():
            if letter.message is not None:
                parts[_addressee(letter, users)]["lying"].append(letter.failures)
        for part in parts:
            yield replace(history, **part)

    def _leased(self, resource: str) -> str:
        """The calendar that a lease is about."""
        _, _, calendar_id = resource.partition(":")
        return self._world.calendar_of(calendar_id) if len(calendar_id) == len(str(UUID(int=0))) else ""

    def frozen_sources(self) -> list[tuple[str, str]]:
        """Calendar and id of each event whose mirror is frozen now."""
        rows = self._world.store.rows(
            "SELECT source_calendar_id, source_event_id FROM event_mappings WHERE state = 'frozen' ORDER BY id"
        )
        return [(self._world.calendar_name(calendar), event) for calendar, event in rows]

    def words_in_store(self) -> list[str]:
        """Tables in which a word that a person wrote stands in the clear."""
        found = " UNION ALL ".join(f"SELECT '{one}' FROM {one} t WHERE t::text ~ '{WORD}[0-9]+x'" for one in TABLES)  # noqa: S608 - constants
        return sorted({row[0] for row in self._world.store.rows(found)})

    def _journalled(self) -> dict[str, list[tuple[str, float]]]:
        found: dict[str, list[tuple[str, float]]] = {}
        for mapping_id, outcome, at in self._world.store.rows(
            "SELECT mapping_id, outcome, written_at FROM sync_journal ORDER BY id"
        ):
            found.setdefault(mapping_id.hex, []).append((outcome, self._seconds(at)))
        return found

    def _conflicts(self) -> set[str]:
        return {row[0].hex for row in self._world.store.rows("SELECT DISTINCT mapping_id FROM conflicts")}

    def _refused(self) -> set[str]:
        rows = self._world.store.rows("SELECT DISTINCT mapping_id FROM source_writes WHERE last_error IS NOT NULL")
        return {row[0].hex for row in rows}

    def _unread(self) -> set[tuple[str, str]]:
        rows = self._world.store.rows(
            "SELECT calendar_id, external_event_id FROM external_calendar_events"
            " WHERE sync_status = 'FAILED' AND last_error <> ''"
        )
        return {(self._world.calendar_name(calendar_id), event_id) for calendar_id, event_id in rows}

    def _read_log(self) -> None:
        rows = self._world.store.rows(
            'SELECT number, at, what, was, "is" FROM simulation.log WHERE number > %s ORDER BY number',
            self._read_up_to,
        )
        for number, at, what, was, now in rows:
            self._read_up_to = number
            if what in ("lease", "written", "read"):
                until = now.get("until")
                ends = self._seconds(datetime.fromisoformat(until)) if until else None
                self._kept.append({**now, "at": self._seconds(at), "what": what, "until": ends})
                continue
            if what == "restored":
                self._forget(self._seconds(at), links={*now["links"]})
                continue
            if what == "link":
                self._note_link(self._seconds(at), self._link(was), self._link(now))
                continue
            if what == "purged":
                self._purged.append((self._seconds(at), now["mapping"].replace("-", "")))
                continue
            if what == "intended":
                self._note_intent(self._seconds(at), now["by"], now["mapping"].replace("-", ""))
                continue
            tag = now["id"].replace("-", "")
            self._tags[tag] = {"link": now["link"], "source": now["source"]}
            self._states[tag] = now["state"]
            if was == "held" and now["state"] == "open":
                self._approved.add(tag)
            if now["state"] == "frozen" and was != "frozen":
                self._frozen.append((self._seconds(at), tag))

    def _note_link(self, at: float, was: dict[str, Any] | None, now: dict[str, Any] | None) -> None:
        self._link_log.append((at, was, now))
        if now is not None:
            self._links[now["id"]] = now
            self._taken.discard(now["id"])
        elif was is not None:
            self._links.pop(was["id"], None)

    def _note_intent(self, at: float, actor: str, tag: str) -> None:
        """The log is in the order of the commits: by the link as it was known last the write was rendered."""
        link = self._links.get(self._tags.get(tag, {}).get("link", ""))
        if link is not None:
            self._intended.setdefault((actor, tag), []).append((at, link))

    def _forget(self, at: float, *, links: set[str]) -> None:
        """After a restore only these links are there; what else there is follows in the log."""
        taken = next(taken for taken, put_back in self._world.restores if put_back == at)
        for gone in [link for link in self._links.values() if link["id"] not in links]:
            before = [(was, now) for when, was, now in self._link_log if when <= taken and gone["id"] == _id(was, now)]
            self._note_link(at, gone, None)
            if not before or before[-1][1] is not None:  # else its person had deleted it by then
                self._taken.add(gone["id"])
        self._states.clear()
        self._kept.append({"what": "restored", "at": at})

    def _link(self, row: dict[str, Any] | None) -> dict[str, Any] | None:
        if row is None:
            return None
        return {name: row[name] for name in OPTIONS} | {
            "id": row["id"],
            "source": self._world.calendar_of(row["source_calendar_id"]),
            "target": self._world.calendar_of(row["target_calendar_id"]),
        }

    def _seconds(self, at: datetime) -> float:
        return (at - self._world.machine.begin).total_seconds()


def _id(was: dict[str, Any] | None, now: dict[str, Any] | None) -> str:
    return str((was or now or {})["id"])


def _addressee(letter: Letter, users: dict[UUID, int]) -> int:
    return users.get(letter.message.user_id, 0) if letter.message else 0
