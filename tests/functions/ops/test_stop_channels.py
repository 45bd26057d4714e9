"""Before an installation goes, the providers are told to notify nobody any more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from functions.ops import run
from shared.connections import discovery
from shared.control import gates
from shared.sync.listening import channels
from tests.connections.conftest import finish, start
from tests.functions.conftest import Context
from tests.installation import ALEX

if TYPE_CHECKING:
    from typing import Any

    from tests.installation import Installation


def stop_channels() -> dict[str, Any]:
    return run.handler({"command": "stop-channels"}, Context())  # type: ignore[arg-type]


@pytest.fixture
def watched(deployed: Installation) -> Installation:
    """Somebody's Google account, with a push channel for each calendar."""
    now, app = datetime.now(UTC), deployed.app
    ada = deployed.person("ada@example.com", now=now)
    authorization = start(deployed, ada, "google", now=now)
    query = deployed.simulators["google"].decide(authorization.authorization_url, account=ALEX["google"])
    connection = finish(deployed, ada, "google", query, now=now)
    found = discovery.discover(app.database, connection=connection, provider=app.provider(connection), now=now)
    for calendar in found:
        channels.open_channel(app.engine(), calendar.id, user_id=ada.user_id, now=now)
    return deployed


def test_every_channel_is_stopped_and_none_is_opened_again(watched: Installation) -> None:
    simulator, engine = watched.simulators["google"], watched.app.engine()
    before = simulator.sim("GET", "/channels")["channels"]

    stopped = stop_channels()

    assert len(before) >= 1
    assert stopped == {"stopped": len(before), "failed": 0, "left": 0}
    assert simulator.sim("GET", "/channels")["channels"] == []
    with watched.app.database.everyone() as conn:
        assert not gates.is_open(conn, gates.Operation.SYNC, settings_flags=watched.app.flags)
    assert channels.renew(engine, now=datetime.now(UTC))["opened"] == 0


def test_asking_again_is_harmless(watched: Installation) -> None:
    stop_channels()

    assert stop_channels() == {"stopped": 0, "failed": 0, "left": 0}


def test_what_a_provider_does_not_stop_is_counted_and_does_not_hold_up_the_rest(watched: Installation) -> None:
    simulator = watched.simulators["google"]
    count = len(simulator.sim("GET", "/channels")["channels"])
    simulator.sim("PUT", "/faults", {"rate_5xx": 1.0})

    assert stop_channels() == {"stopped": 0, "failed": count, "left": 0}


def test_the_doctor_counts_the_channels_and_says_when_none_can_be_opened(watched: Installation) -> None:
    def told() -> tuple[bool, str, str | None]:
        answer = run.handler({"command": "doctor"}, Context())  # type: ignore[arg-type]
        (check,) = [one for one in answer["checks"] if one["name"] == "push_channels"]
        return check["ok"], check["detail"], check["code"]

    count = len(watched.simulators["google"].sim("GET", "/channels")["channels"])
    sound = told()
    with watched.app.database.everyone() as conn:
        conn.execute("UPDATE webhook_channels SET status = 'failed', last_error = 'PROVIDER.PUSH_HANDSHAKE'")
    ok, detail, code = told()

    assert sound == (True, f"{count} active", None)
    assert (ok, code) == (False, "CHANNEL.REFUSED")
    assert f"{count} failed (PROVIDER.PUSH_HANDSHAKE)" in detail
