"""Scopes as applications write them and as they are kept.

Graph's may carry its address in front (https://graph.microsoft.com/Calendars.Read); inside the simulator they
never do. Those of OpenID Connect stand alone.
"""

from collections.abc import Iterable

GRAPH = "https://graph.microsoft.com/"
OPEN_ID = ("openid", "profile", "email", "offline_access")

_DESCRIPTIONS = {
    "Calendars.Read": "Read your calendars",
    "Calendars.ReadWrite": "Have full access to your calendars",
    "MailboxSettings.Read": "Read your mailbox settings",
    "User.Read": "Sign you in and read your profile",
    "email": "View your email address",
    "offline_access": "Maintain access to data you have given it access to",
    "openid": "Sign you in",
    "profile": "View your basic profile",
}


def short(text: str) -> str:
    """The scopes of a request without Graph's address."""
    return " ".join(scope.removeprefix(GRAPH) for scope in text.split())


def full(names: Iterable[str]) -> str:
    """The scopes of an answer: Graph's with its address, offline_access left out."""
    return " ".join(name if name in OPEN_ID else GRAPH + name for name in names if name != "offline_access")


def described(names: Iterable[str]) -> dict[str, str]:
    """What the consent page says of each scope."""
    return {name: _DESCRIPTIONS.get(name, name) for name in names}
