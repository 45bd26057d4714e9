"""Answers of the API: JSON, with ETag, and with only the `fields` that were asked for."""

import json
from collections.abc import Iterable
from typing import Any

from infra.local.simulators.exchange import Answer, Call
from infra.local.simulators.google import errors

EMPTY = Answer(status=204)

type _Selection = dict[str, "_Selection"]


def resource(call: Call, body: dict[str, Any]) -> Answer:
    """A resource; 304 when it is the version that If-None-Match names."""
    headers = {"ETag": body["etag"]} if "etag" in body else {}
    if "etag" in body and body["etag"] in call.headers.get("If-None-Match", ""):
        return Answer(status=304, headers=headers)
    return Answer(body=_dumped(_selected(body, call)), headers=headers)


def listing(call: Call, head: dict[str, Any], items: Iterable[str]) -> Answer:
    """A listing whose items are JSON texts already."""
    if call.query.get("fields"):
        body = {**head, "items": [json.loads(item) for item in items]}
        return Answer(body=_dumped(_selected(body, call)))
    return Answer(body=f'{_dumped(head).decode()[:-1]},"items":[{",".join(items)}]}}'.encode())


def text(item: dict[str, Any]) -> str:
    """An item of a listing."""
    return json.dumps(item, separators=(",", ":"))


def body_of(call: Call) -> dict[str, Any]:
    """The request's JSON object; 400 otherwise."""
    try:
        body = json.loads(call.body or b"{}")
    except ValueError as error:
        raise errors.parse_error() from error
    if not isinstance(body, dict):
        raise errors.parse_error()
    return body


def _dumped(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _selected(body: dict[str, Any], call: Call) -> Any:
    wanted = call.query.get("fields", "")
    return _pick(body, _parse(wanted)) if wanted else body


def _pick(value: Any, selection: _Selection) -> Any:
    if not selection or "*" in selection:
        return value
    if isinstance(value, list):
        return [_pick(item, selection) for item in value]
    if isinstance(value, dict):
        return {key: _pick(value[key], inner) for key, inner in selection.items() if key in value}
    return value


def _parse(fields: str) -> _Selection:
    """`kind,items(id,start/dateTime)` as nested dictionaries (Calendar guide "Improve performance")."""
    root: _Selection = {}
    stack, here, name = [root], root, ""

    def step(into: _Selection) -> _Selection:
        if not name:
            raise errors.invalid("Invalid field selection", "fields")
        return into.setdefault(name, {})

    for character in fields + ",":
        match character:
            case "/":
                here = step(here)
            case "(":
                stack.append(step(here))
                here = stack[-1]
            case "," | ")":
                if name:
                    step(here)
                if character == ")" and len(stack) > 1:
                    stack.pop()
                here = stack[-1]
            case _:
                name += character
                continue
        name = ""
    if len(stack) != 1:
        raise errors.invalid("Invalid field selection", "fields")
    return root
