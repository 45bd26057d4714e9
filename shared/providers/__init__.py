"""The providers. Adapters are imported when first used: each costs a Lambda tens of milliseconds and megabytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from shared.calendar.event import Unit
    from shared.providers.port import Authorizer, CalendarProvider, Turns

type ProviderName = Literal["google", "microsoft", "caldav", "ics"]
NAMES: dict[ProviderName, str] = {"google": "Google", "microsoft": "Microsoft", "caldav": "CalDAV", "ics": "Feed"}
WITH_OAUTH: tuple[ProviderName, ...] = ("google", "microsoft")
"""Whose accounts are connected by consent; CalDAV's by an app password, feeds (`ics`) by their address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The providers' addresses; the simulators' on a laptop."""

    google_api: str
    google_auth: str
    google_token: str
    google_revoke: str
    microsoft_graph: str
    microsoft_authority: str
    allowed_hosts: tuple[str, ...] = ()
    """Hosts that people's own servers and feeds may stand on although they are private (Settings.allowed_hosts)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """An OAuth app: each connection names the one it was made with. `tenant` is Microsoft's."""

    client_id: str
    client_secret: str
    tenant: str = "common"

    def __repr__(self) -> str:
        return f"OAuthClient(client_id={self.client_id!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppPassword:
    """What stands for a grant where there is no OAuth: a server's address, a user name and an app password."""

    url: str
    username: str
    password: str

    def __repr__(self) -> str:
        return f"AppPassword(url={self.url!r})"


def connect(name: str, *, access_token: str, endpoints: Endpoints, turns: Turns | None = None) -> CalendarProvider:
    """The account behind `access_token`; `turns` says when a provider that minds may be called, at once without.

    The access token of a feed (`ics`) is its address.
    Raises InvalidError for a provider Kalends does not speak to.
    """
    match name:
        case "google":
            from shared.providers.google.client import GoogleCalendar

            return GoogleCalendar(access_token=access_token, api_endpoint=endpoints.google_api, turns=turns)
        case "microsoft":
            from shared.providers.microsoft.client import MicrosoftCalendar

            return MicrosoftCalendar(access_token=access_token, graph_endpoint=endpoints.microsoft_graph, turns=turns)
        case "ics":
            from shared.net.egress import Egress
            from shared.providers.ics.client import IcsFeed

            return IcsFeed(address=access_token, egress=Egress(allowed_hosts=endpoints.allowed_hosts))
    raise InvalidError(f"Unknown provider {name!r}: use one of {', '.join(WITH_OAUTH)}.", code="PROVIDER.UNKNOWN")


def log_in(name: str, *, login: AppPassword, allowed_hosts: tuple[str, ...]) -> CalendarProvider:
    """The account behind an app password. `allowed_hosts` are those of `Endpoints`; nothing is asked yet.

    Raises InvalidError for a provider without app passwords, or what is no address.
    """
    match name:
        case "caldav":
            from shared.providers.caldav import dav
            from shared.providers.caldav.client import CalDavCalendar

            return CalDavCalendar(
                url=login.url,
                username=login.username,
                password=login.password,
                transport=dav.way_out(allowed_hosts),
            )
    raise InvalidError(f"Accounts of {name!r} are not connected by an app password.", code="PROVIDER.UNKNOWN")


def authorizer(name: str, *, client: OAuthClient, endpoints: Endpoints) -> Authorizer:
    """The OAuth side of a provider. Raises InvalidError for a provider Kalends does not speak to."""
    match name:
        case "google":
            from shared.providers.google.oauth import GoogleAuthorizer

            return GoogleAuthorizer(client=client, endpoints=endpoints)
        case "microsoft":
            from shared.providers.microsoft.oauth import MicrosoftAuthorizer

            return MicrosoftAuthorizer(client=client, endpoints=endpoints)
    raise InvalidError(f"Unknown provider {name!r}: use one of {', '.join(WITH_OAUTH)}.", code="PROVIDER.UNKNOWN")


def holds(name: str, unit: Unit) -> bool:
    """Whether a series can stand at a provider as one; if not, its occurrences stand there one by one.

    Raises InvalidError for a rule that nobody understands.
    """
    match name:
        case "microsoft":
            from shared.providers.microsoft import holding

            return holding.holds(unit)
        case "google":
            # Events: recurrence; the API refuses what repeats within a day.
            return not any("FREQ=HOURLY" in line.upper() for line in unit.root.recurrence)
    return True
