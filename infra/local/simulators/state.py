"""Rows that outlive the process: a small key-value file that costs only what changed.

The file is SQLite, because it writes single rows, atomically, without a copy of the rest: ten thousand events
saved as one document would stop the simulator for a tenth of a second at each change.
"""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SAVE_AFTER_SECONDS = 0.5

_SCHEMA = "CREATE TABLE IF NOT EXISTS state (kind TEXT, key TEXT, value TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID"


class StateFile:
    """Saves rows `(kind, key) -> JSON value` after changes, debounced; without a path it forgets everything.

    Values are serialised when they are saved, in another thread: treat a value as frozen once it is put, and put
    a new object to change it. `load` before the first `put`; `close` saves what is pending.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._pending: dict[tuple[str, str], Any] = {}
        self._forget_all = False
        self._saving: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    def load(self) -> dict[str, dict[str, Any]]:
        """Everything saved, by kind and key; empty when there is no file yet."""
        rows: dict[str, dict[str, Any]] = {}
        if self._path is None or not self._path.exists():
            return rows
        with _opened(self._path) as database:
            for kind, key, value in database.execute("SELECT kind, key, value FROM state"):
                rows.setdefault(kind, {})[key] = json.loads(value)
        return rows

    def put(self, kind: str, key: str, value: Any) -> None:
        """Remember a row; `value` is JSON and not None."""
        self._change((kind, key), value)

    def drop(self, kind: str, key: str) -> None:
        """Forget a row."""
        self._change((kind, key), None)

    def clear(self) -> None:
        """Forget every row, those pending too."""
        self._pending.clear()
        self._forget_all = True
        self._schedule()

    def _change(self, row: tuple[str, str], value: Any) -> None:
        if self._path is not None:
            self._pending[row] = value
            self._schedule()

    def _schedule(self) -> None:
        if self._path is None or (self._saving is not None and not self._saving.done()):
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # seeding before the server runs: `close` or the next change saves it
            return
        self._saving = loop.create_task(self._save_soon())

    async def _save_soon(self) -> None:
        while self._pending or self._forget_all:
            await asyncio.sleep(_SAVE_AFTER_SECONDS)
            await self.save()

    async def save(self) -> None:
        """Write what is pending now."""
        if self._path is None:
            return
        async with self._turn:
            pending, self._pending = self._pending, {}
            forget_all, self._forget_all = self._forget_all, False
            if pending or forget_all:
                await asyncio.to_thread(_write, self._path, pending, forget_all)

    async def close(self) -> None:
        """Write what is pending and stop."""
        if self._saving is not None:
            self._saving.cancel()
        await self.save()


def _write(path: Path, pending: dict[tuple[str, str], Any], forget_all: bool) -> None:
    with _opened(path) as database, database:
        if forget_all:
            database.execute("DELETE FROM state")
        database.executemany(
            "DELETE FROM state WHERE kind = ? AND key = ?",
            [row for row, value in pending.items() if value is None],
        )
        database.executemany("REPLACE INTO state VALUES (?, ?, ?)", _serialised(pending))


def _serialised(pending: dict[tuple[str, str], Any]) -> Iterator[tuple[str, str, str]]:
    for (kind, key), value in pending.items():
        if value is not None:
            yield kind, key, json.dumps(value, separators=(",", ":"))


class _opened:  # noqa: N801  # reads as a verb where it is used
    """A connection that is closed at the end of the block (sqlite3's own only ends the transaction)."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path)

    def __enter__(self) -> sqlite3.Connection:
        self._database.execute(_SCHEMA)
        return self._database

    def __exit__(self, *_: object) -> None:
        self._database.close()
