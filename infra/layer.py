"""The dependency layer: what `requirements.lock` names, for Lambda's Python and platform, without what nobody reads."""

from __future__ import annotations

import platform
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Literal

from infra import ROOT, assets

MAX_BYTES = 60_000_000
"""What the layer may weigh unzipped, all that is in it: what Lambda holds against its limit, 250 MB with our code."""

AWS_SERVICES = frozenset({"events", "kms", "secretsmanager", "sqs", "sts"})
"""The AWS services our code calls: botocore describes four hundred more."""

LAMBDA_PLATFORM = "aarch64-manylinux_2_28"

_FOR_COMPILERS = frozenset({".c", ".h", ".proto", ".pxd", ".pyi", ".pyx"})
# What dependencies ask for and our use of them never imports: Google's client is made for gRPC as well and for keys of
# service accounts, cffi is a library's only while it is built, Powertools shows an API's documentation.
_NEVER_USED = (
    "apiclient",
    "aws_lambda_powertools/event_handler/openapi/swagger_ui",
    "cffi",
    "google/_upb",
    "google/api",
    "google/cloud",
    "google/gapic",
    "google/logging",
    "google/longrunning",
    "google/protobuf",
    "google/rpc",
    "google/type",
    "opentelemetry",
    "proto",
    "pyasn1_modules",
    "pycparser",
)
_LOCK = ROOT / "requirements.lock"
_UV = ROOT / ".tools" / "uv"


def build(where: Literal["host", "arm64"]) -> assets.Asset:
    """The layer as a package: for Lambda (`arm64`), or for the embedded cloud on this machine (`host`).

    The embedded AWS unpacks the layer anew for every worker process, 80 MB and 0.6 s each time. So its package holds
    one line that leads to the unpacked layer.
    """
    if where == "arm64":
        return assets.package(tree(where))
    unpacked = tree(where) / "python"

    def fill(folder: Path) -> None:
        site = folder / "python/lib/python3.13/site-packages"
        site.mkdir(parents=True)
        (site / "layer.pth").write_text(f"import sys; sys.path.insert(0, {str(unpacked)!r})\n")

    return assets.package(assets.folder("layer-pointer", assets.fingerprint(str(unpacked)), fill))


def tree(where: Literal["host", "arm64"]) -> Path:
    """The layer as a folder, as it lies below /opt in Lambda."""

    def fill(folder: Path) -> None:
        python = folder / "python"
        install = [
            str(_UV), "--system-certs", "pip", "install", "--quiet", "--require-hashes", "--no-compile-bytecode",
            "--only-binary", ":all:", "--link-mode", "copy", "--python", sys.executable,
            *(("--python-platform", LAMBDA_PLATFORM) if where == "arm64" else ()),
            "--target", str(python), "--requirement", str(_LOCK),
        ]  # fmt: skip
        subprocess.run(install, check=True)  # noqa: S603 - our own tool, our own lock
        _prune(python)
        assets.compile_tree(python, mounted_at="/opt/python", keep_sources=False)

    target = LAMBDA_PLATFORM if where == "arm64" else f"{sys.platform}-{platform.machine()}"
    sources = (_LOCK, Path(__file__).resolve(), Path(assets.__file__).resolve())
    return assets.folder(f"layer-{where}", assets.fingerprint(assets.BYTECODE, target, *sources), fill)


def _prune(python: Path) -> None:
    """Take out what no Lambda reads.

    Google's client brings the descriptions of all its APIs (110 MB), botocore those of all AWS services (26 MB);
    scripts need a shell; stubs, headers and sources of other languages need a type checker or compiler.
    """
    shutil.rmtree(python / "bin", ignore_errors=True)
    for name in _NEVER_USED:
        shutil.rmtree(python / name)
    for document in (python / "googleapiclient/discovery_cache/documents").iterdir():
        if document.name != "calendar.v3.json":
            document.unlink()
    for data in (python / "botocore/data").iterdir():
        if data.is_dir() and data.name not in AWS_SERVICES:
            shutil.rmtree(data)
    for path in [path for path in python.rglob("*") if path.is_file()]:
        if path.suffix in _FOR_COMPILERS:
            path.unlink()
        elif ".so" in path.suffixes:
            _strip(path)


def _strip(library: Path) -> None:
    """Cut off what is only for debuggers and linkers: symbols and section headers, 4 MB of them.

    A library is loaded by its program headers alone (System V ABI, "Program Loading"): what lies beyond the last byte
    that they name is not read. In the header of the file, the table of sections is then said to be empty.
    """
    content = bytearray(library.read_bytes())
    if content[:5] != b"\x7fELF\x02":
        return
    (table,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    ends = [table + size * count]
    for number in range(count):
        start, length = (struct.unpack_from("<Q", content, table + size * number + field)[0] for field in (8, 32))
        ends.append(start + length)
    struct.pack_into("<Q", content, 40, 0)  # where the sections' table begins
    struct.pack_into("<HH", content, 60, 0, 0)  # how many there are, and which has their names
    library.write_bytes(content[: max(ends)])
