"""Feeds: calendars published at a secret address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.portal import rendering
from functions.portal.forms import LinkForm, back, identifier
from shared.connections import calendars, store
from shared.core.errors import InvalidError
from shared.sync.asking import requests
from shared.sync.publishing import contents, feeds

if TYPE_CHECKING:
    from functions.http import Response
    from functions.portal.forms import Form
    from functions.visit import Visit

SHOWN = 50
_CHOSEN = "calendar-"


def show(visit: Visit) -> Response:
    """Those there are."""
    return _page(visit)


def create(visit: Visit, form: Form) -> Response:
    """A new one. Its address is shown in this answer and nowhere else, so there is no page to go on to."""
    filled = LinkForm.of({"days_behind": "30", **form})
    try:
        options = filled.options()
        made, token = requests.create_feed(
            visit.engine,
            visit.by,
            name=form.get("name", ""),
            calendar_ids=[identifier(name.removeprefix(_CHOSEN)) for name in form if name.startswith(_CHOSEN)],
            **{name: options[name] for name in feeds.OPTIONS},
        )
    except InvalidError as error:
        told = "; ".join(error.fields.values())
        return _page(visit, status=error.status, problem=f"{error.message} {told}".strip())
    return _page(visit, status=201, made=_address(visit, token), made_name=made.name)


def preview(visit: Visit, feed_id: str) -> Response:
    """What its readers see."""
    with visit.mine() as conn:
        feed = feeds.get(conn, identifier(feed_id))
        seen = contents.entries(conn, feed, data_key=visit.engine.data_key, now=visit.now)
        names = {one.id: one.name for one in calendars.list_calendars(conn, user_id=visit.principal.user_id)}
    roots = sorted((one.mirror.root for one in seen), key=lambda root: root.span.starts_at())
    return rendering.page("feed.html", visit, feed=feed, names=names, count=len(roots), roots=roots[:SHOWN], told="")


def rotate(visit: Visit, form: Form, feed_id: str) -> Response:
    """Another address; the one before is dead."""
    feed, token = requests.rotate_feed(visit.engine, visit.by, identifier(feed_id))
    return _page(visit, status=201, made=_address(visit, token), made_name=feed.name)


def revoke(visit: Visit, form: Form, feed_id: str) -> Response:
    """Dead at once."""
    requests.revoke_feed(visit.engine, visit.by, identifier(feed_id))
    return back("/published", told="feed_revoked")


def _address(visit: Visit, token: str) -> str:
    return feeds.address(visit.application.settings.app_base_url, token)


def _page(visit: Visit, *, status: int = 200, made: str = "", made_name: str = "", problem: str = "") -> Response:
    user_id = visit.principal.user_id
    with visit.mine() as conn:
        found = feeds.list_feeds(conn, user_id=user_id)
        listed = calendars.list_calendars(conn, user_id=user_id)
        accounts = {one.id: one for one in store.list_connections(conn, user_id=user_id)}
    return rendering.page(
        "feeds.html",
        visit,
        status=status,
        feeds=found,
        names={one.id: one.name for one in listed},
        calendars=[
            (one, accounts[one.connection_id].email)
            for one in listed
            if one.vanished_at is None and accounts[one.connection_id].status != "disconnected"
        ],
        made=made,
        made_name=made_name,
        problem=problem,
        told=visit.request.query.get("told", ""),
    )
