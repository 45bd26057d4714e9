from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.core.errors import ForbiddenError, InvalidError, KalendsError, RateLimitedError, TransientError
from shared.providers.patience import FORBIDDEN_REPEATS, REPEATS, SECONDS, Patience

if TYPE_CHECKING:
    from tests.providers.conftest import Clock


def test_waits_grow_and_end(clock: Clock) -> None:
    patience, waits = Patience(), []

    for repeats in range(10):
        before = clock.at
        if not patience.grants([TransientError("away")], repeats=repeats):
            break
        waits.append(clock.at - before)

    assert len(waits) == REPEATS
    assert waits == sorted(waits)
    assert sum(waits) < SECONDS


@pytest.mark.parametrize("asked", [1.0, 5.0])
def test_retry_after_is_never_undercut(clock: Clock, asked: float) -> None:
    limited = RateLimitedError("slower", retry_after=asked)

    granted = Patience().grants([TransientError("away"), limited], repeats=0)

    assert granted
    assert clock.at >= asked


def test_a_longer_retry_after_is_left_to_the_connection(clock: Clock) -> None:
    granted = Patience().grants([RateLimitedError("slower", retry_after=SECONDS + 1)], repeats=0)

    assert not granted
    assert clock.at == 0


def test_nothing_is_repeated_after_a_time_out(clock: Clock) -> None:
    patience = Patience()

    clock.sleep(15)

    assert not patience.grants([TransientError("no answer")], repeats=0)


@pytest.mark.parametrize(("error", "times"), [(InvalidError("no"), 0), (ForbiddenError("no"), FORBIDDEN_REPEATS)])
def test_what_time_does_not_mend_is_not_waited_for(clock: Clock, error: KalendsError, times: int) -> None:
    patience, repeats = Patience(), 0

    while patience.grants([error], repeats=repeats):
        repeats += 1

    assert repeats == times
