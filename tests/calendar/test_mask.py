"""What readers of the target see, field by field."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.calendar import mask
from shared.calendar.event import Availability, Event, Response, Text
from shared.calendar.mask import Mask, Show
from shared.calendar.mirror import Privacy
from shared.calendar.span import TimedSpan
from shared.core.errors import InvalidError

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
TEXT = Text(title="Dentist {title}", description="<b>x-ray</b>", is_html=True, location="Main Street 1")


def event(**fields: object) -> Event:
    given = {"text": TEXT, "availability": Availability.OUT_OF_OFFICE, "response": Response.ACCEPTED, **fields}
    return Event(id="e1", span=TimedSpan(start=START, end=START.replace(hour=10), zone="UTC"), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("show", "seen"),
    [
        (Show(), Text(title="Busy")),
        (Show(title=True), Text(title="Dentist {title}")),
        (Show(location=True), Text(title="Busy", location="Main Street 1")),
        (Show(description=True), Text(title="Busy", description="<b>x-ray</b>", is_html=True)),
    ],
)
def test_a_busy_link_shows_the_fields_it_is_told_to_and_nothing_else(show: Show, seen: Text) -> None:
    how = Mask(privacy=Privacy.BUSY, show=show)

    assert mask.appearance(event(), how).text == seen
    assert how.needs_text is (show != Show())


@pytest.mark.parametrize("field", ["title", "description", "location"])
def test_a_full_link_hides_the_fields_it_is_told_to(field: str) -> None:
    seen = mask.appearance(event(), Mask(privacy=Privacy.FULL, show=Show(**{field: False}))).text

    assert getattr(seen, field) == ("Busy" if field == "title" else "")
    assert seen.is_html is (field != "description")


def test_whether_somebody_is_away_is_a_field_of_its_own() -> None:
    hidden = mask.appearance(event(), Mask(privacy=Privacy.FULL, show=Show(availability=False)))
    shown = mask.appearance(event(), Mask(privacy=Privacy.BUSY, show=Show(availability=True)))

    assert (hidden.availability, shown.availability) == (Availability.BUSY, Availability.OUT_OF_OFFICE)


@pytest.mark.parametrize(
    ("privacy", "template", "title"),
    [
        (Privacy.TITLE, "{title}", "Dentist {title}"),
        (Privacy.BUSY, "Busy ({calendar})", "Busy (Home)"),
        (Privacy.FULL, "[{account}] {title}", "[pat@example.com] Dentist {title}"),
        (Privacy.BUSY, "Away", "Away"),
    ],
)
def test_a_template_is_written_around_the_title(privacy: Privacy, template: str, title: str) -> None:
    how = Mask(privacy=privacy, title_template=template, calendar="Home", account="pat@example.com")
    mask.check(how)

    assert mask.appearance(event(), how).text.title == title


def test_a_missing_title_stands_as_the_busy_title_in_the_template() -> None:
    how = Mask(privacy=Privacy.TITLE, busy_title="Taken", title_template="[{calendar}] {title}", calendar="Home")

    assert mask.appearance(event(text=Text()), how).text.title == "[Home] Taken"


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (Mask(privacy=Privacy.BUSY, title_template="Busy: {title}"), "would show the title"),
        (Mask(privacy=Privacy.FULL, title_template="{title}", show=Show(title=False)), "would show the title"),
        (Mask(privacy=Privacy.FULL, title_template="{location}"), "unknown placeholder {location}"),
        (Mask(privacy=Privacy.FULL, title_template="{title!r}"), "unknown placeholder {title!r}"),
        (Mask(privacy=Privacy.FULL, title_template="{title"), "a brace that belongs to no placeholder"),
        (Mask(privacy=Privacy.FULL, title_template="{}"), "unknown placeholder {}"),
    ],
)
def test_a_template_that_shows_too_much_or_names_nothing_known_is_refused(how: Mask, told: str) -> None:
    with pytest.raises(InvalidError, match="title template") as caught:
        mask.check(how)

    assert told in caught.value.message
    assert set(caught.value.fields) == {"title_template"}


def test_a_hidden_title_stays_hidden_even_under_a_template_that_was_never_checked() -> None:
    how = Mask(privacy=Privacy.BUSY, title_template="{title}")

    assert mask.appearance(event(), how).text.title == "Busy"
