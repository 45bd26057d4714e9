"""The part of OData's query language that Outlook resources take: $filter, $expand, $select, $orderby.

Names are read in any case, as the service does. Strings compare exactly, but the values of extended properties
in any case (vendor doc: singlevaluelegacyextendedproperty-get).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.simulators.microsoft import errors

type Row = Callable[[str], Any]
"""A resource to filter: answers a property by its lower-case name."""

_TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|([A-Za-z_$][\w$]*(?:/[A-Za-z_$][\w$]*)*)|(-?\d+(?:\.\d+)?)|([(),:]))")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda left, right: bool(left == right),
    "ne": lambda left, right: bool(left != right),
    "gt": lambda left, right: left is not None and bool(left > right),
    "ge": lambda left, right: left is not None and bool(left >= right),
    "lt": lambda left, right: left is not None and bool(left < right),
    "le": lambda left, right: left is not None and bool(left <= right),
}
_TEXT: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startswith": lambda text, part: text.startswith(part),
    "endswith": lambda text, part: text.endswith(part),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`path operator value`; text functions have their name as the operator."""

    path: tuple[str, ...]
    operator: str
    value: Any

    def holds(self, read: Callable[[tuple[str, ...]], Any]) -> bool:
        """Whether it is true of what `read` finds at the path."""
        found, value = read(self.path), self.value
        if self.path[-1] == "value" and isinstance(found, str):
            found, value = found.casefold(), str(value).casefold()
        try:
            if self.operator in _TEXT:
                return isinstance(found, str) and _TEXT[self.operator](found, str(value))
            return _COMPARE[self.operator](found, value)
        except TypeError:
            raise errors.bad_query(f"A value cannot be compared with '{'/'.join(self.path)}'.") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """`and` or `or` of parts, or `not` of one."""

    operator: str
    parts: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Any_:  # noqa: N801  # `Any` is taken
    """`collection/any(variable: condition)`."""

    collection: str
    variable: str
    condition: "Expression"


type Expression = Comparison | Combined | Any_


def matches(expression: Expression, row: Row, inner: Mapping[str, Any] | None = None) -> bool:
    """Whether the expression is true of a row; `inner` holds the variables of the `any`s around it."""
    match expression:
        case Comparison():
            return expression.holds(lambda path: _at(path, row, inner or {}))
        case Combined(operator="and", parts=parts):
            return all(matches(part, row, inner) for part in parts)
        case Combined(operator="or", parts=parts):
            return any(matches(part, row, inner) for part in parts)
        case Combined(parts=parts):
            return not matches(parts[0], row, inner)
        case Any_(collection=collection, variable=variable, condition=condition):
            members = row(collection) or []
            return any(matches(condition, row, {**(inner or {}), variable: member}) for member in members)


def _at(path: tuple[str, ...], row: Row, inner: Mapping[str, Any]) -> Any:
    found = inner[path[0]] if path[0] in inner else row(path[0])
    for name in path[1:]:
        if not isinstance(found, Mapping):
            return None
        found = next((value for key, value in found.items() if key.lower() == name), None)
    return found


