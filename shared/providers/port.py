"""What every provider offers. Adapters translate; they decide nothing about syncing.

All methods raise only the errors of `shared.core.errors`: ReauthRequiredError (401 after a fresh token,
`invalid_grant`), RateLimitedError (429 and the providers' 403 rate reasons, with Retry-After), TransientError (5xx,
time-outs, answers that are not what was promised: HTML, truncated JSON), CursorExpiredError, NotFoundError,
ForbiddenError (no write access), InvalidError (the provider will never accept this).
Messages name ids and causes, never an event's text.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from contextlib import AbstractContextManager
    from datetime import datetime

    from shared.calendar.event import Event, Unit
    from shared.calendar.mirror import Appearance
    from shared.calendar.patch import Patch
    from shared.calendar.span import Window
    from shared.core.errors import KalendsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who the provider says has signed in: its own stable id and the e-mail address."""

    id: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """An OAuth grant. `refresh_token` is None when the provider sent none (then the old one stays valid).

    `grant_ends_at` is when the refresh token ends, where the provider says so.
    """

    access_token: str
    refresh_token: str | None
    expires_at: datetime
    scopes: tuple[str, ...]
    grant_ends_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Tokens(expires_at={self.expires_at.isoformat()})"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCalendar:
    """A calendar as the provider lists it. `supports_push`: it can be watched.

    `readers`: who else sees more there than when somebody is busy, as the provider names them; empty: nobody; None: it
    does not tell.
    """

    id: str
    name: str
    time_zone: str
    can_write: bool
    is_primary: bool = False
    readers: tuple[str, ...] | None = None
    supports_push: bool = True
    color: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upserted:
    """An item is there, new or changed.

    For a series, `overrides` is None when the provider reports its exceptions as items of their own (Google), or
    the complete set, cancelled occurrences included (Microsoft): then any other known override is gone.
    """

    event: Event
    overrides: tuple[Event, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """The item is gone, and that is proved: an explicit tombstone, or its own GET that answered not found."""

    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """One item that could not be understood; everything else on the page is unharmed. `reason` holds no text."""

    event_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of changes. Exactly one of `next_page` (read on) and `cursor` (that was the last page) is set.

    `requests` counts the provider calls it took.
    """

    changes: tuple[Upserted | Removed, ...]
    skipped: tuple[Skipped, ...] = ()
    next_page: str | None = None
    cursor: str | None = None
    requests: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """Create a mirror. `key` is deterministic (32 characters of base32hex, `[0-9a-v]`): the same key never makes two.

    Google: the event id itself. Graph: `transactionId`, after a lookup by marker where the first answer was lost.
    If the event is already there (409, also after its deletion), it is brought to `appearance` instead.
    `retried` says that an earlier attempt may have reached the provider: look the marker up before creating.
    """

    key: str
    marker: str
    appearance: Appearance
    retried: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Bring the mirror's root to `appearance`, in place. With `etag`, only if it has not changed since (412).

    `rule_anew` asks a provider that keeps cancelled and changed occurrences with the rule (Graph) to drop them all,
    even if the rule stays the same; what should differ follows in a later call.
    """

    event_id: str
    marker: str
    appearance: Appearance
    etag: str | None = None
    rule_anew: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Remove the mirror if it carries `marker`; already gone is success.

    The ownership check: an event that exists without our marker is left alone and answers ConflictError.
    `unconfirmed` says that the answer to its creation was lost, so that `event_id` is only the key it was created
    with: where the provider chooses ids itself, look the mirror up by its marker.
    With the `etag` under which we wrote or last saw the marker, a provider that honours preconditions needs no second
    look: one request instead of two. If the event has changed since, the marker is looked at again.
    """

    event_id: str
    marker: str
    unconfirmed: bool = False
    etag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOccurrence:
    """Make one occurrence of the mirror series differ; `key` is its `occurrence_key`."""

    series_id: str
    key: str
    appearance: Appearance


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOccurrence:
    """Take one occurrence out of the mirror series; already gone is success."""

    series_id: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """Change named fields of an event that is not ours, or of one occurrence of it (its `occurrence_key`).

    Whatever `patch` does not name stays: guests, reminders, attachments, conference, colour, properties of others.
    The event is read first. If it shows everything already, nothing is written: repeated after a lost answer, that is
    success even under an older `etag`. Otherwise, with `etag`, only if it has not changed since (PreconditionFailed);
    it is the ETag of what is changed, so of an occurrence only where that differs already.

    Guests are never notified. Answers ConflictError with code NOT_ORGANIZER where somebody else organises the event;
    HAS_GUESTS where the provider mails every change to guests (Graph); CONFERENCE where the description holds the
    conference and would lose it (Graph). NotFoundError for what is gone: only an occurrence of Google's comes back.
    A new start or rule of a series may end its occurrences that differ, as when its owner changes it there (Graph).
    """

    event_id: str
    patch: Patch
    occurrence: str | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Delete an event that is not ours, or take one occurrence out of it; already gone is success.

    Only as it was last seen: an event as a whole needs its `etag` (ValueError), and answers PreconditionFailedError
    if it has changed since. Answers ConflictError with code NOT_ORGANIZER or HAS_GUESTS: a guest would lose it unheard.
    """

    event_id: str
    occurrence: str | None = None
    etag: str | None = None

    def __post_init__(self) -> None:
        if self.occurrence is None and self.etag is None:
            raise ValueError("a person's event is only deleted as it was last seen")


type Write = Insert | Update | Delete | WriteOccurrence | CancelOccurrence | Amend | Withdraw


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The provider accepted. `event` is its answer, read back (None for deletions and cancellations)."""

    event_id: str
    event: Event | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The provider refused this one write; the others of the batch are unharmed."""

    error: KalendsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """An open push channel. `resource_id` is Google's; Microsoft's is empty."""

    id: str
    resource_id: str
    expires_at: datetime


NOT_ORGANIZER = "PROVIDER.NOT_ORGANIZER"
"""The code of the ConflictError for an event that somebody else organises: it is theirs to change."""
HAS_GUESTS = "PROVIDER.HAS_GUESTS"
"""The code of the ConflictError for an event whose guests would be mailed, or would lose it unheard."""
CONFERENCE = "PROVIDER.CONFERENCE"
"""The code of the ConflictError for a description that holds an online meeting, which a new one would lose."""
UNREADABLE = "PROVIDER.UNREADABLE"
"""The code of the TransientError for a success that is none: HTML, half an answer, another shape."""
ENDLESS_PAGES = "PROVIDER.ENDLESS_PAGES"
"""The code of the TransientError for a listing that does not come to an end."""
HANDSHAKE_FAILED = "PROVIDER.PUSH_HANDSHAKE"
"""The code of the TransientError when a provider did not reach our webhook while a channel was opened. That says
something about us, not about the account: only the channel waits."""


class Turns(Protocol):
    """Says when calls may be made to a provider that allows only so many at a time."""

    def __call__(self, calls: int, *, at_once: int) -> AbstractContextManager[int]:
        """Wait for the turn of some of `calls`, of which the provider carries out up to `at_once` at a time.

        Gives how many may be made while the context lasts, one at least. Raises QuotaSpentError.
        """


@contextmanager
def no_waiting(calls: int, *, at_once: int) -> Iterator[int]:
    """The turns of a provider that does not mind."""
    yield calls


class AsLeft(Protocol):
    """Says which changes are our own writes, told back."""

    def __call__(self, etags: Mapping[str, str]) -> AbstractSet[str]:
        """Of events that may be mirrors, by id with their ETags: the single ones that are as we left them."""


def none_as_left(etags: Mapping[str, str]) -> AbstractSet[str]:
    """For a page that tells everything."""
    return frozenset()


class CalendarProvider(Protocol):
    """One account at one provider, for as long as its access token lives. Not thread-safe."""

    def account(self) -> Account:
        """Who this is."""

    def list_calendars(self) -> list[RemoteCalendar]:
        """Every calendar the account can see."""

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
        """What changed since `cursor`; everything from `window.start` on when it is None; `page` reads on.

        Where an event has to be asked for by itself, a provider asks `as_left` before: what that names, it leaves out.

        Cursors and page tokens are opaque and self-contained: the next call passes them back with the same
        arguments. `window` bounds a full read where the provider needs bounds (Graph needs both).
        Raises CursorExpiredError when the provider forgot the cursor.
        """

    def get(self, calendar_id: str, event_id: str, *, window: Window) -> Unit | None:
        """One event, or a series with its overrides; None only if the provider says that it does not exist."""

    def find_marked(self, calendar_id: str, *, window: Window | None = None) -> list[Event]:
        """Every event in the calendar that carries a Kalends marker (unverified), e.g. after a lost database."""

    def write(self, calendar_id: str, writes: Sequence[Write]) -> list[Written | Failed]:
        """Carry out writes, answers in their order. Batched where the provider can; guests are never notified.

        Occurrences must follow their series in a later call. A connection-wide failure (ReauthRequiredError,
        or the whole batch refused) is raised; a failure of one write is its Failed.
        """

    def decline(self, calendar_id: str, event_id: str, *, occurrence: str | None = None) -> None:
        """Answer an invitation with no, or one occurrence of it (its `occurrence_key`); twice is fine. The provider
        mails nobody for it. Raises NotFoundError, and ConflictError where the account is not invited.
        """

    def watch(self, calendar_id: str, *, channel_id: str, address: str, token: str, expires_at: datetime) -> Channel:
        """Ask for notifications of this calendar at `address`, proved by `token`.

        Raises TransientError with code HANDSHAKE_FAILED when the provider tried the address and got no good answer.
        """

    def prolong(self, channel: Channel, *, expires_at: datetime) -> Channel | None:
        """Let an open channel live longer, without a gap; None where a provider cannot (Google): open another.

        Raises NotFoundError when the channel is over.
        """

    def stop(self, channel: Channel) -> None:
        """End a channel; one that is already gone is success."""


class Authorizer(Protocol):
    """A provider's OAuth 2.0 side (RFC 6749, 7636, 7009)."""

    def authorization_url(self, *, state: str, code_verifier: str, redirect_uri: str, login_hint: str | None) -> str:
        """Where to send the person."""

    def exchange(self, *, code: str, code_verifier: str, redirect_uri: str, now: datetime) -> Tokens:
        """Redeem the code of a callback. Raises InvalidError when the provider refuses it."""

    def refresh(self, *, refresh_token: str, now: datetime) -> Tokens:
        """A new access token. Raises ReauthRequiredError on `invalid_grant`."""

    def revoke(self, *, token: str) -> None:
        """Give the grant back; unknown tokens are success. Microsoft has no such call: nothing happens."""
