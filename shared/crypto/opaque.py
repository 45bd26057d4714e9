"""Opaque tokens: 256 random bits, given out once and kept only as their SHA-256.

A fast hash suffices, since nobody can guess 256 bits; a slow one would cost every request.
"""

from __future__ import annotations

import hashlib
import secrets


def new(prefix: str = "") -> str:
    """A fresh token of 43 URL-safe characters after `prefix`."""
    return prefix + secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    """What may be stored of it: 32 bytes, by which it is found again."""
    return hashlib.sha256(token.encode()).digest()
