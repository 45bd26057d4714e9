"""Lines and components are kept as they were written, and what had to be made good is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.calendar.ical import lines
from shared.core.errors import InvalidError

RESOURCE = (
    'BEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-WHATEVER;X-A="b;c:d";X-E=f,g:h\\,i\r\nBEGIN:VEVENT\r\nUID:u\r\n'
    "this is no property\r\nx-lower:kept by value\r\nSUMMARY;LANGUAGE=de:Über\\, uns\\n\r\nBEGIN:VALARM\r\n"
    "ACTION:DISPLAY\r\nEND:VALARM\r\nEND:VEVENT\r\nBEGIN:X-OTHER\r\nA:b\r\nEND:X-OTHER\r\nEND:VCALENDAR\r\n"
)


def test_what_is_not_understood_survives_to_the_letter() -> None:
    assert str(lines.require(RESOURCE)) == RESOURCE.replace("x-lower", "X-LOWER")


@given(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=300))
def test_any_value_survives_folding(value: str) -> None:
    component = lines.Component("VCALENDAR", [lines.Line("X-A", "", value)])

    again = lines.require(str(component))

    assert again.line("X-A") == lines.Line("X-A", "", value)
    assert all(len(line.encode()) <= lines.MAX_OCTETS for line in str(component).split("\r\n"))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_any_text_survives_escaping(text: str) -> None:
    assert lines.text_line("SUMMARY", text).text() == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "BEGIN:VCALENDAR",
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR",
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nBEGIN:VALARM\nEND:VEVENT\nEND:VCALENDAR",
        "BEGIN:VCALENDAR\nEND:VEVENT\nEND:VCALENDAR",
        "BEGIN:VCALENDAR\nEND:VCALENDAR\nBEGIN:VCALENDAR\nEND:VCALENDAR",
        "BEGIN:VCALENDAR\n" + "".join(f"BEGIN:A{n}\n" for n in range(99)) + "END:VCALENDAR",
    ],
)
def test_what_is_to_be_written_back_must_be_sound(text: str) -> None:
    with pytest.raises(InvalidError) as refused:
        lines.require(text)

    assert refused.value.error_code == "EVENT.MALFORMED"


def test_depth_without_end_costs_nothing() -> None:
    text = "BEGIN:VCALENDAR\n" + "".join(f"BEGIN:A{n}\nEND:B{n}\n" for n in range(100_000)) + "END:VCALENDAR"

    structure = lines.parse(text)

    assert structure is not None
    assert not structure.is_sound
