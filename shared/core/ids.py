"""Ids that are made here; those of rows are made by the database (uuidv7)."""

from __future__ import annotations

import uuid


def correlation(origin: str) -> str:
    """A new correlation id: what began with one request, notification or tick carries it to the end."""
    return f"{origin}-{uuid.uuid4()}"
