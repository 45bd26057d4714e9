"""The HTTP shape: one request and one response of API Gateway's HTTP API, payload format 2.0.

Nothing but the standard library, so that a webhook starts fast. Handlers turn the event into a Request, call one
service and give back a Response's event.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import math
import re
import uuid
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from shared.core.errors import ForbiddenError, InvalidError, KalendsError, RateLimitedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""RFC 9110, 9.2.1: these change nothing, so they need no proof of where they come from."""

REQUEST_ID = re.compile(r"[A-Za-z0-9._:=-]{1,128}")

SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""On every answer that does not say otherwise: it is for this person, now, and for no frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request. Header names are in lower case; `query` has the last value of each name.

    `id` is the caller's X-Request-Id if it is fit to be logged, else API Gateway's. `address` is the network address
    that asks.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    address: str = ""
    id: str = ""

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Request:
        """The request of an event. Raises InvalidError when its body is not what it says."""
        about = event.get("requestContext") or {}
        http = about.get("http") or {}
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        return cls(
            method=str(http.get("method", "GET")).upper(),
            path=str(event.get("rawPath") or http.get("path") or "/"),
            query=dict(parse_qsl(event.get("rawQueryString") or "", keep_blank_values=True)),
            headers=headers,
            cookies=_cookies(event, headers),
            body=_body(event),
            address=str(http.get("sourceIp", "")),
            id=request_id(event),
        )

    @property
    def is_safe(self) -> bool:
        """Whether it only asks."""
        return self.method in SAFE_METHODS

    @property
    def wants_html(self) -> bool:
        """Whether it comes from somebody who reads pages, and not from a program."""
        return "text/html" in self.headers.get("accept", "")

    def form(self) -> dict[str, str]:
        """The fields of a submitted form, the last value of each. Raises InvalidError for anything else."""
        if not self.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
            raise InvalidError("A form was expected here.", code="REQUEST.MEDIA_TYPE")
        try:
            return dict(parse_qsl(self.body.decode(), keep_blank_values=True, max_num_fields=100))
        except ValueError:
            raise InvalidError("The form cannot be read.", code="REQUEST.MALFORMED") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer. `cookies` are whole Set-Cookie values."""

    status: int
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()

    def event(self, *, request_id: str = "") -> dict[str, Any]:
        """As API Gateway wants it, with the headers that every answer has."""
        own = {name.lower(): value for name, value in self.headers.items()}
        named = {"x-request-id": request_id} if request_id else {}
        typed = {"content-type": self.content_type} if self.body else {}
        answer: dict[str, Any] = {
            "statusCode": self.status,
            "headers": {**SECURITY_HEADERS, **typed, **named, **own},
            "body": self.body,
            "isBase64Encoded": False,
        }
        if self.cookies:
            answer["cookies"] = list(self.cookies)
        return answer


def respond(
    event: Mapping[str, Any],
    answer: Callable[[Request], Response],
    *,
    refuse: Callable[[Request, KalendsError], Response] | None = None,
) -> dict[str, Any]:
    """Answer one request; what `answer` raises becomes a problem, or what `refuse` makes of it.

    An error that nobody foresaw is logged with its traceback and answered as a 500 that says nothing of it.
    """
    named = request_id(event)
    try:
        request = Request.of(event)
    except KalendsError as error:
        return problem(error).event(request_id=named)
    try:
        response = answer(request)
    except KalendsError as error:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.exception("request failed", extra={"error_code": error.error_code})
        response = refuse(request, error) if refuse else problem(error)
    except Exception:
        log.exception("request failed", extra={"error_code": KalendsError.code})
        unforeseen = KalendsError("Something went wrong here, and it has been logged. Name the request id when asking.")
        response = refuse(request, unforeseen) if refuse else problem(unforeseen)
    return response.event(request_id=named)


def problem(error: KalendsError) -> Response:
    """The one translation of errors to problem details (RFC 9457), with `code` and what else the error says."""
    status = HTTPStatus(error.status)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": error.message,
        "code": error.error_code,
    }
    headers = {}
    if isinstance(error, InvalidError) and error.fields:
        body["fields"] = error.fields
    if isinstance(error, ForbiddenError) and error.gate:
        body["gate"] = error.gate
    if isinstance(error, RateLimitedError) and error.retry_after is not None:
        headers["retry-after"] = str(math.ceil(error.retry_after))
    return Response(
        status=status.value, body=json.dumps(body), content_type="application/problem+json", headers=headers
    )


def json_response(content: Any, *, status: int = 200, cookies: tuple[str, ...] = ()) -> Response:
    """An answer in JSON; what JSON does not know (ids, times) is written as text."""
    return Response(
        status=status,
        body=json.dumps(content, default=str, ensure_ascii=False),
        content_type="application/json",
        cookies=cookies,
    )


def see_other(location: str, *, cookies: tuple[str, ...] = ()) -> Response:
    """Send a browser on with GET (RFC 9110, 15.4.4)."""
    return Response(status=303, headers={"location": location}, cookies=cookies)


def set_cookie(name: str, value: str, *, max_age: int, secure: bool) -> str:
    """A Set-Cookie value: for this site's pages only, out of reach of scripts; `max_age` 0 deletes it."""
    parts = [f"{name}={value}", "Path=/", f"Max-Age={max_age}", "HttpOnly", "SameSite=Lax"]
    return "; ".join([*parts, "Secure"] if secure else parts)


def request_id(event: Mapping[str, Any]) -> str:
    """The id under which this request is logged and answered."""
    headers = event.get("headers") or {}
    given = next((value for name, value in headers.items() if name.lower() == "x-request-id"), "")
    if REQUEST_ID.fullmatch(given):
        return str(given)
    return str((event.get("requestContext") or {}).get("requestId") or uuid.uuid4())


def _cookies(event: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, str]:
    """From the event's list and from the header: the embedded AWS leaves the list out."""
    found: dict[str, str] = {}
    for text in [*(event.get("cookies") or ()), headers.get("cookie", "")]:
        for pair in text.split(";"):
            name, separator, value = pair.strip().partition("=")
            if separator:
                found.setdefault(name, value)
    return found


def _body(event: Mapping[str, Any]) -> bytes:
    text = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(text).encode()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidError("The request's body cannot be read.", code="REQUEST.MALFORMED") from None
