"""Whether everything on the way was done as promised: deletions proved, nothing of people's touched, nothing told that
is masked, holds and Retry-After heeded, no notification lost, no work put aside because of a closed gate."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from tests.simulation import plain
from tests.simulation.oracle import forms, masks, two_way
from tests.simulation.oracle.judging import WORDS, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.oracle.judging import History, Item

ALWAYS_ALLOWED, SHARE_ALLOWED = 5, 0.10
REWRITES, PERIOD = 3, 3700.0
IN_FLIGHT = 200.0
"""Seconds: a write that was rendered so long ago may still be on its way, and show what a link showed then."""
WRONG_CLOCK = 7200.0
"""Seconds by which the clocks of two workers may be apart."""
EXCUSES = re.compile(r"killed|nonsense|DATABASE\.(UNAVAILABLE|CONTENTION)|QUEUE\.UNAVAILABLE")


def judge(history: History) -> Iterator[Finding]:
    """Every finding about the conduct so far."""
    versions = _link_versions(history)
    yield from _touched(history)
    yield from _unproved(history, versions)
    yield from _not_held(history)
    yield from _told_too_much(history, versions)
    yield from _frozen_without_cause(history)
    yield from _overwritten(history)
    yield from _too_soon(history)
    yield from two_way.judge(history)
    for failures in history.dead:
        if not all(EXCUSES.fullmatch(one) for one in failures):
            yield Finding(kind="dead letter", what=f"work was put aside after {', '.join(failures)}")
    for failures in history.lying:
        what = f"one still lies there after {', '.join(failures)}, though nothing is due"
        yield Finding(kind="dead letter", what=what)


def _touched(history: History) -> Iterator[Finding]:
    for entry in history.journal:
        if entry["by"] == "kalends" and entry["root_by"] == "person" and not two_way.is_meant(history, entry):
            what = f"{entry['actor']} wrote to {entry['id']} in {entry['calendar']}, which a person made"
            yield Finding(kind="touched", what=what)


def _overwritten(history: History) -> Iterator[Finding]:
    """A CalDAV resource is written whole, so only by who has read what it replaces: nobody's change goes unseen."""
    for entry in history.journal:
        before = entry["before"]
        if "read" not in entry or before is None or plain.is_gone(before) or before["etag"] == entry["read"]:
            continue
        what = f"{entry['actor']} replaced {entry['id']} in {entry['calendar']} as it had never read it"
        yield Finding(kind="overwritten", what=what)


def _unproved(history: History, versions: dict[str, list[tuple[float, dict[str, Any]]]]) -> Iterator[Finding]:
    """A mirror goes only because its source went or is hidden, or its link was deleted."""
    sources: dict[tuple[str, str], list[tuple[float, Item]]] = defaultdict(list)
    for entry in history.journal:
        if "person" in (entry["by"], entry["root_by"]):
            sources[entry["calendar"], entry["id"]].append((entry["at"], entry["after"]))
    created: dict[str, list[float]] = defaultdict(list)
    for entry in history.journal:
        was_there = entry["before"] is not None and not plain.is_gone(entry["before"])
        is_ours = entry["by"] == "kalends" and entry["id"] == entry["root"]
        if is_ours and not was_there and not plain.is_gone(entry["after"]):
            created[entry["tag"] or ""].append(entry["at"])
    for at, tag, entry in _deletions(history):
        if _is_purged(history, at, tag):
            continue
        named = history.tags.get(tag or "")
        if named is None:
            yield Finding(kind="unproved delete", what=f"{entry['id']} in {entry['calendar']}: of no link")
            continue
        restored = max((put_back for _, put_back in history.restores if put_back <= at), default=0.0)
        known_links = [(since, link) for since, link in versions[named["link"]] if since <= at]
        # A link that came back was never deleted.
        links = [link for since, link in known_links if since >= restored] or [link for _, link in known_links]
        if any(link["state"] in ("deleting", "deleted") for link in links):
            continue
        known = [item for since, item in sources[links[0]["source"], named["source"]] if since <= at]
        if _has_given_way(history, links[0], named["source"], at):
            continue
        if not any(plain.is_gone(item) or masks.hidden(item, link) for item in known for link in links):
            what = f"{entry['actor']} deleted {entry['id']} in {entry['calendar']}, the mirror of {named['source']}"
            yield Finding(kind="unproved delete", what=what)
            if any(later > at for later in created[tag or ""]):
                yield Finding(kind="replaced", what=f"{what}, and made another: an update is in place")


def _has_given_way(history: History, link: dict[str, Any], source: str, at: float) -> bool:
    """Whether the target could not hold a series as one, so that mirrors of its occurrences took the place of its own.
    Of such an occurrence: whether it does not happen any more, is hidden, or the series is mirrored as one again."""
    named = forms.of_series(source)
    states = list(_states(history, link["source"], source, at))
    if any(not forms.holds(history.kinds[link["target"]], root, overrides.values()) for root, overrides in states):
        return True
    if named is None:
        return False
    series, place = named
    was_split = False
    for root, overrides in _states(history, link["source"], series, at):
        is_split = not forms.holds(history.kinds[link["target"]], root, overrides.values())
        item = overrides.get(place, root)
        is_over = plain.is_gone(root) or not plain.has_place(root, place) or item["status"] == "cancelled"
        if was_split and (not is_split or is_over or masks.hidden(item, link)):
            return True
        was_split = was_split or is_split
        if is_split and (is_over or masks.hidden(item, link)):
            return True
    return False


