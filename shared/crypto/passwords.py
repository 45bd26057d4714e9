"""Passwords, hashed with argon2id (RFC 9106). argon2-cffi's defaults are that RFC's low-memory profile."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher


def hash(password: str) -> str:
    """The encoded hash, with its salt and parameters."""
    return _hasher().hash(password)


def verify(encoded: str | None, password: str) -> bool:
    """Whether `password` made `encoded`. Without a hash it takes as long, so that timing tells nobody who exists."""
    from argon2.exceptions import VerifyMismatchError

    try:
        _hasher().verify(encoded or _decoy(), password)
    except VerifyMismatchError:
        return False
    return encoded is not None


def needs_rehash(encoded: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _hasher().check_needs_rehash(encoded)


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _decoy() -> str:
    return _hasher().hash("nobody's password")
