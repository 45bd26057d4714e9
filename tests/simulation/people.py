"""The simulated person: edits on all sides, mirrors meddled with, links made, changed, paused and deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.connections import calendars as listed
from shared.sync import requests
from shared.sync.requests import By
from tests.simulation import plain
from tests.simulation.google import instance
from tests.simulation.inventing import Inventor, is_near
from tests.simulation.microsoft import cancel
from tests.simulation.operating import Operator

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from shared.sync.context import Engine
    from tests.simulation.plain import Item
    from tests.simulation.provider import Shelf
    from tests.simulation.world import World

MOST_LINKS = 6


class People:
    """Everybody whose calendars Kalends keeps in step."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._machine = world.machine
        self._chance = world.machine.random
        self._server = world.server
        self._inventor = Inventor(world.machine.random)
        operator = Operator(world)
        self._actions: list[tuple[Callable[[], None], float]] = [
            (self.add, 10),
            (self.rewrite, 5),
            (self.move, 6),
            (self.answer, 4),
            (self.delete, 5),
            (self.change_occurrence, 7),
            (self.reshape, 2),
            (self.shorten, 2),
            (self.spoil_or_mend, 1.5),
            (self.bring_back, 1),
            (self.add_many, 1.2),
            (self.delete_many, 2.5),
            (self.meddle, 7),
            (self.copy_a_mirror, 1),
            (self.add_link, 1.5),
            (self.change_link, 2),
            (self.pause_or_resume, 1.5),
            (self.delete_link, 1),
            (self.sync_now, 1),
            (self.decide_held, 2),
            (self.reconnect, 3),
            (operator.switch_a_gate, 0.8),
            (operator.lose_the_database, 0.5),
            (operator.forget_cursors, 1),
        ]

    def act(self) -> None:
        """Do something."""
        actions, weights = zip(*self._actions, strict=True)
        self._chance.choices(actions, weights)[0]()

    # On one's own events.

    def add(self, shelf: Shelf | None = None) -> None:
        """A new event or series."""
        shelf = shelf or self._shelf()
        item = self._inventor.event(self._machine.now(), self._server.new_id(shelf))
        if shelf.kind == "google":
            item["type"] = self._chance.choices(
                ("default", "focus_time", "out_of_office", "working_location"), (20, 1, 1, 1)
            )[0]
        elif self._chance.random() < 0.15:
            item["show"] = self._chance.choice(("tentative", "oof"))
        self._put(shelf, item, "adds")

    def rewrite(self) -> None:
        """Another text."""
        self._change("rewrites", lambda item: self._inventor.text())

    def move(self) -> None:
        """Another time."""
        self._change("moves", lambda item: self._inventor.moved(item, self._machine.now()))

    def answer(self) -> None:
        """Free or busy, accepted or declined."""

        def changed(item: Item) -> dict[str, Any]:
            if self._chance.random() < 0.5:
                return {"show": self._chance.choice(("busy", "free"))}
            return {"response": self._chance.choice(("accepted", "declined", "tentative", "needs_action"))}

        self._change("answers", changed)

    def delete(self) -> None:
        """An event or a whole series goes."""
        found = self._own()
        if found is not None:
            shelf, item = found
            self._machine.note(f"the person deletes {item['id']} of {shelf.name}")
            self._server.erase(shelf, item["id"], by="person")

    def change_occurrence(self) -> None:
        """One occurrence of a series is changed, moved or cancelled, or follows its rule again."""
        found = self._own(only=lambda item: bool(item["recurrence"]))
        if found is not None:
            self._change_one_of(*found)

    def reshape(self) -> None:
        """A single event becomes a series, or the other way round."""

        def changed(item: Item) -> dict[str, Any]:
            if item["recurrence"]:
                return {"recurrence": []}
            times = self._inventor.times(self._machine.now())  # new ones: no place of an earlier rule comes back
            rules = [self._inventor.rule({**item, **times})] if is_near({**item, **times}) else []
            return {**times, "recurrence": rules}

        self._change("reshapes", changed)

    def shorten(self) -> None:
        """This and all that follow are taken away from a series."""

        def changed(item: Item) -> dict[str, Any]:
            rule = item["recurrence"][0]
            starts = plain.starts(item, before=plain.moment(item["start"]) + timedelta(days=400))
            if "COUNT" in rule or "UNTIL" in rule or len(starts) < 3:
                last = starts[max(0, len(starts) // 2 - 1)]
            else:
                last = starts[self._chance.randint(1, min(9, len(starts) - 1))]
            kind = rule.partition(";COUNT")[0].partition(";UNTIL")[0]
            return {"recurrence": [f"{kind};UNTIL={plain.place(last, all_day=item['all_day'])}"]}

        self._change("shortens", changed, only=lambda item: bool(item["recurrence"]))

    def spoil_or_mend(self) -> None:
        """An event becomes one that nobody can read, or readable again."""
        self._change("spoils or mends", lambda item: {"readable": not item["readable"]})

    def mend_all(self) -> None:
        """Nothing is unreadable any more."""
        for shelf in self._server.shelves.values():
            for item in shelf.living("person"):
                if not item["readable"]:
                    self._put(shelf, {**item, "readable": True}, "mends")

    def touch(self, shelf: Shelf, item: Item) -> None:
        """Change an event a little."""
        self._put(shelf, {**item, **self._inventor.text()}, "rewrites")

    def bring_back(self) -> None:
        """A deleted single event comes out of the bin."""
        shelf = self._shelf()
        gone = [
            one
            for one in shelf.items.values()
            if plain.is_gone(one) and one["by"] == "person" and not one["recurrence"]
        ]
        if gone:
            self._put(shelf, {**self._chance.choice(gone), "status": "confirmed"}, "brings back")

    def add_many(self) -> None:
        """An import."""
        shelf = self._shelf()
        for _ in range(self._chance.randint(8, 16)):
            item = self._inventor.event(self._machine.now(), self._server.new_id(shelf))
            self._put(shelf, item, "imports")

    def delete_many(self) -> None:
        """Somebody, or something, empties a calendar."""
        shelf = self._shelf()
        living = shelf.living("person")
        for item in self._chance.sample(living, round(len(living) * self._chance.uniform(0.5, 1))):
            self._machine.note(f"the person deletes {item['id']} of {shelf.name}")
            self._server.erase(shelf, item["id"], by="person")

    # On mirrors.

    def meddle(self) -> None:
        """Somebody changes or deletes a mirror, or one of its occurrences."""
        mirrors = [(shelf, item) for shelf in self._server.shelves.values() for item in shelf.living("kalends")]
        if not mirrors:
            return
        shelf, item = self._chance.choice(mirrors)
        kind = self._chance.random()
        if kind < 0.35:
            self._machine.note(f"the person deletes the mirror {item['id']} of {shelf.name}")
            self._server.erase(shelf, item["id"], by="person")
        elif kind < 0.6:
            self._put(shelf, {**item, **self._inventor.text()}, "rewrites the mirror")
        elif item["recurrence"]:
            self._change_one_of(shelf, item)
        else:
            self._put(shelf, {**item, **self._inventor.times(self._machine.now())}, "moves the mirror")

    def copy_a_mirror(self) -> None:
        """Somebody copies a mirror into another calendar, marker and all: from now on an event like any other."""
        mirrors = [(shelf, item) for shelf in self._server.shelves.values() for item in shelf.living("kalends")]
        if not mirrors:
            return
        shelf, item = self._chance.choice(mirrors)
        others = [one for one in self._server.shelves.values() if one is not shelf]
        other = self._chance.choice(others)
        copy = {**item, "id": self._server.new_id(other), "by": "person", "visibility": "default"}
        copy.pop("transaction", None)
        if other.kind == "microsoft" and copy["status"] == "tentative":
            copy |= {"status": "confirmed", "show": "tentative"}
        elif other.kind == "google" and copy["show"] not in ("free", "busy"):
            copy["show"] = "busy"
        self._put(other, copy, f"copies {item['id']} of {shelf.name} as")

    # By the pages and the API.

    def add_link(self) -> None:
        """Link two calendars."""
        links = self._links()
        taken = {(link["source_calendar_id"], link["target_calendar_id"]) for link in links}
        ids = sorted(self._world.ids.values())
        free = [(one, other) for one in ids for other in ids if one != other and (one, other) not in taken]
        if not free or len(links) >= MOST_LINKS:
            return
        source, target = self._chance.choice(free)
        options = self._options()
        self._ask(
            f"links {self._world.names[source]} to {self._world.names[target]} {options}",
            lambda engine, by: requests.create_link(
                engine, by, source_calendar_id=source, target_calendar_id=target, **options
            ),
        )

    def change_link(self) -> None:
        """Another privacy, filter or window."""
        link = self._link()
        if link is not None:
            options = self._options()
            chosen = self._chance.sample(sorted(options), self._chance.randint(1, 2))
            changes = {name: options[name] for name in chosen}
            self._ask(
                f"changes link {_short(link['id'])}: {changes}",
                lambda engine, by: requests.change_link(engine, by, link["id"], version=None, changes=changes),
            )

    def pause_or_resume(self) -> None:
        """A link rests, or goes on."""
        link = self._link()
        if link is not None:
            self._ask(
                f"{'resumes' if link['state'] == 'paused' else 'pauses'} link {_short(link['id'])}",
                lambda engine, by: (requests.resume_link if link["state"] == "paused" else requests.pause_link)(
                    engine, by, link["id"]
                ),
            )

    def resume_all(self) -> int:
        """Every paused link goes on; returns how many there were."""
        paused = [link for link in self._links() if link["state"] == "paused"]
        for link in paused:
            self._ask(
                f"resumes link {_short(link['id'])}",
                lambda engine, by, link=link: requests.resume_link(engine, by, link["id"]),
            )
        return len(paused)

    def delete_link(self) -> None:
        """With its mirrors or without."""
        link = self._link()
        if link is not None:
            with_mirrors = self._chance.random() < 0.6
            self._ask(
                f"deletes link {_short(link['id'])} {'with' if with_mirrors else 'without'} its mirrors",
                lambda engine, by: requests.delete_link(engine, by, link["id"], delete_mirrors=with_mirrors),
            )

    def sync_now(self) -> None:
        """ "Sync now" on everything."""
        self._ask("asks for a sync", lambda engine, by: requests.sync_now(engine, by))

    def decide_held(self, *, everything: bool = False) -> int:
        """Approve or discard deletions that wait; returns how many there were."""
        waiting = self._world.store.rows("SELECT id FROM held_changes WHERE resolution IS NULL ORDER BY id")
        for (hold_id,) in waiting if everything else waiting[:1]:
            approved = self._chance.random() < 0.6
            self._ask(
                f"{'approves' if approved else 'discards'} held deletions {_short(hold_id)}",
                lambda engine, by, hold_id=hold_id, approved=approved: requests.resolve_held(
                    engine, by, hold_id, approved=approved
                ),
            )
        return len(waiting)

    def reconnect(self, *, everything: bool = False) -> int:
        """Sign in again where Kalends is not let in any more, as connections/oauth.py saves a sign-in; returns how many
        accounts that were."""
        rows = self._world.store.rows(
            "SELECT id, provider_user_id FROM external_calendar_connections WHERE status = 'needs_reauth' ORDER BY id"
        )
        for connection_id, account in rows if everything else rows[:1]:

            def sign_in(engine: Engine, by: By, connection_id: UUID = connection_id, account: str = account) -> None:
                state = self._server.accounts[account]
                state.is_revoked = False
                state.generation += 1
                with engine.database.person(by.user_id) as conn:
                    conn.execute(
                        """
                        UPDATE external_calendar_connections
                           SET status = 'active', error_count = 0, last_error = NULL, backoff_until = NULL
                         WHERE id = %s
                        """,
                        (connection_id,),
                    )
                    listed.request_linked(conn, connection_id)

            self._world.renewed.append((account, self._machine.seconds()))
            self._ask(f"signs in to {account} again", sign_in)
        return len(rows)

    # What they have in common.

    def _ask(self, what: str, work: Callable[[Engine, By], object]) -> None:
        self._machine.note(f"the person {what}")

        def asked(engine: Engine) -> None:
            by = By(user_id=self._world.user_id, actor="person", correlation_id="person", now=self._machine.now())
            work(engine, by)

        self._world.act("person", asked)

    def _options(self) -> dict[str, Any]:
        chance = self._chance
        return {
            "privacy": chance.choice(("busy", "busy", "title", "full")),
            "busy_title": chance.choice(("Busy", "Busy", "Away")),
            "skip_all_day": chance.random() < 0.25,
            "skip_free": chance.random() < 0.75,
            "days_ahead": chance.choice((365, 365, 60, 730)),
            "days_behind": chance.choice((1, 1, 3)),
        }

    def _links(self) -> list[dict[str, Any]]:
        return [
            row[0] | {"id": row[1], "source_calendar_id": row[2], "target_calendar_id": row[3]}
            for row in (
                self._world.store.rows(
                    "SELECT to_jsonb(l), id, source_calendar_id, target_calendar_id FROM links l"
                    " WHERE state <> 'deleting' ORDER BY id"
                )
            )
        ]

    def _link(self) -> dict[str, Any] | None:
        links = self._links()
        return self._chance.choice(links) if links else None

    def _shelf(self) -> Shelf:
        return self._chance.choice(list(self._server.shelves.values()))

    def _own(self, only: Callable[[Item], bool] = lambda item: True) -> tuple[Shelf, Item] | None:
        shelf = self._shelf()
        found = [item for item in shelf.living("person") if only(item)]
        return (shelf, self._chance.choice(found)) if found else None

    def _change(
        self,
        what: str,
        changed: Callable[[Item], dict[str, Any]],
        *,
        only: Callable[[Item], bool] = lambda item: True,
    ) -> None:
        found = self._own(only)
        if found is None:
            return
        shelf, item = found
        self._put(shelf, {**item, **changed(item)}, what)

    def _change_one_of(self, shelf: Shelf, master: Item) -> None:
        begin = plain.moment(master["start"])
        places = [
            plain.place(one, all_day=master["all_day"])
            for one in plain.starts(master, before=begin + timedelta(days=300))
        ][:8]
        key = self._chance.choice(places)
        known = next((one for one in shelf.overrides(master["id"]) if one["original"] == key), None)
        item_id = f"{master['id']}{'_' if shelf.kind == 'google' else '.'}{key}"
        bare = instance(master, item_id, key)
        kind = self._chance.random()
        if known is not None and known["status"] == "cancelled" and shelf.kind == "microsoft":
            return  # Graph brings none back
        if kind < 0.35:
            self._machine.note(f"the person cancels {key} of {master['id']} of {shelf.name}")
            if shelf.kind == "microsoft":
                cancel(self._server, shelf, known or bare, by="person")
            elif known is None or known["status"] != "cancelled":
                self._server.put(shelf, {**(known or bare), "status": "cancelled"}, by="person")
        elif kind < 0.5 and known is not None:
            self._put(shelf, bare, "makes ordinary again")
        else:
            changes: dict[str, Any] = self._inventor.shifted(bare)
            if self._chance.random() < 0.6:
                changes |= self._inventor.text()
            if self._chance.random() < 0.2:
                changes["show"] = "free"
            if self._chance.random() < 0.1:
                changes["response"] = "declined"
            self._put(shelf, {**bare, **changes}, "changes")

    def _put(self, shelf: Shelf, item: Item, what: str) -> Item:
        self._machine.note(f"the person {what} {item['id']} of {shelf.name}")
        return self._server.put(shelf, item, by="person")


def _short(one: UUID) -> str:
    return one.hex[-6:]