def _states(history: History, calendar: str, series: str, at: float) -> Iterator[tuple[Item, dict[str, Item]]]:
    """A series with what differs in it after each change, up to `at`."""
    root: Item | None = None
    overrides: dict[str, Item] = {}
    for entry in history.journal:
        if entry["calendar"] != calendar or entry["root"] != series or entry["at"] > at:
            continue
        item = entry["after"]
        if item["series"] is None:
            root = item
            overrides = {key: one for key, one in overrides.items() if plain.has_place(item, key)}
        else:
            overrides[item["original"]] = item
        if root is not None:
            yield root, dict(overrides)


def _is_purged(history: History, at: float, tag: str | None) -> bool:
    return any(one == tag and when <= at for when, one in history.purged)


def _not_held(history: History) -> Iterator[Finding]:
    """No reading of a calendar leads to more deletions of a link than are allowed without the person's word.

    Counted are only deletions that one reader alone can have asked for, so this never blames the innocent.
    """
    shown: dict[tuple[str, str], list[tuple[float, str, bool]]] = defaultdict(list)
    for call in history.calls:
        for item_id in call.get("removed", ()):
            shown[call["lists"], item_id].append((call["at"], call["actor"], True))
        for item_id in call.get("there", ()):
            shown[call["lists"], item_id].append((call["at"], call["actor"], False))
        if "named" in call:
            calendar, item_id, is_gone = call["named"]
            shown[calendar, item_id].append((call["at"], call["actor"], is_gone))
    sources = {link["id"]: link["source"] for _, was, now in history.link_log for link in (was, now) if link}
    deleting = {now["id"]: at for at, _, now in reversed(history.link_log) if now and now["state"] == "deleting"}
    mirrors: Counter[str] = Counter(named["link"] for named in history.tags.values())
    asked: Counter[tuple[str, str]] = Counter()
    for at, tag, _ in _deletions(history):
        named = history.tags.get(tag or "")
        if (
            named is None
            or tag in history.approved
            or _is_purged(history, at, tag)
            or deleting.get(named["link"], at) < at
        ):
            continue
        readers: set[str] = set()
        for seen_at, actor, is_gone in shown[sources[named["link"]], named["source"]]:
            if seen_at <= at:
                readers = readers | {actor} if is_gone else set()
        if len(readers) == 1:
            asked[readers.pop(), named["link"]] += 1
    for (actor, link), count in asked.items():
        if count > max(ALWAYS_ALLOWED, SHARE_ALLOWED * mirrors[link]):
            yield Finding(kind="not held", what=f"{actor} led to {count} deletions of link {link[-6:]}")


def _told_too_much(history: History, versions: dict[str, list[tuple[float, dict[str, Any]]]]) -> Iterator[Finding]:
    """A word that a person wrote stands in another calendar only if a link showed it at the time: the mirror's own when
    it was rendered, and any of that calendar's shortly before."""
    homes: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for entry in history.journal:
        if entry["by"] == "person":
            for part in ("title", "description", "location"):
                for word in WORDS.findall(entry["after"][part]):
                    homes[word].add((entry["calendar"], part))
            continue
        if entry["after"]["status"] == "cancelled":
            continue  # what a tombstone still says was said before
        before = entry["before"] or {}
        # What bears a copied marker is somebody's own: nothing of it was rendered for the link of that.
        rendered = _rendered(history, entry) if entry["root_by"] == "kalends" else None
        if rendered is not None and _is_away_told(rendered, before, entry["after"]):
            what = f"{entry['id']} in {entry['calendar']} tells at {entry['at']:.0f} that somebody is away"
            yield Finding(kind="leak", what=what)
        for part in ("title", "description", "location"):
            for word in WORDS.findall(entry["after"][part]):
                if word in before.get(part, "") or any(one == entry["calendar"] for one, _ in homes[word]):
                    continue  # it stood there, or was written there
                if not _was_shown(versions, homes[word], entry) or (
                    rendered is not None and not _lets_through(rendered, homes[word])
                ):
                    what = f"{word} in the {part} of {entry['id']} in {entry['calendar']} at {entry['at']:.0f}"
                    yield Finding(kind="leak", what=what)
                if entry["root_by"] == "person":
                    homes[word].add((entry["calendar"], part))


def _was_shown(
    versions: dict[str, list[tuple[float, dict[str, Any]]]], homes: set[tuple[str, str]], entry: dict[str, Any]
) -> bool:
    for known in versions.values():
        for number, (since, link) in enumerate(known):
            until = known[number + 1][0] if number + 1 < len(known) else float("inf")
            if link["target"] != entry["calendar"] or since > entry["at"] or until < entry["at"] - IN_FLIGHT:
                continue
            if link["state"] not in ("deleting", "deleted") and _lets_through(link, homes):
                return True
    return False


