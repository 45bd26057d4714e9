"""The values of an authorization server: who asks, who is asked, what is granted, and what goes wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person at the provider. `subject` is the stable id that goes into `sub` or `oid`.

    testing_mode: refresh tokens end after seven days, as in a Google app whose status is "Testing".
    needs_admin_consent: the person may not consent; an administrator has to.
    """

    email: str
    name: str
    subject: str
    tenant: str = ""
    testing_mode: bool = False
    needs_admin_consent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A registered application; redirect URIs are compared exactly."""

    client_id: str
    secret: str
    redirect_uris: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """A checked authorization request. `extra` holds every parameter as sent, for the provider's own ones."""

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str
    code_challenge: str = ""
    nonce: str = ""
    prompt: str = ""
    login_hint: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who an access token speaks for."""

    email: str
    client_id: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What the token endpoint grants; `expires_in` in seconds; `refresh_token` is None when none is given."""

    account: Account
    client_id: str
    access_token: str
    expires_in: int
    scopes: tuple[str, ...]
    refresh_token: str | None
    nonce: str = ""


class AuthorizationError(Exception):
    """The authorization request is wrong; `redirect` is None when the client may not be told (RFC 6749 4.1.2.1)."""

    def __init__(self, error: str, description: str, redirect: str | None = None) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.redirect = redirect


class TokenError(Exception):
    """The token endpoint refuses (RFC 6749 5.2); `error` is its code."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status


class ExpiredTokenError(TokenError):
    """The refresh token's own time is over; it was not revoked."""


class TokenRejectedError(Exception):
    """The bearer is unknown, expired or revoked."""
