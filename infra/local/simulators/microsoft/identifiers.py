"""Ids as Exchange gives them: long, opaque, case-sensitive, and of two kinds.

A regular id names the item's place and so changes when the item is moved; an immutable id, asked for by
`Prefer: IdType="ImmutableId"`, does not (vendor doc: outlook-immutable-id). Either is accepted wherever an id
goes. An occurrence's id holds its series and its original day, and stays when the occurrence becomes an
exception. Calendars have one kind only.
"""

import base64
import hashlib
import struct
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

_REGULAR, _IMMUTABLE, _CALENDAR = "AAMkADk", "AAkALgAA", "AQMkADk"
_LAYOUT = struct.Struct(">12sQIQ")


class MalformedIdError(ValueError):
    """The text is no id of this mailbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What an event's id names: an item by number, and for an occurrence its original day."""

    number: int
    day: date | None = None


@lru_cache(maxsize=4096)
def _tag(mailbox: str) -> bytes:
    return hashlib.sha256(mailbox.encode()).digest()[:12]


def _encoded(prefix: str, mailbox: str, number: int, day: int, place: int) -> str:
    payload = _LAYOUT.pack(_tag(mailbox), number, day, place)
    return prefix + base64.urlsafe_b64encode(payload).decode()


def _decoded(text: str, prefix: str, mailbox: str) -> tuple[int, int]:
    try:
        payload = base64.urlsafe_b64decode(text.removeprefix(prefix).encode())
        tag, number, day, _ = _LAYOUT.unpack(payload)
    except (ValueError, struct.error):
        raise MalformedIdError(text) from None
    if tag != _tag(mailbox) or not text.startswith(prefix):
        raise MalformedIdError(text)
    return number, day


def event_id(mailbox: str, reference: Reference, *, calendar: int, immutable: bool) -> str:
    """An event's or occurrence's id, of the kind that was asked for; `calendar` is the number of its place."""
    day = reference.day.toordinal() if reference.day else 0
    if immutable:
        return _encoded(_IMMUTABLE, mailbox, reference.number, day, 0)
    return _encoded(_REGULAR, mailbox, reference.number, day, calendar)


def parse_event_id(mailbox: str, text: str) -> Reference:
    """What an id of either kind names. Raises MalformedIdError; whether it still exists is another question."""
    number, day = _decoded(text, _IMMUTABLE if text.startswith(_IMMUTABLE) else _REGULAR, mailbox)
    return Reference(number=number, day=date.fromordinal(day) if day else None)


def calendar_id(mailbox: str, number: int) -> str:
    """A calendar's id."""
    return _encoded(_CALENDAR, mailbox, number, 0, 0)


def change_key(version: int) -> str:
    """The changeKey of the version that a change made; the etag is W/"changeKey"."""
    return base64.b64encode(b"\x0f\x00\x00\x00\x16\x00\x00\x00" + struct.pack(">Q", version)).decode()


def occurrence_id(master_id: str, day: date) -> str:
    """What cancelledOccurrences lists: OID.{id of the master}.{original day} (vendor doc: event)."""
    return f"OID.{master_id}.{day.isoformat()}"


def global_object_id(uid: str, day: date | None = None) -> str:
    """iCalUId: a Global Object ID (MS-OXOCAL 2.2.1.27), with the day inside it for an occurrence."""
    stamp = f"{day.year:04X}{day.month:02X}{day.day:02X}" if day else "00000000"
    return f"040000008200E00074C5B7101A82E008{stamp}{uid}"


def guid(*parts: str) -> str:
    """A GUID that is always the same for the same parts."""
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
