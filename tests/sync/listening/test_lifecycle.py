"""Notifications, from the simulators through the webhooks' own parsers to what becomes of calendars and channels.

Source: Graph, "Reduce missing subscriptions and change notifications".
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from functions.http import Request
from functions.webhooks import google, microsoft
from shared.core import clock
from shared.core import lanes as priorities
from shared.sync.listening import channels, notifications
from tests import installation
from tests.sync.account import Account

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.installation import Installation
    from tests.postgres import Logins


class Hook:
    """Where Graph posts: shakes hands, and takes notifications as the webhook does, with a connection of its own."""

    def __init__(self, installed: Installation, account: Account) -> None:
        app, taken = installed.another(), []
        parser = {"google": google, "microsoft": microsoft}[account.name]
        self.app, self.taken = app, taken
        lanes, flags = account.engine.lanes, account.engine.flags

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
                token = parse_qs(urlsplit(self.path).query).get("validationToken", [""])[0]
                if not token:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    request = Request.of({"version": "2.0", "headers": headers, "body": body, "requestContext": {}})
                    found = parser._read(request)
                    notifications.receive(
                        app.database,
                        found,
                        queues={lane: lanes.of("pull", lane) for lane in priorities.Lane},
                        flags=flags,
                        correlation_id="hook",
                        now=clock.now(),
                    )
                    taken.extend(found)
                self.send_response(200)
                self.send_header("content-type", "text/plain")
                self.end_headers()
                self.wfile.write(token.encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}/webhooks/microsoft"

    def wait_for(self, count: int) -> None:
        """Until so many notifications were taken."""
        patience = time.monotonic() + 10
        while len(self.taken) < count:
            assert time.monotonic() < patience, f"{len(self.taken)} of {count} came"
            time.sleep(0.02)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.app.database.close()


@pytest.fixture
def account(request: pytest.FixtureRequest, logins: Logins) -> Iterator[Account]:
    with installation.install(logins) as installed:
        made = Account(installed, getattr(request, "param", "microsoft"))
        with made.app.database.everyone() as conn:  # what ran so far ran in the future
            conn.execute("UPDATE calendar_sync_state SET last_synced_at = now()")
        hook = Hook(installed, made)
        made.hook = hook  # type: ignore[attr-defined]
        made.engine = replace(made.engine, webhook_address=lambda provider: hook.address, now=clock.now)
        for name in ("Source", "Target"):
            channels.ensure(made.engine, made.ids[name], user_id=made.person.user_id, now=clock.now())
        work_off(made)
        yield made
        hook.close()


def work_off(account: Account) -> None:
    """Whatever was asked for is done."""
    with account.app.database.everyone() as conn:
        conn.execute("UPDATE calendar_sync_state SET pull_queued_at = NULL")
    account.work()


def tell(account: Account, event: str, **more: Any) -> None:
    """Graph says so of every subscription, and workers work."""
    hook: Hook = account.hook  # type: ignore[attr-defined]
    before = len(hook.taken)
    account.simulator.sim("POST", "/lifecycle", {"event": event, **more})
    hook.wait_for(before + 2)
    work_off(account)


def at_graph(account: Account) -> dict[str, str]:
    """The subscriptions, and when they end."""
    listed = account.simulator.sim("GET", "/channels")["channels"]
    return {one["id"]: one["expirationDateTime"] for one in listed}


def known(account: Account) -> set[str]:
    """The channels that we count on."""
    return {row[0] for row in account.rows("SELECT channel_id FROM webhook_channels WHERE status = 'active'")}


def test_one_that_asks_for_reauthorization_is_prolonged(account: Account) -> None:
    before = at_graph(account)
    account.engine = replace(account.engine, now=lambda: clock.now() + timedelta(hours=2))

    tell(account, "reauthorizationRequired")

    after = at_graph(account)
    assert len(before) == 2
    assert after.keys() == before.keys() == known(account)
    assert all(after[one] > before[one] for one in before)


def test_one_that_was_removed_is_replaced_and_what_was_missed_meanwhile_is_read(account: Account) -> None:
    before = at_graph(account)
    account.add("meanwhile")

    tell(account, "subscriptionRemoved")

    assert len(at_graph(account)) == 2
    assert not at_graph(account).keys() & before.keys()
    assert at_graph(account).keys() == known(account)
    assert account.titles("Target") == ["before", "meanwhile"]


def test_what_graph_says_was_missed_is_read(account: Account) -> None:
    account.faults(notifications={"drop": 1.0})
    account.add("missed")
    account.faults(notifications={"drop": 0.0})

    tell(account, "missed")

    assert account.titles("Target") == ["before", "missed"]
    assert len(at_graph(account)) == 2


@pytest.mark.parametrize("account", ["google", "microsoft"], indirect=True)
def test_our_own_writes_are_announced_and_leave_no_channel_in_doubt(account: Account) -> None:
    hook: Hook = account.hook  # type: ignore[attr-defined]
    before = len(hook.taken)
    account.add("written")
    hook.wait_for(before + 1)

    work_off(account)

    assert account.titles("Target") == ["before", "written"]
    doubted = "SELECT count(*) FROM webhook_channels WHERE status = 'active' AND unanswered_since IS NOT NULL"
    patience = time.monotonic() + 5
    while account.rows(doubted) != [(0,)]:
        assert time.monotonic() < patience, account.rows(doubted)
        time.sleep(0.05)
