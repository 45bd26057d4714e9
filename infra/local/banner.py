"""What the terminal says while real accounts are at stake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local import providers
from infra.local.console import say

if TYPE_CHECKING:
    from infra.local.accounts import RealAccounts
    from infra.local.cloud import Running

WORDS = "REAL ACCOUNTS: changes here change your real calendars."


def warn() -> None:
    """The banner, for whoever looks up from something else."""
    line = "=" * (len(WORDS) + 4)
    say(f"\n  {line}\n  | {WORDS} |\n  {line}\n")


def rows(accounts: RealAccounts, running: Running) -> dict[str, str]:
    """What is offered, what the providers' consoles must know, and how changes are heard of."""
    offered: dict[str, str] = {}
    for provider in providers.PROVIDERS:
        name = provider.title()
        if provider in accounts.clients:
            offered[name] = f"client {accounts.clients[provider]['client_id']}{_tenant(provider, accounts)}"
            offered[f"{name} redirect URI"] = providers.redirect_uri(running.base_url, provider)
        else:
            offered[name] = f"not offered: {accounts.missing()[provider]}"
    return {**offered, "Changes": _changes(accounts, running)}


def _tenant(provider: str, accounts: RealAccounts) -> str:
    return f", tenant {accounts.tenant}" if provider == "microsoft" else ""


def _changes(accounts: RealAccounts, running: Running) -> str:
    if accounts.public_url:
        return f"notified at {accounts.public_url}, which must lead to {running.facts['address']}"
    return f"looked for every 5 minutes: nobody can notify {running.base_url} (APP_BASE_URL=https://... changes that)"
