"""Tenants of the identity platform: organisations, personal accounts, and the words that stand for several.

A tenant is named by its domain or its GUID; common, organizations and consumers say which accounts may sign in
(vendor doc: v2-protocols, Endpoints).
"""

from collections.abc import Iterable

from infra.local.simulators.credentials import Account
from infra.local.simulators.microsoft import identifiers

HOME = "contoso.example"
CONSUMERS = "consumers"
SEVERAL = ("common", "organizations")
_CONSUMERS_ID = "9188040d-6c67-4c5b-b112-36a304b66dad"
_PERSONAL_DOMAINS = {"outlook.example", "hotmail.example", "live.example"}


def of_address(email: str) -> str:
    """The tenant of an account by its address: a personal one at Outlook's domains, else its organisation."""
    domain = email.rpartition("@")[2].lower()
    return CONSUMERS if domain in _PERSONAL_DOMAINS else domain


def tenant_id(tenant: str) -> str:
    """A tenant's GUID; that of personal accounts is the real one."""
    return _CONSUMERS_ID if tenant == CONSUMERS else identifiers.guid("tenant", tenant)


def known(authority: str, accounts: Iterable[Account]) -> bool:
    """Whether an authority's tenant exists: accounts make theirs exist."""
    return _resolved(authority, accounts) is not None


def resolved_id(authority: str, accounts: Iterable[Account]) -> str:
    """The GUID of an authority that is one tenant, named by domain or GUID."""
    return tenant_id(_resolved(authority, accounts) or authority)


def admits(authority: str, account: Account, accounts: Iterable[Account]) -> bool:
    """Whether an account may sign in at this authority."""
    match _resolved(authority, accounts):
        case "common":
            return True
        case "organizations":
            return account.tenant != CONSUMERS
        case tenant:
            return account.tenant == tenant


def _resolved(authority: str, accounts: Iterable[Account]) -> str | None:
    lower = authority.lower()
    if lower in SEVERAL:
        return lower
    tenants = dict.fromkeys([HOME, CONSUMERS, *(account.tenant for account in accounts)])
    return next((tenant for tenant in tenants if lower in {tenant, tenant_id(tenant)}), None)
