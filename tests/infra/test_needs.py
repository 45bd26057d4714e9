"""What the catalogue declares, held against the code: nobody may more than it can use, and what it calls is granted."""

from __future__ import annotations

import ast
import copy
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from botocore.session import Session

from infra import ROOT
from infra.catalogue import CATALOGUE, Queue
from tests.infra.conftest import Template, read
from tests.infra.test_application import GRANTS, declared, granted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.catalogue import Function

# What of the settings a need stands for; wiring.App says which of its parts read them.
SETTINGS = {
    "database_secret_id": "database",
    "database_owner_secret_id": "database_owner",
    "database_operator_secret_id": "database_operator",
    "key_ring_secret_id": "key_ring",
    "session_secret_id": "session",
    "oauth_clients_secret_id": "oauth_clients",
    "webhook_secret_id": "webhook_signing",
    "pull_queue_url": "pull_queue",
    "push_queue_url": "push_queue",
    "repair_queue_url": "repair_queue",
    "backfill_queue_url": "backfill_queue",
    "dead_letter_queue_urls": "dead_letters",
    "event_bus_name": "event_bus",
    "google_api_endpoint": "internet",
}
# IAM grants operations on batches by the name of the single one (Service Authorization Reference, SQS).
ALIKE = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}


@cache
def tree(path: Path) -> ast.Module:
    """A module, parsed."""
    return ast.parse(path.read_text())


@cache
def parts() -> dict[str, set[str]]:
    """Every part of wiring.App, with the needs of what it is made of."""
    (app,) = (n for n in tree(ROOT / "shared/wiring.py").body if isinstance(n, ast.ClassDef) and n.name == "App")
    methods = {node.name: node for node in app.body if isinstance(node, ast.FunctionDef) and node.name != "__init__"}

    def needs(name: str, above: frozenset[str]) -> set[str]:
        attributes = [node for node in ast.walk(methods[name]) if isinstance(node, ast.Attribute)]
        own = {SETTINGS[node.attr] for node in attributes if node.attr in SETTINGS}
        used = {n.attr for n in attributes if isinstance(n.value, ast.Name) and n.value.id == "self"} & set(methods)
        return own.union(*(needs(other, above | {name}) for other in used - above - {name}))

    found = {name: needs(name, frozenset()) for name in methods}
    found["rotation"] = {"database_owner", "database_rotation"}  # the ids only tell which secret is meant
    return found


def modules(name: str) -> set[Path]:
    """A handler's module and what it imports of the edge and of shared.operations, which is handed the whole App."""
    seen: set[Path] = set()
    todo = [name]
    while todo:
        path = (ROOT / todo.pop().replace(".", "/")).with_suffix(".py")
        if path in seen or not path.exists():
            continue
        seen.add(path)
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
                todo += [one for one in names if one.startswith(("functions", "shared.operations"))]
    return seen


def apps(module: ast.Module) -> Iterator[str]:
    """The names under which a module has the App: what `app()` gave, and parameters that are one."""
    for node in ast.walk(module):
        match node:
            case ast.arg(arg=name, annotation=ast.Name(id="App" | "Installation")):
                yield name
            case ast.Attribute(attr="application"):
                yield ast.unparse(node)
            case ast.Assign(targets=[target], value=value):
                pairs = [(target, value)]
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                    pairs = list(zip(target.elts, value.elts, strict=True))
                yield from (one.id for one, made in pairs if isinstance(one, ast.Name) and is_app(made))


def is_app(node: ast.expr) -> bool:
    """Whether it is a call such as `app()` or `wiring.app()`."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) in ("app", "wiring.app", "_app")


def usable(paths: set[Path], *, but: str = "") -> set[str]:
    """The needs of every part of the App, except one, that these modules touch."""
    found: set[str] = set()
    for path in paths:
        held = set(apps(tree(path)))
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute):
                of_app = node.attr != but and (is_app(node.value) or ast.unparse(node.value) in held)
                found |= parts().get(node.attr, set()) if of_app else set()
                found |= {SETTINGS[node.attr]} if node.attr in SETTINGS else set()
    return found


@pytest.mark.parametrize("line", CATALOGUE, ids=lambda line: line.name)
def test_function_declares_nothing_that_its_code_cannot_use(line: Function) -> None:
    surplus = set(line.needs) - usable(modules(line.handler.removesuffix(".handler")))

    assert surplus == set()


@pytest.mark.parametrize("line", CATALOGUE, ids=lambda line: line.name)
def test_function_declares_what_its_own_module_touches(line: Function) -> None:
    own = (ROOT / line.handler.removesuffix(".handler").replace(".", "/")).with_suffix(".py")
    implied = {"database", "database_operator"} if "database_rotation" in line.needs else set()
    # Makes the address of a consent page, and calls nobody.
    spared = {"internet"} if line.name == "oauth-start" else set()

    # The engine holds all lanes, and of them each function uses its own.
    missing = usable({own}, but="engine") - set(line.needs) - implied - spared

    assert missing == set()


@pytest.mark.parametrize("line", [line for line in CATALOGUE if isinstance(line.trigger, Queue)], ids=lambda x: x.name)
def test_worker_declares_all_that_the_engine_is_made_of(line: Function) -> None:
    assert set(line.needs) == parts()["engine"]


def called() -> set[str]:
    """The AWS operations that shared/aws calls, as IAM names them: service and operation of every client there."""
    found = set()
    for path in (ROOT / "shared/aws").glob("*.py"):
        services = {
            str(node.args[0].value)
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Call)
            and ast.unparse(node.func) == "session.client"
            and isinstance(node.args[0], ast.Constant)
        }
        methods = {
            node.func.attr
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) in ("client", "self._client")
        }
        assert bool(methods) == bool(services), path
        for service in services:
            operations = {to_method(name): name for name in Session().get_service_model(service).operation_names}
            found |= {f"{service}:{operations[method]}" for method in methods}
    return {ALIKE.get(action, action) for action in found}


def to_method(operation: str) -> str:
    """`SendMessageBatch` as Python calls it."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).removeprefix("_")


def test_every_aws_call_of_the_code_is_granted_by_a_need_and_nothing_else_is() -> None:
    grants = {action for pairs in GRANTS.values() for action, _ in pairs if not action.startswith("kms:")}

    calls = called()

    assert calls == grants


@pytest.fixture
def tampered() -> Template:
    """A template to be spoiled."""
    return Template("dev", copy.deepcopy(read("dev").body))


def statements(template: Template, line: Function) -> list[dict[str, Any]]:
    """The IAM statements of a function, to be changed in place."""
    return template.statements(template.functions()[line.handler])


@pytest.mark.parametrize("line", CATALOGUE, ids=lambda line: line.name)
def test_a_surplus_permission_would_be_noticed(tampered: Template, line: Function) -> None:
    assert granted(tampered, line) == declared(tampered, line)

    statements(tampered, line)[0]["Action"] = ["logs:CreateLogStream", "logs:PutLogEvents", "s3:GetObject"]

    assert granted(tampered, line) > declared(tampered, line)


@pytest.mark.parametrize("line", CATALOGUE, ids=lambda line: line.name)
def test_a_missing_permission_would_be_noticed(tampered: Template, line: Function) -> None:
    for statement in statements(tampered, line):
        if "secretsmanager:" in json.dumps(statement["Action"]):
            statement["Action"] = []

    assert granted(tampered, line) < declared(tampered, line)


def test_a_wider_resource_would_be_noticed(tampered: Template) -> None:
    line = CATALOGUE[0]

    statements(tampered, line)[0]["Resource"] = "*"

    assert granted(tampered, line) != declared(tampered, line)
