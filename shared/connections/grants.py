"""Why a grant ended: an OAuth app in Google's Testing mode loses every one after seven days, and people should know."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.core.errors import ReauthRequiredError

if TYPE_CHECKING:
    from datetime import datetime

    from shared.connections.store import Connection

TESTING_MODE = "AUTH.GOOGLE_TESTING_MODE"
TIME_LIMITED = "AUTH.GRANT_TIME_LIMITED"
TESTING_LIFETIME = timedelta(days=7)
"""Google: "Refresh token expiration": of an app whose publishing status is Testing, seven days after the consent."""
_TOLERANCE = timedelta(hours=1)
_NOTICED_WITHIN = timedelta(days=1)
"""A token is refreshed every hour, so the end of a grant is met soon after, unless the connection rested."""

PUBLISH = (
    "its operator publishes the app in the Google Cloud console (Google Auth Platform, Audience, Publish app); grants "
    "given after that last"
)


def is_testing(connection: Connection) -> bool:
    """Whether Google has said, with the grant, that it ends after the seven days of Testing mode."""
    granted_at, ends_at = connection.granted_at, connection.grant_ends_at
    if connection.provider != "google" or granted_at is None or ends_at is None:
        return False
    return abs(ends_at - granted_at - TESTING_LIFETIME) <= _TOLERANCE


def ended(connection: Connection, refusal: ReauthRequiredError, *, now: datetime) -> ReauthRequiredError:
    """The refusal of a grant, with its cause and what to do where that can be told from the grant's age."""
    if connection.provider != "google" or connection.granted_at is None:
        return refusal
    age, ends_at = now - connection.granted_at, connection.grant_ends_at
    if ends_at is not None and now < ends_at - _TOLERANCE:
        return refusal  # withdrawn before its time
    aged_out = TESTING_LIFETIME - _TOLERANCE <= age <= TESTING_LIFETIME + _NOTICED_WITHIN
    if is_testing(connection) or (ends_at is None and aged_out):
        return ReauthRequiredError(
            "Google ended the grant after seven days (invalid_grant), as it does while the OAuth app is in Testing "
            f"mode. Connect the account again: nothing is lost. To end this for good, {PUBLISH}.",
            code=TESTING_MODE,
        )
    if ends_at is not None:
        return ReauthRequiredError(
            "The time for which Google was told to allow access is over (invalid_grant). Connect the account again, "
            "and allow access without an end.",
            code=TIME_LIMITED,
        )
    return refusal
