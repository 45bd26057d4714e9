"""The API's description: valid, complete, and the same as in docs/."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from openapi_spec_validator import validate

from functions.api import description

if TYPE_CHECKING:
    from tests.api.conftest import Caller
    from tests.edge import Edge

DOCUMENT = description.document()


def test_it_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    validate(DOCUMENT)


def test_the_file_in_docs_is_up_to_date() -> None:
    assert description.FILE.read_text("utf-8") == description.as_text(), "run: python -m functions.api.description"


def test_strangers_may_read_it(served: Edge) -> None:
    with served.client() as client:
        answer = client.get("/openapi.json")

    assert answer.json() == DOCUMENT
    assert answer.headers["content-type"] == "application/json"


def test_every_operation_says_what_it_does_and_how_it_refuses() -> None:
    operations = [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]

    for operation in operations:
        assert operation["summary"]
        assert operation["tags"]
        assert operation["responses"]["default"]["content"]["application/problem+json"]
        assert not {"422", "500"} & set(operation["responses"])
    assert len({operation["operationId"] for operation in operations}) == len(operations) > 25


def test_whatever_creates_takes_an_idempotency_key_and_links_have_versions() -> None:
    def headers(operation: dict[str, object]) -> set[str]:
        parameters = operation.get("parameters", [])
        assert isinstance(parameters, list)
        return {one["name"] for one in parameters if one["in"] == "header"}

    for path in ("/api/tokens", "/api/links"):
        assert headers(DOCUMENT["paths"][path]["post"]) == {"Idempotency-Key"}
    for method in ("patch", "delete"):
        assert headers(DOCUMENT["paths"]["/api/links/{link_id}"][method]) == {"If-Match"}


def test_signing_in_needs_no_credentials_and_the_rest_needs_one() -> None:
    assert DOCUMENT["paths"]["/api/session"]["post"]["security"] == []
    assert DOCUMENT["security"] == [{"session": []}, {"token": []}]


def test_every_answer_is_as_described(ada: Caller) -> None:
    from jsonschema import Draft202012Validator

    for path in ("/api/me", "/api/status", "/api/links", "/api/connections", "/api/tokens", "/api/changes"):
        schema = DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(ada.json(path))


def test_the_api_starts_lean() -> None:
    program = "import json, sys, functions.api.rest; print(json.dumps(sorted(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    heavy = {"boto3", "botocore.session", "googleapiclient", "httpx", "authlib", "argon2", "shared.sync.pull"}
    heavy |= {"aws_lambda_powertools.event_handler.openapi.models"}
    assert not heavy & set(json.loads(done.stdout))
