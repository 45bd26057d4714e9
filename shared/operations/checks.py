"""Is this installation set up as it should be? One registry of checks, each of which says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from shared.connections import apps
from shared.control import budgets, gates
from shared.core import clock
from shared.core.errors import InvalidError, KalendsError
from shared.providers import WITH_OAUTH
from shared.store import migrate
from shared.sync.store import channels

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from shared.connections.apps import ClientSecrets
    from shared.control.gates import Flags
    from shared.core.config import Settings
    from shared.crypto.keyring import KeyRing
    from shared.providers import ProviderName
    from shared.store.database import Database


class Installation(Protocol):
    """What the checks look at; the composition root's App is one."""

    settings: Settings

    @property
    def database(self) -> Database: ...
    @property
    def flags(self) -> Flags: ...
    def keyring(self) -> KeyRing: ...
    def session_secrets(self) -> list[bytes]: ...
    def webhook_secrets(self) -> list[bytes]: ...
    def oauth_clients(self) -> ClientSecrets: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check. `detail` says what was found, or what is wrong and what to do."""

    name: str
    ok: bool
    detail: str
    code: str | None = None


VITAL = ("database", "key_ring")
"""The checks without which nothing can be served."""


def examine(installation: Installation, *, only: Collection[str] | None = None) -> list[Finding]:
    """Run every check, or `only` these; one that fails does not stop the others."""
    return [_run(name, check, installation) for name, check in CHECKS.items() if only is None or name in only]


def _run(name: str, check: Callable[[Installation], str], installation: Installation) -> Finding:
    try:
        return Finding(name=name, ok=True, detail=check(installation))
    except KalendsError as error:
        return Finding(name=name, ok=False, detail=error.message, code=error.error_code)


def _address(installation: Installation) -> str:
    settings = installation.settings
    if settings.stage != "local" and not settings.app_base_url.startswith("https://"):
        raise InvalidError(
            "APP_BASE_URL must begin with https://: providers post notifications to nothing else, and the session "
            "cookie would travel in the clear.",
            code="CONFIG.APP_BASE_URL",
        )
    return settings.app_base_url


def _database(installation: Installation) -> str:
    with installation.database.everyone() as conn:
        row = conn.execute("SELECT current_setting('server_version')").fetchall()[0]
    return f"PostgreSQL {row[0]}"


def _migrations(installation: Installation) -> str:
    with installation.database.everyone() as conn:
        applied = migrate.status(conn)
    steps = migrate.read()
    missing = [f"{step.version:04}" for step in steps if step.version not in applied]
    if missing:
        raise InvalidError(
            f"Migrations {', '.join(missing)} are not applied. Run: kalends ops migrate.", code="DATABASE.NOT_MIGRATED"
        )
    changed = [f"{step.version:04}" for step in steps if applied[step.version] != step.checksum]
    if changed:
        raise InvalidError(
            f"Migrations {', '.join(changed)} were applied with another text. Restore them and write new ones.",
            code="DATABASE.MIGRATION_CHANGED",
        )
    return f"{len(applied)} applied"


def _oauth_app(provider: ProviderName) -> Callable[[Installation], str]:
    def check(installation: Installation) -> str:
        clients = installation.oauth_clients()
        if not clients.of(provider).client_id and any(clients.of(other).client_id for other in WITH_OAUTH):
            return "not offered: the secret of OAuth clients holds no app for it"
        with installation.database.everyone() as conn:
            app = apps.default(conn, provider)
        apps.client(app, clients)
        return f"client {app.client_id}, redirect URI {installation.settings.redirect_uri(provider)}"

    return check


def _push_channels(installation: Installation) -> str:
    with installation.database.everyone() as conn:
        found = channels.counts(conn)
    listing = ", ".join(f"{count} {status}" for status, count in found.items()) or "none"
    if found and "active" not in found and any(status.startswith("failed") for status in found):
        raise InvalidError(
            f"No provider opens a push channel ({listing}), so calendars are polled. Make APP_BASE_URL an address that "
            "answers providers within seconds.",
            code="CHANNEL.REFUSED",
        )
    return listing


def _gates(installation: Installation) -> str:
    with installation.database.everyone() as conn:
        listed = gates.list_gates(conn, settings_flags=installation.flags)
    return ", ".join(f"{gate.name} {'open' if gate.open else 'closed'} ({gate.changed_by})" for gate in listed)


def _google_requests(installation: Installation) -> str:
    with installation.database.everyone() as conn:
        found = budgets.of_today(conn, now=clock.now())
    listing = ", ".join(f"{count:,} by {client}" for client, count in found.items()) or "none"
    told = f"{listing} of {budgets.DAILY_LINE:,} today (since midnight in California)"
    if any(count >= budgets.WARNED_AT * budgets.DAILY_LINE for count in found.values()):
        raise InvalidError(
            f"{told}: more than {budgets.WARNED_AT:.0%}. First copies stop at 90 %. Ask Google for a higher quota, or "
            "connect new people with another OAuth app.",
            code="QUOTA.DAILY_LINE",
        )
    return told


def _signing(read: Callable[[Installation], list[bytes]]) -> Callable[[Installation], str]:
    return lambda installation: f"{len(read(installation))} accepted"


CHECKS: Mapping[str, Callable[[Installation], str]] = {
    "address": _address,
    "database": _database,
    "migrations": _migrations,
    "key_ring": lambda installation: f"primary key {installation.keyring().primary}",
    "session_secret": _signing(lambda installation: installation.session_secrets()),
    "webhook_secret": _signing(lambda installation: installation.webhook_secrets()),
    **{f"oauth_{provider}": _oauth_app(provider) for provider in WITH_OAUTH},
    "gates": _gates,
    "push_channels": _push_channels,
    "google_requests": _google_requests,
}
