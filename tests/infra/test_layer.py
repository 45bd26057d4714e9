"""The layer holds what Lambda needs and no more, and every handler starts with it alone."""

from __future__ import annotations

import ast
import re
import struct
import subprocess
import sys
from dataclasses import replace
from importlib.util import MAGIC_NUMBER
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.tags import compatible_tags, cpython_tags, parse_tag
from packaging.utils import canonicalize_name

from infra import ROOT, assets, imports, layer
from infra.catalogue import CATALOGUE

if TYPE_CHECKING:
    from pathlib import Path

AARCH64 = 183  # e_machine of ELF for 64-bit ARM
# Lambda's Python 3.13 runs on Amazon Linux 2023: glibc 2.34, so wheels made for an older one run as well.
_PLATFORMS = ["linux_aarch64", "manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in range(17, 35))]
ON_LAMBDA = {*cpython_tags((3, 13), platforms=_PLATFORMS), *compatible_tags((3, 13), "cp313", _PLATFORMS)}
IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path[:0] = sys.argv[1:]
import functions, shared
names = [
    module.name
    for room in (functions, shared)
    for module in pkgutil.walk_packages(room.__path__, room.__name__ + ".")
    if not module.name.startswith("shared.cli")
]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


@pytest.mark.parametrize("line", CATALOGUE, ids=lambda line: line.name)
def test_handler_imports_with_code_and_layer_alone_within_its_limits(line: imports.Function) -> None:
    cost = imports.cost(line)

    assert cost.within(line), cost


def test_a_slow_machine_is_allowed_more_time_and_no_more_memory() -> None:
    line = next(line for line in CATALOGUE if line.name.startswith("webhooks-"))
    milliseconds, megabytes = imports.limits(line)

    slow = imports.Cost(1.4 * milliseconds, 1.4 * milliseconds, megabytes, 400, slowness=1.5)

    assert slow.within(line)
    assert not replace(slow, slowness=1.3).within(line)
    assert not replace(slow, megabytes=megabytes + 1).within(line)


def test_layer_stays_small_counting_all_that_is_in_it() -> None:
    files = [path for path in layer.tree("arm64").rglob("*") if path.is_file()]

    weight = sum(path.stat().st_size for path in files)

    assert weight < layer.MAX_BYTES


def test_every_wheel_in_the_layer_is_for_arm_linux_and_this_python() -> None:
    tags = {
        path.parent.name: parse_tag(line.removeprefix("Tag: "))
        for path in layer.tree("arm64").rglob("*.dist-info/WHEEL")
        for line in path.read_text().splitlines()
        if line.startswith("Tag: ")
    }

    foreign = {name for name, tag in tags.items() if not tag & ON_LAMBDA}

    assert {name.partition("-")[0] for name in tags} >= locked()
    assert foreign == set()


def test_every_library_in_the_layer_is_for_arm() -> None:
    libraries = [path for path in layer.tree("arm64").rglob("*") if ".so" in path.suffixes]

    foreign = [path for path in libraries if machine(path) != AARCH64]

    assert libraries
    assert foreign == []


@pytest.mark.parametrize("where", ["arm64", "host"])
def test_libraries_hold_all_that_is_loaded_and_nothing_else(where: Any) -> None:
    libraries = [path for path in layer.tree(where).rglob("*") if ".so" in path.suffixes]

    loaded = {path: (path.stat().st_size, loaded_bytes(path)) for path in libraries}

    assert libraries
    assert {path: sizes for path, sizes in loaded.items() if sizes[0] != sizes[1]} == {}


def test_layer_holds_bytecode_of_this_python_in_place_of_sources() -> None:
    python = layer.tree("arm64") / "python"

    sources = [path for path in python.rglob("*.py") if path.is_file()]
    magic = {path.read_bytes()[:4] for path in python.rglob("*.pyc")}

    assert sources == []
    assert magic == {MAGIC_NUMBER}


@pytest.mark.slow
def test_every_module_of_the_product_imports_with_code_and_layer_alone() -> None:
    parts = [str(assets.code()), str(layer.tree("host") / "python")]

    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", IMPORT_ALL, *parts],
        env={"LANG": "C.UTF-8"}, cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 100


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


def locked() -> set[str]:
    """The distributions that `requirements.lock` names for Linux, as folders are named after them."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    requirements = [Requirement(line.rstrip(" \\")) for line in lines if re.match(r"[a-z0-9]", line)]
    linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    return {
        canonicalize_name(one.name).replace("-", "_")
        for one in requirements
        if one.marker is None or one.marker.evaluate({**linux, "platform_python_implementation": "CPython"})
    }


def loaded_bytes(library: Path) -> int:
    """Where the last segment of a shared library ends, or the table that names them."""
    content = library.read_bytes()
    (table,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    headers = [content[table + size * number : table + size * (number + 1)] for number in range(count)]
    segments = [struct.unpack_from("<IIQQQQ", header) for header in headers]
    return max(table + size * count, *(segment[2] + segment[5] for segment in segments))


def machine(library: Path) -> int:
    """The processor a shared library is for."""
    with library.open("rb") as file:
        header = file.read(20)
    assert header[:4] == b"\x7fELF"
    return int(struct.unpack_from("<H", header, 18)[0])
