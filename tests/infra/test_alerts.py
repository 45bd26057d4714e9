"""The alert rules: each is whole, and the handbook says of each what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError

from infra import alerts

RULE = {
    "name": "{name}-errors",
    "each": "function",
    "metric": "Errors",
    "statistic": "Sum",
    "threshold": 0,
    "period": 5,
    "severity": "today",
    "meaning": "It failed",
    "do": "look",
}


def test_the_handbook_shows_the_rules_as_they_are() -> None:
    assert alerts.table() in alerts.HANDBOOK.read_text()


def test_the_handbook_says_of_every_rule_what_to_do_and_of_nothing_else() -> None:
    headings = re.findall(r"^## (.+)$", alerts.HANDBOOK.read_text(), re.MULTILINE)

    anchors = {heading.lower().replace(" ", "-") for heading in headings}

    assert anchors == {rule.do for rule in alerts.rules()}


def test_no_two_rules_make_an_alarm_of_the_same_name() -> None:
    seen: set[tuple[str, str]] = set()
    for rule in alerts.rules():
        for kind in rule.only or ("all",):
            assert (rule.name, kind) not in seen
            seen.add((rule.name, kind))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "errors"},
        {"each": "api"},
        {"each": "planet"},
        {"only": ["moon"]},
        {"percent_of": "memory"},
        {"severity": "later"},
        {"do": "Look here"},
        {"surplus": 1},
    ],
    ids=str,
)
def test_a_rule_that_is_not_whole_is_refused(wrong: dict[str, Any]) -> None:
    assert alerts.Rule.model_validate(RULE)

    with pytest.raises(ValidationError):
        alerts.Rule.model_validate({**RULE, **wrong})
