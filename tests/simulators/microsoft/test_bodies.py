"""Texts as Exchange keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.simulators.microsoft import bodies
from tests.simulators.microsoft.api import event_path, timed

if TYPE_CHECKING:
    from tests.simulators.microsoft.api import Api
    from tests.simulators.running import Simulator

TEXTS = [
    "",
    "  ",
    "plain",
    "two\nlines",
    "crlf\r\nand cr\r",
    "<b>not bold</b> & more",
    "emoji 🎉 e\u0301",
    "trailing  \n",
]


async def test_html_comes_back_as_a_whole_document(alex: Api) -> None:
    made = await alex.create(timed(body={"contentType": "HTML", "content": "Does <b>noon</b> work?"}))

    assert made["body"] == {
        "contentType": "html",
        "content": '<html>\r\n<head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\r\n'
        "</head>\r\n<body>\r\nDoes <b>noon</b> work?\r\n</body>\r\n</html>\r\n",
    }
    assert made["bodyPreview"] == "Does noon work?"


async def test_text_comes_back_as_html_unless_text_is_preferred(alex: Api) -> None:
    made = await alex.create(timed(body={"contentType": "text", "content": "a\nb <c>"}))

    preferred = await alex.call("GET", event_path(made["id"]), headers={"Prefer": 'outlook.body-content-type="text"'})

    assert made["body"]["contentType"] == "html"
    assert "converted from text" in made["body"]["content"]
    assert "a<br>\r\nb &lt;c&gt;" in made["body"]["content"]
    assert preferred.body["body"] == {"contentType": "text", "content": "a\r\nb <c>"}


async def test_scripts_do_not_survive(alex: Api) -> None:
    made = await alex.create(timed(body={"contentType": "html", "content": "a<script>alert(1)</script>b"}))

    assert "script" not in made["body"]["content"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", ["text", "html"])
async def test_writing_an_answer_back_changes_nothing(alex: Api, text: str, kind: str) -> None:
    made = await alex.create(timed(text, body={"contentType": kind, "content": text}))

    again = (await alex.patch(made["id"], {"body": made["body"], "subject": made["subject"]})).body

    assert {key: again[key] for key in ("body", "subject")} == {key: made[key] for key in ("body", "subject")}


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\r\n\t<>&"), max_size=60))
def test_a_document_is_its_own_document(content: str) -> None:
    once = bodies.from_html(content)

    twice = bodies.from_html(once.html)

    assert twice.html == once.html


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\r\n"), max_size=60))
def test_text_is_kept_but_for_its_line_ends(content: str) -> None:
    kept = bodies.from_text(content)

    assert kept.text.split() == content.split()
    assert "\n" not in kept.text.replace("\r\n", "")


@pytest.mark.parametrize(("given_", "kept"), [("  spaced  ", "spaced"), ("two\r\nlines", "two lines"), (None, "")])
async def test_a_subject_is_one_trimmed_line(alex: Api, given_: str | None, kept: str) -> None:
    made = await alex.create({**timed(), "subject": given_})

    assert made["subject"] == kept


async def test_a_long_subject_is_cut_or_refused_by_the_switch(alex: Api, simulator: Simulator) -> None:
    made = await alex.create(timed("x" * 300))
    await simulator.faults(long_subject="refuse")

    refused = await alex.call("POST", "/me/events", timed("x" * 300))

    assert made["subject"] == "x" * 255
    assert (refused.status, refused.code) == (400, "ErrorPropertyValidationFailure")
