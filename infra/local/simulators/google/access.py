"""Who may do what: OAuth scopes, and a person's role at a calendar."""

from infra.local.simulators.credentials import Caller
from infra.local.simulators.google import errors
from infra.local.simulators.google.store import Calendar, Entry, Store

_PREFIX = "https://www.googleapis.com/auth/"
CALENDAR = _PREFIX + "calendar"

SCOPES = {
    "openid": "Know who you are",
    _PREFIX + "userinfo.email": "See your e-mail address",
    _PREFIX + "userinfo.profile": "See your name",
    CALENDAR: "See, edit, share and delete all your calendars",
    CALENDAR + ".readonly": "See all your calendars",
    CALENDAR + ".events": "See and edit events on all your calendars",
    CALENDAR + ".events.readonly": "See events on all your calendars",
    CALENDAR + ".events.owned": "See and edit events on calendars you own",
    CALENDAR + ".events.owned.readonly": "See events on calendars you own",
    CALENDAR + ".calendarlist": "See and change your list of calendars",
    CALENDAR + ".calendarlist.readonly": "See your list of calendars",
    CALENDAR + ".calendars": "See and change properties of your calendars",
    CALENDAR + ".calendars.readonly": "See properties of your calendars",
    CALENDAR + ".freebusy": "See when you are free",
    CALENDAR + ".events.freebusy": "See when you are free on calendars you can access",
    CALENDAR + ".settings.readonly": "See your calendar settings",
}
"""Every scope the consent page knows, with its description. Which method takes which is in the discovery document."""

SHORT_SCOPES = {"email": _PREFIX + "userinfo.email", "profile": _PREFIX + "userinfo.profile"}
"""What Google answers for these two short names."""


def _scopes(*names: str) -> frozenset[str]:
    return frozenset({CALENDAR, *(CALENDAR + name for name in names)})


WRITE_EVENTS = _scopes(".events", ".events.owned")
READ_EVENTS = WRITE_EVENTS | _scopes(".readonly", ".events.readonly", ".events.owned.readonly")
READ_LIST = _scopes(".readonly", ".calendarlist", ".calendarlist.readonly")
WRITE_LIST = _scopes(".calendarlist")
READ_CALENDARS = _scopes(".readonly", ".calendars", ".calendars.readonly")
WRITE_CALENDARS = _scopes(".calendars")
READ_FREE_BUSY = _scopes(".readonly", ".freebusy", ".events.freebusy")
READ_SETTINGS = _scopes(".readonly", ".settings.readonly")
READ_ANY = READ_EVENTS | READ_LIST | READ_CALENDARS | READ_FREE_BUSY | READ_SETTINGS

_ROLES = ("none", "freeBusyReader", "reader", "writer", "owner")


def require_scope(caller: Caller, accepted: frozenset[str]) -> None:
    """403 insufficientPermissions when the token has none of the scopes."""
    if accepted.isdisjoint(caller.scopes):
        raise errors.insufficient_scopes()


def calendar_of(store: Store, email: str, calendar_id: str) -> tuple[Calendar, Entry]:
    """The calendar as this person has it in the list; `primary` is theirs. 404 when they have no access."""
    wanted = email if calendar_id == "primary" else calendar_id
    entry = store.lists.get(email, {}).get(wanted)
    if entry is None or entry.removed or wanted not in store.calendars:
        raise errors.not_found()
    return store.calendars[wanted], entry


def require_role(entry: Entry, role: str) -> None:
    """403 requiredAccessLevel when the person's role is a lesser one."""
    if _ROLES.index(entry.role) < _ROLES.index(role):
        raise errors.forbidden(
            f"You need to have {role} access to this calendar.", "requiredAccessLevel", in_calendar=True
        )


def at_least(role: str, wanted: str) -> bool:
    """Whether a role includes another."""
    return _ROLES.index(role) >= _ROLES.index(wanted)
