"""Microsoft Graph v1.0 behind the port: Outlook calendars of work, school and personal accounts.

Requests, as Graph counts them: one per page of changes, and one more for each series that a page touches, each event
it removed and each with our category that is not as we left it; `get` one, two for a series. An insert one (repeated:
three); an update of a single event with its ETag one, any other two, with the rule anew three; a deletion, a written
and a cancelled occurrence two each; an amendment and a withdrawal two, of an occurrence three. Up to twenty travel in
one batch, so many writes take as many round trips as one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.providers.microsoft import changes, channels, payloads, sharing, writes
from shared.providers.microsoft.graph import Graph
from shared.providers.microsoft.payloads import CalendarPayload, UserPayload
from shared.providers.port import Account, RemoteCalendar, none_as_left

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.calendar.event import Event, Unit
    from shared.calendar.span import Window
    from shared.providers.port import AsLeft, Channel, Failed, Page, Turns, Write, Written

_CALENDARS_PER_PAGE = 100


class MicrosoftCalendar:
    """One Microsoft account, for as long as its access token lives (port.CalendarProvider)."""

    def __init__(self, *, access_token: str, graph_endpoint: str, turns: Turns | None = None) -> None:
        self._graph = Graph(access_token=access_token, endpoint=graph_endpoint, turns=turns)

    def account(self) -> Account:
        """Who this is. A mailbox has `mail`; a personal account may have its address only as userPrincipalName."""
        answer = self._graph.get("/me?$select=id,mail,userPrincipalName", what="the account")
        user = payloads.parse(UserPayload, answer)
        return Account(id=user.id, email=user.mail or user.user_principal_name)

    def list_calendars(self) -> list[RemoteCalendar]:
        """Every calendar of the account's groups, shared ones included.

        Graph keeps no zone with a calendar, and a mailbox's own needs a permission that Kalends does not ask for: UTC.
        Who else reads one's own takes a request for each, up to twenty in a round trip.
        """
        path = f"/me/calendars?$top={_CALENDARS_PER_PAGE}"
        found = [payloads.parse(CalendarPayload, item) for item in self._graph.pages(path, what="the calendars")]
        mine = {_owner(calendar) for calendar in found if calendar.is_default_calendar} - {""}
        # Only the person who created a calendar can share it; another owner reads it in any case.
        owns = [one for one in found if one.can_share and not (mine and _owner(one) not in mine | {""})]
        readers = sharing.readers(self._graph, [calendar.id for calendar in owns])
        return [_remote(one, readers[one.id] if one.id in readers else sharing.of_another(one)) for one in found]

    def changes(
        self,
        calendar_id: str,
        *,
        cursor: str | None,
        page: str | None,
        window: Window,
        page_size: int = 2500,
        as_left: AsLeft = none_as_left,
    ) -> Page:
        """What changed, series in full. The window is fixed in the cursor; it counts only for a full read."""
        return changes.read_page(
            self._graph, calendar_id, cursor=cursor, page=page, window=window, page_size=page_size, as_left=as_left
        )

    def get(self, calendar_id: str, event_id: str, *, window: Window) -> Unit | None:
        """One event, or a series with all its overrides, inside the window and outside."""
        return changes.get(self._graph, calendar_id, event_id)

    def find_marked(self, calendar_id: str, *, window: Window | None = None) -> list[Event]:
        """Every event with a marker; the window leaves out single events only."""
        found = changes.find_marked(self._graph, calendar_id)
        return [event for event in found if _inside(event, window)]

    def write(self, calendar_id: str, writes_: Sequence[Write]) -> list[Written | Failed]:
        """Carry out writes in batches of twenty."""
        return writes.carry_out(self._graph, calendar_id, writes_)

    def decline(self, calendar_id: str, event_id: str, *, occurrence: str | None = None) -> None:
        """Without a response to the organizer (Graph v1.0, event: decline)."""
        writes.decline(self._graph, calendar_id, event_id, occurrence=occurrence)

    def watch(self, calendar_id: str, *, channel_id: str, address: str, token: str, expires_at: datetime) -> Channel:
        """Subscribe. Graph gives the channel its own id; `channel_id` is not used."""
        return channels.open_channel(self._graph, calendar_id, address=address, token=token, expires_at=expires_at)

    def prolong(self, channel: Channel, *, expires_at: datetime) -> Channel | None:
        """Keep a channel alive without a gap; also the answer to `reauthorizationRequired`."""
        return channels.prolong_channel(self._graph, channel.id, expires_at=expires_at)

    def stop(self, channel: Channel) -> None:
        """End a channel; one that is already gone is success."""
        channels.close_channel(self._graph, channel.id)


def _owner(calendar: CalendarPayload) -> str:
    return calendar.owner.address.lower() if calendar.owner else ""


def _remote(calendar: CalendarPayload, readers: tuple[str, ...] | None) -> RemoteCalendar:
    return RemoteCalendar(
        id=calendar.id,
        name=calendar.name,
        time_zone="UTC",
        can_write=calendar.can_edit,
        is_primary=calendar.is_default_calendar,
        readers=readers,
        supports_push=True,
        color=calendar.hex_color or None,
    )


def _inside(event: Event, window: Window | None) -> bool:
    """Whether it may be inside: a series is not expanded for this, and what has no time is never left out."""
    if window is None or event.span is None or event.is_series:
        return True
    return window.touches(event.span.starts_at(), event.span.ends_at())
