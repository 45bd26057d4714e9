"""What the terminal says while real accounts are at stake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local import providers
from infra.local.console import say

if TYPE_CHECKING:
    from infra.local.accounts import RealAccounts

WORDS = "REAL ACCOUNTS: changes here change your real calendars."


def warn() -> None:
    """The banner, for whoever looks up from something else."""
    line = "=" * (len(WORDS) + 4)
    say(f"\n  {line}\n  | {WORDS} |\n  {line}\n")


def rows(accounts: RealAccounts, *, base_url: str, here: str) -> dict[str, str]:
    """What is offered, what the providers' consoles must know, and how changes are heard of.

    `base_url` is where the cloud says that it is, `here` its address on this machine.
    """
    offered: dict[str, str] = {}
    for provider in providers.PROVIDERS:
        name = provider.title()
        if provider in accounts.clients:
            offered[name] = f"client {accounts.clients[provider]['client_id']}{_tenant(provider, accounts)}"
            offered[f"{name} redirect URI"] = providers.redirect_uri(base_url, provider)
        else:
            offered[name] = f"not offered: {accounts.missing()[provider]}"
    heard = (
        f"notified at {base_url}, which must lead to {here}"
        if accounts.public_url
        else f"looked for every 5 minutes: nobody can notify {base_url} (APP_BASE_URL=https://... changes that)"
    )
    return {**offered, "Changes": heard}


def _tenant(provider: str, accounts: RealAccounts) -> str:
    return f", tenant {accounts.tenant}" if provider == "microsoft" else ""
