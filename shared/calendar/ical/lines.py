"""The outer grammar of iCalendar (RFC 5545, 3.1 and 3.4): content lines and components, kept as they were written.

A mirror's resource belongs to the person as well: what their programs put there must survive our writes to the letter,
also what is malformed. So lines are kept, and their values are read elsewhere, when somebody asks (values.py). Real
calendars break the grammar in every way, and one broken component must not spoil the others: reading recovers at the
next BEGIN, and `Structure` tells what had to be made good.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MAX_OCTETS = 75
"""RFC 5545, 3.1: a longer line is folded."""
MAX_DEPTH = 8

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


class Line(NamedTuple):
    """One content line: `name` in capitals, `parameters` (`;TZID=Europe/Berlin`) and `value` as written.

    A line that is none has no name and stands in `value` as a whole.
    """

    name: str
    parameters: str
    value: str

    def parameter(self, name: str) -> str:
        """The value of a parameter (in capitals) without its quotes, or empty."""
        if self.parameters:
            for found, value in _PARAMETER.findall(self.parameters):
                if found.strip().upper() == name:
                    return str(value).replace('"', "").strip()
        return ""

    def having(self, name: str, value: str) -> Line:
        """The line with another value of that parameter, or with one; the others stay as they were written."""
        others = "".join(one[0] for one in _PARAMETER.finditer(self.parameters) if one[1].strip().upper() != name)
        return self._replace(parameters=f"{others};{name}={value}")

    def text(self) -> str:
        """The value as text (RFC 5545, 3.3.11), without control characters."""
        plain = _ESCAPED.sub(lambda match: "\n" if match[1] in "nN" else match[1], self.value)
        return plain.translate(_CONTROL)

    def __str__(self) -> str:
        return f"{self.name}{self.parameters}:{self.value}" if self.name else self.value


@dataclass(slots=True)
class Component:
    """What stands between BEGIN and END, in its order. `is_broken`: it could not be told where it ends."""

    name: str
    parts: list[Line | Component] = field(default_factory=list)
    is_broken: bool = False

    def lines(self, name: str) -> Iterator[Line]:
        """Its own lines of that name."""
        return (part for part in self.parts if isinstance(part, Line) and part.name == name)

    def line(self, name: str) -> Line | None:
        """The first line of that name."""
        for part in self.parts:
            if part.name == name and isinstance(part, Line):
                return part
        return None

    def value(self, name: str) -> str:
        """The raw value of the first line of that name, or empty."""
        line = self.line(name)
        return "" if line is None else line.value.strip()

    def text(self, name: str) -> str:
        """The text of the first line of that name, or empty."""
        line = self.line(name)
        return "" if line is None else line.text()

    def components(self, name: str) -> list[Component]:
        """Its own components of that name."""
        return [part for part in self.parts if isinstance(part, Component) and part.name == name]

    def replace(self, names: Collection[str], lines: Collection[Line]) -> None:
        """Put `lines` in the place of everything named in `names`, before the components inside."""
        kept = [part for part in self.parts if not (isinstance(part, Line) and part.name in names)]
        at = next((index for index, part in enumerate(kept) if isinstance(part, Component)), len(kept))
        self.parts = [*kept[:at], *lines, *kept[at:]]

    def __str__(self) -> str:
        """As it is sent: CRLF, folded after 75 octets."""
        return "".join(f"{folded}\r\n" for folded in self._folded())

    def _folded(self) -> Iterator[str]:
        yield f"BEGIN:{self.name}"
        for part in self.parts:
            if isinstance(part, Component):
                yield from part._folded()
            else:
                yield _fold(str(part))
        yield f"END:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """A text's VCALENDARs, as one. `is_whole`: each began and ended; `is_sound`: nothing at all had to be made good."""

    calendar: Component
    is_whole: bool
    is_sound: bool


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
            return plain.decode(encoding)
        except (LookupError, UnicodeDecodeError):
            continue
    return plain.decode("latin-1")


def unfold(text: str) -> str:
    """The same for what is text already."""
    return _FOLD.sub("", text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))


def parse(text: str) -> Structure | None:
    """The structure of an unfolded text; None if it holds no VCALENDAR. What stands around one is not part of it."""
    calendar = Component("VCALENDAR")
    stack: list[Component] = []  # the calendar, and the components in it that have not ended
    seen = False
    is_whole = is_sound = True
    for content in text.split("\n"):  # not splitlines(): U+2028 and others may stand inside a text
        if not content.strip():
            continue
        line = split(content)
        name = line.value.strip().upper() if line.name in ("BEGIN", "END") else ""
        if line.name == "BEGIN" and name == "VCALENDAR":
            is_whole &= not stack
            is_sound &= not seen
            _give_up(stack)
            seen, stack = True, [calendar]
        elif not stack:
            continue
        elif line.name == "END" and name == "VCALENDAR":
            is_whole &= len(stack) == 1
            _give_up(stack)
            stack = []
        elif line.name == "BEGIN":
            if len(stack) > 1 and name == stack[1].name:  # an END is missing
                is_sound = False
                _give_up(stack)
            if len(stack) > MAX_DEPTH:
                is_sound, stack[1].is_broken = False, True
                continue
            inner = Component(name)
            stack[-1].parts.append(inner)
            stack.append(inner)
        elif line.name == "END":
            depth = next((at for at in range(len(stack) - 1, 0, -1) if stack[at].name == name), len(stack))
            is_sound &= depth == len(stack) - 1
            del stack[depth:]
        else:
            stack[-1].parts.append(line)
    is_whole &= not stack
    _give_up(stack)
    return Structure(calendar=calendar, is_whole=is_whole, is_sound=is_sound and is_whole) if seen else None


def require(text: str) -> Component:
    """The one VCALENDAR in `text`. Raises InvalidError, which quotes nothing, where components do not match."""
    structure = parse(unfold(text))
    if structure is None or not structure.is_sound:
        raise InvalidError("The calendar data is malformed: its components do not match.", code="EVENT.MALFORMED")
    return structure.calendar


def split(content: str) -> Line:
    """An unfolded line."""
    match = _LINE.fullmatch(content)
    return Line("", "", content) if match is None else Line(match[1].upper(), match[2], match[3])


def text_line(name: str, text: str, parameters: str = "") -> Line:
    """A line that holds text; characters that iCalendar cannot hold are left out."""
    clean = text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROL)
    escaped = clean.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")
    return Line(name, parameters, escaped)


def _give_up(stack: list[Component]) -> None:
    """What is open stays broken."""
    if len(stack) > 1:
        stack[1].is_broken = True
        del stack[1:]


def _fold(content: str) -> str:
    data = content.encode("utf-8", errors="replace")
    if len(data) <= MAX_OCTETS:
        return data.decode()
    pieces: list[str] = []
    start, room = 0, MAX_OCTETS
    while start < len(data):
        end = min(start + room, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:  # not within a character
            end -= 1
        pieces.append(data[start:end].decode())
        start, room = end, MAX_OCTETS - 1
    return "\r\n ".join(pieces)
