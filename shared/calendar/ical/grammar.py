"""The outer grammar of iCalendar: from bytes to components and their properties (RFC 5545, 3.1 and 3.4).

Real calendars break it in every way, and one broken component must not spoil the others. So structure is found here,
line by line, and recovers at the next BEGIN; a component that cannot be told apart is marked `is_broken`.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FOLD = re.compile(r"\n[ \t]")
_FOLD_BYTES = re.compile(rb"\n[ \t]")
_LINE = re.compile(r'([A-Za-z0-9-]+)((?:;[^=:;"]+=(?:"[^"]*"|[^";:])*)*):(.*)', re.DOTALL)
_PARAMETER = re.compile(r';([^=:;"]+)=((?:"[^"]*"|[^";:])*)')
_ESCAPED = re.compile(r"\\([\\;,nN])")
# What PostgreSQL's text or XML cannot hold; tabs and line ends may stand in texts.
_CONTROL = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127))


class Property(NamedTuple):
    """One content line: parameters by upper-case name without their quotes, and the value as written."""

    parameters: dict[str, str]
    value: str

    @property
    def text(self) -> str:
        """The value as text, unescaped (RFC 5545, 3.3.11)."""
        return _ESCAPED.sub(lambda match: "\n" if match[1] in "nN" else match[1], self.value)


@dataclass(slots=True, kw_only=True)
class Component:
    """What stands between BEGIN and END: own lines, and all lines with those of inner components."""

    name: str
    lines: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    is_broken: bool = False

    def properties(self, names: frozenset[str]) -> dict[str, list[Property]]:
        """The properties with these (upper-case) names, in order. Raises ValueError for a line that is none."""
        found: dict[str, list[Property]] = {}
        for line in self.lines:
            match = _LINE.fullmatch(line)
            if match is None:
                raise ValueError("a line that is no property")
            name = match[1].upper()
            if name in names:
                found.setdefault(name, []).append(_property(match))
        return found

    def find(self, name: str) -> Property | None:
        """The first property of that name that can be read, whatever else is wrong."""
        for line in self.lines:
            if line[: len(name)].upper() == name:
                match = _LINE.fullmatch(line)
                if match is not None and match[1].upper() == name:
                    return _property(match)
        return None


@dataclass(slots=True, kw_only=True)
class Structure:
    """The components of a text: `calendar` holds the VCALENDAR's own lines. `is_whole`: it began and ended properly."""

    calendar: Component
    components: list[Component]
    is_whole: bool


def decode(body: bytes, charset: str | None = None) -> str:
    """Text without folds, with `\\n` at line ends. UTF-8 (RFC 5545, 3.1.4) where it is; else as labelled, or Windows'.

    Folds are undone before decoding, because old writers cut inside a character.
    """
    for bom, encoding in _BOMS:
        if body.startswith(bom):
            return unfold(body[len(bom) :].decode(encoding, errors="replace"))
    plain = _FOLD_BYTES.sub(b"", body.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    for encoding in ("utf-8", *((charset,) if charset else ()), "cp1252"):
        try:
            return plain.decode(encoding).translate(_CONTROL)
        except (LookupError, UnicodeDecodeError):
            continue
    return plain.decode("latin-1").translate(_CONTROL)


def unfold(text: str) -> str:
    """The same for what is text already."""
    return _FOLD.sub("", text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")).translate(_CONTROL)


def parse(text: str) -> Structure | None:
    """The components directly inside the text's VCALENDARs; None if it holds none. `text` is unfolded."""
    calendar = Component(name="VCALENDAR")
    components: list[Component] = []
    seen = is_open = False
    is_whole = True
    current: _Open | None = None
    for line in _lines(text):
        word, _, name = line.partition(":")
        word, name = word.strip().upper(), name.strip().upper()
        if word == "BEGIN" and name == "VCALENDAR":
            is_whole &= not is_open and current is None
            components += _given_up(current)
            seen = is_open = True
            current = None
        elif not is_open:
            continue  # what stands around a calendar is not part of it
        elif word == "END" and name == "VCALENDAR":
            is_whole &= current is None
            components += _given_up(current)
            is_open, current = False, None
        elif current is None:
            if word == "BEGIN":
                current = _Open(name, line)
            else:
                calendar.lines.append(line)
        elif word == "BEGIN" and name == current.component.name:
            components += _given_up(current)  # an END is missing
            current = _Open(name, line)
        elif current.take(word, name, line):
            components.append(current.component)
            current = None
    return Structure(calendar=calendar, components=components, is_whole=is_whole and not is_open) if seen else None


class _Open:
    """A component whose END has not come yet, and the inner ones it is in."""

    def __init__(self, name: str, line: str) -> None:
        self.component = Component(name=name, whole=[line])
        self._inside: list[str] = []

    def take(self, word: str, name: str, line: str) -> bool:
        """One more line; whether it was the last."""
        self.component.whole.append(line)
        if word == "BEGIN":
            self._inside.append(name)
        elif word == "END":
            if name == self.component.name:
                return True
            if name in self._inside:
                while self._inside.pop() != name:
                    pass
        elif not self._inside:
            self.component.lines.append(line)
        return False


def _given_up(current: _Open | None) -> list[Component]:
    if current is None:
        return []
    current.component.is_broken = True
    return [current.component]


def _property(match: re.Match[str]) -> Property:
    parameters = {name.strip().upper(): value.replace('"', "").strip() for name, value in _PARAMETER.findall(match[2])}
    return Property(parameters, match[3])


def _lines(text: str) -> Iterator[str]:
    # Not splitlines(): U+2028 and others may stand inside a text.
    return (line for line in text.split("\n") if line.strip())
