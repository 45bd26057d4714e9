"""The identity platform's pages: sign-in with consent, an administrator's consent, sign-out (vendor docs:
v2-oauth2-auth-code-flow, v2-admin-consent)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from infra.local.simulators import pages
from infra.local.simulators.credentials import Account, AuthorizationError, AuthorizationRequest
from infra.local.simulators.microsoft import aadsts, identifiers, scopes, tenants
from infra.local.simulators.microsoft.aadsts import Failure
from infra.local.simulators.microsoft.faults import MicrosoftFaults
from infra.local.simulators.port import Parts

_TITLE = "Microsoft"


class SignIn:
    """The pages below /{tenant}. Accounts belong to tenants; an administrator may consent for a whole tenant."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._approved: set[tuple[str, str]] = set()

    def routes(self) -> list[web.RouteDef]:
        """The endpoints; admin consent has one with the version in its path and one without."""
        admin = [
            route
            for path in ("/{tenant}/adminconsent", "/{tenant}/v2.0/adminconsent")
            for route in (web.get(path, self._admin_consent), web.post(path, self._admin_decides))
        ]
        return [
            web.get("/{tenant}/oauth2/v2.0/authorize", self._authorize),
            web.post("/{tenant}/oauth2/v2.0/authorize", self._decide),
            web.get("/{tenant}/oauth2/v2.0/logout", self._logout),
            *admin,
        ]

    def load(self, rows: Mapping[str, Any]) -> None:
        """Take up the admin consents that were saved."""
        self._approved = {(row["client_id"], row["tenant"]) for row in rows.values()}

    def reset(self) -> None:
        """Forget admin consents."""
        self._approved.clear()

    async def _authorize(self, request: web.Request) -> web.Response:
        checked = self._checked(request)
        if isinstance(checked, web.Response):
            return checked
        if checked.prompt == "none":
            return self._silently(request, checked)
        return pages.consent(
            provider=_TITLE,
            request=checked,
            accounts=list(self._parts.authorization.accounts.values()),
            scopes=scopes.described(checked.scopes),
            selectable=False,
        )

    async def _decide(self, request: web.Request) -> web.Response:
        checked = self._checked(request)
        if isinstance(checked, web.Response):
            return checked
        form = await request.post()
        if form.get("decision") != "allow":
            return self._back(checked, aadsts.DECLINED, error_subcode="cancel")
        account = self._parts.authorization.accounts.get(str(form.get("account", "")))
        if account is None:
            return _page("Sign in", "There is no such account at this simulator.")
        if not self._admits(request, account):
            failure = aadsts.wrong_tenant(account, request.match_info["tenant"], checked.client_id)
            if self._faults.wrong_tenant == "redirect":
                return self._back(checked, failure)
            return _page("Sign in", failure.text)
        if account.needs_admin_consent and (checked.client_id, account.tenant) not in self._approved:
            back = self._back(checked, aadsts.NEEDS_ADMIN)
            if self._faults.needs_approval == "redirect":
                return back
            link = "Return to the application without granting consent", back.headers["Location"]
            return _page("Need admin approval", aadsts.NEEDS_ADMIN.text, link=link)
        return self._allowed(checked, account)

    def _silently(self, request: web.Request, checked: AuthorizationRequest) -> web.Response:
        account = self._parts.authorization.accounts.get(checked.login_hint)
        if account is None or not self._admits(request, account):
            return self._back(checked, aadsts.NO_SESSION)
        if not set(checked.scopes) <= self._parts.authorization.consented(checked.client_id, account.email):
            return self._back(checked, aadsts.NO_CONSENT)
        return self._allowed(checked, account)

    def _allowed(self, checked: AuthorizationRequest, account: Account) -> web.Response:
        address = self._parts.authorization.allow(
            checked,
            email=account.email,
            scopes=checked.scopes,
            refreshable="offline_access" in checked.scopes,
            now=self._parts.clock.now(),
            session_state=identifiers.guid("session", account.subject),
        )
        return _redirect(address)

    def _checked(self, request: web.Request) -> AuthorizationRequest | web.Response:
        """The authorization request, or the answer that refuses it."""
        if not tenants.known(request.match_info["tenant"], self._parts.authorization.accounts.values()):
            return _page("Sign in", aadsts.no_tenant(request.match_info["tenant"]).text)
        parameters = {**request.query, "scope": scopes.short(request.query.get("scope", ""))}
        try:
            return self._parts.authorization.request(parameters)
        except AuthorizationError as wrong:
            if wrong.redirect is not None:
                return _redirect(f"{wrong.redirect}&{urlencode({'error_description': wrong.description})}")
            return _page("Sign in", aadsts.untrusted(wrong, parameters).text)

    def _back(self, checked: AuthorizationRequest, failure: Failure, **more: str) -> web.Response:
        description = failure.described(self._parts.clock.now())["error_description"]
        answer = {"error_description": description, **more}
        return _redirect(self._parts.authorization.deny(checked, failure.error, **answer))

    def _admits(self, request: web.Request, account: Account) -> bool:
        return tenants.admits(request.match_info["tenant"], account, self._parts.authorization.accounts.values())

    # Admin consent

    async def _admin_consent(self, request: web.Request) -> web.Response:
        wanted = self._admin_request(request)
        if isinstance(wanted, web.Response):
            return wanted
        return pages.consent(
            provider=f"{_TITLE} organization's",
            request=wanted,
            accounts=self._administrators(request),
            scopes=scopes.described(wanted.scopes),
            selectable=False,
        )

    async def _admin_decides(self, request: web.Request) -> web.Response:
        wanted = self._admin_request(request)
        if isinstance(wanted, web.Response):
            return wanted
        form = await request.post()
        chosen = [account for account in self._administrators(request) if account.email == form.get("account")]
        if form.get("decision") != "allow" or not chosen:
            return self._back(wanted, aadsts.ADMIN_DECLINED, admin_consent="True")
        tenant = chosen[0].tenant
        self._approved.add((wanted.client_id, tenant))
        row = {"client_id": wanted.client_id, "tenant": tenant}
        self._parts.state.put("admin_consent", f"{wanted.client_id} {tenant}", row)
        answer = {"admin_consent": "True", "tenant": tenants.tenant_id(tenant), "scope": scopes.full(wanted.scopes)}
        if wanted.state:
            answer["state"] = wanted.state
        return _redirect(f"{wanted.redirect_uri}{'&' if '?' in wanted.redirect_uri else '?'}{urlencode(answer)}")

    def _administrators(self, request: web.Request) -> list[Account]:
        """Who may consent for a tenant: here everybody in an organisation."""
        accounts = self._parts.authorization.accounts.values()
        return [one for one in accounts if one.tenant != tenants.CONSUMERS and self._admits(request, one)]

    def _admin_request(self, request: web.Request) -> AuthorizationRequest | web.Response:
        """Admin consent has no response_type, and a scope only in the form with the version."""
        if not tenants.known(request.match_info["tenant"], self._parts.authorization.accounts.values()):
            return _page("Admin consent", aadsts.no_tenant(request.match_info["tenant"]).text)
        wanted = scopes.short(request.query.get("scope", ".default"))
        parameters = {**request.query, "scope": wanted, "response_type": "code"}
        try:
            return self._parts.authorization.request(parameters)
        except AuthorizationError as wrong:
            return _page("Admin consent", aadsts.untrusted(wrong, parameters).text)

    async def _logout(self, request: web.Request) -> web.Response:
        back = request.query.get("post_logout_redirect_uri", "")
        if any(back in client.redirect_uris for client in self._parts.authorization.clients.values()):
            return _redirect(back)
        return _page("Signed out", "You signed out of your account.", status=200)

    @property
    def _faults(self) -> MicrosoftFaults:
        settings: MicrosoftFaults = self._parts.switchboard.settings
        return settings


def _page(title: str, text: str, *, status: int = 400, link: tuple[str, str] | None = None) -> web.Response:
    return pages.problem(provider=_TITLE, title=title, explanation=text, status=status, link=link)


def _redirect(address: str) -> web.Response:
    return web.Response(status=302, headers={"Location": address, "Cache-Control": "no-store"})
