"""Providers that answer nonsense: the connection names it, requests have a bound, and afterwards nothing is lost.

End to end against both simulators: dispatch, pull, push, discovery and refresh of one person's account.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from shared.connections import tokens
from shared.core.errors import KalendsError
from shared.providers import patience
from shared.providers.port import ENDLESS_PAGES, UNREADABLE
from shared.sync import dispatch, pull
from shared.sync.listening import channels
from tests import installation
from tests.providers.conftest import Clock
from tests.providers.simulated import Hook
from tests.sync.account import REST, Account

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.installation import Installation
    from tests.postgres import Logins


@pytest.fixture(autouse=True)
def _no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience takes no real time here."""
    monkeypatch.setattr(patience, "time", Clock())


@pytest.fixture
def installed(logins: Logins) -> Iterator[Installation]:
    with installation.install(logins) as running:
        yield running


@pytest.fixture(params=["google", "microsoft"])
def account(request: pytest.FixtureRequest, installed: Installation) -> Account:
    return Account(installed, str(request.param))


NONSENSE: dict[str, tuple[dict[str, Any], set[str], int]] = {
    "html": ({"answer": "html"}, {UNREADABLE}, 60),
    "truncated": ({"answer": "truncated"}, {UNREADABLE}, 60),
    "null": ({"answer": "null"}, {UNREADABLE}, 60),
    "wrong_type": ({"answer": "wrong_type"}, {UNREADABLE}, 60),
    "endless pages": ({"endless_pages": True}, {ENDLESS_PAGES}, 900),
    "the same page again": ({"endless_pages": True, "repeat_page_token": True}, {ENDLESS_PAGES}, 60),
}


@pytest.mark.promise(1)
@pytest.mark.pain(1)
@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_named_on_the_connection_has_a_bound_and_loses_nothing(account: Account, kind: str) -> None:
    switches, codes, bound = NONSENSE[kind]
    assert account.titles("Target") == ["before"]
    account.faults(**switches)
    account.add("during")

    calls = [account.round() for _ in range(3)]
    told = account.told()

    assert told in codes
    assert max(calls) <= bound
    assert account.titles("Source") == ["before", "during"]
    assert "before" in account.titles("Target")

    account.faults(answer=None, endless_pages=False, repeat_page_token=False)
    account.add("after")
    for _ in range(3):
        account.round()

    assert account.titles("Target") == ["after", "before", "during"]
    assert account.is_well()


@pytest.mark.parametrize("answer", ["html", "truncated", "null", "wrong_type"])
def test_a_write_answered_with_nonsense_is_repeated_and_done_once(account: Account, answer: str) -> None:
    account.add("during")
    account.now += REST
    with account.app.database.everyone() as conn:
        conn.execute("UPDATE calendar_sync_state SET requested = requested + 1")
    dispatch.dispatch(account.engine, correlation_id="test", now=account.now)
    pulled = [one for lane in (account.engine.lanes.pull,) for one in lane.messages]  # type: ignore[attr-defined]
    for message in pulled:
        pull.pull(account.engine, message.calendar_id, user_id=message.user_id, correlation_id="test")
    account.engine.lanes.pull.messages.clear()  # type: ignore[attr-defined]

    account.faults(answer=answer)
    account.work()
    account.faults(answer=None)
    for _ in range(3):
        account.round()

    assert account.titles("Target") == ["before", "during"]
    assert account.is_well()


YEARS = {"google": (1600, 9999), "microsoft": (1601, 4500)}
"""The first and the last that providers keep events in (Exchange refuses any other)."""


@pytest.mark.promise(10)
@pytest.mark.parametrize("end", [0, 1], ids=["first", "last"])
def test_events_at_the_ends_of_time_harm_nobody(account: Account, end: int) -> None:
    with account.app.database.everyone() as conn:
        conn.execute("UPDATE links SET days_ahead = NULL")
    account.add("far away", begin=datetime(YEARS[account.name][end], 12, 30, 9, tzinfo=UTC))
    account.add("near")

    calls = [account.round() for _ in range(3)]

    assert account.told() is None
    assert max(calls) <= 60
    assert account.is_well()
    assert set(account.titles("Target")) - {"far away"} == {"before", "near"}
    if end and account.name == "google":  # whose readings are without end, as this link is now
        assert "far away" in account.titles("Target")


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_provider_whose_clock_is_off_by_an_hour_is_worked_with_as_ever(account: Account, seconds: int) -> None:
    account.faults(clock_skew=seconds)
    account.add("during")

    calls = [account.round() for _ in range(3)]

    assert account.told() is None
    assert max(calls) <= 60
    assert account.titles("Target") == ["before", "during"]
    assert account.is_well()


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_channels_open_although_a_clock_is_off_by_an_hour(account: Account, seconds: int) -> None:
    account.faults(clock_skew=seconds)
    now = datetime.now(UTC)

    hook = Hook()
    try:
        channel = account.engine.with_provider(
            account.connection,
            lambda provider: provider.watch(
                account.remote["Source"],
                channel_id="channel-1",
                address=hook.address,
                token="secret",
                expires_at=now + channels.LIFETIME,
            ),
        )
    finally:
        hook.close()

    assert channel.expires_at - now > timedelta(days=5)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<!DOCTYPE html><title>Sorry</title>", "text/html"),
        (b'{"access_token": "x", "expi', "application/json"),
        (b"null", "application/json"),
        (b'["x"]', "application/json"),
        (b'{"access_token": ["x"], "expires_in": "soon"}', "application/json"),
        (b"access_token=x", "application/x-www-form-urlencoded"),
    ],
)
def test_a_token_endpoint_that_answers_nonsense_is_named_and_costs_no_grant(
    account: Account, body: bytes, kind: str
) -> None:
    with Saying(body, kind) as (address, asked):
        settings = {"google_token_url": f"{address}/token", "microsoft_authority": address}
        broken = account.installed.another(**settings)
        ends = account.began + timedelta(minutes=59)
        for _ in range(2):
            with pytest.raises(KalendsError) as refused:
                tokens.access_token(
                    broken.database,
                    connection_id=account.connection.id,
                    user_id=account.person.user_id,
                    keyring=broken.keyring(),
                    authorizer_for=broken.authorizer,
                    now=ends,
                )
        counts = tokens.refresh_expiring(
            broken.database, keyring=broken.keyring(), authorizer_for=broken.authorizer, now=ends
        )
        broken.database.close()

    assert refused.value.error_code == UNREADABLE
    assert (counts.failed, counts.needs_reauth, account.told()) == (1, 0, UNREADABLE)
    assert len(asked) == 3
    account.add("during")
    for _ in range(2):
        account.round()
    assert account.titles("Target") == ["before", "during"]
    assert account.is_well()


class Saying:
    """A server that answers everything alike; gives its address and the paths that were asked."""

    def __init__(self, body: bytes, kind: str) -> None:
        asked: list[str] = []
        self._asked = asked

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append(self.path)
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.handler = Handler

    def __enter__(self) -> tuple[str, list[str]]:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}", self._asked

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
