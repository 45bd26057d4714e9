"""The API's description in OpenAPI 3.1, generated from the routes.

`python -m functions.api.description` writes it to docs/openapi.json; a test compares.
"""

import inspect
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler.openapi.models import APIKey, APIKeyIn, HTTPBearer

from functions.api.guard import PUBLIC

VERSION = "1.0.0"
FILE = Path(__file__).parents[2] / "docs" / "openapi.json"

_ABOUT = """Keeps calendars in step. Sign in with a session cookie (then every change carries the header
`X-CSRF-Token`) or with an API token as `Authorization: Bearer`.

Errors are problems (RFC 9457) with a stable `code`. Lists come in pages: pass `next` as `after`. Times are RFC 3339.
A POST that creates takes an `Idempotency-Key`; links and groups have an `ETag` and take `If-Match`. Every answer
names its `X-Request-Id`; send one of your own to find it again. The API only ever grows: unknown fields
are to be ignored."""

_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened, to which id, and what to do next."},
        "code": {"type": "string", "description": "Stable; for programs.", "examples": ["LINK.EXISTS"]},
        "fields": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "What is wrong with each bad field, by where it stands.",
        },
        "gate": {"type": "string", "description": "Which gate or role said no (403)."},
    },
}
_REFUSED = {
    "description": "A problem: 400 malformed, 401 nobody signed in, 403 a gate, role or missing CSRF token, 404 not "
    "there or not yours, 409 against the present state, 412 changed since it was read, 429 too often, 503 not now.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


@cache
def as_text() -> str:
    """The document as JSON, the same on every machine."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def document() -> dict[str, Any]:
    """The document. Summaries are the first sentences of the routes' docstrings."""
    from functions.api.rest import ROUTERS, resolver

    schema = json.loads(
        resolver().get_openapi_json_schema(
            title="Kalends",
            version=VERSION,
            openapi_version="3.1.0",
            description=_ABOUT,
            security_schemes={
                "session": APIKey(name="kalends_session", in_=APIKeyIn.cookie, description="A session's cookie."),
                "token": HTTPBearer(bearerFormat="kal_...", description="An API token."),
            },
            security=[{"session": []}, {"token": []}],
        )
    )
    told = {
        name: inspect.getdoc(function) or ""
        for module in ROUTERS
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
    }
    for path in schema["paths"].values():
        for operation in path.values():
            _describe(operation, told)
    for method, path in PUBLIC & {(m.upper(), p) for p, methods in schema["paths"].items() for m in methods}:
        schema["paths"][path][method.lower()]["security"] = []
    schemas = schema["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = _PROBLEM
    schema["paths"] = dict(sorted(schema["paths"].items()))
    schema["components"]["schemas"] = dict(sorted(schemas.items()))
    schema["servers"] = [{"url": "/"}]
    return dict(schema)


def _describe(operation: dict[str, Any], told: dict[str, str]) -> None:
    name = next(name for name in told if operation["operationId"].startswith(f"{name}_api_"))
    summary, _, rest = " ".join(told[name].split()).partition(". ")
    operation["operationId"] = name
    operation["summary"] = summary.rstrip(".")
    if rest:
        operation["description"] = rest
    operation.pop("deprecated", None)
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "header":
            parameter["name"] = parameter["name"].title()
    responses = operation["responses"]
    for code in ("422", "500"):
        responses.pop(code, None)
    for code, response in responses.items():
        response["description"] = _MEANINGS[code]
        if code == "204":
            response.pop("content", None)
    responses["default"] = _REFUSED


_MEANINGS = {"200": "Done.", "201": "Made.", "202": "Will be done.", "204": "Done; there is nothing to say."}


if __name__ == "__main__":
    FILE.write_text(as_text(), "utf-8")
    sys.stdout.write(f"{FILE} written\n")
