"""What a person asks of Kalends: links made, changed, paused and deleted, held deletions decided, a new sign-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.connections import calendars as listed
from shared.sync import reconciliation
from shared.sync.asking import requests
from shared.sync.asking.requests import By
from shared.sync.two_way import groups

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from shared.sync.context import Engine
    from tests.simulation.person import Person
    from tests.simulation.world import World

MOST_LINKS = 6


class Asker:
    """A person before Kalends' own pages, or its API."""

    def __init__(self, world: World, person: Person) -> None:
        self._world = world
        self._machine = world.machine
        self._server = world.server
        self._person = person
        self._chance = person.chance
        self._private = world.machine.chance("privacy")

    def add_link(self) -> None:
        """Link two calendars."""
        links = self._links()
        taken = {(link["source_calendar_id"], link["target_calendar_id"]) for link in links}
        ids = sorted(self._world.ids[shelf.name] for shelf in self._person.shelves)
        free = [(one, other) for one in ids for other in ids if one != other and (one, other) not in taken]
        if not free or len(links) >= MOST_LINKS:
            return
        self.link(*self._chance.choice(free), self.options(self._chance))

    def link(self, source: UUID, target: UUID, options: dict[str, Any]) -> None:
        """What happens in one calendar appears in another."""
        self.ask(
            f"links {self._world.names[source]} to {self._world.names[target]} {options}",
            lambda engine, by: requests.create_link(
                engine, by, source_calendar_id=source, target_calendar_id=target, **options
            ),
        )

    def change_link(self) -> None:
        """Another privacy, filter or window."""
        link = self._link()
        if link is not None:
            options = self.options(self._chance)
            chosen = self._chance.sample(sorted(options), self._chance.randint(1, 2))
            changes = {name: options[name] for name in chosen}
            self.ask(
                f"changes link {_short(link['id'])}: {changes}",
                lambda engine, by: _change(engine, by, link, changes),
            )

    def change_privacy(self) -> None:
        """More shows, or less, field by field, or the mirrors are called otherwise."""
        link = self._link()
        if link is None:
            return
        chance = self._private
        privacy = chance.choice(("busy", "busy", "title", "full"))
        show = dict.fromkeys(("title", "description", "location", "availability"))
        if chance.random() < 0.6:
            show |= {name: chance.choice((None, True, False)) for name in show}
        hides_title = show["title"] is False or (show["title"] is None and privacy == "busy")
        templates = (None, "Busy in {calendar}", "Away") if hides_title else (None, "[{title}]", "{calendar}: {title}")
        changes = {"privacy": privacy, "show": show, "title_template": chance.choice(templates)}
        self.ask(
            f"changes the privacy of link {_short(link['id'])}: {changes}",
            lambda engine, by: _change(engine, by, link, changes),
        )

    def pause_or_resume(self) -> None:
        """A link rests, or goes on."""
        link = self._link()
        if link is not None:
            self.ask(
                f"{'resumes' if link['state'] == 'paused' else 'pauses'} link {_short(link['id'])}",
                lambda engine, by: _set_state(engine, by, link, "active" if link["state"] == "paused" else "paused"),
            )

    def resume_all(self) -> int:
        """Every paused link goes on; returns how many there were."""
        paused = [link for link in self._links() if link["state"] == "paused"]
        for link in paused:
            self.ask(
                f"resumes link {_short(link['id'])}",
                lambda engine, by, link=link: _set_state(engine, by, link, "active"),
            )
        return len(paused)

    def delete_link(self) -> None:
        """With its mirrors or without."""
        link = self._link()
        if link is not None:
            with_mirrors = self._chance.random() < 0.6
            self.ask(
                f"deletes link {_short(link['id'])} {'with' if with_mirrors else 'without'} its mirrors",
                lambda engine, by: _delete(engine, by, link, delete_mirrors=with_mirrors),
            )

    def sync_now(self) -> None:
        """ "Sync now" on everything."""
        self.ask("asks for a sync", lambda engine, by: requests.sync_now(engine, by))

    def settle(self) -> int:
        """Do everything that Kalends waits for; returns how much that was."""
        decided = self.resume_all() + self.decide_held(everything=True) + self.reconnect(everything=True)
        return decided + self.remove_orphans()

    def decide_held(self, *, everything: bool = False) -> int:
        """Approve or discard deletions that wait; returns how many there were."""
        waiting = self._world.store.rows(
            "SELECT id FROM held_changes WHERE resolution IS NULL AND user_id = %s ORDER BY id", self._person.user_id
        )
        for (hold_id,) in waiting if everything else waiting[:1]:
            approved = self._chance.random() < 0.6
            self.ask(
                f"{'approves' if approved else 'discards'} held deletions {_short(hold_id)}",
                lambda engine, by, hold_id=hold_id, approved=approved: requests.resolve_held(
                    engine, by, hold_id, approved=approved
                ),
            )
        return len(waiting)

    def remove_orphans(self) -> int:
        """Have mirrors removed that a restored database does not know; returns in how many calendars there were any."""
        waiting = self._world.store.rows(
            "SELECT DISTINCT calendar_id FROM orphans WHERE state = 'waiting' AND user_id = %s ORDER BY calendar_id",
            self._person.user_id,
        )
        for (calendar_id,) in waiting:
            self.ask(
                f"removes what nobody knows from {self._world.names[calendar_id]}",
                lambda engine, by, calendar_id=calendar_id: reconciliation.purge(engine, by, calendar_id),
            )
        return len(waiting)

    def reconnect(self, *, everything: bool = False) -> int:
        """Sign in again where Kalends is not let in any more, as connections/oauth.py saves a sign-in; returns how many
        accounts that were."""
        rows = self._world.store.rows(
            "SELECT id, provider_user_id FROM external_calendar_connections"
            " WHERE status = 'needs_reauth' AND provider_id = %s ORDER BY id",
            self._person.user_id,
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
            self.ask(f"signs in to {account} again", sign_in)
        return len(rows)

    # What they have in common.

    def ask(self, what: str, work: Callable[[Engine, By], object]) -> None:
        """Ask Kalends for something."""
        self._machine.note(f"the person {what}")

        def asked(engine: Engine) -> None:
            by = By(user_id=self._person.user_id, actor="person", correlation_id="person", now=self._machine.now())
            work(engine, by)

        self._world.act("person", asked)

    @staticmethod
    def options(chance: Random) -> dict[str, Any]:
        """What a link shows, and of when."""
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
                    " WHERE state <> 'deleting' AND user_id = %s ORDER BY id",
                    self._person.user_id,
                )
            )
        ]

    def _link(self) -> dict[str, Any] | None:
        links = self._links()
        return self._chance.choice(links) if links else None


def _change(engine: Engine, by: By, link: dict[str, Any], changes: dict[str, Any]) -> None:
    """Of a link that goes both ways, both are changed."""
    if link["group_id"] is None:
        requests.change_link(engine, by, link["id"], version=None, changes=changes)
    else:
        groups.change(engine, by, UUID(link["group_id"]), version=None, changes=changes)


def _set_state(engine: Engine, by: By, link: dict[str, Any], state: str) -> None:
    if link["group_id"] is not None:
        groups.set_state(engine, by, UUID(link["group_id"]), state)
    elif state == "paused":
        requests.pause_link(engine, by, link["id"])
    else:
        requests.resume_link(engine, by, link["id"])


def _delete(engine: Engine, by: By, link: dict[str, Any], *, delete_mirrors: bool) -> None:
    if link["group_id"] is None:
        requests.delete_link(engine, by, link["id"], delete_mirrors=delete_mirrors)
    else:
        groups.delete(engine, by, UUID(link["group_id"]), delete_mirrors=delete_mirrors)


def _short(one: UUID) -> str:
    return one.hex[-6:]
