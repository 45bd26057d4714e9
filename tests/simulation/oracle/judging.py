"""All that the oracle knows of a history, and everything that it finds wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

type Item = dict[str, Any]

WORDS = re.compile(r"zq\d+x")
"""What people write: each word once."""

MARGIN = timedelta(hours=3)
"""What lies so near to an edge of a window may be in or out: time went on since it was looked at."""


@dataclass(slots=True, kw_only=True)
class History:
    """Plain data about one history. All `at` are seconds since it began.

    `calendars`: name -> items; `kinds`: name -> kind of provider. `links`: the links there are. `link_log`: each
    version of a link, as (at, was, is). `tags`: what a marker names -> link and source event. `discarded` and
    `approved`: tags whose held deletions the person decided on; `purged`: when the person had the mirror with a tag
    removed, which the database did not know. `intended`: of each actor and tag, when a write was rendered, and the link
    as it was then. `frozen`: (at, tag) of each freeze. `journal`: each change of an item, by whom; of a CalDAV resource
    also the ETag that the writer had `read`. `calls`: each request of ours. `told`: changes (calendar, at) that a
    webhook accepted. `dead`: per dead letter, why it failed each time; `lying`: the same of those that are still there
    and can be read. `ended`: actor -> when it ended; one that was killed, or whom the database did not hear, is not
    there: it could note nothing down. `renewed`: account -> when the person signed in again. `restores`: of each
    restore of the database, when the backup was taken and when it was put back; `taken`: ids of links that a restore
    took away and that did not come back.
    `kept`: each claim of a lease, mirror recorded and cursor moved, in order: what (lease, written, read), resource, by
    whom; of leases also holder and until. `journalled`: tag -> outcome and time of each entry in the product's journal.
    `conflicts`: tags of mirrors of which a conflict is recorded; `refused`: those whose event was not written, with the
    reason recorded. `unread`: calendar and id of what is recorded as
    unreadable. `skewed`: actors whose clocks are wrong. `excused`: calendars of which only a poll can find every
    change, as long as none was made.
    """

    began: datetime
    now: datetime
    calendars: dict[str, list[Item]]
    kinds: dict[str, str]
    links: list[dict[str, Any]]
    link_log: list[tuple[float, dict[str, Any] | None, dict[str, Any] | None]]
    tags: dict[str, dict[str, str]]
    discarded: set[str]
    approved: set[str]
    purged: list[tuple[float, str]]
    intended: dict[tuple[str, str], list[tuple[float, dict[str, Any]]]]
    frozen: list[tuple[float, str]]
    journal: list[dict[str, Any]]
    calls: list[dict[str, Any]]
    told: list[tuple[str, float]]
    dead: list[list[str]]
    lying: list[list[str]]
    ended: dict[str, float]
    renewed: list[tuple[str, float]]
    restores: list[tuple[float, float]]
    taken: set[str]
    kept: list[dict[str, Any]]
    conflicts: set[str]
    refused: set[str]
    journalled: dict[str, list[tuple[str, float]]]
    unread: set[tuple[str, str]]
    skewed: set[str]
    excused: set[str] = field(default_factory=set)

    def moment(self, at: float) -> datetime:
        """Seconds since the beginning as a time."""
        return self.began + timedelta(seconds=at)

    def window(self, link: dict[str, Any]) -> tuple[datetime, datetime]:
        """What lies surely inside the window of a link."""
        first, last = (timedelta(days=link[name]) for name in ("days_behind", "days_ahead"))
        return self.now - first + MARGIN, self.now + last - MARGIN

    def is_forgotten(self, at: float, *, by: float | None = None) -> bool:
        """Whether the database noted something then, and a restore (put back up to `by`) has taken that away again."""
        return any(taken < at <= put_back and (by is None or put_back <= by) for taken, put_back in self.restores)


PROMISES = {
    "unproved delete": 1,
    "not held": 1,
    "duplicate": 2,
    "write after quiet": 3,
    "rewritten": 3,
    "mirror of a mirror": 4,
    "lost": 5,
    "two writers": 6,
    "overwritten": 6,
    "notification lost": 7,
    "leak": 8,
    "told back": 8,
    "guests": 9,
    "replaced": 9,
    "spoiled": 10,
    "not recorded": 10,
    "not journalled": 12,
    "orphan": 13,
}
"""Which of the engine's promises a kind of finding names. What breaks none of them by itself: altered, stray, touched,
edit lost, deletion lost, from nowhere, silent channel, restless, too soon, dead letter, unfinished, crash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken promise."""

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"
