"""The identity platform's token endpoint, discovery document and keys (vendor docs: v2-oauth2-auth-code-flow,
v2-protocols-oidc, id-tokens, refresh-tokens)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from infra.local.simulators.credentials import Client, Issued, TokenError
from infra.local.simulators.microsoft import aadsts, identifiers, scopes, tenants
from infra.local.simulators.microsoft.aadsts import Failure
from infra.local.simulators.microsoft.faults import MicrosoftFaults
from infra.local.simulators.port import Parts
from infra.local.simulators.signing import SigningKey

_ID_TOKEN_SECONDS = 3600


class Tokens:
    """The endpoints below /{tenant} that applications call."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._key = SigningKey()
        self._spent: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        """The endpoints."""
        return [
            web.post("/{tenant}/oauth2/v2.0/token", self._token),
            web.get("/{tenant}/v2.0/.well-known/openid-configuration", self._discovery),
            web.get("/{tenant}/discovery/v2.0/keys", self._keys),
        ]

    async def _token(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        now, authorization = self._parts.clock.now(), self._parts.authorization
        if not tenants.known(request.match_info["tenant"], authorization.accounts.values()):
            return self._refused(aadsts.no_tenant(request.match_info["tenant"]))
        spent = form.get("code", "") in self._spent
        try:
            client = authorization.authenticate_client(form, request.headers.get("Authorization", ""))
            issued = self._issue(client, form, now)
        except TokenError as refused:
            return self._refused(aadsts.of_token_error(refused, form, clients=authorization.clients, spent=spent))
        answer = self._answer(issued, f"{request.scheme}://{request.host}", now)
        return web.json_response(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _issue(self, client: Client, form: Mapping[str, str], now: datetime) -> Issued:
        """A refresh answers a new refresh token each time; the old one stays good unless `rotate_refresh_tokens`."""
        match form.get("grant_type"):
            case "authorization_code":
                self._spent.add(form.get("code", ""))
                return self._parts.authorization.exchange_code(
                    client, form, lifetime=self._faults.token_lifetime, now=now
                )
            case "refresh_token":
                return self._parts.authorization.refresh(
                    client,
                    {**form, "scope": scopes.short(form.get("scope", ""))},
                    lifetime=self._faults.token_lifetime,
                    now=now,
                    renew=True,
                    end_old=self._faults.rotate_refresh_tokens,
                )
            case _:
                raise TokenError("unsupported_grant_type", "The grant type is not supported.")

    @property
    def _faults(self) -> MicrosoftFaults:
        settings: MicrosoftFaults = self._parts.switchboard.settings
        return settings

    def _answer(self, issued: Issued, base: str, now: datetime) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "token_type": "Bearer",
            "scope": scopes.full(issued.scopes),
            "expires_in": issued.expires_in,
            "ext_expires_in": issued.expires_in,
            "access_token": issued.access_token,
        }
        if issued.refresh_token:
            answer["refresh_token"] = issued.refresh_token
        if "openid" in issued.scopes:
            answer["id_token"] = self._key.sign(_claims(issued, base, now))
        return answer

    def _refused(self, failure: Failure) -> web.Response:
        status = 401 if failure.error == "invalid_client" else 400
        return web.json_response({"error": failure.error, **failure.described(self._parts.clock.now())}, status=status)

    async def _discovery(self, request: web.Request) -> web.Response:
        tenant, base = request.match_info["tenant"], f"{request.scheme}://{request.host}"
        if not tenants.known(tenant, self._parts.authorization.accounts.values()):
            return self._refused(aadsts.no_tenant(tenant))
        several = tenant.lower() in tenants.SEVERAL
        issuer = "{tenantid}" if several else tenants.resolved_id(tenant, self._parts.authorization.accounts.values())
        return web.json_response(
            {
                "issuer": f"{base}/{issuer}/v2.0",
                "authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/{tenant}/oauth2/v2.0/token",
                "end_session_endpoint": f"{base}/{tenant}/oauth2/v2.0/logout",
                "jwks_uri": f"{base}/{tenant}/discovery/v2.0/keys",
                "response_modes_supported": ["query"],
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "scopes_supported": list(scopes.OPEN_ID),
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
                "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "name", "oid", "tid", "ver", "email"],
            }
        )

    async def _keys(self, request: web.Request) -> web.Response:
        del request
        return web.json_response(self._key.jwks())


def _claims(issued: Issued, base: str, now: datetime) -> dict[str, Any]:
    """An id token's claims (vendor doc: id-token-claims-reference)."""
    account, tenant = issued.account, tenants.tenant_id(issued.account.tenant)
    issued_at = int(now.timestamp())
    claims: dict[str, Any] = {
        "aud": issued.client_id,
        "iss": f"{base}/{tenant}/v2.0",
        "iat": issued_at,
        "nbf": issued_at,
        "exp": issued_at + _ID_TOKEN_SECONDS,
        "sub": identifiers.guid("pairwise", account.subject, issued.client_id),
        "oid": identifiers.guid("user", account.subject),
        "tid": tenant,
        "ver": "2.0",
    }
    if "profile" in issued.scopes:
        claims |= {"name": account.name, "preferred_username": account.email}
    if "email" in issued.scopes:
        claims["email"] = account.email
    if issued.nonce:
        claims["nonce"] = issued.nonce
    return claims
