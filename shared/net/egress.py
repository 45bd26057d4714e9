"""The guard on requests to addresses that people give us (CWE-918): feeds, calendar servers, webhooks.

Every address that a name resolves to must be public, and the address that was checked is the one that is connected
to, because the check stands where the connection is made: a name that changes its mind in between gains nothing. TLS
verifies the name as ever. Redirects are requests like any other. Answers are bounded in size, also once unpacked, and
an exchange in time, however slowly it drips.
"""

from __future__ import annotations

import logging
import ssl
import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import httpcore
import httpx

from shared.core.errors import InvalidError, KalendsError, TransientError
from shared.net.connecting import Clock, GuardedBackend, resolve

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence

    from shared.net.connecting import Resolver

MAX_REDIRECTS = 5
MAX_CONNECTIONS, MAX_KEPT = 32, 8
"""Of one transport at once, and how many of them are kept for the next request."""
USER_AGENT = "Kalends (calendar synchronisation)"
_UNPACKED = ("content-encoding", "content-length", "transfer-encoding")
_LOWEST_FREE_PORT = 1024
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much an exchange, redirects included, may take: `size` in bytes, unpacked; `seconds` in all, `connecting` of
    them until one address of the host answers."""

    size: int = 20 * 1024 * 1024
    seconds: float = 20.0
    connecting: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """An answer, unpacked. Names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


# Its line for each request holds the address, which is the secret of a feed.
logging.getLogger("httpx").setLevel(logging.WARNING)


class Egress:
    """A way out for one connection's requests; keeps connections alive in between. Not thread-safe.

    `allowed_hosts` are exempt from the check of addresses and may be spoken to without TLS: an operator's own servers
    (Settings.egress_allowed_hosts). `allow_http` lets plain http out to public addresses as well.
    """

    def __init__(
        self,
        *,
        allowed_hosts: Iterable[str] = (),
        allow_http: bool = False,
        limits: Limits | None = None,
        resolver: Resolver = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._transport = GuardedTransport(
            allowed_hosts=frozenset(host.lower() for host in allowed_hosts),
            allow_http=allow_http,
            limits=limits or Limits(),
            resolver=resolver,
            tls=tls,
        )
        self._client = httpx.Client(
            transport=self._transport,
            trust_env=False,  # a proxy would resolve names itself
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
            headers={"user-agent": USER_AGENT, "accept-encoding": "gzip"},
        )

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        auth: tuple[str, str] | None = None,
    ) -> httpx.Response:
        """The answer, read to its end, whatever its status; redirects are followed, without credentials elsewhere.

        Raises InvalidError for an address that is refused (EGRESS.PRIVATE_ADDRESS, .INSECURE, .BAD_ADDRESS,
        .CERTIFICATE), leads in circles (.REDIRECTS) or answers too much (.TOO_LARGE, .ENCODING), TransientError for a
        host that is not known or not reached (.UNKNOWN_HOST, .UNREACHABLE, .TOO_SLOW). No message tells more of the
        address than its host.
        """
        self._transport.begin()
        try:
            return self._client.request(method, url, headers=headers, content=content, auth=auth)
        except httpx.TooManyRedirects:
            raise InvalidError(
                f"The address leads to more than {MAX_REDIRECTS} others in turn. Use the one that it should end at.",
                code="EGRESS.REDIRECTS",
            ) from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.RemoteProtocolError):
            raise _bad_address() from None

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()


