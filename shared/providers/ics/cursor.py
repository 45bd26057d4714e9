"""A feed's cursor: what it held when it was last read to the end, since a feed itself tells no changes. Pure.

For each item its digest (keyed, so that it tells nothing of a text) and when it is over. Reading on after half of the
items were taken is the same as reading on from a smaller feed, so a page token is a cursor without the validators.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import dataclass, field

from shared.core.errors import CursorExpiredError

_VERSION = 1
_UNPACKED = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An item as it was last told. `over` is when its last occurrence ends, in minutes since 1970; None: never."""

    digest: str
    over: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`etag` and `modified` are the validators of the answer that `items` came from (RFC 9110, 8.8).

    `unreadable` holds the digest of each reason that was told.
    """

    etag: str = ""
    modified: str = ""
    items: dict[str, Held] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """The cursor."""
        items = {event_id: [held.digest, held.over] for event_id, held in self.items.items()}
        plain = json.dumps([_VERSION, self.etag, self.modified, items, self.unreadable], separators=(",", ":"))
        return base64.b64encode(zlib.compress(plain.encode())).decode()


def parse(text: str | None) -> State:
    """The state behind a cursor or page token. Raises CursorExpiredError for what is none of ours."""
    if text is None:
        return State()
    try:
        plain = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), _UNPACKED)
        version, etag, modified, items, unreadable = json.loads(plain)
        if version == _VERSION:
            return State(
                etag=etag,
                modified=modified,
                items={event_id: Held(digest=digest, over=over) for event_id, (digest, over) in items.items()},
                unreadable=unreadable,
            )
    except (binascii.Error, zlib.error, ValueError, TypeError, AttributeError):
        pass
    raise CursorExpiredError("The feed's cursor is not one of ours. A full read follows.")
