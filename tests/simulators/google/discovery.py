"""The discovery document that Google's own client carries, as JSON Schemas that allow no unknown field.

It is an independent witness: nothing of the simulator is made from it.
"""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient
from jsonschema import Draft202012Validator, FormatChecker

_DOCUMENT = Path(googleapiclient.__file__).parent / "discovery_cache/documents/calendar.v3.json"

DOCUMENT: dict[str, Any] = json.loads(_DOCUMENT.read_text())

_formats = FormatChecker(formats=())

ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["errors", "code", "message"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string"},
                "status": {"enum": ["UNAUTHENTICATED", "PERMISSION_DENIED"]},
                "errors": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["domain", "reason", "message"],
                        "additionalProperties": False,
                        "properties": {
                            key: {"type": "string"}
                            for key in ("domain", "reason", "message", "locationType", "location")
                        },
                    },
                },
            },
        }
    },
}
"""The body of every error ("Handle API errors"); the discovery document has none."""


@_formats.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or (
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?(Z|[+-]\d\d:\d\d)", value) is not None
        and datetime.fromisoformat(value) is not None
    )


@_formats.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or date.fromisoformat(value).isoformat() == value


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    if schema.get("type") == "any":
        return {}
    kept = {key: schema[key] for key in ("type", "format", "enum", "minimum", "maximum") if key in schema}
    if "items" in schema:
        kept["items"] = _strict(schema["items"])
    if schema.get("type") == "object":
        kept["properties"] = {name: _strict(inner) for name, inner in schema.get("properties", {}).items()}
        extra = schema.get("additionalProperties")
        kept["additionalProperties"] = _strict(extra) if extra else False
    return kept


@cache
def validator(name: str) -> Draft202012Validator:
    """The validator of one of the document's schemas."""
    definitions = {key: _strict(schema) for key, schema in DOCUMENT["schemas"].items()}
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": definitions}, format_checker=_formats)


@cache
def methods() -> list[tuple[str, str, re.Pattern[str], str | None]]:
    """Every method: id, HTTP method, path below the root, and the schema of its answer."""
    found = []

    def walk(node: dict[str, Any]) -> None:
        for method in node.get("methods", {}).values():
            path = re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape("/" + method["path"])))
            found.append((method["id"], method["httpMethod"], path, method.get("response", {}).get("$ref")))
        for inner in node.get("resources", {}).values():
            walk(inner)

    walk(DOCUMENT)
    return found


def check(method: str, path: str, status: int, body: bytes, *, partial: bool = False) -> None:
    """Fail when an answer is not what the document promises. `path` is below /calendar/v3; `partial`: with `fields`."""
    if status >= 400:
        Draft202012Validator(ERROR_SCHEMA).validate(json.loads(body))
        assert json.loads(body)["error"]["code"] == status
        return
    names = [schema for _, verb, pattern, schema in methods() if verb == method and pattern.fullmatch(path)]
    assert names, f"the document has no method {method} {path}"
    if status in (204, 304):
        assert body == b""
        return
    assert names[0], f"{method} {path} must answer nothing"
    answer = json.loads(body)
    validator(names[0]).validate(answer)
    if not partial:
        assert answer.get("kind", "").startswith(("calendar#", "api#channel"))
