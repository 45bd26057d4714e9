"""`POST /batch/calendar/v3`: up to 50 calls in one multipart request (Calendar API guide "Batch requests").

Each call is counted, authenticated, limited and refused like a call of its own.
"""

import secrets
from email.parser import BytesParser
from email.policy import HTTP
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import web
from multidict import CIMultiDict, MultiDict
from yarl import URL

from infra.local.simulators import exchange
from infra.local.simulators.exchange import Answer, Call, Exchange
from infra.local.simulators.google import errors
from infra.local.simulators.port import Parts

_MOST_CALLS = 50


class Batches:
    """Splits a batch, has each call answered in order, and joins the answers."""

    def __init__(self, parts: Parts, calls: Exchange, *, root: str) -> None:
        self._parts = parts
        self._calls = calls
        self._root = root

    async def serve(self, request: web.Request) -> web.Response:
        """The aiohttp handler."""
        content_type = request.headers.get("Content-Type", "")
        raw = f"Content-Type: {content_type}\r\n\r\n".encode() + await request.read()
        message = BytesParser(policy=HTTP).parsebytes(raw)
        parts = list(message.iter_parts()) if message.is_multipart() else []
        if not parts:
            return exchange.response(errors.answer(400, "badRequest", "Failed to parse batch request."))
        if len(parts) > _MOST_CALLS:
            text = f"The batch request contains too many calls: at most {_MOST_CALLS} are allowed."
            return exchange.response(errors.answer(400, "badRequest", text))
        boundary = f"batch_{secrets.token_urlsafe(24)}"
        joined = bytearray()
        for part in parts:
            content = part.get_payload(decode=True)
            call = self._call(request, content if isinstance(content, bytes) else b"")
            answer = await self._answer(call)
            inner_id = str(part.get("Content-ID", "")).strip()
            content_id = f"<response-{inner_id.removeprefix('<')}" if inner_id else ""
            joined += _part(boundary, content_id, answer)
        joined += f"--{boundary}--\r\n".encode()
        return web.Response(body=bytes(joined), headers={"Content-Type": f"multipart/mixed; boundary={boundary}"})

    async def _answer(self, call: Call) -> Answer:
        settings = self._parts.switchboard.settings
        if call.method != "GET" and self._parts.switchboard.happens(settings.batch_conflict):
            return errors.answer(409, "conflict", "Conflict")
        return await self._calls.answer(call)

    def _call(self, request: web.Request, content: bytes) -> Call:
        head, _, body = content.replace(b"\r\n", b"\n").partition(b"\n\n")
        first, _, rest = head.partition(b"\n")
        method, _, target = first.decode("latin-1").strip().partition(" ")
        address = urlsplit(target.rpartition(" HTTP/")[0] or target)
        own = BytesParser(policy=HTTP).parsebytes(rest + b"\n\n", headersonly=True)
        headers = CIMultiDict({name: value for name, value in request.headers.items() if name in _INHERITED})
        headers.update({name: str(value) for name, value in own.items()})
        return Call(
            method=method.upper(),
            path=address.path.removeprefix(self._root),
            query=MultiDict(URL(f"?{address.query}", encoded=True).query),
            headers=headers,
            body=body,
            base=f"{request.scheme}://{request.host}",
            port=exchange.client_port(request),
        )


_INHERITED = ("Authorization",)


def _part(boundary: str, content_id: str, answer: Answer) -> bytes:
    lines = [f"--{boundary}", "Content-Type: application/http"]
    if content_id:
        lines.append(f"Content-ID: {content_id}")
    # Google's parts always have headers, 204 too; google-api-python-client cannot read a part without any.
    lines += ["", f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}", "Cache-Control: no-cache"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    if answer.body:
        lines += [f"Content-Type: {answer.content_type}; charset=UTF-8", f"Content-Length: {len(answer.body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + answer.body + b"\r\n"
