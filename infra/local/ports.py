"""TCP ports of this machine: a preferred one or a free one, and who sits on a taken one."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

from infra.local.console import StartError

LOOPBACK = "127.0.0.1"
_LISTENING = "0A"  # the state's code in /proc/net/tcp


def listen(port: int) -> list[socket.socket]:
    """Sockets bound to `port` of the loopback interface, IPv4 and where there is one IPv6; 0 is any free port.

    Raises StartError, naming the process that has the port when that can be told.
    """
    first = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        first.bind((LOOPBACK, port))
    except OSError as error:
        first.close()
        raise StartError(
            f"Port {port} is taken{holder(port)}. Stop that, or choose another: PORT={port + 1} make run"
        ) from error
    bound = [first]
    if socket.has_ipv6:
        second = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            second.bind(("::1", first.getsockname()[1]))
            bound.append(second)
        except OSError:  # no IPv6 on this machine: browsers come by IPv4
            second.close()
    return bound


def available(preferred: int) -> int:
    """`preferred` if it is free, else any free port. (Free now: nothing reserves it.)"""
    for port in (preferred, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StartError("This machine has no free TCP port.")


def holder(port: int) -> str:
    """` by python (process 4711)`, or nothing when the system does not tell."""
    inode = _inode(port)
    if inode:
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            try:
                if link.readlink().name == f"socket:[{inode}]":
                    name = link.parent.parent.joinpath("comm").read_text().strip()
                    return f" by {name} (process {link.parent.parent.name})"
            except OSError:  # gone meanwhile, or another user's
                continue
    lsof = shutil.which("lsof")
    if lsof:
        asked = subprocess.run(  # noqa: S603 - a fixed command
            [lsof, "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"], capture_output=True, text=True, check=False
        )
        fields = {line[:1]: line[1:] for line in asked.stdout.splitlines()}
        if "p" in fields:
            return f" by {fields.get('c', 'a process')} (process {fields['p']})"
    return ""


def _inode(port: int) -> str:
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if table.exists():
            for row in table.read_text().splitlines()[1:]:
                local, state, inode = (row.split()[column] for column in (1, 3, 9))
                if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                    return inode
    return ""
