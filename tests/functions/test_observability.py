"""What a handler logs: JSON with the invocation's facts, and never a secret."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from functions import observability
from tests.functions.conftest import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "planted-s3cret-value-0123456789"


@pytest.fixture(autouse=True)
def _fresh_formatter() -> Iterator[None]:
    """The process's formatter writes to the standard error of whoever asked first."""
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    observability._formatter.cache_clear()
    yield
    observability._formatter.cache_clear()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


def logged(capsys: pytest.CaptureFixture[str], work: Callable[[logging.Logger], None]) -> list[dict[str, Any]]:
    """What a handler that does `work` writes."""

    @observability.observed
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        work(logging.getLogger("shared.sync.pull"))
        return {}

    handler({}, Context())  # type: ignore[arg-type]
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines.pop()["message"] == "handler done"
    return lines


def test_rooms_log_by_the_standard_library_and_it_comes_out_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    lines = logged(capsys, lambda log: log.info("page applied", extra={"calendar_id": "17", "duration_ms": 12}))

    assert [(line["message"], line["calendar_id"], line["duration_ms"]) for line in lines] == [
        ("page applied", "17", 12)
    ]
    assert lines[0]["level"] == "INFO"
    assert lines[0]["function_request_id"] == "invocation-1"


@pytest.mark.parametrize(
    "work",
    [
        lambda log: log.info("x", extra={"access_token": SECRET}),
        lambda log: log.info("x", extra={"headers": {"Authorization": f"Bearer {SECRET}", "cookie": SECRET}}),
        lambda log: log.info("x", extra={"deep": [{"refresh_token": SECRET}]}),
        lambda log: log.info("GET https://a.example/cb?code=%s&state=%s", SECRET, SECRET),
        lambda log: log.warning('answer {"client_secret": "%s"}', SECRET),
        lambda log: log.error("password=%s", SECRET),
    ],
)
def test_no_secret_is_written(capsys: pytest.CaptureFixture[str], work: Callable[[logging.Logger], None]) -> None:
    lines = logged(capsys, work)

    assert len(lines) == 1
    assert SECRET not in json.dumps(lines)
    assert "[REDACTED]" in json.dumps(lines)


def test_no_secret_is_written_with_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def work(log: logging.Logger) -> None:
        try:
            raise ValueError(f"refresh_token={SECRET}")
        except ValueError:
            log.exception("request failed")

    lines = logged(capsys, work)

    assert "ValueError" in json.dumps(lines)
    assert SECRET not in json.dumps(lines)


def test_facts_of_one_invocation_do_not_reach_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    logged(capsys, lambda log: observability.add_facts(user_id="ada"))

    assert "ada" not in json.dumps(logged(capsys, lambda log: log.info("x")))


def test_libraries_that_log_addresses_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert logged(capsys, lambda log: logging.getLogger("httpx").info("GET https://a.example/?q=private")) == []


def test_an_unforeseen_error_is_logged_once_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(log: logging.Logger) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        logged(capsys, fail)

    assert capsys.readouterr().err.count("handler failed") == 1
