"""Health, as load balancers and people ask for it: the vital checks of the one registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.health import healthz
from shared import wiring
from tests.functions.conftest import get

if TYPE_CHECKING:
    import pytest

    from tests.installation import Installation


def test_a_sound_installation_answers_200(deployed: Installation) -> None:
    answer = get(healthz.handler, "/healthz")

    assert answer.status == 200
    assert answer.json == {"status": "ok", "dependencies": {"database": "ok", "key_ring": "ok"}}


def test_what_does_not_answer_is_named_with_what_to_do(deployed: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_RING_SECRET_ID", "kalends/none")

    answer = get(healthz.handler, "/healthz")

    dependencies = answer.json["dependencies"]
    assert (answer.status, answer.json["status"], dependencies["database"]) == (503, "unavailable", "ok")
    assert "kalends/none" in dependencies["key_ring"]


def test_settings_that_cannot_be_read_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_SECRET_ID", "")
    wiring.app.cache_clear()

    answer = get(healthz.handler, "/healthz")

    assert answer.status == 503
    assert "APP_BASE_URL" in answer.json["dependencies"]["settings"]