def _lets_through(link: dict[str, Any], homes: set[tuple[str, str]]) -> bool:
    return any(calendar == link["source"] and masks.shows(link, part) for calendar, part in homes)


def _is_away_told(link: dict[str, Any], before: Item, after: Item) -> bool:
    return after["show"] == "oof" and before.get("show") != "oof" and not masks.shows(link, "availability")


def _rendered(history: History, entry: dict[str, Any]) -> dict[str, Any] | None:
    """The link as it was when what was written was rendered; None if nobody noted that."""
    known = history.intended.get((entry["actor"], entry["tag"] or ""), ())
    return next((link for at, link in reversed(known) if at <= entry["at"]), None)


def _frozen_without_cause(history: History) -> Iterator[Finding]:
    """A mirror is frozen only after others changed it again and again. A change counts until it has been put right:
    that may be long after it was made."""
    period = PERIOD + (WRONG_CLOCK if history.skewed else 0.0)
    for at, tag in history.frozen:
        entries = [entry for entry in history.journal if entry["tag"] == tag]
        meddled = sum(
            entry["by"] == "person" and entry["at"] <= at and _righted(entry, entries[number + 1 :]) >= at - period
            for number, entry in enumerate(entries)
        )
        if meddled < REWRITES:
            yield Finding(kind="rewritten", what=f"the mirror of {tag} was frozen after {meddled} changes by others")


def _righted(change: Item, later: list[dict[str, Any]]) -> float:
    """When Kalends next wrote what somebody had changed."""
    ours = (entry["at"] for entry in later if entry["by"] == "kalends" and entry["id"] == change["id"])
    return next(ours, float("inf"))


def _too_soon(history: History) -> Iterator[Finding]:
    """After a 429, nobody who begins later asks that account anything until Retry-After is over."""
    begun: dict[str, list[tuple[float, dict[str, Any]]]] = defaultdict(list)
    for call in history.calls:
        begun[call["account"]].append((call["at"], call))
    for call in history.calls:
        for at, scope, retry_after in call.get("limits", ()):
            ended = history.ended.get(call["actor"])
            until = at + retry_after - 1
            if scope is not None or ended is None or ended >= until or call["actor"] in history.skewed:
                continue
            if any(account == call["account"] and at <= when <= until for account, when in history.renewed):
                continue
            if history.is_forgotten(ended, by=until):
                continue
            known = begun[call["account"]]
            for when, later in known[bisect_left(known, ended, key=lambda pair: pair[0]) :]:
                if when >= until or later["actor"] in history.skewed:
                    break  # by a wrong clock the wait was over, and whoever had it ended the wait
                if later["actor_began"] > ended and not _has_ended_the_wait(history, call["account"], at, when):
                    early = f"{until - when:.0f} s before the Retry-After told to {call['actor']}"
                    what = f"{later['actor']} asked {call['account']} {early}"
                    yield Finding(kind="too soon", what=what)
                    break


def _has_ended_the_wait(history: History, account: str, at: float, when: float) -> bool:
    """Whether somebody with a wrong clock had an answer of the account recorded in between: to them the wait was over,
    although they had asked before it began (seed 192)."""
    return any(
        call["account"] == account
        and call["actor"] in history.skewed
        and at <= history.ended.get(call["actor"], -1.0) <= when
        for call in history.calls
    )


def notifications_lost(history: History) -> Iterator[Finding]:
    """For every accepted notification there is a reading whose first page began after the change that it told of."""
    read: dict[str, float] = {}
    for call in history.calls:
        if "lists" in call:
            read[call["lists"]] = max(call["round"], read.get(call["lists"], 0.0))
    linked: dict[str, float] = {}
    versions = _link_versions(history)
    for link in history.links:
        for name in (link["source"], link["target"]):
            linked[name] = min(versions[link["id"]][0][0], linked.get(name, float("inf")))
    for calendar, changed in history.told:
        if changed > linked.get(calendar, float("inf")) and read.get(calendar, 0.0) < changed:
            what = f"nobody read {calendar} after the change at {changed:.0f} of which it was notified"
            yield Finding(kind="notification lost", what=what)


def _deletions(history: History) -> Iterator[tuple[float, str | None, dict[str, Any]]]:
    """Of mirrors; those of people's events are judged apart."""
    for entry in history.journal:
        after, before = entry["after"], entry["before"]
        if entry["by"] != "kalends" or (entry["root_by"] == "person" and two_way.is_meant(history, entry)):
            continue
        if plain.is_gone(after) and before is not None and not plain.is_gone(before):
            yield entry["at"], entry["tag"], entry


def _link_versions(history: History) -> dict[str, list[tuple[float, dict[str, Any]]]]:
    """Each link's versions, with when each began; a deleted link has the state "deleted"."""
    found: dict[str, list[tuple[float, dict[str, Any]]]] = defaultdict(list)
    for at, was, now in history.link_log:
        if now is not None:
            found[now["id"]].append((at, now))
        elif was is not None:
            found[was["id"]].append((at, {**was, "state": "deleted"}))
    return found
