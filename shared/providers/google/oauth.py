"""Google's OAuth 2.0 side (developers.google.com/identity/protocols/oauth2/web-server; RFC 6749, 7636, 7009).

Authlib knows the protocol and httpx the network; `authlib.integrations.httpx_client` is not used: it brings an
asynchronous twin, OAuth 1 and a tenth of a second of imports, and has deprecated httpx.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
from authlib.oauth2.client import OAuth2Client  # type: ignore[import-untyped]

from shared.core.errors import InvalidError, KalendsError, RateLimitedError, ReauthRequiredError, TransientError
from shared.providers.patience import retry_after
from shared.providers.port import UNREADABLE, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.providers import Endpoints, OAuthClient

SCOPES = (
    "openid",
    "email",
    "https://www.googleapis.com/auth/calendar.events",
    "https://www.googleapis.com/auth/calendar.calendarlist.readonly",
)
TIMEOUT_SECONDS = 15

_IN_THE_BODY = httpx.Auth()  # as Google documents it, client id and secret are parameters, not a header
_CODE = re.compile(r"[a-z_]{1,40}")
_APP_REFUSED = ("invalid_client", "unauthorized_client", "deleted_client", "disabled_client")


class GoogleAuthorizer:
    """Implements `Authorizer` for one OAuth app."""

    def __init__(self, *, client: OAuthClient, endpoints: Endpoints) -> None:
        self._client = client
        self._endpoints = endpoints

    def authorization_url(self, *, state: str, code_verifier: str, redirect_uri: str, login_hint: str | None) -> str:
        """Google's consent page. `access_type=offline` with `prompt=consent` gives a refresh token every time."""
        url, _ = OAuth2Client(None, self._client.client_id, code_challenge_method="S256").create_authorization_url(
            self._endpoints.google_auth,
            state=state,
            code_verifier=code_verifier,
            redirect_uri=redirect_uri,
            scope=" ".join(SCOPES),
            access_type="offline",
            prompt="consent",
            include_granted_scopes="true",
            **({"login_hint": login_hint} if login_hint else {}),
        )
        return str(url)

    def exchange(self, *, code: str, code_verifier: str, redirect_uri: str, now: datetime) -> Tokens:
        """Redeem the code of a callback. Raises InvalidError when Google refuses it."""

        def refused(reason: str) -> KalendsError:
            message = f"Google did not accept the sign-in ({reason}). Start connecting the account again."
            return InvalidError(message, code="OAUTH.CODE_REFUSED")

        answer = self._ask(
            lambda session: session.fetch_token(
                self._endpoints.google_token,
                grant_type="authorization_code",
                code=code,
                code_verifier=code_verifier,
                redirect_uri=redirect_uri,
                auth=_IN_THE_BODY,
                **self._credentials(),
            ),
            refused=refused,
        )
        return _tokens(answer, now=now)

    def refresh(self, *, refresh_token: str, now: datetime) -> Tokens:
        """A new access token. The answer's `refresh_token` is None unless Google issued another one.

        Raises ReauthRequiredError when the grant is over: revoked, unused for six months, or, while the OAuth app is
        in testing mode, seven days old.
        """

        def refused(reason: str) -> KalendsError:
            if reason == "invalid_grant":
                message = (
                    "Google no longer accepts the grant (invalid_grant, invalid_token): connect the account again."
                )
                return ReauthRequiredError(message)
            return InvalidError(f"Google refused to renew the access token ({reason}).", code="OAUTH.REFRESH_REFUSED")

        answer = self._ask(
            lambda session: session.refresh_token(
                self._endpoints.google_token, refresh_token=refresh_token, auth=_IN_THE_BODY, **self._credentials()
            ),
            refused=refused,
        )
        if answer.get("refresh_token") == refresh_token:
            answer["refresh_token"] = None
        return _tokens(answer, now=now)

    def revoke(self, *, token: str) -> None:
        """Give the grant back; a token that Google does not know is success."""
        with httpx.Client(timeout=TIMEOUT_SECONDS) as http:
            try:
                response = http.post(self._endpoints.google_revoke, data={"token": token})
            except httpx.HTTPError as error:
                raise _no_answer(type(error).__name__) from None
        reason = _refusal(response)
        if reason not in (None, "invalid_token"):
            raise InvalidError(f"Google refused to revoke the grant ({reason}).", code="OAUTH.REVOKE_REFUSED")

    def _credentials(self) -> dict[str, str]:
        return {"client_id": self._client.client_id, "client_secret": self._client.client_secret}

    def _ask(self, call: Callable[[Any], dict[str, Any]], *, refused: Callable[[str], KalendsError]) -> dict[str, Any]:
        """The token endpoint's answer. `refused` makes the error for a refusal that is not about the OAuth app."""

        def check(response: httpx.Response) -> httpx.Response:
            reason = _refusal(response)
            if reason in _APP_REFUSED:
                message = f"Google refuses the OAuth app ({reason}). Check GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET."
                raise InvalidError(message, code="OAUTH.APP_REFUSED")
            if reason is not None:
                raise refused(reason)
            return response

        with httpx.Client(timeout=TIMEOUT_SECONDS) as http:
            session = OAuth2Client(http)
            session.register_compliance_hook("access_token_response", check)
            session.register_compliance_hook("refresh_token_response", check)
            try:
                return dict(call(session))
            except (httpx.HTTPError, ValueError) as error:
                raise _no_answer(type(error).__name__, is_readable=isinstance(error, httpx.HTTPError)) from None


def _refusal(response: httpx.Response) -> str | None:
    """The error code of an answer (RFC 6749, 5.2), None for a success. Raises for what is not an answer at all."""
    if response.status_code == 429:
        wait = retry_after(response.headers)
        raise RateLimitedError("Google's sign-in asked to slow down. It is tried again later.", retry_after=wait)
    if response.is_success:
        return None
    try:
        code = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        code = None
    if response.status_code >= 500 or not isinstance(code, str):
        raise _no_answer(f"HTTP {response.status_code}")
    return code if _CODE.fullmatch(code) else "unknown_error"


def _tokens(answer: dict[str, Any], *, now: datetime) -> Tokens:
    access_token, refresh_token = answer.get("access_token"), answer.get("refresh_token")
    lifetime, scope = answer.get("expires_in"), answer.get("scope", "")
    # Set for an app in Testing mode and for people who allow access for a while only.
    grant_lifetime = answer.get("refresh_token_expires_in")
    if not isinstance(access_token, str) or not isinstance(lifetime, int) or not isinstance(scope, str):
        raise _no_answer("an answer without a usable token", is_readable=False)
    return Tokens(
        access_token=access_token,
        refresh_token=refresh_token if isinstance(refresh_token, str) else None,
        expires_at=now + timedelta(seconds=lifetime),
        scopes=tuple(scope.split()),
        grant_ends_at=now + timedelta(seconds=grant_lifetime) if isinstance(grant_lifetime, int) else None,
    )


def _no_answer(what: str, *, is_readable: bool = True) -> TransientError:
    code = None if is_readable else UNREADABLE
    return TransientError(f"Google's sign-in gave no usable answer ({what}). It is tried again.", code=code)
