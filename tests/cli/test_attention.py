"""What needs somebody, on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.connections import store as connections
from shared.core import clock
from shared.core.errors import ReauthRequiredError

if TYPE_CHECKING:
    from shared.sync.links import Link
    from tests.api.conftest import Caller
    from tests.cli.conftest import Kalends
    from tests.sync.world import World


def test_each_item_comes_with_what_to_do_next(adas: Kalends, ada: Caller, world: World, link: Link) -> None:
    quiet = adas("attention").out
    with world.database.person(world.user_id) as conn:
        connections.mark_failure(conn, world.connection_id, ReauthRequiredError("revoked"), clock.now())

    message, todo = adas("attention").out.splitlines()
    told = adas("attention", "--json").json

    assert quiet == "Nothing needs you.\n"
    assert message.endswith("(CONNECTION.NEEDS_REAUTH)")
    assert todo.startswith("  Next: kalends connections list, or http")
    assert told["items"] == ada.json("/api/attention")["items"]
