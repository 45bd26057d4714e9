"""The identity platform's errors: AADSTS numbers, their words, and the OAuth error each goes under (vendor doc:
reference-error-codes)."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.local.simulators.credentials import Account, AuthorizationError, ExpiredTokenError, TokenError
from infra.local.simulators.microsoft import tenants


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An AADSTS error."""

    number: int
    error: str
    words: str

    @property
    def text(self) -> str:
        """As people see it."""
        return f"AADSTS{self.number}: {self.words}"

    def described(self, now: datetime) -> dict[str, Any]:
        """What an error answer says besides `error` (vendor doc: v2-oauth2-auth-code-flow, error response)."""
        trace, correlation, stamp = str(uuid.uuid4()), str(uuid.uuid4()), f"{now:%Y-%m-%d %H:%M:%SZ}"
        lines = self.text, f"Trace ID: {trace}", f"Correlation ID: {correlation}", f"Timestamp: {stamp}"
        return {
            "error_description": " ".join(lines),
            "error_codes": [self.number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={self.number}",
        }


DECLINED = Failure(number=65004, error="access_denied", words="User declined to consent to access the app.")
ADMIN_DECLINED = Failure(number=65004, error="permission_denied", words=DECLINED.words)
NEEDS_ADMIN = Failure(
    number=90094,
    error="access_denied",
    words="The application needs permission to access resources in your organization that only an admin can grant. "
    "Please ask an admin to grant permission to this app before you can use it.",
)
NO_CONSENT = Failure(
    number=65001,
    error="interaction_required",
    words="The user or administrator has not consented to use the application. Send an interactive authorization "
    "request for this user and resource.",
)
NO_SESSION = Failure(
    number=50058, error="login_required", words="A silent sign-in request was sent but no user is signed in."
)


def wrong_tenant(account: Account, authority: str, client_id: str) -> Failure:
    """The account does not belong where it signs in."""
    provider = "live.com" if account.tenant == tenants.CONSUMERS else f"https://sts.windows.net/{account.tenant}/"
    words = (
        f"User account '{account.email}' from identity provider '{provider}' does not exist in tenant '{authority}' "
        f"and cannot access the application '{client_id}' in that tenant. The account needs to be added as an external "
        "user in the tenant first. Sign out and sign in again with a different user account."
    )
    return Failure(number=50020, error="access_denied", words=words)


def no_tenant(authority: str) -> Failure:
    """There is no such tenant."""
    words = f"Tenant '{authority}' not found. Check to make sure you have the correct tenant ID."
    return Failure(number=90002, error="invalid_request", words=words)


def untrusted(wrong: AuthorizationError, parameters: Mapping[str, str]) -> Failure:
    """An authorization request whose client or redirect URI is unknown: shown on a page, never sent back."""
    if wrong.error == "redirect_uri_mismatch":
        words = (
            f"The redirect URI '{parameters.get('redirect_uri', '')}' specified in the request does not match the "
            f"redirect URIs configured for the application '{parameters.get('client_id', '')}'."
        )
        return Failure(number=50011, error="invalid_request", words=words)
    return no_application(parameters.get("client_id", ""))


def no_application(client_id: str) -> Failure:
    """There is no such application."""
    words = f"Application with identifier '{client_id}' was not found in the directory."
    return Failure(number=700016, error="unauthorized_client", words=words)


def of_token_error(refused: TokenError, form: Mapping[str, str], *, clients: Collection[str], spent: bool) -> Failure:
    """The error for what the core refused; `spent` says that the code was used before."""
    match refused.error:
        case "invalid_client" if form.get("client_id") and form["client_id"] not in clients:
            return no_application(form["client_id"])
        case "invalid_client":
            return Failure(number=7000215, error="invalid_client", words="Invalid client secret provided.")
        case "redirect_uri_mismatch":
            words = "The reply address does not match the reply address provided when requesting the code."
            return Failure(number=500112, error="invalid_grant", words=words)
        case "unsupported_grant_type":
            return Failure(number=70003, error=refused.error, words=refused.description)
        case "invalid_scope":
            return Failure(number=70011, error=refused.error, words=refused.description)
    if isinstance(refused, ExpiredTokenError):
        words = "The refresh token has expired due to inactivity."
        return Failure(number=700082, error="invalid_grant", words=words)
    if form.get("grant_type") == "refresh_token":
        words = "The provided grant has expired due to it being revoked, a fresh auth token is needed."
        return Failure(number=50173, error="invalid_grant", words=words)
    if "verifier" in refused.description:
        words = "The Code_Verifier does not match the code_challenge supplied in the authorization request."
        return Failure(number=501481, error="invalid_grant", words=words)
    if spent:
        words = "OAuth2 Authorization code was already redeemed, please retry with a new valid code."
        return Failure(number=54005, error="invalid_grant", words=words)
    words = "The provided authorization code or refresh token has expired or is not valid."
    return Failure(number=70008, error="invalid_grant", words=words)
