"""Handlers as Lambda calls them: settings from the environment, secrets from Secrets Manager, events of API Gateway."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from infra.local import aws
from shared import wiring
from shared.aws import session
from tests import installation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from functions.observability import Handler
    from tests.installation import Installation
    from tests.postgres import Logins


@dataclass(frozen=True, slots=True)
class Context:
    """The part of Lambda's context that handlers read."""

    aws_request_id: str = "invocation-1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What API Gateway would send on."""

    status: int
    headers: Mapping[str, str]
    cookies: list[str]
    body: str

    @property
    def json(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)


def get(handler: Handler, path: str, query: Mapping[str, str] | None = None, **headers: str) -> Answer:
    """Call a handler as the HTTP API does, payload format 2.0. Header names are written with underscores."""
    event = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "requestContext": {"requestId": "gateway-1", "http": {"method": "GET", "path": path, "sourceIp": "192.0.2.1"}},
    }
    answer = handler(event, Context())  # type: ignore[arg-type]
    return Answer(answer["statusCode"], answer["headers"], answer.get("cookies", []), answer["body"])


@pytest.fixture
def installed(logins: Logins) -> Iterator[Installation]:
    with installation.install(logins) as running:
        yield running


@pytest.fixture
def deployed(installed: Installation, embedded_aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """The installation as a Lambda finds it: everything by its environment."""
    prefix = f"kalends/test/{uuid4().hex}"
    store = aws.client("secretsmanager", embedded_aws)
    for name, text in installed.secrets.values.items():
        store.create_secret(Name=f"{prefix}/{name}", SecretString=text)
    for name, value in installed.settings.model_dump().items():
        text = f"{prefix}/{value}" if name.endswith("_secret_id") else value
        monkeypatch.setenv(name.upper(), json.dumps(value) if isinstance(value, bool) else str(text))
    session.client.cache_clear()
    wiring.app.cache_clear()
    yield installed
    wiring.app().database.close()
    wiring.app.cache_clear()
