"""Forms: where they come from, and what their fields mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from functions.http import Response, see_other, set_cookie
from functions.portal import rendering
from functions.portal.filter_form import STANDARD, FilterForm
from shared.calendar import mask
from shared.calendar.mask import Mask, Show
from shared.calendar.mirror import Privacy
from shared.core.errors import InvalidError, NotFoundError
from shared.crypto import opaque
from shared.identity import sessions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.visit import Visit
    from shared.sync.links import Link

    type Form = Mapping[str, str]

COOKIE = "kalends_form"
"""Ties a form that strangers fill in to their browser, so that no other site can send it."""
LIFETIME = 3600
SHOWN = ("title", "description", "location", "availability")
_SHOWS = {"yes": True, "no": False}
_WORDS = {True: "yes", False: "no"}


def read(visit: Visit, *, public: bool) -> dict[str, str]:
    """The fields of the form, once it is proved to come from our pages. Raises ForbiddenError, InvalidError.

    `public`: it was filled in by somebody not signed in, so that it is tied to their browser instead of a session.
    """
    form = visit.request.form()
    token = (visit.request.cookies.get(COOKIE) if public else visit.session_token) or ""
    sessions.check_csrf(visit.application.session_secrets(), token, form.get("csrf", ""))
    return form


def public_page(template: str, visit: Visit, /, *, status: int = 200, **values: Any) -> Response:
    """A page with a form for somebody who has not signed in, which may ask their browser for its time zone."""
    application = visit.application
    known = visit.request.cookies.get(COOKIE, "")
    token = known or opaque.new()
    cookie = set_cookie(
        COOKIE, token, max_age=LIFETIME, secure=application.settings.app_base_url.startswith("https://")
    )
    return rendering.page(
        template,
        None,
        status=status,
        cookies=(cookie,),
        real_accounts=application.settings.warns_of_real_accounts,
        scripted=True,
        form_token=sessions.csrf_token(application.session_secrets(), token),
        **values,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkForm:
    """What a link's form says, as it stands in the form: kept as it is when it has to be shown again. `on_edit` "":
    whatever is usual for a link one way, or both ways."""

    source: str = ""
    target: str = ""
    two_way: bool = False
    privacy: str = "busy"
    busy_title: str = "Busy"
    title_template: str = ""
    show_title: str = ""
    show_description: str = ""
    show_location: str = ""
    show_availability: str = ""
    skip_all_day: bool = False
    skip_free: bool = True
    filters: FilterForm = STANDARD
    on_edit: str = ""
    on_delete: str = "restore"
    on_conflict: str = "newest"
    days_ahead: str = "365"
    days_behind: str = "1"

    @classmethod
    def of(cls, form: Form) -> LinkForm:
        """From fields; a box that is not ticked is not sent."""
        return cls(
            source=form.get("source", ""),
            target=form.get("target", ""),
            two_way="two_way" in form,
            privacy=form.get("privacy", "busy"),
            busy_title=form.get("busy_title", "Busy").strip(),
            title_template=form.get("title_template", "").strip(),
            **{f"show_{field}": form.get(f"show_{field}", "") for field in SHOWN},
            skip_all_day="skip_all_day" in form,
            skip_free="skip_free" in form,
            filters=FilterForm.of(form),
            on_edit=form.get("on_edit", ""),
            on_delete=form.get("on_delete", "restore"),
            on_conflict=form.get("on_conflict", "newest"),
            days_ahead=form.get("days_ahead", "365").strip(),
            days_behind=form.get("days_behind", "1").strip(),
        )

    @classmethod
    def of_link(cls, link: Link) -> LinkForm:
        """How a link is set."""
        return cls(
            two_way=link.group_id is not None,
            privacy=link.privacy,
            busy_title=link.busy_title,
            title_template=link.title_template or "",
            **{f"show_{field}": _WORDS[shows] for field, shows in link.show.items()},
            skip_all_day=link.skip_all_day,
            skip_free=link.skip_free,
            filters=FilterForm.of_filters(link.filters),
            on_edit=link.on_edit,
            on_delete=link.on_delete,
            on_conflict=link.on_conflict,
            days_ahead="" if link.days_ahead is None else str(link.days_ahead),
            days_behind=str(link.days_behind),
        )

    @property
    def show(self) -> dict[str, bool | None]:
        """Which fields show or not; None: as the degree of privacy has it."""
        return {field: _SHOWS.get(getattr(self, f"show_{field}")) for field in SHOWN}

    def mask(self, privacy: str) -> Mask:
        """What others would see at a degree of privacy, with everything else as the form says."""
        return Mask(
            privacy=Privacy(privacy),
            busy_title=self.busy_title or "Busy",
            title_template=self.title_template or None,
            show=Show(**self.show),
        )

    def options(self) -> dict[str, Any]:
        """What of it a link is made of or changed to. Raises InvalidError naming every bad field."""
        fields: dict[str, str] = {}
        if self.privacy not in ("busy", "title", "full"):
            fields["privacy"] = "choose how much others see"
        if not 1 <= len(self.busy_title) <= 200 or not self.busy_title.isprintable():
            fields["busy_title"] = "must have 1 to 200 printable characters"
        if len(self.title_template) > 200 or not self.title_template.isprintable():
            fields["title_template"] = "must have at most 200 printable characters"
        elif not fields:
            try:
                mask.check(self.mask(self.privacy))
            except InvalidError as error:
                fields |= error.fields
        if self.on_edit not in ("", "restore", "leave", "merge"):
            fields["on_edit"] = "choose what becomes of a changed mirror"
        if self.on_delete not in ("restore", "ignore", "decline", "withdraw"):
            fields["on_delete"] = "choose what follows when a mirror is deleted"
        if self.on_conflict not in ("newest", "source", "target", "ask"):
            fields["on_conflict"] = "choose who wins what both sides changed"
        left_out: dict[str, Any] = {}
        try:
            left_out = self.filters.settings()
        except InvalidError as error:
            fields |= error.fields
        ahead = None if not self.days_ahead else _number(self.days_ahead, 1, 730)
        if self.days_ahead and ahead is None:
            fields["days_ahead"] = "must be 1 to 730 days, or empty for no end"
        behind = _number(self.days_behind, 0, 365)
        if behind is None:
            fields["days_behind"] = "must be 0 to 365 days"
        if fields:
            raise InvalidError("Please correct what is marked.", code="REQUEST.INVALID", fields=fields)
        return {
            "privacy": self.privacy,
            "busy_title": self.busy_title,
            "title_template": self.title_template or None,
            "show": self.show,
            "skip_all_day": self.skip_all_day,
            "skip_free": self.skip_free,
            "filters": left_out,
            "on_edit": self.on_edit or ("merge" if self.two_way else "restore"),
            "on_delete": self.on_delete,
            "on_conflict": self.on_conflict,
            "days_ahead": ahead,
            "days_behind": behind,
        }


def identifier(text: str) -> UUID:
    """An id from an address. Raises NotFoundError: an address with anything else leads nowhere."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFoundError("There is nothing at this address.", code="ROUTE.NOT_FOUND") from None


def back(path: str, *, told: str = "") -> Response:
    """After a form: on to a page that may be read again, with one of the notices of notice.html."""
    return see_other(f"{path}?told={told}" if told else path)


def _number(text: str, least: int, most: int) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and least <= int(text) <= most else None
