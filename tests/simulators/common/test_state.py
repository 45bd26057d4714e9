"""The state file: only what changed is written, and a new process finds it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from infra.local.simulators.state import StateFile

if TYPE_CHECKING:
    from pathlib import Path


async def test_rows_are_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "below" / "state"
    first = StateFile(path)
    assert first.load() == {}

    first.put("event", "a", {"n": 1})
    first.put("event", "b", {"n": 2})
    first.put("event", "a", {"n": 3})
    first.drop("event", "b")
    await first.close()

    assert StateFile(path).load() == {"event": {"a": {"n": 3}}}


async def test_changes_are_saved_soon_without_being_told(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state")

    state.put("event", "a", 1)
    await asyncio.sleep(0.8)

    assert StateFile(tmp_path / "state").load() == {"event": {"a": 1}}
    await state.close()


async def test_a_cleared_file_has_only_what_came_after(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state")
    state.put("event", "a", 1)
    await state.save()

    state.put("event", "b", 2)
    state.clear()
    state.put("event", "c", 3)
    await state.close()

    assert StateFile(tmp_path / "state").load() == {"event": {"c": 3}}


async def test_a_change_during_saving_is_not_lost(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state")
    for number in range(2000):
        state.put("event", str(number), {"text": "x" * 500})

    saving = asyncio.create_task(state.save())
    await asyncio.sleep(0)
    state.put("event", "late", 1)
    await saving
    await state.close()

    assert len(StateFile(tmp_path / "state").load()["event"]) == 2001


async def test_without_a_path_nothing_is_kept() -> None:
    state = StateFile(None)

    state.put("event", "a", 1)
    await state.close()

    assert state.load() == {}
