"""Who is killed: the process at the other end of a connection, and only if this run has started it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.smoke import kills

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECT = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); sys.stdin.read()"


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


@pytest.fixture
def client(listening: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has connected to the server and waits."""
    port = str(listening.getsockname()[1])
    with subprocess.Popen([sys.executable, "-c", CONNECT, port], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_process_is_found_by_its_end_of_the_connection(
    listening: socket.socket, client: subprocess.Popen[bytes]
) -> None:
    accepted, (_, port) = listening.accept()
    with accepted:
        found = kills.owner(os.getpid(), port=port, server=listening.getsockname()[1])

    assert found.pid == client.pid


def test_processes_that_somebody_else_has_started_are_left_alone(
    listening: socket.socket, client: subprocess.Popen[bytes]
) -> None:
    accepted, (_, port) = listening.accept()
    with accepted, pytest.raises(kills.KillError, match=f"port {port}"):
        kills.owner(client.pid, port=port, server=listening.getsockname()[1])


def test_a_connection_to_another_server_is_not_meant(listening: socket.socket, client: subprocess.Popen[bytes]) -> None:
    accepted, (_, port) = listening.accept()
    with accepted, pytest.raises(kills.KillError):
        kills.owner(os.getpid(), port=port, server=1)
