"""Microsoft's OAuth 2.0 side: the identity platform's v2.0 endpoints (RFC 6749, 7636).

Authlib knows the protocol and httpx the network. Refresh tokens rotate: each answer brings a new one, which must be
kept; the old one lives on for a while. There is no revocation endpoint: people withdraw consent at myapps.microsoft.com
or account.live.com/consent.
Source: "Microsoft identity platform and OAuth 2.0 authorization code flow"; Entra authentication error codes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx
from authlib.oauth2.client import OAuth2Client  # type: ignore[import-untyped]
from pydantic import BaseModel, ValidationError

from shared.core.errors import InvalidError, KalendsError, RateLimitedError, ReauthRequiredError, TransientError
from shared.providers.microsoft.graph import connection
from shared.providers.patience import retry_after
from shared.providers.port import UNREADABLE, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.providers import Endpoints, OAuthClient

SCOPES = ("offline_access", "openid", "email", "Calendars.ReadWrite", "User.Read")

_IN_THE_BODY = httpx.Auth()  # client id and secret are parameters, as Microsoft documents it
_ERROR = re.compile(r"[a-z_]{1,60}", re.ASCII)
_AADSTS = re.compile(r"AADSTS(\d{4,8})", re.ASCII)
_APP_REFUSED = {"invalid_client", "unauthorized_client", "invalid_resource", "unsupported_grant_type"}
_PERSON_NEEDED = {"invalid_grant", "interaction_required", "login_required", "consent_required"}
_WHAT_TO_DO = {
    "50076": "The organisation asks for multi-factor authentication: sign in again.",
    "50079": "The organisation asks for multi-factor authentication: sign in again.",
    "50173": "The password was changed or the grant withdrawn: sign in again.",
    "53003": "The organisation's conditional access blocks this: ask its administrator, then sign in again.",
    "65001": "Consent was withdrawn: sign in again and allow access.",
    "70000": "The grant was withdrawn or belongs to another app: sign in again.",
    "70008": "The grant expired because it was not used for too long: sign in again.",
    "700082": "The grant expired because it was not used for 90 days: sign in again.",
    "700084": "The grant reached the end of its life: sign in again.",
}
"""What a person can do, by AADSTS number."""


class _Answer(BaseModel):
    """What a token endpoint says (RFC 6749, 5.1)."""

    access_token: str
    expires_in: int
    refresh_token: str | None = None
    scope: str = ""


class MicrosoftAuthorizer:
    """One OAuth app at one tenant (port.Authorizer)."""

    def __init__(self, *, client: OAuthClient, endpoints: Endpoints) -> None:
        self._client = client
        self._base = f"{endpoints.microsoft_authority.rstrip('/')}/{client.tenant}/oauth2/v2.0"

    def authorization_url(self, *, state: str, code_verifier: str, redirect_uri: str, login_hint: str | None) -> str:
        """Microsoft's sign-in page; people with several accounts choose one unless `login_hint` names it."""
        hint = {"login_hint": login_hint} if login_hint else {"prompt": "select_account"}
        url, _ = OAuth2Client(None, self._client.client_id, code_challenge_method="S256").create_authorization_url(
            f"{self._base}/authorize",
            state=state,
            code_verifier=code_verifier,
            redirect_uri=redirect_uri,
            scope=" ".join(SCOPES),
            response_mode="query",
            **hint,
        )
        return str(url)

    def exchange(self, *, code: str, code_verifier: str, redirect_uri: str, now: datetime) -> Tokens:
        """Redeem the code of a callback. Raises InvalidError when Microsoft refuses it."""
        return self._ask(
            lambda session: session.fetch_token(
                f"{self._base}/token",
                grant_type="authorization_code",
                code=code,
                code_verifier=code_verifier,
                redirect_uri=redirect_uri,
                scope=" ".join(SCOPES),
                auth=_IN_THE_BODY,
                **self._credentials(),
            ),
            person_needed=_code_refused,
            now=now,
        )

    def refresh(self, *, refresh_token: str, now: datetime) -> Tokens:
        """A new access token and the refresh token that takes the old one's place (None: the old one stays).

        Raises ReauthRequiredError, naming the AADSTS number and what to do, when only the person can help.
        """
        tokens = self._ask(
            lambda session: session.refresh_token(
                f"{self._base}/token",
                refresh_token=refresh_token,
                scope=" ".join(SCOPES),
                auth=_IN_THE_BODY,
                **self._credentials(),
            ),
            person_needed=_grant_over,
            now=now,
        )
        # Authlib fills in the old one where Microsoft sent none.
        return replace(tokens, refresh_token=None) if tokens.refresh_token == refresh_token else tokens

    def revoke(self, *, token: str) -> None:
        """Nothing happens: Microsoft has no such call."""

    def _credentials(self) -> dict[str, str]:
        return {"client_id": self._client.client_id, "client_secret": self._client.client_secret}

    def _ask(
        self, call: Callable[[Any], Any], *, person_needed: Callable[[str], KalendsError], now: datetime
    ) -> Tokens:
        """The token endpoint's answer; `person_needed` makes the error of a refused code or grant from its reason."""

        def check(response: httpx.Response) -> httpx.Response:
            _check(response, person_needed)
            return response

        session = OAuth2Client(connection())
        session.register_compliance_hook("access_token_response", check)
        session.register_compliance_hook("refresh_token_response", check)
        try:
            answer = _Answer.model_validate(dict(call(session)))
        except ValidationError:
            raise _no_answer("an answer without a usable token", is_readable=False) from None
        except (httpx.HTTPError, ValueError) as error:
            raise _no_answer(type(error).__name__, is_readable=isinstance(error, httpx.HTTPError)) from None
        return Tokens(
            access_token=answer.access_token,
            refresh_token=answer.refresh_token,
            expires_at=now + timedelta(seconds=answer.expires_in),
            scopes=tuple(answer.scope.split()),
        )


