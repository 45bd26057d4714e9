"""From what a person enters to an account and its calendars (RFC 6764; RFC 5397; RFC 4791, 6.2.1; RFC 3744).

The address may be a server's, a principal's, a calendar home's or a calendar's own. Addresses of SRV records are not
looked up: the presets and what providers document need none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from shared.calendar.ical import lines
from shared.calendar.ical.time_zones import Zones
from shared.core.errors import ForbiddenError, InvalidError, KalendsError, NotFoundError, TransientError
from shared.providers.caldav import sharing
from shared.providers.caldav.dav import APPLE, CALDAV, DAV, SERVER, canonical, path_of
from shared.providers.port import RemoteCalendar

if TYPE_CHECKING:
    from shared.providers.caldav.dav import Dav, Response

NOT_FOUND = "CALDAV.NOT_FOUND"
"""The code of the InvalidError when no calendar account stands behind an address."""

_PRINCIPAL = (
    "<D:current-user-principal/><D:principal-URL/><D:resourcetype/><C:calendar-home-set/>"
    "<C:calendar-user-address-set/><D:displayname/>"
)
_CALENDAR = (
    "<D:resourcetype/><D:displayname/><D:owner/><D:current-user-privilege-set/><C:supported-calendar-component-set/>"
    f"<A:calendar-color/><C:calendar-timezone/><C:schedule-default-calendar-URL/><S:source/>{sharing.PROPERTIES}"
)
_WRITING = {f"{{{DAV}}}{name}" for name in ("all", "write", "write-content", "bind")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An account: its principal if the server has one, its homes (or calendars), the addresses it is invited by."""

    principal: str
    homes: tuple[str, ...]
    addresses: frozenset[str]


def find(dav: Dav) -> Found:
    """The account behind the address. Raises InvalidError with NOT_FOUND if there is none."""
    refusal: KalendsError | None = None
    for url in dict.fromkeys((dav.home, urljoin(dav.home, "/.well-known/caldav"), urljoin(dav.home, "/"))):
        try:
            if (found := _look(dav, url)) is not None:
                return found
        except (NotFoundError, ForbiddenError, TransientError) as error:
            refusal = refusal or error
        except InvalidError as error:
            if error.error_code.startswith(("CALDAV.", "EGRESS.")):
                raise
    if isinstance(refusal, TransientError):
        raise refusal
    raise InvalidError(
        "No calendars were found at this address. Enter the CalDAV address that your provider gives.", code=NOT_FOUND
    )


def calendars(dav: Dav, found: Found) -> list[RemoteCalendar]:
    """The account's calendars that hold events. The first that can be written to counts as primary."""
    listed: dict[str, Response] = {}
    for home in found.homes:
        answer = dav.propfind(home, _CALENDAR, depth=1, what="the calendars", follow=True)
        for response in answer.responses:
            if _holds_events(response):
                listed.setdefault(canonical(dav.allowed(response.url)), response)
    remote = [_remote(url, response, found) for url, response in listed.items()]
    primary = next((one.id for one in remote if one.can_write and not one.readers), None)
    primary = primary or next((one.id for one in remote if one.can_write), None)
    return [replace(one, is_primary=one.id == primary) for one in remote]


def zone_of(response: Response) -> str | None:
    """The IANA zone of a calendar's calendar-timezone, a VTIMEZONE (RFC 4791, 5.2.2)."""
    text = response.text(f"{{{CALDAV}}}calendar-timezone")
    if not text:
        return None
    try:
        calendar = lines.require(text)
    except InvalidError:
        return None
    tzid = next((one.value("TZID") for one in calendar.components("VTIMEZONE")), "")
    found = Zones(calendar, default=lambda: "UTC").find(tzid) if tzid else None
    return None if found is None else found.name


def _look(dav: Dav, url: str) -> Found | None:
    answer = dav.propfind(url, _PRINCIPAL, depth=0, what="the account", follow=True)
    if not answer.responses:
        return None
    here = answer.responses[0]
    principal = here.href(f"{{{DAV}}}current-user-principal")
    homes = here.hrefs(f"{{{CALDAV}}}calendar-home-set")
    at = here
    if not homes and principal is not None and path_of(principal) != path_of(here.url):
        answer = dav.propfind(dav.allowed(principal), _PRINCIPAL, depth=0, what="the account", follow=True)
        at = answer.responses[0] if answer.responses else here
        homes = at.hrefs(f"{{{CALDAV}}}calendar-home-set")
    if f"{{{CALDAV}}}calendar" in here.children(f"{{{DAV}}}resourcetype"):
        homes = [here.url]  # just this calendar was named
    if not homes:
        return None
    addresses = {
        address.lower().removeprefix("mailto:") for address in at.hrefs(f"{{{CALDAV}}}calendar-user-address-set")
    }
    return Found(
        principal=canonical(principal or at.url),
        homes=tuple(dav.allowed(home) for home in homes),
        addresses=frozenset(one for one in addresses if "@" in one),
    )


def _holds_events(response: Response) -> bool:
    kinds = response.children(f"{{{DAV}}}resourcetype")
    if f"{{{CALDAV}}}calendar" not in kinds or f"{{{SERVER}}}subscribed" in kinds:
        return False
    supported = response.found.get(f"{{{CALDAV}}}supported-calendar-component-set")
    # Servers that leave it out take everything (RFC 4791, 5.2.3).
    return supported is None or any(child.get("name", "").upper() == "VEVENT" for child in supported)


def _remote(url: str, response: Response, found: Found) -> RemoteCalendar:
    privileges = response.children(f"{{{DAV}}}current-user-privilege-set")
    name = response.text(f"{{{DAV}}}displayname") or path_of(url).rpartition("/")[2]
    color = response.text(f"{{{APPLE}}}calendar-color")
    return RemoteCalendar(
        id=url,
        name=name,
        time_zone=zone_of(response) or "UTC",
        can_write=not privileges or bool(privileges & _WRITING),
        readers=sharing.readers(response, principal=found.principal),
        supports_push=False,
        color=color[:7] if color.startswith("#") else None,
    )
