"""The pages. Runs for every address that nothing else serves ($default)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions import visitor
from functions.front import fronted
from functions.http import Request, Response, respond
from functions.observability import add_facts, observed
from functions.portal import forms, problems, rendering
from functions.portal.views import (
    accounts,
    activity,
    calendars,
    conflicts,
    decisions,
    explanation,
    feeds,
    groups,
    links,
    new_link,
    overlaps,
    overview,
    planned,
    profile,
    tokens,
    welcome,
)
from functions.visit import Visit
from shared.control import gates
from shared.core import clock
from shared.core.errors import NotFoundError
from shared.identity import principal
from shared.wiring import app

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

    type View = Callable[..., Response]


@dataclass(frozen=True, slots=True)
class Page:
    """An address and what answers there. `public`: strangers too; `calendar`: not while syncing is switched off."""

    method: str
    path: str
    view: View
    public: bool = False
    calendar: bool = False

    def match(self, request: Request) -> dict[str, str] | None:
        """The parts of the path that the view is given, or None if this is another page."""
        if request.method != self.method and not (request.method == "HEAD" and self.method == "GET"):
            return None
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path), request.path)
        return found.groupdict() if found else None


# fmt: off
PAGES: tuple[Page, ...] = (
    Page("GET", "/welcome/{token}", welcome.invitation, public=True),
    Page("POST", "/welcome/{token}", welcome.accept, public=True),
    Page("GET", "/signin", welcome.sign_in_form, public=True),
    Page("POST", "/signin", welcome.sign_in, public=True),
    Page("GET", "/signout", welcome.sign_out_form),
    Page("POST", "/signout", welcome.sign_out),
    Page("GET", "/", overview.show),
    Page("GET", "/attention", overview.attention),
    Page("POST", "/sync", overview.sync_now, calendar=True),
    Page("GET", "/connections", accounts.show, calendar=True),
    Page("GET", "/connections/caldav", accounts.caldav_form, calendar=True),
    Page("POST", "/connections/caldav", accounts.connect_caldav, calendar=True),
    Page("GET", "/connections/ics", accounts.feed_form, calendar=True),
    Page("POST", "/connections/ics", accounts.connect_feed, calendar=True),
    Page("POST", "/connections/{connection_id}/discover", accounts.discover, calendar=True),
    Page("GET", "/connections/{connection_id}/disconnect", accounts.ask_disconnect, calendar=True),
    Page("POST", "/connections/{connection_id}/disconnect", accounts.disconnect, calendar=True),
    Page("GET", "/calendars", calendars.show, calendar=True),
    Page("POST", "/calendars/{calendar_id}/purge", calendars.purge, calendar=True),
    Page("GET", "/links/new", new_link.show, calendar=True),
    Page("POST", "/links/new", new_link.create, calendar=True),
    Page("GET", "/links/{link_id}", links.show, calendar=True),
    Page("POST", "/links/{link_id}/pause", links.pause, calendar=True),
    Page("POST", "/links/{link_id}/resume", links.resume, calendar=True),
    Page("POST", "/links/{link_id}/sync", links.sync_now, calendar=True),
    Page("POST", "/links/{link_id}/readers", links.decide_readers, calendar=True),
    Page("GET", "/links/{link_id}/edit", links.edit, calendar=True),
    Page("POST", "/links/{link_id}/edit", links.change, calendar=True),
    Page("GET", "/links/{link_id}/delete", links.ask_delete, calendar=True),
    Page("POST", "/links/{link_id}/delete", links.delete, calendar=True),
    Page("GET", "/groups/{group_id}", groups.show, calendar=True),
    Page("POST", "/groups/{group_id}/pause", groups.pause, calendar=True),
    Page("POST", "/groups/{group_id}/resume", groups.resume, calendar=True),
    Page("POST", "/groups/{group_id}/sync", groups.sync_now, calendar=True),
    Page("POST", "/groups/{group_id}/resync", groups.resync, calendar=True),
    Page("GET", "/groups/{group_id}/edit", groups.edit, calendar=True),
    Page("POST", "/groups/{group_id}/edit", groups.change, calendar=True),
    Page("POST", "/groups/{group_id}/calendars", groups.add, calendar=True),
    Page("GET", "/groups/{group_id}/calendars/{calendar_id}/remove", groups.ask_remove, calendar=True),
    Page("POST", "/groups/{group_id}/calendars/{calendar_id}/remove", groups.remove, calendar=True),
    Page("GET", "/groups/{group_id}/delete", groups.ask_delete, calendar=True),
    Page("POST", "/groups/{group_id}/delete", groups.delete, calendar=True),
    Page("GET", "/conflicts", conflicts.show, calendar=True),
    Page("POST", "/conflicts/{conflict_id}/resolve", conflicts.resolve, calendar=True),
    Page("GET", "/activity", activity.show, calendar=True),
    Page("GET", "/activity/{run_id}", activity.show_run, calendar=True),
    Page("POST", "/activity/{run_id}/undo", activity.take_back, calendar=True),
    Page("POST", "/activity/{run_id}/follow", activity.follow_again, calendar=True),
    Page("GET", "/explain", explanation.show, calendar=True),
    Page("POST", "/links/{link_id}/resync", planned.resync, calendar=True),
    Page("POST", "/plans/{plan_id}/apply", planned.apply, calendar=True),
    Page("GET", "/held", decisions.show, calendar=True),
    Page("POST", "/held/{held_id}/approve", decisions.approve, calendar=True),
    Page("POST", "/held/{held_id}/discard", decisions.discard, calendar=True),
    Page("GET", "/overlaps", overlaps.show, calendar=True),
    Page("GET", "/overlaps/{overlap_id}", overlaps.propose, calendar=True),
    Page("POST", "/overlaps/{overlap_id}/ignore", overlaps.ignore, calendar=True),
    Page("POST", "/overlaps/{overlap_id}/unignore", overlaps.unignore, calendar=True),
    Page("GET", "/published", feeds.show, calendar=True),
    Page("POST", "/published", feeds.create, calendar=True),
    Page("GET", "/published/{feed_id}", feeds.preview, calendar=True),
    Page("POST", "/published/{feed_id}/rotate", feeds.rotate, calendar=True),
    Page("POST", "/published/{feed_id}/revoke", feeds.revoke),
    Page("GET", "/tokens", tokens.show),
    Page("POST", "/tokens", tokens.create),
    Page("POST", "/tokens/{token_id}/revoke", tokens.revoke),
    Page("GET", "/profile", profile.show),
    Page("POST", "/profile", profile.change),
    Page("POST", "/profile/password", profile.change_password),
    Page("POST", "/profile/sessions", profile.end_other_sessions),
)
# fmt: on


@observed
@fronted
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """HTML; what goes wrong is a page that says what to do next."""
    return respond(event, _answer, refuse=problems.refuse)


def _answer(request: Request) -> Response:
    add_facts(correlation_id=request.id)
    if request.path.startswith("/assets/"):
        found = rendering.asset(request.path.removeprefix("/assets/"))
        if found is not None and request.is_safe:
            return found
    for page in PAGES:
        parts = page.match(request)
        if parts is not None:
            return _visit(page, parts, request)
    raise NotFoundError("There is nothing at this address.", code="ROUTE.NOT_FOUND")


def _visit(page: Page, parts: dict[str, str], request: Request) -> Response:
    """In the order of the API: the gate, who it is, where the form comes from, and then the page."""
    application, now = app(), clock.now()
    if page.calendar:
        with application.database.everyone() as conn:
            gates.may(conn, gates.Operation.SYNC, settings_flags=application.flags)
    somebody = visitor.of(request, application, now=now)
    if not page.public:
        principal.require(somebody)
    visit = Visit(application=application, request=request, visitor=somebody, now=now)
    form = {} if request.is_safe else forms.read(visit, public=page.public)
    response = page.view(visit, **parts) if request.is_safe else page.view(visit, form, **parts)
    renewed = visitor.renewed_cookies(request, somebody, application)
    if not renewed or response.cookies:
        return response
    return Response(
        status=response.status,
        body=response.body,
        content_type=response.content_type,
        headers=response.headers,
        cookies=renewed,
    )
