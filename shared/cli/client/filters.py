"""What a link leaves out, as it is typed: --filter NAME=VALUE, once for each filter; the names are the API's."""

from __future__ import annotations

import re
from typing import Any

import typer

FLAGS = ("skip_private", "skip_invited")
LISTS = ("skip_event_types", "only_categories", "skip_categories")
PATTERNS = ("title_include", "title_exclude")
ANSWERS = ("declined", "unanswered")
HOURS = "working_hours"
NAMES = (*PATTERNS, *LISTS, *FLAGS, *ANSWERS, HOURS)
NOTHING = "none"
_USUAL: dict[str, Any] = {
    "skip_event_types": ["working_location", "birthday"],
    "only_categories": [],
    "skip_categories": [],
    "skip_private": False,
    "skip_invited": True,
    "declined": "hidden",
    "unanswered": "tentative",
}
_WORDS = {"yes": True, "no": False}
_HOURS = re.compile(r"([A-Za-z,]+) (\d\d:\d\d)-(\d\d:\d\d) (\S+)")


def parse(typed: list[str] | None) -> dict[str, Any]:
    """The filters as the API takes them; the host says whether a value makes sense. Raises BadParameter."""
    found: dict[str, Any] = {}
    for one in typed or ():
        name, sign, value = one.partition("=")
        if not sign or name not in NAMES:
            raise _bad(f"{one!r} is not NAME=VALUE with one of {', '.join(NAMES)}.")
        found[name] = _value(name, value.strip())
    return found


def shown(filters: dict[str, Any]) -> list[str]:
    """The filters of a link as they would be typed, those left out that every link begins with."""
    return [f"{name}={_text(name, filters[name])}" for name in NAMES if filters[name] != _USUAL.get(name)]


def _value(name: str, value: str) -> Any:
    if name in LISTS:
        return [] if value == NOTHING else [part.strip() for part in value.split(",")]
    if name in FLAGS:
        if value not in _WORDS:
            raise _bad(f"{name} is yes or no.")
        return _WORDS[value]
    if name in ANSWERS:
        return value
    if value == NOTHING:
        return None
    if name != HOURS:
        return value
    hours = _HOURS.fullmatch(value)
    if hours is None:
        raise _bad(f"{HOURS} is written like 'MO,TU,WE,TH,FR 09:00-17:00 Europe/Zurich', or {NOTHING}.")
    return {"days": hours[1].upper().split(","), "start": hours[2], "end": hours[3], "zone": hours[4]}


def _text(name: str, value: Any) -> str:
    if name == HOURS:
        return f"{','.join(value['days'])} {value['start'][:5]}-{value['end'][:5]} {value['zone']}"
    if name in FLAGS:
        return "yes" if value else "no"
    return ",".join(value) or NOTHING if isinstance(value, list) else str(value)


def _bad(message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint="--filter")
