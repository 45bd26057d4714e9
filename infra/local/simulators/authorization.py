"""The core of an OAuth 2.0 authorization server (RFC 6749, 7636, 7009): what Google's and Microsoft's share.

It keeps accounts, clients, consents, codes and tokens, and knows no HTTP: the provider's package has the
endpoints, decides which scopes exist, when a refresh token is given, and how an error looks.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit

from pydantic import TypeAdapter

from infra.local.simulators.credentials import (
    Account,
    AuthorizationError,
    AuthorizationRequest,
    Caller,
    Client,
    ExpiredTokenError,
    Issued,
    TokenError,
    TokenRejectedError,
)
from infra.local.simulators.state import StateFile

_CODE_LIFETIME = timedelta(minutes=10)
_TESTING_REFRESH_LIFETIME = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Code:
    request: AuthorizationRequest
    email: str
    scopes: tuple[str, ...]
    refreshable: bool
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _AccessToken:
    email: str
    client_id: str
    scopes: tuple[str, ...]
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _RefreshToken:
    email: str
    client_id: str
    scopes: tuple[str, ...]
    expires_at: datetime | None


class AuthorizationServer:
    """Accounts, clients, consents and tokens of one provider.

    `access_prefix` and `refresh_prefix` make tokens look like the provider's.
    """

    def __init__(self, state: StateFile, *, access_prefix: str = "", refresh_prefix: str = "") -> None:
        self._state = state
        self._access_prefix = access_prefix
        self._refresh_prefix = refresh_prefix
        self.accounts: dict[str, Account] = {}
        self.clients: dict[str, Client] = {}
        self._consents: dict[tuple[str, str], frozenset[str]] = {}
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, _AccessToken] = {}
        self._refresh: dict[str, _RefreshToken] = {}
        self.refreshes = 0
        """Refresh tokens used with success."""

    # Accounts and clients

    def add_account(self, account: Account) -> None:
        """Add or replace a person."""
        self.accounts[account.email] = account
        self._state.put("account", account.email, _dump(Account, account))

    def add_client(self, client_id: str, secret: str, redirect_uris: Iterable[str] = ()) -> Client:
        """Register a client, or add redirect URIs to it and set its secret."""
        known = self.clients.get(client_id)
        uris = dict.fromkeys([*(known.redirect_uris if known else ()), *redirect_uris])
        client = Client(client_id=client_id, secret=secret, redirect_uris=tuple(uris))
        self.clients[client_id] = client
        self._state.put("client", client_id, _dump(Client, client))
        return client

    def load(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Take up what `StateFile.load` answered."""
        self.accounts = {key: _load(Account, row) for key, row in rows.get("account", {}).items()}
        self.clients = {key: _load(Client, row) for key, row in rows.get("client", {}).items()}
        self._access = {key: _load(_AccessToken, row) for key, row in rows.get("access_token", {}).items()}
        self._refresh = {key: _load(_RefreshToken, row) for key, row in rows.get("refresh_token", {}).items()}
        for row in rows.get("consent", {}).values():
            self._consents[row["client_id"], row["email"]] = frozenset(row["scopes"])

    def reset(self) -> None:
        """Forget people, consents, codes and tokens; registered clients stay registered."""
        for known in (self.accounts, self._consents, self._codes, self._access, self._refresh):
            known.clear()
        self.refreshes = 0
        for client in self.clients.values():
            self._state.put("client", client.client_id, _dump(Client, client))

    # The authorization endpoint

    def request(self, parameters: Mapping[str, str]) -> AuthorizationRequest:
        """Check an authorization request.

        Raises AuthorizationError: without `redirect` when client or redirect URI are not to be trusted, with it
        when the client is to be told.
        """
        client = self.clients.get(parameters.get("client_id", ""))
        if client is None:
            raise AuthorizationError("invalid_client", "The OAuth client was not found.")
        redirect_uri = parameters.get("redirect_uri", "")
        if redirect_uri not in client.redirect_uris:
            raise AuthorizationError(
                "redirect_uri_mismatch",
                f"The redirect URI {redirect_uri!r} is not registered for this client.",
            )
        state = parameters.get("state", "")

        def wrong(error: str, description: str) -> AuthorizationError:
            return AuthorizationError(error, description, _with_query(redirect_uri, error=error, state=state))

        if parameters.get("response_type") != "code":
            raise wrong("unsupported_response_type", "response_type must be 'code'.")
        scopes = tuple(dict.fromkeys(parameters.get("scope", "").split()))
        if not scopes:
            raise wrong("invalid_request", "Missing required parameter: scope")
        challenge = parameters.get("code_challenge", "")
        if challenge and parameters.get("code_challenge_method") != "S256":
            raise wrong("invalid_request", "code_challenge_method must be S256.")
        return AuthorizationRequest(
            client_id=client.client_id,
            redirect_uri=redirect_uri,
            scopes=scopes,
            state=state,
            code_challenge=challenge,
            nonce=parameters.get("nonce", ""),
            prompt=parameters.get("prompt", ""),
            login_hint=parameters.get("login_hint", ""),
            extra=dict(parameters),
        )

    def consented(self, client_id: str, email: str) -> frozenset[str]:
        """Scopes this person has allowed this client; empty before the first consent."""
        return self._consents.get((client_id, email), frozenset())

    def allow(
        self,
        request: AuthorizationRequest,
        *,
        email: str,
        scopes: Iterable[str],
        refreshable: bool,
        now: datetime,
        **answer: str,
    ) -> str:
        """Record the consent and answer the address to redirect to, with a code good once for ten minutes.

        `answer` is added to the address; `refreshable` says whether the code's exchange gives a refresh token.
        """
        granted = tuple(scopes)
        consent = self.consented(request.client_id, email) | frozenset(granted)
        self._consents[request.client_id, email] = consent
        self._state.put(
            "consent",
            f"{request.client_id} {email}",
            {"client_id": request.client_id, "email": email, "scopes": sorted(consent)},
        )
        code = f"4/{secrets.token_urlsafe(32)}"
        self._codes[code] = _Code(
            request=request,
            email=email,
            scopes=granted,
            refreshable=refreshable,
            expires_at=now + _CODE_LIFETIME,
        )
        return _with_query(request.redirect_uri, state=request.state, code=code, **answer)

    def deny(self, request: AuthorizationRequest, error: str = "access_denied", **answer: str) -> str:
        """The address to redirect to when the person, or the provider, says no."""
        return _with_query(request.redirect_uri, error=error, state=request.state, **answer)

    # The token and revocation endpoints

    def authenticate_client(self, form: Mapping[str, str], authorization: str = "") -> Client:
        """The client, by HTTP Basic or by `client_id` and `client_secret` in the form; TokenError otherwise."""
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                pair = base64.b64decode(credentials, validate=True).decode()
            except ValueError:
                pair = ""
            client_id, _, secret = (unquote(part) for part in pair.partition(":"))
        client = self.clients.get(client_id)
        if client is None:
            raise TokenError("invalid_client", "The OAuth client was not found.", 401)
        if not hmac.compare_digest(client.secret.encode(), secret.encode()):
            raise TokenError("invalid_client", "The provided client secret is invalid.", 401)
        return client

    def exchange_code(self, client: Client, form: Mapping[str, str], *, lifetime: int, now: datetime) -> Issued:
        """Tokens for a code (RFC 6749 4.1.3, RFC 7636 4.6). A code is spent by the first attempt."""
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.expires_at <= now or code.request.client_id != client.client_id:
            raise TokenError("invalid_grant", "Malformed auth code.")
        if form.get("redirect_uri", "") != code.request.redirect_uri:
            raise TokenError("redirect_uri_mismatch", "The redirect URI differs from the authorization request's.")
        if code.request.code_challenge:
            verifier = form.get("code_verifier", "")
            if not verifier:
                raise TokenError("invalid_grant", "Missing code verifier.")
            if not hmac.compare_digest(_challenge(verifier), code.request.code_challenge):
                raise TokenError("invalid_grant", "Invalid code verifier.")
        account = self.accounts[code.email]
        refresh_token = self._issue_refresh(account, client.client_id, code.scopes, now) if code.refreshable else None
        issued = self._issue_access(account, client.client_id, code.scopes, lifetime, now)
        return replace(issued, refresh_token=refresh_token, nonce=code.request.nonce)

    def refresh(
        self,
        client: Client,
        form: Mapping[str, str],
        *,
        lifetime: int,
        now: datetime,
        renew: bool,
        end_old: bool,
    ) -> Issued:
        """A new access token; `renew` also answers a new refresh token, `end_old` ends the one that was used."""
        token = form.get("refresh_token", "")
        known = self._refresh.get(token)
        if known is None or known.client_id != client.client_id:
            raise TokenError("invalid_grant", "Token has been expired or revoked.")
        if known.expires_at and known.expires_at <= now:
            raise ExpiredTokenError("invalid_grant", "Token has been expired or revoked.")
        scopes = tuple(form.get("scope", "").split()) or known.scopes
        if not set(scopes) <= set(known.scopes):
            raise TokenError("invalid_scope", "Some requested scopes were not granted.")
        account = self.accounts[known.email]
        issued = self._issue_access(account, client.client_id, scopes, lifetime, now)
        self.refreshes += 1
        if not renew:
            return issued
        if end_old:
            self._end_refresh(token)
        return replace(issued, refresh_token=self._issue_refresh(account, client.client_id, known.scopes, now))

    def revoke(self, token: str) -> bool:
        """End an access or refresh token and the consent behind it (RFC 7009); False when it is unknown."""
        known = self._refresh.get(token) or self._access.get(token)
        if known is None:
            return False
        self._end_all(known.email, known.client_id)
        return True

    # The resource server

    def authenticate(self, bearer: str, now: datetime) -> Caller:
        """Who the bearer speaks for; TokenRejectedError when it is unknown, expired or revoked."""
        token = self._access.get(bearer)
        if token is None or token.expires_at <= now:
            raise TokenRejectedError("the access token is unknown, expired or revoked")
        return Caller(email=token.email, client_id=token.client_id, scopes=token.scopes)

    # By hand, for tests

    def expire_access_tokens(self, email: str) -> int:
        """End every access token of a person; refresh tokens stay good. Answers how many."""
        ended = [token for token, known in self._access.items() if known.email == email]
        for token in ended:
            self._end_access(token)
        return len(ended)

    def revoke_all(self, email: str) -> int:
        """End every token and consent of a person, as when access is withdrawn in the account's settings."""
        before = len(self._access) + len(self._refresh)
        for client_id in self.clients:
            self._end_all(email, client_id)
        return before - len(self._access) - len(self._refresh)

    def _issue_access(
        self, account: Account, client_id: str, scopes: tuple[str, ...], lifetime: int, now: datetime
    ) -> Issued:
        for token in [token for token, known in self._access.items() if known.expires_at <= now]:
            self._end_access(token)
        token = self._access_prefix + secrets.token_urlsafe(48)
        known = _AccessToken(
            email=account.email,
            client_id=client_id,
            scopes=scopes,
            expires_at=now + timedelta(seconds=lifetime),
        )
        self._access[token] = known
        self._state.put("access_token", token, _dump(_AccessToken, known))
        return Issued(
            account=account,
            client_id=client_id,
            access_token=token,
            expires_in=lifetime,
            scopes=scopes,
            refresh_token=None,
        )

    def _issue_refresh(self, account: Account, client_id: str, scopes: tuple[str, ...], now: datetime) -> str:
        token = self._refresh_prefix + secrets.token_urlsafe(48)
        known = _RefreshToken(
            email=account.email,
            client_id=client_id,
            scopes=scopes,
            expires_at=now + _TESTING_REFRESH_LIFETIME if account.testing_mode else None,
        )
        self._refresh[token] = known
        self._state.put("refresh_token", token, _dump(_RefreshToken, known))
        return token

    def _end_all(self, email: str, client_id: str) -> None:
        for token in [t for t, known in self._access.items() if (known.email, known.client_id) == (email, client_id)]:
            self._end_access(token)
        for token in [t for t, known in self._refresh.items() if (known.email, known.client_id) == (email, client_id)]:
            self._end_refresh(token)
        if self._consents.pop((client_id, email), None) is not None:
            self._state.drop("consent", f"{client_id} {email}")

    def _end_access(self, token: str) -> None:
        del self._access[token]
        self._state.drop("access_token", token)

    def _end_refresh(self, token: str) -> None:
        del self._refresh[token]
        self._state.drop("refresh_token", token)


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _with_query(address: str, **parameters: str) -> str:
    parts = urlsplit(address)
    added = urlencode({key: value for key, value in parameters.items() if value})
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, added)))))


def _dump(shape: type[Any], value: Any) -> Any:
    return TypeAdapter(shape).dump_python(value, mode="json")


def _load[T](shape: type[T], row: Any) -> T:
    return TypeAdapter(shape).validate_python(row)
