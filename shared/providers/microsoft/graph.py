"""The wire to Microsoft Graph v1.0: one kept-alive connection, JSON in and out, batches of twenty.

Graph runs up to four requests of a batch on Outlook at a time when none depends on another, which is what one mailbox
allows; so batches are sent one after the other ("Outlook service batching", throttling-limits). A chain of `dependsOn`
runs in order, and answers 424 to whatever follows a failure: those were not tried, and are sent again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from itertools import batched
from typing import TYPE_CHECKING, Any

import httpx

from shared.core.errors import KalendsError, QuotaSpentError, TransientError
from shared.providers.microsoft import errors
from shared.providers.patience import Patience, may_pass
from shared.providers.port import ENDLESS_PAGES, UNREADABLE, no_waiting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shared.providers.port import Turns

BATCH = 20
AT_ONCE = 4
"""Requests of a batch that Graph runs at a time."""
MAX_PAGES = 400
"""A listing with more pages goes round in circles."""
TIMEOUT = 15.0
"""Seconds; a notification or a lease never waits longer for one answer."""
_PREFER = 'IdType="ImmutableId", outlook.timezone="UTC"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call. `what` names it in errors by ids; of two writes with the same `serial` the first comes first."""

    method: str
    path: str
    what: str
    body: dict[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    serial: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Graph's answer to one request, whatever it says; `result` raises when it is a refusal."""

    request: Request
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        """Graph's error code, or empty."""
        return errors.code_of(self.body)

    @property
    def is_gone(self) -> bool:
        """Whether this proves that the item does not exist, or that nothing can have such an id."""
        is_absent = self.status == HTTPStatus.NOT_FOUND and self.code == errors.ITEM_NOT_FOUND
        return is_absent or (self.status == HTTPStatus.BAD_REQUEST and self.code == errors.ID_MALFORMED)

    def error(self) -> KalendsError | None:
        """What the refusal means; None if it is not one."""
        if HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES:
            return None
        return errors.translate(self.status, self.headers, self.body, what=self.request.what)

    def result(self) -> dict[str, Any]:
        """The JSON object that was promised; empty where there is no content. Raises what `error` says."""
        refusal = self.error()
        if refusal is not None:
            raise refusal
        if self.status in (HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT):
            return {}
        if not isinstance(self.body, dict):
            raise _broken(self.request.what)
        return self.body


def _broken(what: str) -> TransientError:
    return TransientError(
        f"Microsoft Graph did not answer with the JSON it promises for {what}. Try again later.", code=UNREADABLE
    )


def endless(what: str) -> TransientError:
    """A listing whose pages go round in circles, or on and on."""
    return TransientError(f"Microsoft Graph did not come to an end of {what}. Try again later.", code=ENDLESS_PAGES)


@cache
def connection() -> httpx.Client:
    """One pool for the process: connections outlive the access tokens, which travel in each request."""
    return httpx.Client(timeout=TIMEOUT, limits=httpx.Limits(max_keepalive_connections=4, keepalive_expiry=60))


class Graph:
    """Graph as one account. `calls` counts what Graph counts: every request, and each of a batch's."""

    def __init__(self, *, access_token: str, endpoint: str, turns: Turns | None = None) -> None:
        self._turns = turns or no_waiting
        self._endpoint = endpoint.rstrip("/")
        self._authorization = f"Bearer {access_token}"
        self.calls = 0

    def get(self, path: str, *, what: str, prefer: str = "") -> dict[str, Any]:
        """GET one resource or page. Raises whatever the refusal means."""
        headers = {"Prefer": f"{_PREFER}, {prefer}"} if prefer else {}
        return self.send(Request(method="GET", path=path, what=what, headers=headers)).result()

    def pages(self, path: str, *, what: str, prefer: str = "") -> Iterator[dict[str, Any]]:
        """Every item of a listing, page after page. Raises TransientError when the pages do not end."""
        seen: set[str] = set()
        following: str | None = path
        while following is not None:
            if following in seen or len(seen) == MAX_PAGES:
                raise endless(what)
            seen.add(following)
            page = self.get(following, what=what, prefer=prefer)
            yield from items(page, what=what)
            following = self.relative(page.get("@odata.nextLink"), what=what)

    def relative(self, link: Any, *, what: str) -> str | None:
        """The path of a link that Graph gave. Raises TransientError for any other address: it would get our token."""
        if link is None:
            return None
        if not isinstance(link, str) or not link.startswith(f"{self._endpoint}/"):
            raise TransientError(
                f"Microsoft Graph sent a link to another place for {what}. Try again later.", code=UNREADABLE
            )
        return link.removeprefix(self._endpoint)

    def send(self, request: Request) -> Answer:
        """One request by itself; what passes is tried again for seconds.

        Raises TransientError if there is no answer, or one that is not JSON; QuotaSpentError.
        """
        patience, repeats = Patience(), 0
        while True:
            refusal: KalendsError | None
            try:
                (answer,) = self._round([request])
                refusal = answer.error()
                if refusal is None or not patience.grants([refusal], repeats=repeats):
                    return answer
            except TransientError as error:
                if not patience.grants([error], repeats=repeats):
                    raise
            repeats += 1

    def batch(self, requests: Sequence[Request], *, patience: Patience | None = None) -> list[Answer | KalendsError]:
        """Many requests, answers in their order; an error where none was obtained.

        Only items refused in passing are sent again, while `patience` lasts; then their refusal stands. Once Graph
        cannot be reached or throttles a whole batch for longer, or the quota is spent, nothing further is sent. Raises
        ReauthRequiredError for a dead token, and QuotaSpentError if nothing was sent at all.
        """
        answers: list[Answer | KalendsError] = []
        patience = patience or Patience()
        failure: KalendsError | None = None
        for chunk in batched(requests, BATCH, strict=False):
            if failure is None:
                try:
                    answers += self._chunk(chunk, patience)
                    continue
                except TransientError as error:
                    failure = error
                except QuotaSpentError as error:
                    if not answers:
                        raise
                    failure = error
            answers += [failure] * len(chunk)
        for answer in answers:
            if isinstance(answer, Answer) and answer.status == HTTPStatus.UNAUTHORIZED:
                answer.result()
        return answers

    def _chunk(self, requests: Sequence[Request], patience: Patience) -> list[Answer]:
        answers: dict[int, Answer] = {}
        pending, repeats = list(range(len(requests))), 0
        while pending:
            try:
                found = self._round([requests[index] for index in pending])
            except TransientError as error:
                if not patience.grants([error], repeats=repeats):
                    raise
                repeats += 1
                continue
            sent, pending = pending[: len(found)], pending[len(found) :]
            answers |= dict(zip(sent, found, strict=True))
            untried = [index for index in sent if answers[index].status == HTTPStatus.FAILED_DEPENDENCY]
            refusals = {index: answers[index].error() for index in sent if index not in untried}
            refused = {index: one for index, one in refusals.items() if one and may_pass(one, repeats=repeats)}
            if len(untried) == len(sent) or (refused and not patience.grants(refused.values(), repeats=repeats)):
                continue
            repeats += bool(refused)
            pending = sorted([*refused, *untried, *pending])
        return [answers[index] for index in range(len(requests))]

    def _round(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers to the first of these requests: to as many as had their turn, one at least."""
        serials = [request.serial for request in requests if request.serial is not None]
        in_order = len(serials) != len(set(serials))
        with self._turns(len(requests), at_once=1 if in_order else min(AT_ONCE, len(requests))) as granted:
            self.calls += granted
            return self._together(requests[:granted], in_order=in_order)

    def _together(self, requests: Sequence[Request], *, in_order: bool) -> list[Answer]:
        if len(requests) == 1:
            return [self._exchange(requests[0])]
        items = [_item(number, request, in_order=in_order) for number, request in enumerate(requests)]
        batch = Request(method="POST", path="/$batch", what=f"a batch of {len(requests)}", body={"requests": items})
        return _answers(self._exchange(batch), requests)

    def _exchange(self, request: Request) -> Answer:
        headers = {"Prefer": _PREFER, "Authorization": self._authorization, **request.headers}
        try:
            response = connection().request(
                request.method, f"{self._endpoint}{request.path}", headers=headers, json=request.body
            )
        except httpx.RequestError as error:
            raise TransientError(
                f"Microsoft Graph could not be reached for {request.what} ({type(error).__name__}). Try again later."
            ) from None
        return Answer(
            request=request, status=response.status_code, headers=dict(response.headers), body=_json(response, request)
        )


def items(page: Mapping[str, Any], *, what: str) -> list[dict[str, Any]]:
    """The members of a collection page. Raises TransientError if it is none."""
    members = page.get("value")
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise _broken(what)
    return members


def _json(response: httpx.Response, request: Request) -> Any:
    """The parsed body. Raises TransientError when a success is not JSON; a refusal may be anything."""
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        if response.is_success:
            raise _broken(request.what) from None
        return None


def _item(number: int, request: Request, *, in_order: bool) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": str(number),
        "method": request.method,
        "url": request.path,
        "headers": {"Prefer": _PREFER, **request.headers},
    }
    if request.body is not None:
        item["headers"]["Content-Type"] = "application/json"
        item["body"] = request.body
    if in_order and number:
        item["dependsOn"] = [str(number - 1)]
    return item


def _answers(batch: Answer, requests: Sequence[Request]) -> list[Answer]:
    """The answers of a batch in the order of its requests, whatever order they came in."""
    responses = batch.result().get("responses")
    if not isinstance(responses, list):
        raise _broken(batch.request.what)
    by_id = {str(item["id"]): item for item in responses if isinstance(item, dict) and "id" in item}
    answers = []
    for number, request in enumerate(requests):
        item = by_id.get(str(number))
        if item is None or not isinstance(item.get("status"), int):
            raise _broken(batch.request.what)
        told = item.get("headers")
        headers = {str(name): str(value) for name, value in told.items()} if isinstance(told, dict) else {}
        answers.append(Answer(request=request, status=item["status"], headers=headers, body=item.get("body")))
    return answers
