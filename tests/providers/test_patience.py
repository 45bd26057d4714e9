from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.core.errors import ForbiddenError, InvalidError, KalendsError, RateLimitedError, TransientError
from shared.providers.patience import FORBIDDEN_REPEATS, LONGEST_WAIT, REPEATS, SECONDS, Patience, retry_after

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


EIGHT, LATER = "Mon, 02 Mar 2026 08:00:00 GMT", "Mon, 02 Mar 2026 08:00:30 GMT"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": " 7 "}, 7.0),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": LATER, "Date": EIGHT}, 30.0),
        ({"retry-after": "Mon, 02 Mar 2026 09:00:30 +0100", "date": EIGHT}, 30.0),
        ({"retry-after": "Mon, 02 Mar 2026 08:00:30 -0000", "date": EIGHT}, 30.0),
        ({"retry-after": EIGHT, "date": LATER}, 0.0),
        ({"retry-after": "Sat, 02 Mar 2126 08:00:00 GMT", "date": EIGHT}, LONGEST_WAIT),
        ({"retry-after": "9" * 400}, LONGEST_WAIT),
        ({"retry-after": LATER}, None),
        ({"retry-after": LATER, "date": "today"}, None),
        ({"retry-after": "Mon, 02 Mar 99999999999999999999 08:00:30 GMT", "date": EIGHT}, None),
        ({"retry-after": "soon", "date": EIGHT}, None),
        ({"retry-after": "-5", "date": EIGHT}, None),
        ({"retry-after": "1.5", "date": EIGHT}, None),
        ({"retry-after": "\u0663", "date": EIGHT}, None),
    ],
)
def test_an_answer_asks_to_wait_in_seconds_or_until_a_date(headers: dict[str, str], wait: float | None) -> None:
    assert retry_after(headers) == wait
