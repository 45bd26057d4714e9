"""`make promises`: the tests of the thirteen promises and the twenty pains alone, and a table of what they showed.

A test that bears one out is marked `@pytest.mark.promise(n)` or `@pytest.mark.pain(n)`; it belongs to the whole suite
like every other. The numbers are those of docs/promises.md.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from infra import ROOT

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from _pytest.terminal import TerminalReporter

KINDS = ("promise", "pain")
LISTED = re.compile(r"^\| (\d+) \| ([^|]+) \|", re.MULTILINE)
_TRIED = re.compile(r"(\d+) passing")


@dataclass(slots=True)
class Line:
    """What was shown of one promise or pain: an example is a test, or one of the inputs tried in it."""

    tests: int = 0
    failed: int = 0
    examples: int = 0


class Promises:
    """Collects what the marked tests of this run showed."""

    def __init__(self) -> None:
        self.lines: defaultdict[tuple[str, int], Line] = defaultdict(Line)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep what is marked."""
        marked = [item for item in items if any(_places(item))]
        config.hook.pytest_deselected(items=[item for item in items if item not in marked])
        items[:] = marked

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Count the test for each of its marks."""
        report = yield
        for place in _places(item):
            line = self.lines[place]
            line.failed += report.failed
            if report.when == "call":
                tried = sum(map(int, _TRIED.findall(getattr(item, "hypothesis_statistics", ""))))
                tried += sum(count for name, count in item.user_properties if name == "examples")
                line.tests += 1
                line.examples += max(tried, 1)
        return report

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print the table."""
        for kind in KINDS:
            terminalreporter.write_sep("=", f"{kind}s")
            for number, words in listed(kind).items():
                line = self.lines[kind, number]
                outcome = "no test" if not line.tests else "FAILED" if line.failed else "passed"
                told = f"{line.tests:>4} tests {line.examples:>6} examples"
                terminalreporter.write_line(f"{number:>3}  {outcome:<8}{told}  {words}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """What has no test is not borne out."""
        if any(not self.lines[kind, number].tests for kind in KINDS for number in listed(kind)):
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def listed(kind: str) -> dict[int, str]:
    """The promises or pains by number, as docs/promises.md lists them."""
    text = (ROOT / "docs" / "promises.md").read_text()
    section = text.partition(f"\n## {kind.capitalize()}s\n")[2].partition("\n## ")[0]
    return {int(number): words.strip() for number, words in LISTED.findall(section)}


def _places(item: pytest.Item) -> Iterator[tuple[str, int]]:
    for kind in KINDS:
        for mark in item.iter_markers(kind):
            yield from ((kind, number) for number in mark.args)


def pytest_configure(config: pytest.Config) -> None:
    """Loaded by `-p tests.promises`."""
    config.pluginmanager.register(Promises(), "promises")
