"""The webhook's handler, warm, in a process set up as Lambda does it: `python -m tests.bench.webhook JOB`.

JOB is JSON of what `handlers` made. Prints, last, JSON: milliseconds of each notification that is enqueued, of each
that finds a message waiting, and of the bare work: one update in PostgreSQL, one POST to the queue.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg

from functions.webhooks import google

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WARMING = 20


@dataclass(frozen=True, slots=True)
class Context:
    """The part of Lambda's context that handlers read."""

    aws_request_id: str = "invocation-1"


def main(job: dict[str, Any]) -> dict[str, list[float]]:
    """Knock `turns` times in each of three ways, in turn."""
    numbers = count(2)
    found: dict[str, list[float]] = {"enqueued": [], "waiting": [], "bare": []}
    endpoint = HTTPConnection(urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc)
    with psycopg.connect(job["database"], autocommit=True) as conn:
        for turn in range(job["turns"] + WARMING):
            conn.execute("UPDATE calendar_sync_state SET pull_queued_at = NULL")
            times = {
                "enqueued": _milliseconds(lambda: _knock(job, numbers)),
                "waiting": _milliseconds(lambda: _knock(job, numbers)),
                "bare": _milliseconds(lambda: _bare(conn, endpoint)),
            }
            if turn >= WARMING:
                for name, milliseconds in times.items():
                    found[name].append(milliseconds)
    endpoint.close()
    return found


def _knock(job: dict[str, Any], numbers: Iterator[int]) -> None:
    event = {
        "version": "2.0",
        "rawPath": "/webhooks/google",
        "rawQueryString": "",
        "headers": {
            "x-goog-channel-id": job["channel"],
            "x-goog-channel-token": job["token"],
            "x-goog-resource-id": job["resource"],
            "x-goog-message-number": str(next(numbers)),
        },
        "requestContext": {
            "requestId": "gateway-1",
            "http": {"method": "POST", "path": "/webhooks/google", "sourceIp": "192.0.2.1"},
        },
    }
    answer = google.handler(event, Context())  # type: ignore[arg-type]
    if answer["statusCode"] != 204:
        raise RuntimeError(f"the webhook answers {answer['statusCode']}")


def _bare(conn: psycopg.Connection, endpoint: HTTPConnection) -> None:
    conn.execute("UPDATE calendar_sync_state SET requested = requested + 1")
    endpoint.request("POST", "/", body=b"{}", headers={"X-Amz-Target": "AmazonSQS.SendMessageBatch"})
    endpoint.getresponse().read()


def _milliseconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
