"""Google's OAuth 2.0 endpoints ("Using OAuth 2.0 for Web Server Applications", "OpenID Connect")."""

from typing import Any

from aiohttp import web

from infra.local.simulators import pages
from infra.local.simulators.credentials import (
    Account,
    AuthorizationError,
    AuthorizationRequest,
    Issued,
    TokenError,
    TokenRejectedError,
)
from infra.local.simulators.google import access
from infra.local.simulators.port import Parts
from infra.local.simulators.signing import SigningKey

ISSUER = "https://accounts.google.com"
_TESTING_LIFETIME_SECONDS = 7 * 24 * 3600 - 1
_ALWAYS_GRANTED = frozenset({"openid", *access.SHORT_SCOPES.values()})


class OAuth:
    """The authorization, token, revocation, user info and key endpoints."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._server = parts.authorization
        self._key = SigningKey()

    def routes(self) -> list[web.RouteDef]:
        """Where they are below the simulator's base address."""
        return [
            web.get("/o/oauth2/v2/auth", self.authorize),
            web.post("/o/oauth2/v2/auth", self.decide),
            web.post("/token", self.token),
            web.post("/revoke", self.revoke),
            web.get("/oauth2/v3/userinfo", self.userinfo),
            web.get("/oauth2/v3/certs", self.certs),
            web.get("/.well-known/openid-configuration", self.configuration),
        ]

    async def authorize(self, request: web.Request) -> web.Response:
        """Show the consent page, or the error page when the request may not be answered by a redirect."""
        try:
            wanted = self._request(request)
        except AuthorizationError as error:
            return _refused(error)
        if wanted.prompt == "none":
            return self._silently(wanted)
        return self._consent_page(wanted)

    async def decide(self, request: web.Request) -> web.Response:
        """What the person chose on the consent page."""
        try:
            wanted = self._request(request)
        except AuthorizationError as error:
            return _refused(error)
        form = await request.post()
        if form.get("decision") != "allow":
            return _found(self._server.deny(wanted))
        account = self._server.accounts.get(str(form.get("account", "")))
        if account is None:
            return self._consent_page(wanted, problem="Choose an account.")
        if account.needs_admin_consent:
            return pages.problem(
                provider="Google",
                title="Access blocked: your institution's admin needs to review this app",
                explanation=f"Error 400: admin_policy_enforced ({account.email})",
            )
        ticked = {str(value) for value in form.getall("scope", [])}
        granted = [scope for scope in wanted.scopes if scope in ticked or scope in _ALWAYS_GRANTED]
        return _found(self._allow(wanted, account, granted))

    async def token(self, request: web.Request) -> web.Response:
        """Codes and refresh tokens for access tokens."""
        form = {key: str(value) for key, value in (await request.post()).items()}
        form["scope"] = _long_scopes(form.get("scope", ""))
        lifetime, now = self._parts.switchboard.settings.token_lifetime, self._parts.clock.now()
        try:
            client = self._server.authenticate_client(form, request.headers.get("Authorization", ""))
            match form.get("grant_type"):
                case "authorization_code":
                    issued = self._server.exchange_code(client, form, lifetime=lifetime, now=now)
                case "refresh_token":
                    rotate = self._parts.switchboard.settings.rotate_refresh_tokens
                    issued = self._server.refresh(
                        client, form, lifetime=lifetime, now=now, renew=rotate, end_old=rotate
                    )
                case other:
                    raise TokenError("unsupported_grant_type", f"Invalid grant_type: {other or ''}")
        except TokenError as error:
            body = {"error": error.error, "error_description": error.description}
            return web.json_response(body, status=error.status)
        return web.json_response(self._shown(issued), headers={"Cache-Control": "no-store"})

    async def revoke(self, request: web.Request) -> web.Response:
        """End a grant; the token comes in the form or in the query."""
        form = await request.post()
        token = str(form.get("token") or request.query.get("token") or "")
        if self._server.revoke(token):
            return web.json_response({})
        body = {"error": "invalid_token", "error_description": "Token expired or revoked"}
        return web.json_response(body, status=400)

    async def userinfo(self, request: web.Request) -> web.Response:
        """Claims about the person, as far as the scopes go."""
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise TokenRejectedError("no bearer")
            caller = self._server.authenticate(bearer, self._parts.clock.now())
        except TokenRejectedError:
            body = {"error": "invalid_request", "error_description": "Invalid Credentials"}
            return web.json_response(body, status=401)
        return web.json_response(_claims(self._server.accounts[caller.email], caller.scopes))

    async def certs(self, request: web.Request) -> web.Response:
        """The keys id tokens are signed with."""
        return web.json_response(self._key.jwks())

    async def configuration(self, request: web.Request) -> web.Response:
        """OpenID Connect discovery."""
        base = f"{request.scheme}://{request.host}"
        return web.json_response(
            {
                "issuer": ISSUER,
                "authorization_endpoint": f"{base}/o/oauth2/v2/auth",
                "token_endpoint": f"{base}/token",
                "userinfo_endpoint": f"{base}/oauth2/v3/userinfo",
                "revocation_endpoint": f"{base}/revoke",
                "jwks_uri": f"{base}/oauth2/v3/certs",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid", "email", "profile"],
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
                "code_challenge_methods_supported": ["S256"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
            }
        )

    def _request(self, request: web.Request) -> AuthorizationRequest:
        parameters = dict(request.query)
        parameters["scope"] = _long_scopes(parameters.get("scope", ""))
        wanted = self._server.request(parameters)
        unknown = [scope for scope in wanted.scopes if scope not in access.SCOPES]
        if unknown:
            raise AuthorizationError("invalid_scope", f"Some requested scopes were invalid: {unknown}")
        if parameters.get("access_type", "online") not in ("online", "offline"):
            raise AuthorizationError("invalid_request", "access_type must be online or offline.")
        return wanted

    def _consent_page(self, wanted: AuthorizationRequest, problem: str = "") -> web.Response:
        return pages.consent(
            provider="Google",
            request=wanted,
            accounts=list(self._server.accounts.values()),
            scopes={scope: access.SCOPES[scope] for scope in wanted.scopes if scope not in _ALWAYS_GRANTED},
            problem=problem,
        )

    def _silently(self, wanted: AuthorizationRequest) -> web.Response:
        account = self._server.accounts.get(wanted.login_hint)
        if account is None:
            return _found(self._server.deny(wanted, "interaction_required"))
        if not set(wanted.scopes) <= self._server.consented(wanted.client_id, account.email):
            return _found(self._server.deny(wanted, "consent_required"))
        return _found(self._allow(wanted, account, list(wanted.scopes)))

    def _allow(self, wanted: AuthorizationRequest, account: Account, granted: list[str]) -> str:
        before = self._server.consented(wanted.client_id, account.email)
        offline = wanted.extra.get("access_type") == "offline"
        if wanted.extra.get("include_granted_scopes") == "true":
            granted += sorted(before - set(granted))
        return self._server.allow(
            wanted,
            email=account.email,
            scopes=granted,
            refreshable=offline and ("consent" in wanted.prompt.split() or not before),
            now=self._parts.clock.now(),
            scope=" ".join(granted),
            authuser="0",
            prompt=wanted.prompt or "none",
        )

    def _shown(self, issued: Issued) -> dict[str, Any]:
        body: dict[str, Any] = {
            "access_token": issued.access_token,
            "expires_in": issued.expires_in,
            "scope": " ".join(issued.scopes),
            "token_type": "Bearer",
        }
        if issued.refresh_token:
            body["refresh_token"] = issued.refresh_token
            if issued.account.testing_mode:
                body["refresh_token_expires_in"] = _TESTING_LIFETIME_SECONDS
        if "openid" in issued.scopes:
            now = int(self._parts.clock.now().timestamp())
            claims = {"iss": ISSUER, "azp": issued.client_id, "aud": issued.client_id, "iat": now, "exp": now + 3600}
            claims |= _claims(issued.account, issued.scopes)
            body["id_token"] = self._key.sign(claims | ({"nonce": issued.nonce} if issued.nonce else {}))
        return body


def _long_scopes(scopes: str) -> str:
    return " ".join(access.SHORT_SCOPES.get(scope, scope) for scope in scopes.split())


def _claims(account: Account, scopes: tuple[str, ...]) -> dict[str, Any]:
    claims: dict[str, Any] = {"sub": account.subject}
    if access.SHORT_SCOPES["email"] in scopes:
        claims |= {"email": account.email, "email_verified": True}
    if access.SHORT_SCOPES["profile"] in scopes:
        claims["name"] = account.name
    return claims


def _refused(error: AuthorizationError) -> web.Response:
    if error.redirect is not None:
        return _found(error.redirect)
    status = 401 if error.error == "invalid_client" else 400
    explanation = f"Error {status}: {error.error}. {error.description}"
    return pages.problem(provider="Google", title="Access blocked", explanation=explanation, status=status)


def _found(address: str) -> web.Response:
    return web.Response(status=302, headers={"Location": address})
