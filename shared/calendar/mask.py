"""Masking: from an event to what readers of the target calendar may see. Pure, and the only place that decides it.

The same function makes the preview that a person is shown before creating a link and the writes that follow, so the
preview is exact.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shared.calendar import recurrence
from shared.calendar.event import Availability, Response, Status, Text
from shared.calendar.mirror import Appearance, Mirror, Privacy
from shared.calendar.span import occurrence_key
from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.calendar.event import Event, Unit

PLACEHOLDERS = ("title", "calendar", "account")
"""What a title template may name: the event's own title, the source calendar's name, and its account's address."""
LONGEST_TITLE = 1000
"""Characters of a rendered title; a longer one is cut."""
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """Which fields show, apart from what the preset says; None: as the preset has it.

    `availability` is the detail beyond free, tentative and busy: away, working elsewhere.
    """

    title: bool | None = None
    description: bool | None = None
    location: bool | None = None
    availability: bool | None = None


PRESETS = {
    Privacy.BUSY: Show(title=False, description=False, location=False, availability=False),
    Privacy.TITLE: Show(title=True, description=False, location=False, availability=True),
    Privacy.FULL: Show(title=True, description=True, location=True, availability=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """How much of an event shows: a preset, what of it is otherwise, and how the mirror is called.

    `busy_title` stands for a hidden or missing title, `title_template` for what is written around it. `calendar` and
    `account` are what the template's placeholders stand for. Events answered with one of `free_responses` show as free.
    """

    privacy: Privacy
    busy_title: str = "Busy"
    title_template: str | None = None
    show: Show = Show()
    free_responses: frozenset[Response] = frozenset()
    calendar: str = ""
    account: str = ""

    @property
    def fields(self) -> Show:
        """What shows, field by field: never None."""
        preset, own = PRESETS[self.privacy], self.show
        return Show(
            title=preset.title if own.title is None else own.title,
            description=preset.description if own.description is None else own.description,
            location=preset.location if own.location is None else own.location,
            availability=preset.availability if own.availability is None else own.availability,
        )

    @property
    def needs_text(self) -> bool:
        """Whether rendering needs what people wrote; a link that hides all of it asks for none."""
        fields = self.fields
        return bool(fields.title or fields.description or fields.location)

    @property
    def tells(self) -> tuple[str, ...]:
        """What readers learn beyond when somebody is busy: fields of the event, names of its calendar and account."""
        fields = self.fields
        named = set(_PLACEHOLDER.findall(self.title_template or ""))
        return (
            *(name for name in ("title", "description", "location", "availability") if getattr(fields, name)),
            *(f"the {name}'s name" for name in ("calendar", "account") if name in named),
        )

    @property
    def names_source(self) -> bool:
        """Whether rendering needs the names of the source calendar and its account."""
        return bool({"calendar", "account"} & set(_PLACEHOLDER.findall(self.title_template or "")))


def check(mask: Mask) -> None:
    """Raises InvalidError for a title template that names something unknown, or would show what the mask hides."""
    template = mask.title_template
    if template is None:
        return
    named = set(_PLACEHOLDER.findall(template))
    unknown = sorted(named - set(PLACEHOLDERS))
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    if unknown or set("{}") & set(_PLACEHOLDER.sub("", template)):
        what = f"the unknown placeholder {{{unknown[0]}}}" if unknown else "a brace that belongs to no placeholder"
        raise _refused(f"The title template has {what}: only {known} can stand there.")
    if "title" in named and not mask.fields.title:
        raise _refused("The title template would show the title, which this link hides: leave {title} out, or show it.")


def mirror(unit: Unit, mask: Mask, *, shows: Callable[[Event], bool]) -> Mirror:
    """The mirror of a single event or a whole series. `shows` says whether an occurrence that differs is shown.

    Cancelled occurrences, EXDATEs and hidden occurrences become None in `overrides`. Overrides of places that the
    rule no longer has are kept: providers show them, too. Raises InvalidError for a rule nobody can expand.
    """
    rules, excluded = recurrence.split_exclusions(unit.root)
    root = appearance(unit.root, mask, rules)
    overrides: dict[str, Appearance | None] = {occurrence_key(start): None for start in excluded}
    for override in unit.overrides:
        if override.original_start is None:
            continue
        key = occurrence_key(override.original_start)
        if override.is_cancelled or override.span is None or not shows(override):
            overrides[key] = None
        else:
            overrides[key] = appearance(override, mask)
            if overrides[key] == as_the_rule_has_it(root, key):
                del overrides[key]  # it differs only in what the mask hides
    return Mirror(root=root, overrides=dict(sorted(overrides.items())))


def narrow(shown: Mirror, mask: Mask) -> Mirror:
    """What is left of what others already see once this mask lies over it as well: never more."""
    return Mirror(
        root=_narrowed(shown.root, mask),
        overrides={key: one and _narrowed(one, mask) for key, one in shown.overrides.items()},
    )


def as_the_rule_has_it(root: Appearance, key: str) -> Appearance | None:
    """The occurrence `key` of a series as it would be without an override; None if the rule has no such place."""
    span = recurrence.occurrence_span(root.span, root.recurrence, key)
    return None if span is None else replace(root, span=span, recurrence=())


def appearance(event: Event, mask: Mask, rules: tuple[str, ...] = ()) -> Appearance:
    """One item under the mask. Raises ValueError for an event without a time, which nobody can show."""
    if event.span is None:
        raise ValueError(f"event {event.id} has no time")
    return Appearance(
        span=event.span,
        text=_text(event.text or Text(), mask),
        availability=_availability(event, mask),
        status=Status.TENTATIVE if _is_undecided(event) else Status.CONFIRMED,
        recurrence=rules,
    )


def _narrowed(one: Appearance, mask: Mask) -> Appearance:
    busy_only = mask.privacy is Privacy.BUSY and one.availability not in (Availability.FREE, Availability.TENTATIVE)
    return replace(one, text=_text(one.text, mask), availability=Availability.BUSY if busy_only else one.availability)


def _text(text: Text, mask: Mask) -> Text:
    """Only what shows is taken over, field by field: whatever else a text may come to hold stays behind."""
    fields = mask.fields
    return Text(
        title=_title(text.title.strip() if fields.title else "", mask),
        description=text.description if fields.description else "",
        is_html=text.is_html if fields.description else False,
        location=text.location if fields.location else "",
    )


def _title(title: str, mask: Mask) -> str:
    """`title` is "" where it is hidden or missing. A title that itself has braces is no template."""
    values = {"title": title or mask.busy_title, "calendar": mask.calendar, "account": mask.account}
    if mask.title_template is None:
        return values["title"]
    rendered = _PLACEHOLDER.sub(lambda found: values.get(found[1], ""), mask.title_template)
    return rendered.strip()[:LONGEST_TITLE] or mask.busy_title


def _availability(event: Event, mask: Mask) -> Availability:
    """A masked mirror tells only free, tentative or busy: that somebody is abroad or ill is already private."""
    if event.availability is Availability.FREE or event.response in mask.free_responses:
        return Availability.FREE
    if _is_undecided(event):
        return Availability.TENTATIVE
    return event.availability if mask.fields.availability else Availability.BUSY


def _is_undecided(event: Event) -> bool:
    return (
        event.status is Status.TENTATIVE
        or event.availability is Availability.TENTATIVE
        or event.response in (Response.TENTATIVE, Response.NEEDS_ACTION)
    )


def _refused(message: str) -> InvalidError:
    return InvalidError(message, code="LINK.TITLE_TEMPLATE", fields={"title_template": message})
