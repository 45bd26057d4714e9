"""Zip files for Lambda, named after their sources: the same sources give the same name on every machine.

What was made is kept for the next time, but not for ever: `held` names what a running cloud still reads.
"""

from __future__ import annotations

import compileall
import fcntl
import hashlib
import os
import re
import shutil
import time
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from py_compile import PycInvalidationMode
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from infra import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BYTECODE = MAGIC_NUMBER.hex()
"""The bytecode this Python writes: all of 3.13 read each other's."""

KEPT = 3
"""So many of each kind stay, however old: whoever goes back and forth between two states builds neither anew."""
UNUSED_SECONDS = 3600.0
"""Whatever was asked for since then stays: somebody may be reading it."""

_BUILD = ROOT / "build" / "assets"
_CODE = ("functions", "shared", "migrations")
_NAME = re.compile(r"(.+)-[0-9a-f]{40}((?:\.zip)?)")
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Asset:
    """A zip file, and the hash of what it was made from."""

    path: Path
    fingerprint: str


def fingerprint(*parts: str | Path) -> str:
    """SHA-256 over texts and files, in this order; a file counts with its path below the root and its content."""
    digest = hashlib.sha256()
    for part in parts:
        name, content = (
            (part.relative_to(ROOT).as_posix(), part.read_bytes()) if isinstance(part, Path) else ("", part.encode())
        )
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def code_files() -> list[Path]:
    """What every Lambda is given: functions, shared and migrations, without what Python leaves behind."""
    return sorted(
        path
        for room in _CODE
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )


def code() -> Path:
    """Our own code as a folder, as it lies below /var/task in Lambda."""

    def fill(target: Path) -> None:
        for source in files:
            copy = target / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
        compile_tree(target, mounted_at="/var/task", keep_sources=True)

    files = code_files()
    return folder("code", fingerprint(BYTECODE, *files), fill)


def folder(name: str, mark: str, fill: Callable[[Path], None]) -> Path:
    """The folder that `fill` has filled, made once per `mark`."""

    def make(workplace: Path) -> Path:
        content = workplace / "content"
        content.mkdir()
        fill(content)
        return content

    return _made(_BUILD / f"{name}-{mark[:40]}", make)


def package(content: Path) -> Asset:
    """The zip of a folder made by `folder`."""

    def make(workplace: Path) -> Path:
        archive = workplace / "zip"
        _zip(content, archive)
        return archive

    return Asset(_made(content.with_name(f"{content.name}.zip"), make), content.name.rpartition("-")[2])


@contextmanager
def held(made: Path) -> Iterator[None]:
    """Keep a folder made here from being cleared away for the length of the block, or until this process ends."""
    handle = os.open(made, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def _made(final: Path, make: Callable[[Path], Path]) -> Path:
    """`final`, made unless it is there, and never half. Asking for it is what keeps it young."""
    try:
        os.utime(final)
    except FileNotFoundError:
        final.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=final.parent, prefix=".") as workplace:
            finished = make(Path(workplace))
            if not final.exists():  # another process may have been quicker
                finished.rename(final)
        os.utime(final)
        prune(final.parent)
    return final


def prune(build: Path = _BUILD, *, now: float | None = None) -> None:
    """Clear away what nobody has asked for in an hour and nobody holds, but for the newest of each kind."""
    asked_for_by = (time.time() if now is None else now) - UNUSED_SECONDS
    kinds: dict[str, list[Path]] = {}
    for path in build.iterdir():
        if match := _NAME.fullmatch(path.name):
            kinds.setdefault("".join(match.groups()), []).append(path)
        elif path.name.startswith("."):  # a workplace whose process was killed
            _clear(path, unless_asked_for_since=asked_for_by)
    for paths in kinds.values():
        for path in sorted(paths, key=_asked_for_at, reverse=True)[KEPT:]:
            _clear(path, unless_asked_for_since=asked_for_by)


def _clear(path: Path, *, unless_asked_for_since: float) -> None:
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # another process clears, too
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _asked_for_at(path) < unless_asked_for_since:
            with TemporaryDirectory(dir=path.parent, prefix=".") as away:  # gone at once, or not at all
                path.rename(Path(away) / "gone")
    except (BlockingIOError, FileNotFoundError):  # somebody holds it, or was quicker
        pass
    finally:
        os.close(handle)


def _asked_for_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def compile_tree(folder: Path, *, mounted_at: str, keep_sources: bool) -> None:
    """Add bytecode that Python takes without looking at the source; or put it in the source's place.

    Lambda's disks are read-only, so bytecode that is not shipped is made anew at every cold start: it takes two
    thirds of the import time (botocore 490 ms without, 140 ms with). Checked by hash, not by time: a zip has no times.
    Without sources a traceback has file, line number and function, but not the line's text.
    """
    compiled = compileall.compile_dir(
        folder,
        quiet=1,
        stripdir=os.fspath(folder),
        prependdir=mounted_at,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        legacy=not keep_sources,  # beside the source, where Python looks for a module without one
    )
    if not compiled:
        raise RuntimeError(f"A module for {mounted_at} does not compile; the lines above name it.")
    if not keep_sources:
        for source in folder.rglob("*.py"):
            source.unlink()


def _zip(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), date_time=_EPOCH)
                entry.external_attr = (0o755 if os.access(path, os.X_OK) else 0o644) << 16
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
