"""What Exchange makes of texts: HTML documents around bodies, trimmed subjects, plain previews.

Bodies are kept and answered as HTML documents with CRLF line ends, whatever came in; text is converted to HTML
and back (observed answers in the vendor's own examples: user-post-events, event resource). Writing an answer
back changes nothing.
"""

import html
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from infra.local.simulators.microsoft import errors

_PREVIEW_LENGTH = 255
_META = '<meta http-equiv="Content-Type" content="text/html; charset=utf-8">'
_FROM_TEXT = (
    '<meta name="Generator" content="Microsoft Exchange Server">\r\n<!-- converted from text -->'
    "<style><!-- .EmailQuote { margin-left: 1pt; padding-left: 4pt; border-left: #800000 2px solid; } --></style>"
)
_BLOCKS = {"p", "div", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "blockquote"}
_HIDDEN = {"head", "style", "script", "title"}
_DOCUMENT = re.compile(r"<body[^>]*>(.*?)(?:</body>|\Z)", re.IGNORECASE | re.DOTALL)
_SCRIPT = re.compile(r"<script\b.*?(?:</script\s*>|\Z)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A body as it is kept: the HTML document and its plain text, both with CRLF; both empty when there is none."""

    html: str = ""
    text: str = ""

    def to_graph(self, *, as_text: bool) -> dict[str, str]:
        """itemBody, in HTML unless `Prefer: outlook.body-content-type="text"` asked for text."""
        if as_text:
            return {"contentType": "text", "content": self.text}
        return {"contentType": "html", "content": self.html}

    @property
    def preview(self) -> str:
        """bodyPreview: the first 255 characters of the text."""
        return self.text[:_PREVIEW_LENGTH].strip()


def body(value: dict[str, Any]) -> Body:
    """Read a client's itemBody. Raises Refused with Graph's 400."""
    for key in value:
        if key not in {"contentType", "content", "@odata.type"}:
            raise errors.unknown_property(key, "itemBody")
    content = value.get("content") or ""
    if not isinstance(content, str):
        raise errors.unreadable("Cannot convert the body's content to 'Edm.String'.")
    if errors.enumerated(value.get("contentType") or "text", ("text", "html"), "bodyType") == "text":
        return from_text(content)
    return from_html(content)


def from_text(content: str) -> Body:
    """Text in HTML's clothes; nothing when it is blank."""
    text = _crlf(content)
    if not text.strip():
        return Body()
    lines = html.escape(text, quote=False).replace("\r\n", "<br>\r\n")
    inner = f'<font size="2"><span style="font-size:11pt;"><div class="PlainText">{lines}</div></span></font>'
    return Body(html=_document(_META + _FROM_TEXT, inner), text=text)


def from_html(content: str) -> Body:
    """A whole document around what came in; nothing when it is blank."""
    content = _SCRIPT.sub("", _crlf(content))
    if not content.strip():
        return Body()
    found = _DOCUMENT.search(content)
    inner = found.group(1) if found else re.sub(r"</?(html|head)[^>]*>", "", content, flags=re.IGNORECASE)
    head = _META + _FROM_TEXT if "converted from text" in content[: found.start() if found else 0] else _META
    return Body(html=_document(head, inner.strip("\r\n")), text=to_text(inner))


def _document(head: str, inner: str) -> str:
    return f"<html>\r\n<head>\r\n{head}\r\n</head>\r\n<body>\r\n{inner}\r\n</body>\r\n</html>\r\n"


def _crlf(content: str) -> str:
    return content.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._hidden = 0
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag == "br":
            self._text.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in _BLOCKS:
            self._text.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._text.append(re.sub(r"[ \t\r\n]+", " ", data))

    def text(self) -> str:
        lines = (line.strip(" ") for line in "".join(self._text).split("\n"))
        return "\r\n".join(lines).strip("\r\n")


def to_text(content: str) -> str:
    """The words of an HTML fragment, a line for each block and break, with CRLF."""
    parser = _Text()
    parser.feed(content)
    parser.close()
    return parser.text()


def subject(value: Any, *, limit: int, truncate: bool) -> str:
    """A subject as Exchange keeps it: one line, trimmed, at most `limit` characters. Raises Refused."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise errors.unreadable("Cannot convert the subject to 'Edm.String'.")
    line = re.sub(r"[\r\n\t]+", " ", value).strip()
    if len(line) > limit and not truncate:
        raise errors.invalid(f"The subject is longer than {limit} characters.")
    return line[:limit].rstrip()
