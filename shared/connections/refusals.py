"""What a provider's "no" at the end of an authorization means, and what to do about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from shared.core.errors import InvalidError, KalendsError, TransientError

if TYPE_CHECKING:
    from shared.connections.apps import OAuthApp

_AADSTS = re.compile(r"AADSTS(\d+)")
_PLAIN = re.compile(r"[\w.-]{1,60}", re.ASCII)

# Microsoft: "Microsoft Entra authentication and authorization error codes".
_DECLINED = {"65004"}
_NEEDS_ADMIN = {"65001", "90008", "90093", "90094", "90095"}
_WRONG_TENANT = {"50020", "50128", "50194", "90002", "90072", "500200", "700016"}


def refusal(
    app: OAuthApp, *, error: str, description: str, redirect_uri: str, microsoft_authority: str
) -> KalendsError:
    """The typed error for an authorization response with `error=` (RFC 6749, 4.1.2.1).

    `description` is only searched for Microsoft's AADSTS number: it may name people, so it goes no further. When an
    administrator has to approve, the error's fields hold `admin_consent_url`, the link to send to them.
    """
    match = _AADSTS.search(description)
    number = match[1] if match else ""
    reason = f"AADSTS{number}" if number else error if _PLAIN.fullmatch(error) else "unknown reason"
    name = app.provider.capitalize()
    if number in _NEEDS_ADMIN:
        return InvalidError(
            f"{name} asks for an administrator's approval ({reason}). Send your administrator the link, and connect "
            "again once they have approved.",
            code="AUTH.ADMIN_APPROVAL",
            fields={"admin_consent_url": admin_consent_url(app, redirect_uri, microsoft_authority)},
        )
    if error == "admin_policy_enforced":  # Google Workspace, "Authorization errors"
        return InvalidError(
            f"Your organization's {name} administrator does not allow this app yet ({reason}). Ask them to trust the "
            f"client id {app.client_id}, then connect again.",
            code="AUTH.ADMIN_APPROVAL",
        )
    if number in _WRONG_TENANT or error == "org_internal":
        return InvalidError(
            f"This account belongs to an organization that may not use this app ({reason}). Sign out at {name} and "
            "connect again with another account, or ask the operator to admit your organization.",
            code="AUTH.WRONG_TENANT",
        )
    if number in _DECLINED or error in ("access_denied", "consent_required"):
        return InvalidError(
            f"{name} was told not to allow the connection, so nothing was changed. Connect again and choose Allow.",
            code="AUTH.CONSENT_DENIED",
        )
    if error in ("server_error", "temporarily_unavailable"):
        return TransientError(f"{name} could not finish the sign-in ({reason}). Connect again in a moment.")
    return InvalidError(f"{name} refused the connection ({reason}). Connect again.", code="AUTH.CODE_REFUSED")


def admin_consent_url(app: OAuthApp, redirect_uri: str, microsoft_authority: str) -> str:
    """Where an administrator approves the app for everybody (Microsoft identity platform, "Admin consent").

    Personal accounts cannot approve, so the app's own tenant stands there only if it is a certain organization's.
    """
    tenant = "organizations" if app.tenant in ("common", "consumers") else app.tenant
    query = urlencode({"client_id": app.client_id, "redirect_uri": redirect_uri})
    return f"{microsoft_authority}/{tenant}/adminconsent?{query}"