class GuardedTransport(httpx.BaseTransport):
    """httpx's way to the network, guarded. `begin` starts the clock of an exchange of one or more requests.

    Thread-safe: threads share its connections, and each has its own exchange and clock.
    """

    def __init__(
        self,
        *,
        allowed_hosts: frozenset[str],
        allow_http: bool,
        limits: Limits,
        resolver: Resolver = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed_hosts = allowed_hosts
        self._allow_http = allow_http
        self._limits = limits
        self._clock = Clock(limits.seconds)
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls or _trust(),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_KEPT,
            keepalive_expiry=30,
            network_backend=GuardedBackend(allowed_hosts, resolver, self._clock, connecting=limits.connecting),
        )

    def begin(self) -> None:
        """From now on this thread's time counts."""
        self._clock.start()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One request and the head of its answer; the body is bounded as it is read."""
        answer, body = self._ask(request.method, request.url, request.headers.raw, request.stream)
        headers = httpx.Headers(answer.headers)
        for unpacked in _UNPACKED:
            headers.pop(unpacked, None)
        return httpx.Response(status_code=answer.status, headers=headers, stream=body)

    def exchange(self, method: str, url: httpx.URL, *, headers: Mapping[str, str], content: bytes | None) -> Exchanged:
        """One request and its answer, read to its end: half of what httpx needs for both, for those who make many."""
        pairs = ((name.encode(), value.encode("latin-1", errors="replace")) for name, value in headers.items())
        given = [(b"host", url.netloc), *pairs]
        if content is not None:
            given.append((b"content-length", b"%d" % len(content)))
        answer, body = self._ask(method, url, given, content)
        try:
            received = b"".join(body)
        finally:
            body.close()
        known: dict[str, str] = {}
        for raw_name, raw in answer.headers:
            name, value = raw_name.decode("latin-1").lower(), raw.decode("latin-1")
            known[name] = f"{known[name]}, {value}" if name in known else value
        for unpacked in _UNPACKED:
            known.pop(unpacked, None)
        return Exchanged(status=answer.status, headers=known, body=received)

    def _ask(
        self,
        method: str,
        url: httpx.URL,
        headers: Sequence[tuple[bytes, bytes]],
        content: bytes | Iterable[bytes] | AsyncIterable[bytes] | None,
    ) -> tuple[httpcore.Response, _Body]:
        self._check(url)
        host = url.host
        try:
            answer = self._pool.handle_request(
                httpcore.Request(
                    method=method,
                    url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=headers,
                    content=content,
                    extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), self._clock.left())},
                )
            )
        except Exception as error:
            raise self._translated(error, host) from error
        named = (value for name, value in answer.headers if name.lower() == b"content-encoding")
        encoding = next(named, b"identity").decode("latin-1").strip().lower()
        if encoding not in ("identity", "", "gzip", "x-gzip"):
            answer.close()
            raise InvalidError(
                f"{host} packs its answer in a way that was not asked for. Ask its operator to send it plainly.",
                code="EGRESS.ENCODING",
            )
        body = _Body(
            answer,
            is_packed="gzip" in encoding,
            limit=self._limits.size,
            host=host,
            translated=lambda error: self._translated(error, host),
        )
        return answer, body

    def close(self) -> None:
        """Give back the connections."""
        self._pool.close()

    def _check(self, url: httpx.URL) -> None:
        if url.scheme not in _PORTS or not url.host:
            raise _bad_address()
        is_allowed = url.host.lower() in self._allowed_hosts
        if url.scheme == "http" and not (self._allow_http or is_allowed):
            raise InvalidError(
                f"The address leads to {url.host} without encryption. Use one that begins with https://.",
                code="EGRESS.INSECURE",
            )
        port = url.port or _PORTS[url.scheme]
        if port not in _PORTS.values() and port < _LOWEST_FREE_PORT and not is_allowed:
            raise _bad_address()

    def _translated(self, error: Exception, host: str) -> Exception:
        match error:
            case KalendsError():
                return error
            case httpcore.TimeoutException():
                return TransientError(
                    f"{host} took longer than {self._limits.seconds:g} seconds to answer. It is tried again later.",
                    code="EGRESS.TOO_SLOW",
                )
            case httpcore.ConnectError() if isinstance(error.__context__, ssl.SSLCertVerificationError):
                return InvalidError(
                    f"{host} could not prove by its certificate that it is {host}. Its operator has to mend that.",
                    code="EGRESS.CERTIFICATE",
                )
            case httpcore.NetworkError() | httpcore.ProtocolError() | OSError() | zlib.error():
                return TransientError(
                    f"{host} could not be reached, or broke off. It is tried again later.", code="EGRESS.UNREACHABLE"
                )
            case httpcore.UnsupportedProtocol() | ValueError():
                return _bad_address()
        return error


@cache
def _trust() -> ssl.SSLContext:
    """The authorities that are trusted: hundreds of certificates, read once."""
    return httpx.create_ssl_context()


class _Body(httpx.SyncByteStream):
    """A body that breaks off beyond the limit, packed or not."""

    def __init__(
        self,
        answer: httpcore.Response,
        *,
        is_packed: bool,
        limit: int,
        host: str,
        translated: Callable[[Exception], Exception],
    ) -> None:
        self._answer = answer
        self._unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS) if is_packed else None
        self._left = limit
        self._limit = limit
        self._host = host
        self._translated = translated

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._answer.iter_stream():
                # One byte more than is allowed shows that there is more, however small it was packed.
                plain = self._unpacker.decompress(chunk, self._left + 1) if self._unpacker else chunk
                self._left -= len(plain)
                if self._left < 0:
                    raise InvalidError(
                        f"{self._host} answers with more than {self._limit >> 20} MB. Use a smaller calendar.",
                        code="EGRESS.TOO_LARGE",
                    )
                yield plain
            if self._unpacker and not self._unpacker.eof:
                raise httpcore.RemoteProtocolError
        except Exception as error:
            raise self._translated(error) from error

    def close(self) -> None:
        self._answer.close()


def _bad_address() -> InvalidError:
    return InvalidError(
        "This is not an address that can be asked: it begins with https:// and names a host.", code="EGRESS.BAD_ADDRESS"
    )
