"""The layer holds what Lambda needs and no more, and every handler starts with it alone."""

from __future__ import annotations

import ast
import struct
from typing import TYPE_CHECKING

import pytest

from infra import ROOT, imports, layer
from infra.catalogue import CATALOGUE

if TYPE_CHECKING:
    from pathlib import Path

AARCH64 = 183  # e_machine of ELF for 64-bit ARM


@pytest.mark.parametrize("line", CATALOGUE, ids=lambda line: line.name)
def test_handler_imports_with_code_and_layer_alone_within_its_limits(line: imports.Function) -> None:
    milliseconds, megabytes = imports.limits(line)

    cost = imports.cost(line)

    assert cost.cpu_milliseconds <= milliseconds
    assert cost.megabytes <= megabytes


def test_layer_stays_small() -> None:
    files = [path for path in layer.tree("arm64").rglob("*") if path.is_file() and path.suffix != ".pyc"]

    weight = sum(path.stat().st_size for path in files)

    assert weight < layer.MAX_BYTES


def test_every_library_in_the_layer_is_for_arm() -> None:
    libraries = [path for path in layer.tree("arm64").rglob("*") if ".so" in path.suffixes]

    foreign = [path for path in libraries if machine(path) != AARCH64]

    assert libraries
    assert foreign == []


def test_layer_has_bytecode_for_every_module() -> None:
    modules = [path for path in layer.tree("arm64").rglob("*.py") if path.parent.name != "__pycache__"]

    bare = [path for path in modules if not list(path.parent.glob(f"__pycache__/{path.stem}.cpython-313.pyc"))]

    assert modules
    assert bare == []


def test_layer_knows_one_google_api_and_the_aws_services_we_call() -> None:
    python = layer.tree("arm64") / "python"

    documents = {path.name for path in (python / "googleapiclient/discovery_cache/documents").iterdir()}
    services = {path.name for path in (python / "botocore/data").iterdir() if path.is_dir()}

    assert documents == {"calendar.v3.json"}
    assert called_services() <= services == layer.AWS_SERVICES


def called_services() -> set[str]:
    """The services named in calls such as `session.client("sqs")`, in what runs on Lambda: not in the command line."""
    found = set()
    sources = [path for room in ("shared", "functions") for path in (ROOT / room).rglob("*.py")]
    for path in (path for path in sources if ROOT / "shared/cli" not in path.parents):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="client" | "create_client"), args=[ast.Constant(value=str(name)), *_]
                ):
                    found.add(name)
    assert {"sqs", "secretsmanager"} <= found
    return found


def machine(library: Path) -> int:
    """The processor a shared library is for."""
    with library.open("rb") as file:
        header = file.read(20)
    assert header[:4] == b"\x7fELF"
    return int(struct.unpack_from("<H", header, 18)[0])
