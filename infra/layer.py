"""The dependency layer: what `requirements.lock` names, for Lambda's Python and platform, without what nobody reads."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

from infra import ROOT, assets

MAX_BYTES = 60_000_000
"""What the layer may weigh unzipped, not counting bytecode."""

AWS_SERVICES = frozenset({"events", "kms", "secretsmanager", "sqs", "sts"})
"""The AWS services our code calls: botocore describes four hundred more."""

_LOCK = ROOT / "requirements.lock"
_UV = ROOT / ".tools" / "uv"
_LAMBDA_PLATFORM = "aarch64-manylinux_2_28"


def build(where: Literal["host", "arm64"]) -> assets.Asset:
    """The layer for Lambda (`arm64`), or for this machine (`host`: the embedded cloud)."""
    target = ["--python-platform", _LAMBDA_PLATFORM] if where == "arm64" else []

    def fill(folder: Path) -> None:
        python = folder / "python"
        install = [
            str(_UV), "pip", "install", "--quiet", "--require-hashes", "--no-compile-bytecode",
            "--only-binary", ":all:", "--link-mode", "copy", *target, "--python", sys.executable,
            "--target", str(python), "--requirement", str(_LOCK),
        ]  # fmt: skip
        subprocess.run(install, check=True)  # noqa: S603 - our own tool, our own lock
        prune(python)
        assets.compile_tree(python, mounted_at="/opt/python")

    here = f"{sys.platform}-{platform.machine()}" if where == "host" else _LAMBDA_PLATFORM
    mark = assets.fingerprint(_LOCK, Path(__file__).resolve(), Path(assets.__file__).resolve(), assets.BYTECODE, here)
    return assets.build(f"layer-{where}", mark, fill)


def prune(python: Path) -> None:
    """Take out what no Lambda reads.

    Google's client brings the descriptions of all its APIs (110 MB) and botocore those of all AWS services (26 MB);
    scripts need a shell.
    """
    shutil.rmtree(python / "bin", ignore_errors=True)
    for document in (python / "googleapiclient/discovery_cache/documents").iterdir():
        if document.name != "calendar.v3.json":
            document.unlink()
    for data in (python / "botocore/data").iterdir():
        if data.is_dir() and data.name not in AWS_SERVICES:
            shutil.rmtree(data)
