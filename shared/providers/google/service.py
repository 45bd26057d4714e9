"""One connection to the Calendar API: google-api-python-client with our token, time-outs, batches and errors.

What the client library would otherwise do is set explicitly: its methods come from the discovery document that it
ships (nothing is fetched) and are built once per process, the batch address follows `api_endpoint`, tokens are never
refreshed here, and it logs nothing: its warnings hold the bodies of answers.
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any

import google.auth.credentials
import httplib2
from google.api_core.client_options import ClientOptions
from google_auth_httplib2 import AuthorizedHttp  # type: ignore[import-untyped]
from googleapiclient.discovery import build
from googleapiclient.http import BatchHttpRequest

from shared.core.errors import KalendsError, QuotaSpentError, ReauthRequiredError
from shared.providers.google import errors
from shared.providers.patience import Patience, may_pass
from shared.providers.port import no_waiting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from googleapiclient.http import HttpRequest

    from shared.providers.port import Turns

TIMEOUT_SECONDS = 15
MAX_BATCH = 50
"""Calls in one batch; each counts against the quota as a call of its own."""

_WITHOUT_ANSWER = {"calendar.events.delete", "calendar.channels.stop"}
"""204 is all they say."""
_EVENT_ID = re.compile(r"/events/(?!watch)([0-9A-Za-z_]+)(?=[/?]|$)")

type Answer = Mapping[str, Any] | KalendsError

logging.getLogger("googleapiclient").setLevel(logging.ERROR)


class Service:
    """The Calendar API for one access token. Not thread-safe: httplib2 is not."""

    def __init__(self, *, access_token: str, api_endpoint: str, turns: Turns | None = None) -> None:
        self._turns = turns or no_waiting
        root = api_endpoint.rstrip("/") + "/"
        methods = _methods(root + "calendar/v3/")
        self.events, self.calendars, self.channels = methods["events"], methods["calendarList"], methods["channels"]
        self._batch_uri = root + "batch/calendar/v3"
        self._userinfo_uri = root + "oauth2/v3/userinfo"
        self._http = AuthorizedHttp(
            _BearerToken(access_token), http=httplib2.Http(timeout=TIMEOUT_SECONDS), refresh_status_codes=()
        )
        self._http.follow_redirects = False

    def execute(self, request: HttpRequest) -> Mapping[str, Any]:
        """The answer as a JSON object, empty where Google has nothing to say; what passes is tried again for seconds.

        Raises the typed errors.
        """
        return self._patiently(request, Patience())

    def execute_all(self, requests: Sequence[HttpRequest], *, patience: Patience) -> list[Answer]:
        """The answers in the order of the requests, in batches of MAX_BATCH; one request alone needs no batch.

        Only what was refused in passing is sent again, while `patience` lasts; then the refusal is its answer. Raises
        ReauthRequiredError, and what befell the first batch as a whole. What befalls a later one is the answer to each
        of its requests, so that the answers before it are not lost.
        """
        answers: list[Answer] = []
        for begin in range(0, len(requests), MAX_BATCH):
            batch = requests[begin : begin + MAX_BATCH]
            try:
                answers += self._batch_patiently(batch, patience)
            except ReauthRequiredError:
                raise
            except QuotaSpentError as error:
                answers += [error] * len(batch)  # nothing failed, and what was answered before stands
            except KalendsError as error:
                if len(batch) > 1 and not answers:
                    raise
                answers += [error] * len(batch)
        return answers

    def _patiently(self, request: HttpRequest, patience: Patience) -> Mapping[str, Any]:
        repeats = 0
        while True:
            try:
                return self._execute_once(request)
            except KalendsError as error:
                if not patience.grants([error], repeats=repeats):
                    raise
            repeats += 1

    def _batch_patiently(self, batch: Sequence[HttpRequest], patience: Patience) -> list[Answer]:
        """Raises what befell the batch as a whole, unless some of it has been answered before."""
        if len(batch) == 1:
            return [self._patiently(batch[0], patience)]
        answers: dict[int, Answer] = {}
        pending = list(range(len(batch)))
        for repeats in count():
            try:
                found = self._execute_batch([batch[place] for place in pending])
            except ReauthRequiredError:
                raise
            except KalendsError as error:
                if patience.grants([error], repeats=repeats):
                    continue
                if len(pending) == len(batch):
                    raise
                found = [error] * len(pending)
            answers |= dict(zip(pending, found, strict=True))
            refused = {place: answer for place, answer in answers.items() if may_pass(answer, repeats=repeats)}
            pending = sorted(refused)
            if not pending or not patience.grants(_errors(refused.values()), repeats=repeats):
                break
        return [answers[place] for place in range(len(batch))]

    def _execute_once(self, request: HttpRequest) -> Mapping[str, Any]:
        with self._turns(_units(request), at_once=1):
            try:
                answer = request.execute(http=self._http)
            except errors.NO_ANSWER as error:
                raise errors.translate(error, during=_call(request)) from None
        return _object(answer, request)

    def userinfo(self) -> Mapping[str, Any]:
        """The claims about whoever the token speaks for (OpenID Connect Core, 5.3)."""
        try:
            response, content = self._http.request(self._userinfo_uri)
        except errors.NO_ANSWER as error:
            raise errors.translate(error, during="userinfo") from None
        if response.status != 200:
            raise errors.refusal(response.status, response, content, during="userinfo")
        return errors.json_object(content, during="userinfo")

    def _execute_batch(self, requests: Sequence[HttpRequest]) -> list[Answer]:
        answers: list[Answer] = []

        def keep(_id: str, answer: object, error: Exception | None) -> None:
            request = requests[len(answers)]
            try:
                answers.append(errors.translate(error, during=_call(request)) if error else _object(answer, request))
            except KalendsError as unreadable:
                answers.append(unreadable)

        batch = BatchHttpRequest(callback=keep, batch_uri=self._batch_uri)
        for request in requests:
            batch.add(request)
        with self._turns(sum(map(_units, requests)), at_once=len(requests)):
            try:
                batch.execute(http=self._http)
            except errors.NO_ANSWER as error:
                raise errors.translate(error, during="batch") from None
            except (LookupError, TypeError, AttributeError):  # how the library meets parts without what it looks for
                raise errors.unreadable("parts missing", during="batch") from None
        return answers


class _BearerToken(google.auth.credentials.Credentials):
    """An access token as it is. New ones come from the connection, under its own lock, never from here."""

    def __init__(self, token: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.token = token

    def refresh(self, request: object) -> None:
        """What the client library asks for when Google answers 401 to a part of a batch."""
        raise ReauthRequiredError(
            "Google refused the access token (invalid_token) in a batch: sign in again at Google."
        )


@lru_cache
def _methods(base: str) -> dict[str, Any]:
    """The API's methods, each of which makes a request. They take 5 ms to build and hold no state."""
    options = ClientOptions(api_endpoint=base)
    calendar = build("calendar", "v3", http=httplib2.Http(), client_options=options, static_discovery=True)
    return {name: getattr(calendar, name)() for name in ("events", "calendarList", "channels")}


def _units(request: HttpRequest) -> int:
    """What a call counts against the quota (Events: patch: "each patch request consumes three quota units")."""
    return 3 if request.method == "PATCH" else 1


def _call(request: HttpRequest) -> str:
    """The method and the event it is about. The calendar stays unnamed: its id is somebody's address."""
    event = _EVENT_ID.search(request.uri)
    return f"{request.methodId}{f' of event {event[1]}' if event else ''}"


def _errors(answers: Iterable[Answer]) -> list[KalendsError]:
    return [answer for answer in answers if isinstance(answer, KalendsError)]


def _object(answer: object, request: HttpRequest) -> Mapping[str, Any]:
    if answer == "" and request.methodId in _WITHOUT_ANSWER:
        return {}
    if not isinstance(answer, dict):
        raise errors.unreadable("no JSON object", during=_call(request))
    return answer
