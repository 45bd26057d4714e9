"""A simulator of Google Calendar v3 and Google's OAuth 2.0, for one computer.

Base address G: authorization G/o/oauth2/v2/auth, token G/token, revocation G/revoke, user info G/oauth2/v3/userinfo,
API G/calendar/v3, batch G/batch/calendar/v3, and for tests and people G/_sim and G/. behaviours.md says what it does,
where that is documented, and which test proves it.
"""

from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from infra.local.simulators import port, server
from infra.local.simulators.google.faults import GoogleFaults
from infra.local.simulators.google.provider import Google

CLIENT_ID = "kalends-google-local"
CLIENT_SECRET = "kalends-google-local-secret"  # noqa: S105  # a client of the simulator only


def build(
    *, state: Path | None = None, redirect_uris: Sequence[str] = (), require_https: bool = False
) -> web.Application:
    """The application. `state` keeps data between runs; `redirect_uris` are added to the registered client's."""
    parts = port.parts(GoogleFaults(), state=state, access_prefix="ya29.", refresh_prefix="1//")
    google = Google(parts, require_https=require_https)
    google.load()
    parts.authorization.add_client(CLIENT_ID, CLIENT_SECRET, redirect_uris)
    return server.application(google)
