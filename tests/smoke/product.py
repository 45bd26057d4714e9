"""Kalends, as a person and a program reach it: its pages by plain forms, its API by JSON."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

from infra.local import aws

type Resource = dict[str, Any]


class ProductError(RuntimeError):
    """Kalends did not do what was asked; the message says what it answered."""


@dataclass(slots=True)
class Form:
    """A form of a page: where it goes, and what its fields hold as they come."""

    action: str = ""
    method: str = "get"
    fields: list[tuple[str, str]] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)


class _Forms(HTMLParser):
    """Reads forms as a browser does, as far as our pages and consent pages go."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(action=given.get("action", ""), method=given.get("method", "get").lower()))
        if tag != "input" or not self.forms or "name" not in given:
            return
        kind, value = given.get("type", "text"), given.get("value", "on" if given.get("type") == "checkbox" else "")
        if kind in ("radio", "checkbox") and "checked" not in given:
            return
        if kind not in ("radio", "checkbox", "hidden", "submit"):
            self.forms[-1].empty.append(given["name"])
        if kind != "submit":
            self.forms[-1].fields.append((given["name"], value))


def forms(page: str) -> list[Form]:
    """The forms of a page."""
    parser = _Forms()
    parser.feed(page)
    return parser.forms


@dataclass(slots=True, kw_only=True)
class Kalends:
    """One installation and one person in it. `secrets` gathers what must never be seen in a log."""

    base: str
    secrets: list[str] = field(default_factory=list)
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=40))
    _csrf: str = ""

    def enter(self, invitation: str, *, email: str, name: str, password: str) -> None:
        """Come in by a one-time link."""
        self.secrets += [invitation.rstrip("/").rpartition("/")[2], password]
        page = self.http.get(invitation, headers={"Accept": "text/html"})
        found = [form for form in forms(page.text) if {"password"} <= set(form.empty)]
        if page.is_error or not found:
            raise ProductError(f"the one-time link leads to no form: {page.status_code} {page.text[:300]}")
        answers = {"email": email, "name": name, "password": password}
        self._submit(str(page.url), found[0], answers)

    def sign_in(self, *, email: str, password: str) -> None:
        """Sign in by the API: a session in a cookie."""
        self._csrf = str(self.call("POST", "/api/session", {"email": email, "password": password})["csrf_token"])
        self.secrets += [cookie.value for cookie in self.http.cookies.jar if cookie.value]

    def connect(self, provider: str, account: str) -> str:
        """Connect an account through the provider's consent page; answers the connection's id."""
        started = self.call("GET", f"/oauth/{provider}/start")
        address = str(started["authorization_url"])
        page = self.http.get(address)
        found = forms(page.text)
        if page.is_error or not found:
            raise ProductError(f"the consent page of {provider}: {page.status_code} {page.text[:300]}")
        decided = self._submit(address, found[0], {"account": account, "decision": "allow"})
        back = decided.headers.get("location", "")
        self.secrets += parse_qs(urlsplit(back).query).get("code", [])
        if not back.startswith(self.base):
            raise ProductError(f"{provider} does not lead back to Kalends: {decided.status_code} {decided.text[:300]}")
        answer = self._read(self.http.get(back, headers={"Accept": "application/json"}))
        return str(answer["connection"]["id"])

    def calendars(self, connection: str) -> dict[str, str]:
        """Ids of an account's calendars, by name."""
        found = self.call("GET", "/api/calendars", connection_id=connection, limit=200)["items"]
        return {str(one["name"]): str(one["id"]) for one in found}

    def connect_caldav(self, server: str, username: str, password: str) -> str:
        """Connect a CalDAV account by an app password; answers the connection's id."""
        self.secrets.append(password)
        body = {"server": server, "username": username, "password": password}
        return str(self.call("PUT", "/api/connections/caldav", body)["id"])

    def link(self, source: str, target: str, *, privacy: str, two_way: bool = False) -> str:
        """Link two calendars; answers the link's id."""
        body = {"source_calendar_id": source, "target_calendar_id": target, "privacy": privacy, "two_way": two_way}
        return str(self.call("POST", "/api/links", body)["id"])

    def status(self) -> Resource:
        """How everything stands."""
        found: Resource = self.call("GET", "/api/status")
        return found

    def look(self, calendar: str) -> None:
        """Ask to look at a calendar now: `kalends sync now --calendar`."""
        self.call("POST", "/api/sync", {"calendar_id": calendar})

    def sync(self) -> None:
        """Look at everything now, and wait until nothing is left to do."""
        self.call("POST", "/api/sync", {})
        self.settle(seconds=120)

    def settle(self, *, seconds: float) -> Resource:
        """Wait until no calendar waits for a look and no link for a write; answers the status. Raises ProductError."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.status()
            waiting = unsettled(status)
            if not waiting:
                return status
            if time.monotonic() > deadline:
                raise ProductError(f"not settled after {seconds:.0f} s: {'; '.join(waiting)}")
            time.sleep(0.5)

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Call the API and answer its JSON. Raises ProductError with the problem it answers."""
        headers = {"Accept": "application/json"} | ({"X-CSRF-Token": self._csrf} if self._csrf else {})
        return self._read(self.http.request(method, self.base + path, json=body, params=query, headers=headers))

    def _read(self, answer: httpx.Response) -> Any:
        if answer.is_error or answer.is_redirect:
            raise ProductError(
                f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:500]}"
            )
        return answer.json() if answer.content else None

    def _submit(self, page: str, form: Form, answers: Resource) -> httpx.Response:
        """Post a form as a browser would, with these answers in place of what its fields held."""
        data: dict[str, list[str]] = {}
        for name, value in form.fields:
            if name not in answers:
                data.setdefault(name, []).append(value)
        data |= {name: [str(value)] for name, value in answers.items()}
        answer = self.http.post(urljoin(page, form.action or page), data=data, headers={"Accept": "text/html"})
        if answer.is_error:
            raise ProductError(f"the form of {urlsplit(page).path}: {answer.status_code} {answer.text[:300]}")
        return answer


def invitation(aws_endpoint: str, email: str) -> str:
    """A one-time link for an administrator, as the operator gets it: `kalends ops admin-link`."""
    client = aws.client("lambda", aws_endpoint)
    payload = json.dumps({"command": "admin-link", "email": email})
    answer = client.invoke(FunctionName="kalends-local-ops-run", Payload=payload.encode())
    found = json.loads(answer["Payload"].read())
    if not found.get("link"):
        raise ProductError(f"the operator got no link: {found}")
    return str(found["link"])


def unsettled(status: Resource) -> list[str]:
    """What is still to be done, in words; empty when nothing is."""
    waiting = [
        f"{one['name']} is {one['state']} ({one['done']}/{one['requested']}{_because(one['last_error'])})"
        for one in status["calendars"]
        if one["state"] in ("reading", "behind", "waiting")
    ]
    for one in status["links"]:
        counts = one["counts"]
        if one["state"] in ("copying", "behind", "waiting") or counts["due"]:
            due = f"{counts['due']} due, {counts['retrying']} retrying"
            waiting.append(f"{one['source_name']} -> {one['target_name']} is {one['state']} ({due})")
    return waiting


def _because(error: str | None) -> str:
    return f", {error}" if error else ""
