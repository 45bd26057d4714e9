"""The HTTP API, as commands call it: JSON in and out, whole lists, and errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import httpx

from shared.cli.client import login as logins
from shared.cli.client.login import Login
from shared.cli.screen.problem import UNREACHABLE, CliError

type Item = dict[str, Any]
"""One JSON object of the API."""

SECONDS = 35.0
"""An HTTP API answers within 30."""
_PAGE = 200


class Api:
    """One installation. `login` is None for a stranger."""

    def __init__(self, http: httpx.Client, host: str, login: Login | None = None) -> None:
        self._http = http
        self.host = host
        self.login = login

    def get(self, path: str, **query: Any) -> Any:
        """What a path answers; a query of None is left out."""
        return self._send("GET", path, query=query)

    def items(self, path: str, *, limit: int | None = None, **query: Any) -> list[Item]:
        """A list's items, page after page, at most `limit`."""
        items: list[Item] = []
        after = None
        while limit is None or len(items) < limit:
            size = _PAGE if limit is None else min(_PAGE, limit - len(items))
            page = self.get(path, after=after, limit=size, **query)
            items += page["items"]
            if (after := page["next"]) is None:
                break
        return items

    def post(self, path: str, body: Item | None = None, *, csrf: str = "") -> Any:
        """Ask for something. `csrf` proves, for a session, that the request is its own."""
        return self._send("POST", path, body=body, headers={"X-CSRF-Token": csrf} if csrf else {})

    def create(self, path: str, body: Item) -> Any:
        """Make something, once, even where an answer is lost on its way."""
        return self._send("POST", path, body=body, headers={"Idempotency-Key": str(uuid4())})

    def patch(self, path: str, body: Item, *, version: int | None = None) -> Any:
        """Change something; with `version`, only as it was read."""
        headers = None if version is None else {"If-Match": f'"{version}"'}
        return self._send("PATCH", path, body=body, headers=headers)

    def put(self, path: str, body: Item) -> Any:
        """Put something in the place of what is there."""
        return self._send("PUT", path, body=body)

    def delete(self, path: str, *, csrf: str = "", version: int | None = None, **query: Any) -> Any:
        """Delete something; with `version`, only as it was read."""
        headers = {"X-CSRF-Token": csrf} if csrf else {}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return self._send("DELETE", path, query=query, headers=headers)

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Item | None = None,
        body: Item | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        params = {name: _word(value) for name, value in (query or {}).items() if value is not None}
        request = self._http.build_request(method, path, params=params, json=body, headers=headers)
        repeatable = method == "GET" or "Idempotency-Key" in request.headers
        try:
            answer = self._answer(request, again=repeatable)
        except httpx.TimeoutException:
            message = f"{self.host} did not answer in time."
            raise CliError(message, code="HOST.TIMEOUT", todo=self._look(), exit_code=UNREACHABLE) from None
        except httpx.TransportError as error:
            message = f"{self.host} is out of reach: {error or type(error).__name__}."
            raise CliError(message, code="HOST.UNREACHABLE", todo=self._look(), exit_code=UNREACHABLE) from None
        if answer.status_code == HTTPStatus.NO_CONTENT:
            return None
        found = _json(answer)
        if answer.is_success and found is not None:
            return found
        raise self._refusal(answer, found)

    def _answer(self, request: httpx.Request, *, again: bool) -> httpx.Response:
        try:
            return self._http.send(request)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            if not again:
                raise
            return self._http.send(request)

    def _look(self) -> str:
        here = " On this machine, make run starts it." if logins.is_here(self.host) else ""
        return f"Is the address right, and is it up? {self.host}/healthz tells.{here}"

    def _refusal(self, answer: httpx.Response, problem: Any) -> CliError:
        """The problem (RFC 9457) of an answer, with what to do from here."""
        if not isinstance(problem, dict) or "code" not in problem:
            message = f"{self.host} answered {answer.status_code}, and not as Kalends does."
            return CliError(message, code="HOST.NOT_KALENDS", todo=self._look())
        code, detail, todo = str(problem["code"]), str(problem.get("detail", "")), ""
        match answer.status_code, code:
            case HTTPStatus.UNAUTHORIZED, _ if self.login:
                detail = f"Your login at {self.host} is not valid any more."
                todo = f"Log in again: kalends login --host {self.host}"
            case HTTPStatus.FORBIDDEN, "GATE.CLOSED":
                todo = "Nothing is lost; try again later. kalends status shows what is open, an operator opens it."
            case HTTPStatus.FORBIDDEN, "AUTH.ROLE":
                todo = "Ask an administrator. kalends status shows what is yours."
            case HTTPStatus.CONFLICT, "LINK.IN_GROUP":
                todo = "Which group it is: kalends groups list. To change it: kalends groups set GROUP"
            case HTTPStatus.PRECONDITION_FAILED, _:
                todo = "Look at it again, then repeat the command."
            case status, _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                todo = f"Try again; if it stays so, tell the operator: request {answer.headers.get('x-request-id')}"
        return CliError(detail, code=code, todo=todo)


@contextmanager
def connect(host: str, login: Login | None = None) -> Iterator[Api]:
    """The API at `host`, for `login` or a stranger."""
    headers = {"Accept": "application/json", "User-Agent": "kalends-cli"}
    if login is not None:
        headers["Authorization"] = f"Bearer {login.token}"
    with httpx.Client(
        base_url=host,
        headers=headers,
        timeout=httpx.Timeout(SECONDS, connect=10),
        trust_env=not logins.is_here(host),  # a proxy cannot reach this machine
    ) as http:
        yield Api(http, host, login)


@contextmanager
def logged_in() -> Iterator[Api]:
    """The API where one is logged in. Raises CliError when one is not."""
    login = logins.require()
    with connect(login.host, login) as api:
        yield api


def _word(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None
