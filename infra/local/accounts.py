"""Real accounts: the OAuth apps that `make run` is given by the environment or by a file."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
from dotenv import dotenv_values

from infra.local.console import StartError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CREDENTIALS = {
    "google": ("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"),
    "microsoft": ("MS_CLIENT_ID", "MS_CLIENT_SECRET"),
}
"""The variables of each provider's OAuth app: client id, client secret."""
VARIABLES = (*(name for pair in CREDENTIALS.values() for name in pair), "MS_TENANT_ID", "APP_BASE_URL")

SIMULATED = {
    provider: {"client_id": f"kalends-{provider}-local", "client_secret": f"kalends-{provider}-local-secret"}
    for provider in CREDENTIALS
}
"""The OAuth apps that the simulators know."""

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class RealAccounts:
    """OAuth apps at the real providers; a provider without one is not offered."""

    clients: Mapping[str, Mapping[str, str]] = field(repr=False)
    """`client_id` and `client_secret` by provider: the shape of the product's secret."""
    tenant: str = "common"
    """Microsoft's: whose people may connect."""
    public_url: str = ""
    """Where the world, and so the providers' notifications, reach this machine; empty: they do not."""

    def missing(self) -> dict[str, str]:
        """The providers that are not offered, and why."""
        return {
            provider: f"{' and '.join(names)} are not set"
            for provider, names in CREDENTIALS.items()
            if provider not in self.clients
        }


def read(file: Path, environment: Mapping[str, str] = os.environ) -> RealAccounts | None:
    """The OAuth apps that the environment and `file` name; None where they name none. The environment wins.

    Raises StartError naming every variable that is missing or wrong, never a value. Nothing is put into the
    environment, which every child process would inherit.
    """
    try:
        in_file = dotenv_values(file, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{file} cannot be read: {type(error).__name__}. Correct it, or take it away.") from None
    given = {**in_file, **environment}
    values = {name: (given.get(name) or "").strip() for name in VARIABLES}
    if not any(values[name] for pair in CREDENTIALS.values() for name in pair):
        return None
    problems = [*_of_credentials(values), *_of_the_rest(values)]
    if problems:
        raise StartError("\n  ".join([f"The OAuth apps of the environment and {file.name} are not usable:", *problems]))
    return RealAccounts(
        clients={
            provider: {"client_id": values[client_id], "client_secret": values[secret]}
            for provider, (client_id, secret) in CREDENTIALS.items()
            if values[client_id]
        },
        tenant=values["MS_TENANT_ID"] or "common",
        public_url=values["APP_BASE_URL"].rstrip("/"),
    )


def _of_credentials(values: Mapping[str, str]) -> list[str]:
    found = []
    for pair in CREDENTIALS.values():
        for name, other in (pair, pair[::-1]):
            if values[other] and not values[name]:
                found.append(f"{name} is missing: {other} is set. Set both, or neither.")
    # Both consoles show two values side by side, and the wrong one is easily copied: a secret must not travel as an id.
    if values["GOOGLE_CLIENT_ID"] and not values["GOOGLE_CLIENT_ID"].endswith(".apps.googleusercontent.com"):
        found.append("GOOGLE_CLIENT_ID is not a client id: those end with .apps.googleusercontent.com.")
    if values["MS_CLIENT_ID"] and not _GUID.fullmatch(values["MS_CLIENT_ID"]):
        found.append("MS_CLIENT_ID is not an application (client) id: those look like 00000000-0000-....")
    if _GUID.fullmatch(values["MS_CLIENT_SECRET"]):
        found.append("MS_CLIENT_SECRET is the secret's id: copy its value, which Entra shows once.")
    return found


def _of_the_rest(values: Mapping[str, str]) -> list[str]:
    found = []
    if values["MS_TENANT_ID"] and not _TENANT.fullmatch(values["MS_TENANT_ID"]):
        found.append("MS_TENANT_ID is not a tenant: common, organizations, consumers, a domain or a tenant's id.")
    address = values["APP_BASE_URL"]
    try:
        parts = urlsplit(address)
        is_origin = parts.scheme == "https" and bool(parts.hostname) and parts.path in ("", "/")
        is_origin = is_origin and not (parts.query or parts.fragment or parts.username)
    except ValueError:
        is_origin = False
    if address and not is_origin:
        found.append(
            "APP_BASE_URL is not https://HOST: providers notify nothing else. Leave it out to be reached only from "
            "this machine."
        )
    return found


def keep_apart(dsn: str, accounts: RealAccounts | None) -> None:
    """Real and simulated accounts never share a database. Raises StartError where they would.

    `dsn` is the owner's. A database's OAuth apps tell what its accounts are.
    """
    with psycopg.connect(dsn) as connection:
        (migrated,) = connection.execute("SELECT to_regclass('public.oauth_apps') IS NOT NULL").fetchall()[0]
        known = {row[0] for row in connection.execute("SELECT client_id FROM oauth_apps")} if migrated else set()
    simulated = {client["client_id"] for client in SIMULATED.values()}
    if accounts is not None and known & simulated:
        raise StartError(
            "This database was used with simulated accounts, and real ones must not meet them: give them a database "
            "and a --directory of their own."
        )
    if accounts is None and known - simulated:
        raise StartError(
            "This database holds real accounts, and the simulators must not touch them: give the simulators a database "
            "and a --directory of their own, or set the OAuth apps' credentials (docs/real-accounts.md)."
        )
