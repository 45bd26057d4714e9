"""An installation in one process: the real App on a real database, beside simulated providers that really listen."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from aiohttp import web

from infra.local.simulators import google, microsoft
from shared.connections import apps
from shared.core.config import Settings
from shared.identity import people, sessions
from shared.identity.principal import Principal
from shared.wiring import App
from tests.postgres import OPERATOR, OWNER, RUNTIME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from types import ModuleType

    from aiohttp.typedefs import Handler

    from tests.postgres import Logins

BASE_URL = "http://localhost:3001"
ALEX = {"google": "alex@example.com", "microsoft": "alex@contoso.example"}
SAM = {"google": "sam@example.com", "microsoft": "sam@contoso.example"}
KEY_RING = json.dumps({"primary": "k1", "keys": {"k1": base64.b64encode(bytes(range(32))).decode()}})


@dataclass(frozen=True, slots=True)
class FixedSecrets:
    """Secrets that stand still."""

    values: dict[str, str]

    def get(self, secret_id: str, *, refresh: bool = False) -> str:
        """The secret's text."""
        return self.values[secret_id]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    """A simulated provider, and a person in front of it."""

    name: str
    base: str
    calls: Counter[str]
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=20))

    def sim(self, method: str, path: str, body: Any = None) -> Any:
        """Call a /_sim route and answer its JSON."""
        answer = self.http.request(method, f"{self.base}/_sim{path}", json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def decide(self, authorization_url: str, *, account: str, decision: str = "allow", **form: Any) -> dict[str, str]:
        """What a person's click on the consent page sends back to our redirect address, as its query."""
        asked = dict(parse_qsl(urlsplit(authorization_url).query))
        chosen = {"account": account, "decision": decision, "scope": asked["scope"].split(), **form}
        answer = self.http.post(authorization_url, data=chosen)
        assert answer.status_code == 302, answer.text
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query, keep_blank_values=True))

    def token_calls(self) -> int:
        """How many calls its token endpoint has had."""
        return sum(count for path, count in self.calls.items() if path.endswith("/token"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Everything a test needs."""

    app: App
    settings: Settings
    secrets: FixedSecrets
    simulators: dict[str, Simulator]

    def another(self, **settings: Any) -> App:
        """As another Lambda has it: the same database, a connection of its own, and other settings if need be."""
        return App(self.settings.model_copy(update=settings), self.secrets)

    def person(self, email: str, *, now: datetime) -> Principal:
        """Somebody who has just signed in."""
        with self.app.database.everyone() as conn:
            somebody = people.add(conn, email=email, name="", role="user", password_hash="", now=now)
            token = sessions.start(conn, user_id=somebody.id, now=now)
            session = sessions.find(conn, token, now=now)
        assert session is not None
        return Principal(user_id=somebody.id, role="user", session_hash=session.token_hash)


@contextmanager
def install(logins: Logins) -> Iterator[Installation]:
    """Set an installation up on this database, with a Google and a Microsoft of its own."""
    with _simulator("google", google) as g, _simulator("microsoft", microsoft) as m:
        secrets = FixedSecrets(secret_values(logins))
        settings = settings_for(g.base, m.base)
        app = App(settings, secrets)
        with app.database.everyone() as conn:
            apps.save_defaults(conn, app.oauth_clients(), microsoft_tenant=settings.ms_tenant_id)
        try:
            yield Installation(app=app, settings=settings, secrets=secrets, simulators={"google": g, "microsoft": m})
        finally:
            app.database.close()


def secret_values(logins: Logins) -> dict[str, str]:
    """What stands in Secrets Manager, by the ids of `settings_for`."""
    clients = {
        name: {"client_id": provider.CLIENT_ID, "client_secret": provider.CLIENT_SECRET}
        for name, provider in (("google", google), ("microsoft", microsoft))
    }
    return {
        "database": logins.secret(RUNTIME),
        "owner": logins.secret(OWNER),
        "operator": logins.secret(OPERATOR),
        "key-ring": KEY_RING,
        "session": json.dumps({"current": "session secret", "previous": None}),
        "webhook": json.dumps({"current": "webhook secret", "previous": None}),
        "oauth-clients": json.dumps(clients),
    }


def settings_for(google_base: str, microsoft_base: str, **more: Any) -> Settings:
    """The settings of a local installation with all gates open."""
    return Settings(
        **{
            "stage": "local",
            "app_base_url": BASE_URL,
            "database_secret_id": "database",
            "database_owner_secret_id": "owner",
            "database_operator_secret_id": "operator",
            "key_ring_secret_id": "key-ring",
            "session_secret_id": "session",
            "oauth_clients_secret_id": "oauth-clients",
            "webhook_secret_id": "webhook",
            "google_api_endpoint": f"{google_base}/",
            "google_auth_url": f"{google_base}/o/oauth2/v2/auth",
            "google_token_url": f"{google_base}/token",
            "google_revoke_url": f"{google_base}/revoke",
            "microsoft_graph_endpoint": f"{microsoft_base}/v1.0",
            "microsoft_authority": microsoft_base,
            "egress_allowed_hosts": "localhost,127.0.0.1",
            "calendar_sync_enabled": True,
            "calendar_oauth_enabled": True,
            "calendar_jobs_enabled": True,
            "calendar_webhook_enabled": True,
            **more,
        }
    )


@contextmanager
def _simulator(name: str, provider: ModuleType) -> Iterator[Simulator]:
    application = provider.build(redirect_uris=[f"{BASE_URL}/oauth/{name}/callback"])
    calls: Counter[str] = Counter()

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        calls[request.path] += 1
        return await handler(request)

    application.middlewares.append(count)
    with serve(application) as base:
        simulator = Simulator(name=name, base=base, calls=calls)
        try:
            yield simulator
        finally:
            simulator.http.close()


@contextmanager
def serve(application: web.Application) -> Iterator[str]:
    """Serve an application from a thread of its own, so that blocking code can call it; answers its base address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)

    async def start() -> str:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
