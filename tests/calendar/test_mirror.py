from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.calendar.event import Availability, Status, Text, Visibility
from shared.calendar.mirror import Appearance
from shared.calendar.span import AllDaySpan, TimedSpan

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
SPAN = TimedSpan(start=START, end=START + timedelta(hours=1), zone="Europe/Berlin")
ONE = Appearance(span=SPAN, text=Text(title="Dentist"), availability=Availability.BUSY)
OTHERS: dict[str, dict[str, Any]] = {
    "span": {
        "start": START - timedelta(hours=1),
        "end": START + timedelta(hours=2),
        "zone": "Europe/Zurich",
    },
    "text": {
        "title": "Doctor",
        "description": "x-ray",
        "is_html": True,
        "location": "Bern",
        "categories": ("Red",),
    },
    "": {
        "span": AllDaySpan(start=date(2026, 3, 2), end=date(2026, 3, 3)),
        "text": Text(),
        "availability": Availability.FREE,
        "status": Status.TENTATIVE,
        "visibility": Visibility.PUBLIC,
        "recurrence": ("RRULE:FREQ=DAILY",),
    },
}


@pytest.mark.parametrize(("part", "name"), [(part, name) for part, changes in OTHERS.items() for name in changes])
def test_every_field_counts_in_a_fingerprint(part: str, name: str) -> None:
    value = OTHERS[part][name]

    other = replace(ONE, **{part: replace(getattr(ONE, part), **{name: value})} if part else {name: value})

    assert other.fingerprint() != ONE.fingerprint()


def test_no_field_is_forgotten_above() -> None:
    assert {part: {field.name for field in fields(getattr(ONE, part) if part else ONE)} for part in OTHERS} == {
        part: set(changes) for part, changes in OTHERS.items()
    }


def test_the_same_moment_on_another_clock_has_the_same_fingerprint() -> None:
    berlin = ZoneInfo("Europe/Berlin")

    other = replace(SPAN, start=SPAN.start.astimezone(berlin), end=SPAN.end.astimezone(berlin))

    assert replace(ONE, span=other).fingerprint() == ONE.fingerprint()
