"""Connections to addresses that were checked: what `egress` sends its requests over."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import httpcore

from shared.core.errors import InvalidError, TransientError
from shared.net import addresses

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from httpcore._backends.base import SOCKET_OPTION

type Resolver = Callable[[str, int], list[str]]
"""The IP addresses of a name, best first. Raises OSError."""

_PIECE = 65_536


def resolve(host: str, port: int) -> list[str]:
    """What the system's resolver answers."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Clock(threading.local):
    """How long the exchange of this thread may still take: a connection that another thread opened is on it as well."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends = time.monotonic() + seconds

    def start(self) -> None:
        """An exchange begins."""
        self._ends = time.monotonic() + self._seconds

    def left(self) -> float:
        """Raises httpcore.ReadTimeout when nothing is."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to addresses that were checked, and lets no read or write outlast the exchange."""

    def __init__(self, allowed_hosts: frozenset[str], resolver: Resolver, clock: Clock, *, connecting: float) -> None:
        self._allowed_hosts = allowed_hosts
        self._resolver = resolver
        self._clock = clock
        self._connecting = connecting
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = self._resolver(host, port)
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise TransientError(
                f"No address is known for {host}. Check how it is written, or try again later.",
                code="EGRESS.UNKNOWN_HOST",
            )
        # All of them, although one is enough to connect: a name that also leads inside is not to be trusted.
        if host.lower() not in self._allowed_hosts and not all(addresses.is_public(one) for one in found):
            raise InvalidError(
                f"{host} leads into a private network, where Kalends does not go. Use a public address, or ask the "
                "operator of this installation to allow the host (EGRESS_ALLOWED_HOSTS).",
                code="EGRESS.PRIVATE_ADDRESS",
            )
        refusal: Exception = httpcore.ConnectError()
        for address in found[:4]:
            try:
                within = min(self._connecting, self._clock.left())
                stream = self._sockets.connect_tcp(address, port, timeout=within, socket_options=socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refusal = error
            else:
                return _Stream(stream, self._clock)
        raise refusal


class _Stream(httpcore.NetworkStream):
    """A connection on the exchange's clock. What is written goes out when an answer is asked for: head and body in one
    piece, which spares both sides half of their turns."""

    def __init__(self, stream: httpcore.NetworkStream, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._unsent = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._unsent:
            with suppress(httpcore.WriteError):  # as httpcore has it: the answer may say why no more was taken
                self._send()
        return self._stream.read(max_bytes, timeout=self._clock.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._unsent += buffer
        if len(self._unsent) >= _PIECE:
            self._send()

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, b""
        self._stream.write(unsent, timeout=self._clock.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout=self._clock.left()), self._clock)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
