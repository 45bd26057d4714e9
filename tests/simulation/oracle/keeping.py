"""What the product's own store must show: one writer at a time, every write journalled, every skipped item recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation import plain
from tests.simulation.oracle.judging import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.oracle.judging import History


def judge(history: History) -> Iterator[Finding]:
    """Every finding about what was kept."""
    yield from _two_writers(history)
    yield from _not_journalled(history)
    yield from _not_recorded(history)


def _two_writers(history: History) -> Iterator[Finding]:
    """Whoever records what it wrote or read holds the lease, and nobody takes a lease that is still held."""
    leases: dict[str, dict[str, Any]] = {}
    for entry in history.kept:
        if entry["what"] == "restored":
            leases.clear()  # they are those of the backup, and whoever had one is gone
            continue
        held = leases.get(entry["resource"])
        if entry["what"] != "lease":
            if held is None or held["holder"] != entry["by"]:
                what = f"{entry['by']} recorded at {entry['at']:.0f} what {held and held['holder']} had to"
                yield Finding(kind="two writers", what=f"{what}: {entry['resource']}")
            continue
        is_taken = held is not None and entry["holder"] != held["holder"] and (held["until"] or 0.0) > entry["at"] + 1
        if is_taken and not {entry["holder"], held["holder"]} & history.skewed:
            what = f"{entry['holder']} took the lease that {held['holder']} held until {held['until']:.0f}"
            yield Finding(kind="two writers", what=f"{what}: {entry['resource']} at {entry['at']:.0f}")
        leases[entry["resource"]] = entry


WRITING = 60.0
"""Seconds within which what was intended is written: as long as a worker holds its lease."""


def _not_journalled(history: History) -> Iterator[Finding]:
    """The last change of a mirror by Kalends stands in its journal as long as its link exists: accepted since, or
    intended just before."""
    last: dict[str, float] = {}
    for entry in history.journal:
        if entry["by"] == "kalends" and entry["root_by"] == "kalends" and entry["tag"] is not None:
            last[entry["tag"]] = entry["at"]
    living = {link["id"] for link in history.links if link["state"] != "deleting"}
    for tag, at in last.items():
        named = history.tags.get(tag)
        if named is None or named["link"] not in living or history.is_forgotten(at):
            continue
        entries = history.journalled.get(tag, [])
        if not any(then >= at or (outcome == "intended" and then >= at - WRITING) for outcome, then in entries):
            what = f"the last write to the mirror of {named['source']} at {at:.0f} stands in no journal"
            yield Finding(kind="not journalled", what=what)


def _not_recorded(history: History) -> Iterator[Finding]:
    """What cannot be read in the source of a link, within its window, is recorded with a reason."""
    for link in history.links:
        if link["state"] == "deleting":
            continue
        first, last = history.window(link)
        for item in history.calendars[link["source"]]:
            if item["readable"] or item["by"] != "person" or item["series"] is not None or plain.is_gone(item):
                continue
            if (link["source"], item["id"]) in history.unread:
                continue
            if next(plain.happenings(item, (), first=first, last=last), None) is not None:
                yield Finding(kind="not recorded", what=f"{item['id']} in {link['source']} cannot be read")
