"""The local secrets: made once, kept, and for their owner's eyes only."""

from __future__ import annotations

import base64
import stat
from typing import TYPE_CHECKING

import pytest

from infra.local import vault
from infra.local.console import StartError

if TYPE_CHECKING:
    from pathlib import Path


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"

    first, second = vault.unlock(file), vault.unlock(file)

    assert first == second
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_no_two_installations_share_a_secret(tmp_path: Path) -> None:
    one, other = vault.unlock(tmp_path / "one.json"), vault.unlock(tmp_path / "other.json")

    values = [getattr(keys, name) for keys in (one, other) for name in vault.Vault.__dataclass_fields__]

    assert len(values) == len(set(values))
    assert len(base64.b64decode(one.key_ring)) == 32


def test_damaged_secrets_stop_the_start_and_say_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    file.write_text('{"superuser": "x"')

    with pytest.raises(StartError, match=r"damaged.*make clean"):
        vault.unlock(file)
