"""The catalogue is the truth about what runs."""

from __future__ import annotations

import ast
from collections import Counter

from infra import ROOT
from infra.catalogue import CATALOGUE, Http, Queue


def handlers_on_disk() -> set[str]:
    """Every module below functions/ that defines `handler`."""
    found = set()
    for path in (ROOT / "functions").rglob("*.py"):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "handler" for node in tree.body):
            found.add(".".join([*path.relative_to(ROOT).with_suffix("").parts, "handler"]))
    return found


def test_catalogue_names_exactly_the_handlers_on_disk() -> None:
    on_disk = handlers_on_disk()

    named = [line.handler for line in CATALOGUE]

    assert set(named) == on_disk
    assert len(named) == len(set(named))


def test_no_route_is_served_twice_and_one_takes_the_rest() -> None:
    routes = Counter(route for line in CATALOGUE if isinstance(line.trigger, Http) for route in line.trigger.routes)

    twice = [route for route, times in routes.items() if times > 1]

    assert twice == []
    assert "$default" in routes


def test_behind_the_http_api_nothing_may_take_longer_than_the_api_waits() -> None:
    http = [line for line in CATALOGUE if isinstance(line.trigger, Http)]

    slower = [line.handler for line in http if line.timeout >= 30]

    assert slower == []


def test_every_queue_has_one_consumer() -> None:
    consumers = Counter(line.trigger.name for line in CATALOGUE if isinstance(line.trigger, Queue))

    assert consumers == {"pull": 1, "push": 1, "repair": 1, "backfill": 1}


def test_no_handler_is_longer_than_thirty_lines() -> None:
    lengths = {}
    for line in CATALOGUE:
        path = ROOT / (line.handler.removesuffix(".handler").replace(".", "/") + ".py")
        tree = ast.parse(path.read_text())
        (handler,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "handler")
        lengths[line.handler] = (handler.end_lineno or 0) - handler.lineno + 1

    too_long = {name: length for name, length in lengths.items() if length > 30}

    assert too_long == {}
