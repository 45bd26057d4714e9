"""The sweep finds a word in every dress it may wear, wherever it stands."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from tests.smoke import privacy
from tests.smoke.privacy import Needles

if TYPE_CHECKING:
    from pathlib import Path

WORD = "canary0123456789abcdef"


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize(
    "dress",
    [
        lambda text: text,
        lambda text: text.hex().encode(),
        lambda text: text.hex().upper().encode(),
        base64.b64encode,
        base64.urlsafe_b64encode,
        lambda text: json.dumps({"body": json.dumps({"title": text.decode()})}).encode(),
    ],
)
def test_word_is_found_in_any_dress(before: int, dress: object) -> None:
    text = b"x" * before + f"Lunch {WORD} with Zoë".encode()

    found = Needles([WORD, "another word"]).found(dress(text))  # type: ignore[operator]

    assert found == {WORD}


def test_other_text_is_left_alone() -> None:
    assert Needles([WORD]).found(f"Lunch {WORD[:-1]}".encode()) == set()
    assert Needles([]).found(b"anything") == set()


def test_files_are_named_and_words_are_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "pull.log").write_text(f"began\nfailed on {WORD}\n")
    (tmp_path / "fine.log").write_text("nothing")

    found = privacy.in_files(Needles([WORD]), tmp_path)

    assert len(found) == 1
    assert found[0].endswith("pull.log")
    assert WORD not in found[0]
