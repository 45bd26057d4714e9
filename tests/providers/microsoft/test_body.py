from __future__ import annotations

import html
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.providers.microsoft import body

# What Graph answers for a body that was sent as text (microsoft-graph-docs, "converted from text").
_FROM_TEXT = (
    '<html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8">'
    '<meta name="Generator" content="Microsoft Exchange Server">\r\n<!-- converted from text -->\r\n'
    "<style><!-- .EmailQuote {{ margin-left: 1pt; padding-left: 4pt; }} --></style></head>\r\n"
    '<body>\r\n<font size="2"><span style="font-size:11pt;"><div class="PlainText">{}</div></span></font>\r\n'
    "</body>\r\n</html>\r\n"
)
_DOCUMENT = (
    '<html>\r\n<head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\r\n'
    "<style>p {{ margin: 0 }}</style>\r\n</head>\r\n<body>\r\n{}\r\n</body>\r\n</html>\r\n"
)


def _as_outlook_keeps_text(text: str) -> str:
    """Exchange's own conversion: line breaks become <br>, and spaces that HTML would swallow no-break spaces."""
    kept = re.sub("(?m) (?= )|^ ", "&nbsp;", html.escape(text, quote=False))
    return _FROM_TEXT.format(kept.replace("\n", "<br>\r\n"))


@pytest.mark.parametrize(
    ("content", "description", "is_html"),
    [
        (_DOCUMENT.format(""), "", False),
        (_DOCUMENT.format("<div></div>"), "", False),
        (_FROM_TEXT.format("a &amp; b<br>\r\n<br>\r\n&lt;c&gt;"), "a & b\n\n<c>", False),
        (_FROM_TEXT.format("a&nbsp; b"), "a  b", False),
        (_DOCUMENT.format("<div>a</div><div><br></div><div>b</div>"), "a\n\nb", False),
        (_DOCUMENT.format("<p>a</p>\r\n<p>b <b>c</b></p>"), "a<br>b <b>c</b>", True),
        (
            _DOCUMENT.format("<ul>\r\n<li>a</li>\r\n<li><div>b</div></li></ul>\r\nc"),
            "<ul><li>a</li><li>b</li></ul>c",
            True,
        ),
        (_DOCUMENT.format("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>"), "a b\nc", False),
        (
            '<a href="https://x.test/?a=1&amp;b=2" target="_blank">x</a>',
            '<a href="https://x.test/?a=1&amp;b=2">x</a>',
            True,
        ),
        ('<a href="javascript:alert(1)">x</a>', "x", False),
        ("<script>alert(1)</script><b onclick='x()'>a</b><img src=x onerror=y()>", "<b>a</b>", True),
        ("a<br><br><br>b<br>", "a\n\n\nb", False),
        ("<b></b><i><u></u></i>a", "a", False),
        ("family 👨‍👩‍👧 &#128512; ﷽ \u202eabc", "family 👨‍👩‍👧 😀 ﷽ \u202eabc", False),
        ("<b>never closed", "<b>never closed</b>", True),
    ],
)
def test_an_outlook_document_is_reduced_to_what_it_says(content: str, description: str, is_html: bool) -> None:
    assert body.reduce(content, "html") == (description, is_html)


def test_a_body_delivered_as_text_keeps_its_lines() -> None:
    assert body.reduce("a <b>\r\nc  \r\n\r\n", "text") == ("a <b>\nc", False)


@pytest.mark.parametrize(
    "content", ["<b>" * 20_000 + "x", "<ul><li>" * 20_000, "<br>" * 100_000, "<div>" * 50_000 + "x", "<" * 200_000]
)
def test_a_hostile_body_costs_no_time_to_speak_of(content: str) -> None:
    begun = time.process_time()

    description, is_html = body.reduce(content, "html")

    assert time.process_time() - begun < 5
    assert is_html or "<b>" not in description


_line = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]) | st.sampled_from(" <>&\"'"), max_size=20
)


@given(st.lists(_line, max_size=6).map("\n".join))
def test_text_comes_back_from_outlook_as_the_same_text(text: str) -> None:
    once, _ = body.reduce(text, "text")

    assert body.reduce(_as_outlook_keeps_text(once), "html") == (once, False)


_PIECES = """a|&nbsp;|&amp;|&lt;b&gt;|<br>|<br/>|<b>|</b>|<i>x</i>|<div>|</div>|<p>|</p>|<p/>|<ul>|<li>|</li>|</ul>
|<ol><li>1</ol>|<a href="https://x.test">|</a>|<a>|<span style='x'>|</span>|<table><tr><td>|</td></tr></table>
|<h1>t</h1>|<hr>|<!-- c -->|😀| |<pre>|</|<|>|&|<blockquote>"""
_piece = st.sampled_from(_PIECES.split("|"))


@given(st.lists(_piece, max_size=14).map("".join))
def test_reduced_html_is_a_fixpoint_bare_and_in_outlooks_document(content: str) -> None:
    description, is_html = body.reduce(content, "html")

    if is_html:
        assert body.reduce(description, "html") == (description, True)
        assert body.reduce(_DOCUMENT.format(description), "html") == (description, True)
    else:
        assert body.reduce(_as_outlook_keeps_text(description), "html") == (description, False)
