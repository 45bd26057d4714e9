"""Ports: a taken one is named with who has it."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from infra.local import ports
from infra.local.console import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on for the length of the test."""
    with socket.socket() as listener:
        listener.bind((ports.LOOPBACK, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_taken_port_is_refused_with_a_way_out(taken: int) -> None:
    with pytest.raises(StartError, match=rf"Port {taken} is taken.*PORT={taken + 1} make run"):
        ports.listen(taken)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it depends on lsof")
def test_taken_port_is_traced_to_its_process(taken: int) -> None:
    holder = ports.holder(taken)

    assert f"(process {os.getpid()})" in holder


def test_preferred_port_is_given_when_it_is_free_and_another_when_not(taken: int) -> None:
    other = ports.available(taken)

    again = ports.available(other)

    assert other != taken
    assert again == other


def test_zero_is_any_free_port() -> None:
    sockets = ports.listen(0)

    numbers = {bound.getsockname()[1] for bound in sockets}
    for bound in sockets:
        bound.close()

    assert len(numbers) == 1
    assert 0 not in numbers
