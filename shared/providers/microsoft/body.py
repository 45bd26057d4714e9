"""Outlook keeps every description as an HTML document; here it becomes what another calendar can hold, or plain text.

Only simple tags stay. A description without any of them is plain text, so that text written to Graph is read back as
the same text. Reduced HTML reduces to itself, also after Outlook has wrapped it in a document again.
"""

from __future__ import annotations

import html
import re

import nh3

_INLINE = {"a", "b", "br", "em", "i", "s", "strong", "u"}
_BLOCKS = {"ol", "ul", "li"}
_CELLS = {"td", "th"}
_LINES = {"div", "p", "h1", "h2", "h3", "h4", "h5", "h6", "tr", "table", "blockquote", "pre", "hr"}
"""Tags that begin and end a line and say nothing else that Google's descriptions can show."""

_TEXT_ONLY = nh3.Cleaner(tags=set(), attributes={}, clean_content_tags={"script", "style", "title"}, link_rel=None)
_CLEANER = nh3.Cleaner(
    tags=_INLINE | _BLOCKS | _CELLS | _LINES,
    clean_content_tags={"script", "style", "title"},
    attributes={"a": {"href"}},
    url_schemes={"http", "https", "mailto", "tel"},
    link_rel=None,
)
_SPACE = re.compile(r"(?:[ \t\r\n\f\v]|</?t[dh]>)+")
_DEAD_LINK = re.compile(r"<a>(.*?)</a>")
_LINE_TAG = re.compile(rf" ?</?(?:{'|'.join(sorted(_LINES))})> ?")
_BREAK = re.compile(r" ?<br> ?")
_BLOCK = re.compile(r"(</?(?:ol|ul|li)>)")
_EMPTY = re.compile(r"<(a|b|em|i|s|strong|u|ol|ul|li)(?: [^>]*)?></\1>")
_TAG = re.compile(r"<[^>]*>")
_MOST_TAGS = 5_000
"""HTML is cut after so many tags: the time to parse it grows with the square of how deep they nest."""
_ROUNDS = 8
"""Empty tags nested deeper than this are taken for an attack as well: then only the text is kept."""
_EDGE = "\n"
_BLANK = "\v"
_EDGES = re.compile(rf"{_EDGE}+")
_BLANK_LINE = re.compile(rf"(?<={_EDGE}){_BLANK}(?={_EDGE})")
_ENDED_LINE = re.compile(rf"{_BLANK}{_EDGE}")


def reduce(content: str, content_type: str) -> tuple[str, bool]:
    """The description of an itemBody, and whether it is HTML."""
    if not content:
        return "", False
    if content_type.lower() != "html":
        return _tidy(content), False
    content = "<".join(content.split("<", _MOST_TAGS)[:_MOST_TAGS])
    reduced = _lines(_CLEANER.clean(content))
    # What was taken out can leave its neighbours reducible; every further round only shortens.
    for _ in range(_ROUNDS):
        further = _lines(_CLEANER.clean(reduced))
        if further == reduced:
            break
        reduced = further
    else:
        return _tidy(html.unescape(_TEXT_ONLY.clean(content))), False
    if _TAG.search(reduced.replace("<br>", "")):
        return reduced, True
    return _tidy(html.unescape(reduced.replace("<br>", "\n"))), False


def _lines(clean: str) -> str:
    """Clean HTML with every line break as `<br>` and none at its ends."""
    flat = _DEAD_LINK.sub(r"\1", _SPACE.sub(" ", clean))
    for _ in range(_ROUNDS):
        flat = _EMPTY.sub("", flat)
    # A line that holds nothing but a break is a blank line; any other break only ends its line.
    marked = _LINE_TAG.sub(_EDGE, _BREAK.sub(_BLANK, flat))
    marked = _BLANK_LINE.sub("", _EDGES.sub(_EDGE, marked))
    marked = _ENDED_LINE.sub(_EDGE, marked).replace(_BLANK, _EDGE)
    return "".join(piece.strip(" \n") for piece in _BLOCK.split(marked)).replace(_EDGE, "<br>")


def _tidy(text: str) -> str:
    """Text as it survives a journey through Outlook: one kind of line break and of space, nothing at the ends."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " ").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n")