def parse_filter(text: str) -> Expression:
    """Read a $filter. Raises Refused with Graph's 400."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split(text))
        self._at = 0

    def _split(self, text: str) -> Iterable[tuple[str, str]]:
        position = 0
        while text[position:].strip():
            found = _TOKEN.match(text, position)
            if found is None:
                raise self._wrong()
            kind = ("string", "name", "number", "sign")[(found.lastindex or 1) - 1]
            yield kind, found.group(found.lastindex or 1)
            position = found.end()

    def _wrong(self) -> Exception:
        return errors.refused(400, "BadRequest", f"Invalid filter clause: {self._text}")

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise self._wrong()
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self, text: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at][1].lower() == text

    def _expect(self, sign: str) -> None:
        if self._next() != ("sign", sign):
            raise self._wrong()

    def whole(self) -> Expression:
        expression = self._either()
        if self._at != len(self._tokens):
            raise self._wrong()
        return expression

    def _either(self) -> Expression:
        return self._joined("or", lambda: self._joined("and", self._one))

    def _joined(self, word: str, part: Callable[[], Expression]) -> Expression:
        parts = [part()]
        while self._peek(word):
            self._at += 1
            parts.append(part())
        return parts[0] if len(parts) == 1 else Combined(operator=word, parts=tuple(parts))

    def _one(self) -> Expression:
        if self._peek("not"):
            self._at += 1
            return Combined(operator="not", parts=(self._one(),))
        kind, text = self._next()
        if (kind, text) == ("sign", "("):
            inside = self._either()
            self._expect(")")
            return inside
        if kind != "name":
            raise self._wrong()
        if not self._peek("("):
            return self._comparison(text)
        if text.lower() in _TEXT:
            self._expect("(")
            path = self._path()
            self._expect(",")
            value = self._value()
            self._expect(")")
            return Comparison(path=path, operator=text.lower(), value=value)
        return self._any(text)

    def _any(self, text: str) -> Expression:
        collection, _, word = text.rpartition("/")
        if word.lower() != "any" or not collection:
            raise self._wrong()
        self._expect("(")
        variable = self._next()[1]
        self._expect(":")
        condition = self._either()
        self._expect(")")
        return Any_(collection=collection.lower(), variable=variable.lower(), condition=condition)

    def _comparison(self, text: str) -> Expression:
        operator = self._next()[1].lower()
        if operator not in _COMPARE:
            raise self._wrong()
        return Comparison(path=tuple(text.lower().split("/")), operator=operator, value=self._value())

    def _path(self) -> tuple[str, ...]:
        kind, text = self._next()
        if kind != "name":
            raise self._wrong()
        return tuple(text.lower().split("/"))

    def _value(self) -> Any:
        kind, text = self._next()
        if kind == "string":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return float(text) if "." in text else int(text)
        words = {"true": True, "false": False, "null": None}
        if kind == "name" and text.lower() in words:
            return words[text.lower()]
        raise self._wrong()


def parse_expand(text: str) -> dict[str, Expression | None]:
    """Read an $expand: each name in lower case with the $filter inside its parentheses, if any. Raises Refused."""
    result: dict[str, Expression | None] = {}
    for part in _outside_parentheses(text, ","):
        name, _, options = part.strip().partition("(")
        condition = None
        for option in _outside_parentheses(options.removesuffix(")"), ";"):
            key, _, value = option.strip().partition("=")
            if key.lower() == "$filter":
                condition = parse_filter(value)
        result[name.strip().lower()] = condition
    return result


def _outside_parentheses(text: str, separator: str) -> list[str]:
    parts, depth, quoted, start = [], 0, False, 0
    for index, sign in enumerate(text):
        if sign == "'":
            quoted = not quoted
        elif not quoted:
            depth += (sign == "(") - (sign == ")")
            if sign == separator and depth == 0:
                parts.append(text[start:index])
                start = index + 1
    return [part for part in (*parts, text[start:]) if part.strip()]


def equal_ids(condition: Expression | None) -> frozenset[str] | None:
    """The values that `id` is compared with in a condition such as `id eq 'a' or id eq 'b'`; None without one."""
    match condition:
        case None:
            return None
        case Comparison(path=("id",), operator="eq", value=str(value)):
            return frozenset({value})
        case Combined(operator="or", parts=parts):
            return frozenset().union(*(equal_ids(part) or frozenset() for part in parts))
        case _:
            raise errors.bad_query("The $filter inside $expand must compare the id.")


def selected(resource: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """A resource with only the selected properties, its id and its annotations."""
    wanted = {name.strip().lower() for name in names} | {"id"}
    return {key: value for key, value in resource.items() if key.startswith("@") or key.lower() in wanted}


def ordered[T](rows: list[T], text: str, read: Callable[[T], Row]) -> list[T]:
    """Rows by an $orderby such as `start/dateTime desc,subject`. Raises Refused."""
    for part in reversed(text.split(",")):
        words = part.split()
        if not words or len(words) > 2 or (len(words) == 2 and words[1].lower() not in {"asc", "desc"}):
            raise errors.bad_query(f"The $orderby '{text}' cannot be read.")
        path = tuple(words[0].lower().split("/"))
        keyed = [(_at(path, read(row), {}), row) for row in rows]
        if any(isinstance(value, dict | list) for value, _ in keyed):
            raise errors.bad_query(f"The results cannot be ordered by '{words[0]}'.")
        keyed.sort(key=lambda pair: (pair[0] is not None, pair[0]), reverse=words[-1].lower() == "desc")
        rows = [row for _, row in keyed]
    return rows
