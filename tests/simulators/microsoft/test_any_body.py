"""Whatever a client sends, Graph answers with its own 400 and never breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.simulators.exchange import Refused
from infra.local.simulators.microsoft import extended, odata, properties
from infra.local.simulators.microsoft.faults import MicrosoftFaults
from infra.local.simulators.microsoft.items import Extras

if TYPE_CHECKING:
    from tests.simulators.microsoft.api import Api
    from tests.simulators.running import Simulator

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
NAMES = [
    "subject", "body", "start", "end", "isAllDay", "recurrence", "transactionId", "categories", "location", "locations",
    "attendees", "showAs", "isReminderOn", "reminderMinutesBeforeStart", "sensitivity",
]  # fmt: skip
DATES = st.sampled_from(["2026-03-02", "0001-01-01", "9999-12-31", "x"]) | JSON
PARTS = st.fixed_dictionaries(
    {},
    optional={
        "dateTime": st.sampled_from(["2026-03-02T09:00:00", "2026-02-30", "9999-12-31T23:59:59", "x"]) | JSON,
        "timeZone": st.sampled_from(["UTC", "Europe/Berlin", "?"]) | JSON,
        "contentType": st.sampled_from(["html", "text", "rtf"]) | JSON,
        "content": JSON,
        "displayName": JSON,
        "emailAddress": JSON | st.fixed_dictionaries({"address": JSON, "name": JSON}),
        "status": JSON,
        "locationType": JSON,
        "address": JSON,
        "pattern": JSON | st.fixed_dictionaries({"type": st.just("weekly"), "interval": JSON, "daysOfWeek": JSON}),
        "range": JSON
        | st.fixed_dictionaries({"type": st.just("noEnd"), "startDate": DATES, "recurrenceTimeZone": JSON}),
    },
)
WORDS = ["a/b", "eq", "'x'", "(", ")", "and", "or", "not", "a/any", ":", ",", "1", "true", "null", "contains", "'"]


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(NAMES), JSON | PARTS | st.lists(PARTS, max_size=2), max_size=5))
def test_any_event_is_read_or_refused_with_400(body: dict[str, Any]) -> None:
    try:
        written = properties.read(body, faults=MicrosoftFaults(), person=False, zone="UTC")
        properties.times(written, None)
    except Refused as refused:
        assert refused.answer.status == 400


@given(st.dictionaries(st.sampled_from(["singleValueExtendedProperties", "extensions"]), JSON | st.lists(PARTS)))
def test_any_extra_is_read_or_refused_with_400(body: dict[str, Any]) -> None:
    try:
        extended.written(body, Extras())
    except Refused as refused:
        assert refused.answer.status == 400


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_any_filter_is_read_or_refused_with_400(words: list[str]) -> None:
    try:
        expression = odata.parse_filter(" ".join(words))
        odata.matches(expression, lambda name: {"b": "x"} if name == "a" else None)
    except Refused as refused:
        assert refused.answer.status == 400


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff"])
@pytest.mark.parametrize(
    "path", ["/me/events", "/subscriptions", "/$batch", "/me/calendar/getSchedule", "/me/calendars"]
)
async def test_a_body_that_is_no_object_is_refused(alex: Api, simulator: Simulator, path: str, raw: bytes) -> None:
    headers = {"Authorization": f"Bearer {alex.token}", "Content-Type": "application/json"}

    async with simulator.session.post(f"{simulator.base}/v1.0{path}", data=raw, headers=headers) as answer:
        status, error = answer.status, await answer.json()

    assert (status, error["error"]["code"]) == (400, "BadRequest")
