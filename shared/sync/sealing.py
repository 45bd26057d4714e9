"""Mirrors as the database keeps them: sealed, and each bound to its mapping, so that none can pass for another's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.calendar import codec

if TYPE_CHECKING:
    from uuid import UUID

    from shared.calendar.mirror import Mirror
    from shared.crypto.keyring import DataKey


def seal(mirror: Mirror, mapping_id: UUID, *, key: DataKey) -> bytes:
    """For a column of the mapping or of the journal."""
    return key.seal(codec.mirror_to_json(mirror), aad=str(mapping_id))


def opened(sealed: bytes, mapping_id: UUID, *, key: DataKey) -> Mirror:
    """The inverse of `seal`. Raises what `DataKey.open` does for what was sealed for another mapping."""
    return codec.mirror_from_json(key.open(sealed, aad=str(mapping_id)))
