"""What all tests of providers share."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from shared.providers import patience


@dataclass
class Clock:
    """A clock that moves only while somebody sleeps."""

    at: float = 0.0

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Patience takes no real time here."""
    one = Clock()
    monkeypatch.setattr(patience, "time", one)
    return one