def _check(response: httpx.Response, person_needed: Callable[[str], KalendsError]) -> None:
    """Raise what an answer other than a success means (RFC 6749, 5.2; the description is only searched for AADSTS)."""
    wait = retry_after(response.headers)
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        raise RateLimitedError("Microsoft's sign-in asked to slow down. It is tried again later.", retry_after=wait)
    if response.is_success:
        return
    try:
        answer = response.json()
    except ValueError:
        answer = None
    error = answer.get("error") if isinstance(answer, dict) else None
    if response.is_server_error or not isinstance(error, str) or error == "temporarily_unavailable":
        raise _no_answer(f"HTTP {response.status_code}")
    number = _AADSTS.search(str(answer.get("error_description", "")))
    reason = number[0] if number else error if _ERROR.fullmatch(error) else "unknown error"
    if error in _PERSON_NEEDED:
        raise person_needed(reason)
    if error in _APP_REFUSED:
        message = f"Microsoft refuses the OAuth app ({reason}). Check MS_CLIENT_ID, MS_CLIENT_SECRET and MS_TENANT_ID."
        raise InvalidError(message, code="OAUTH.APP_REFUSED")
    raise InvalidError(f"Microsoft refused the sign-in ({reason}).", code="OAUTH.REFUSED")


def _code_refused(reason: str) -> KalendsError:
    message = f"Microsoft did not accept the sign-in ({reason}). Start connecting the account again."
    return InvalidError(message, code="OAUTH.CODE_REFUSED")


def _grant_over(reason: str) -> KalendsError:
    advice = _WHAT_TO_DO.get(reason.removeprefix("AADSTS"), "Connect the account again.")
    return ReauthRequiredError(f"Microsoft no longer accepts the grant (invalid_token, {reason}). {advice}")


def _no_answer(what: str, *, is_readable: bool = True) -> TransientError:
    code = None if is_readable else UNREADABLE
    return TransientError(f"Microsoft's sign-in gave no usable answer ({what}). It is tried again.", code=code)
