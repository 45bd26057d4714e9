"""What of a link's form says which events it leaves out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shared.calendar.event import EventType
from shared.sync.rules import filters
from shared.sync.rules.filters import Day, Filters

if TYPE_CHECKING:
    from collections.abc import Mapping

EVENT_TYPES = {
    EventType.FOCUS_TIME: "Focus time",
    EventType.OUT_OF_OFFICE: "Out of office",
    EventType.WORKING_LOCATION: "Working location",
    EventType.BIRTHDAY: "Birthdays",
    EventType.FROM_GMAIL: "Events from Gmail",
}
DAYS = {Day.MO: "Mon", Day.TU: "Tue", Day.WE: "Wed", Day.TH: "Thu", Day.FR: "Fri", Day.SA: "Sat", Day.SU: "Sun"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterForm:
    """As it stands in the form; lists are words with commas between, empty hours are none."""

    event_types: tuple[str, ...] = ()
    skip_private: bool = False
    title_include: str = ""
    title_exclude: str = ""
    only_categories: str = ""
    skip_categories: str = ""
    days: tuple[str, ...] = ()
    start: str = ""
    end: str = ""
    zone: str = ""
    declined: str = "hidden"
    unanswered: str = "tentative"
    skip_invited: bool = False

    @classmethod
    def of(cls, form: Mapping[str, str]) -> FilterForm:
        """From fields; a box that is not ticked is not sent."""
        texts = ("title_include", "title_exclude", "only_categories", "skip_categories", "start", "end", "zone")
        return cls(
            event_types=tuple(one for one in EVENT_TYPES if f"type_{one}" in form),
            skip_private="skip_private" in form,
            days=tuple(day for day in DAYS if f"day_{day}" in form),
            declined=form.get("declined", "hidden"),
            unanswered=form.get("unanswered", "tentative"),
            skip_invited="skip_invited" in form,
            **{name: form.get(name, "").strip() for name in texts},
        )

    @classmethod
    def of_filters(cls, chosen: Filters) -> FilterForm:
        """How a link is set."""
        hours = chosen.working_hours
        form = cls(
            event_types=chosen.skip_event_types,
            skip_private=chosen.skip_private,
            title_include=chosen.title_include or "",
            title_exclude=chosen.title_exclude or "",
            only_categories=", ".join(chosen.only_categories),
            skip_categories=", ".join(chosen.skip_categories),
            declined=chosen.declined,
            unanswered=chosen.unanswered,
            skip_invited=chosen.skip_invited,
        )
        if hours is None:
            return form
        return replace(form, days=hours.days, start=f"{hours.start:%H:%M}", end=f"{hours.end:%H:%M}", zone=hours.zone)

    def settings(self) -> dict[str, Any]:
        """The filters a link is made of or changed to. Raises InvalidError naming every bad field."""
        given: dict[str, Any] = {
            "skip_event_types": list(self.event_types),
            "skip_private": self.skip_private,
            "title_include": self.title_include or None,
            "title_exclude": self.title_exclude or None,
            "only_categories": _words(self.only_categories),
            "skip_categories": _words(self.skip_categories),
            "working_hours": None,
            "declined": self.declined,
            "unanswered": self.unanswered,
            "skip_invited": self.skip_invited,
        }
        if self.days:
            hours = {"days": list(self.days), "start": self.start or "09:00", "end": self.end or "17:00"}
            given["working_hours"] = {**hours, "zone": self.zone}
        filters.parse(given)
        return given


STANDARD = FilterForm.of_filters(Filters())


def _words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]
