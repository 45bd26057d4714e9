"""The alert rules as data, and their table for the handbook: `python -m infra.alerts` prints it."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from infra import ROOT
from infra.catalogue import CATALOGUE, Queue

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = ROOT / "shared" / "operations" / "alerts.toml"
HANDBOOK = ROOT / "docs" / "alarms.md"
OTHER_FUNCTIONS = {"migration": "deployment", "rotate-database-owner": "rotation"}
"""Functions that are not the catalogue's, and what has them run: constructs/migration.py, constructs/database.py."""

type Subject = Literal["function", "queue", "dead_letters", "api", "database"]
type Kind = Literal[
    "http", "queue", "schedule", "invoke", "rotation", "deployment", "pull", "push", "repair", "backfill"
]


class Rule(BaseModel):
    """When an alarm sounds; shared/operations/alerts.toml says what each field means."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    each: Subject
    only: tuple[Kind, ...] = ()
    metric: str
    per: str | None = None
    statistic: str = Field(pattern=r"^(Sum|Average|Minimum|Maximum|p\d\d)$")
    beyond: Literal["above", "below"] = "above"
    threshold: float = Field(ge=0)
    percent_of: Literal["connections", "storage", "memory"] | None = None
    period: int = Field(ge=1)
    periods: int = Field(default=1, ge=1)
    silence: Literal["good", "bad"] = "good"
    severity: Literal["now", "today"]
    meaning: str = Field(min_length=1)
    do: str = Field(pattern=r"^[a-z-]+$")

    @model_validator(mode="after")
    def _is_of_one_subject(self) -> Rule:
        if (self.each in ("api", "database")) == ("{name}" in self.name):
            raise ValueError("the name holds {name} for what there are several of, and for nothing else")
        if self.percent_of and self.each != "database":
            raise ValueError("only of the database it is known how much the stage has")
        return self

    def holds_for(self, kind: str) -> bool:
        """Whether it is for a function with this trigger, or for the queue of this name."""
        return not self.only or kind in self.only

    @property
    def condition(self) -> str:
        """When it sounds, in words."""
        what = f"{self.metric}, % of {self.per}" if self.per else f"{self.metric} ({self.statistic})"
        unit = f" % of {self.percent_of}" if self.percent_of else ""
        return f"{what} {self.beyond} {self.threshold:g}{unit}"


def rules() -> tuple[Rule, ...]:
    """All rules, in the order of the file. Raises pydantic's ValidationError naming what is wrong with which."""
    return tuple(Rule.model_validate(one) for one in tomllib.loads(FILE.read_text())["rule"])


def subjects(rule: Rule) -> Iterator[str]:
    """The names of what there is an alarm of this rule for."""
    match rule.each:
        case "function":
            kinds = {line.name: type(line.trigger).__name__.lower() for line in CATALOGUE} | OTHER_FUNCTIONS
            yield from (name for name, kind in kinds.items() if rule.holds_for(kind))
        case "queue" | "dead_letters":
            names = (line.trigger.name for line in CATALOGUE if isinstance(line.trigger, Queue))
            yield from (name for name in names if rule.holds_for(name))
        case "api" | "database":
            yield rule.each


def table() -> str:
    """The rules as Markdown, each with a link to what to do."""
    lines = ["| alarm | sounds when | for | severity | what to do |", "|---|---|---|---|---|"]
    for rule in rules():
        name = rule.name.replace("{name}", {"function": "FUNCTION"}.get(rule.each, "QUEUE"))
        some = f" ({', '.join(rule.only)})" if rule.only else ""
        minutes = f"{rule.period * rule.periods} min"
        lines.append(
            f"| {name}{some} | {rule.condition} | {minutes} | {rule.severity} | [{rule.do}](#{rule.do}) |",
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
