"""Whether what flows back may: only what a person wrote into a mirror, only where the mirror shows the event's own, and
only to events that nobody else has a say in. And whether what was written into a mirror stays."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulation import plain
from tests.simulation.oracle import forms, masks
from tests.simulation.oracle.judging import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.oracle.judging import History, Item

TIMES = ("start", "end", "all_day")
PARTS = (*masks.TEXTS, "when")
"""What is compared; `show` and `recurrence` flow back, too."""
OTHERS = ("visibility", "type", "response", "guests", "marker", "readable", "by")
"""What never flows back."""

AT_ONCE = 5
"""Deletions of mirrors of one link that are taken at their word when they are seen together."""


@dataclass(slots=True)
class _Shared:
    """A field of an event and its mirror: the values that people wrote into the mirror, and how often into the event,
    since both last agreed."""

    edits: list[tuple[float, Any]] = field(default_factory=list)
    own: int = 0


def judge(history: History) -> Iterator[Finding]:
    """Every finding about what flowed back so far."""
    yield from _Walk(history).findings()


def let_go(history: History) -> set[tuple[str, str]]:
    """Link and source of the mirrors that a person deleted where that means the event, too: they do not come back,
    whatever becomes of the event."""
    heeding = {link["id"] for link in history.links if _withdraws(link)}
    found: set[tuple[str, str]] = set()
    for entry in history.journal:
        named = history.tags.get(entry["tag"] or "")
        is_deletion = entry["by"] == "person" and entry["root_by"] == "kalends" and plain.is_gone(entry["after"])
        if is_deletion and named is not None and named["link"] in heeding:
            series = forms.of_series(named["source"])
            found |= {(named["link"], one) for one in (named["source"], series and series[0]) if one}
    return found


def is_meant(history: History, entry: dict[str, Any]) -> bool:
    """Whether a change of a person's event is said to be that of a mirror of it, in a link that merges edits."""
    return next(_intents(history, entry), None) is not None


def _intents(history: History, entry: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of which mirror it is an edit, and the link as it was when that was merged."""
    for (actor, tag), known in history.intended.items():
        named = history.tags.get(tag)
        if actor != entry["actor"] or named is None or not _is_of(named["source"], entry["root"]):
            continue
        link = next((link for at, link in reversed(known) if at <= entry["at"]), None)
        if link is not None and link["source"] == entry["calendar"] and link["on_edit"] == "merge":
            yield tag, link


def _is_of(source: str, root: str) -> bool:
    series = forms.of_series(source)
    return source == root or (series is not None and series[0] == root)


class _Walk:
    """Goes through what happened, in order."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._items: dict[tuple[str, str], Item] = {}
        self._mirrors: dict[str, tuple[str, str]] = {}
        self._shared: dict[tuple[str, str], _Shared] = defaultdict(_Shared)
        self._in_series: dict[str, list[tuple[float, Item]]] = defaultdict(list)
        self._times: dict[str, set[Any]] = defaultdict(set)
        self._deleted: dict[str, dict[str | None, float]] = defaultdict(dict)
        self._changed: dict[tuple[str, str], float] = defaultdict(float)
        self._withdrawn: list[tuple[float, str]] = []
        self._of_source: dict[tuple[str, str], list[str]] = defaultdict(list)
        links = {link["id"]: link for _, was, now in history.link_log for link in (was, now) if link}
        for tag, named in history.tags.items():
            link = links.get(named["link"])
            if link is not None:
                self._of_source[link["source"], named["source"]].append(tag)

    def findings(self) -> Iterator[Finding]:
        """One after the other."""
        happened = [(entry["at"], 0, number, entry) for number, entry in enumerate(self._history.journal)]
        happened += [
            (entry["at"], 1, number, entry)
            for number, entry in enumerate(self._history.kept)
            if entry["what"] == "written" and not entry["merges"]
        ]
        for at, is_agreed, _, entry in sorted(happened, key=lambda one: one[:3]):
            if is_agreed:
                self._agree(entry["mapping"].replace("-", ""))
                continue
            if entry["by"] == "kalends" and entry["root_by"] == "person":
                yield from self._flowed_back(entry)
            self._note(at, entry)
        yield from self._not_kept()
        yield from self._not_withdrawn()
        yield from self._too_many()

    def _note(self, at: float, entry: dict[str, Any]) -> None:
        place, before, after = (entry["calendar"], entry["id"]), entry["before"], entry["after"]
        self._items[place] = after
        is_root = entry["id"] == entry["root"]
        if is_root and entry["root_by"] == "kalends" and entry["tag"]:
            self._mirrors[entry["tag"]] = place
        if entry["by"] != "person":
            return
        if entry["root_by"] == "kalends" and entry["tag"]:
            self._in_series[entry["tag"]].append((at, after))
            self._times[entry["tag"]].add(_value(self._items.get((entry["calendar"], entry["root"]), after), "when"))
            if after["status"] == "cancelled":
                self._deleted[entry["tag"]][after["original"]] = at
            else:
                self._deleted[entry["tag"]].pop(after["original"], None)
            for part in PARTS:
                if is_root and before is not None and _value(before, part) != _value(after, part):
                    self._shared[entry["tag"], part].edits.append((at, _value(after, part)))
            return
        self._changed[entry["calendar"], entry["root"]] = at
        if is_root:
            for tag in self._of_source[place]:
                for part in PARTS:
                    if before is None or _value(before, part) != _value(after, part):
                        self._shared[tag, part].own += 1

    def _agree(self, tag: str) -> None:
        """It is recorded that both agree: where they do by what the providers hold, nothing earlier counts any more."""
        source, mirror = self._both(tag)
        if source is None or mirror is None:
            return
        for part in PARTS:
            if _value(source, part) == _value(mirror, part):
                self._shared[tag, part] = _Shared()

    def _both(self, tag: str) -> tuple[Item | None, Item | None]:
        named, place = self._history.tags.get(tag), self._mirrors.get(tag)
        if named is None or place is None:
            return None, None
        source = next(
            (
                self._items.get(one)
                for one, tags in self._of_source.items()
                if tag in tags and one[1] == named["source"]
            ),
            None,
        )
        return source, self._items[place]

    def _flowed_back(self, entry: dict[str, Any]) -> Iterator[Finding]:
        """What Kalends wrote into a person's event."""
        root = self._items.get((entry["calendar"], entry["root"]), entry["after"])
        before, after = entry["before"] or self._by_rule(root, entry["after"]), entry["after"]
        where = f"{entry['actor']} wrote at {entry['at']:.0f} to {entry['id']} in {entry['calendar']}"
        meant = list(_intents(self._history, entry))
        if not meant:
            return  # `touched` says so
        if after["status"] == "cancelled":
            is_deleted = plain.is_gone(after) or plain.has_place(root, after["original"])
            if is_deleted and not self._was_cancelled(entry):
                yield from self._was_withdrawn(entry, root, [tag for tag, link in meant if _withdraws(link)], where)
            return
        changed = {
            part for part in (*PARTS, "show", "recurrence", *OTHERS) if _value(before, part) != _value(after, part)
        }
        if not changed:
            return
        if changed & {*OTHERS}:
            yield Finding(kind="touched", what=f"{where}: {sorted(changed & {*OTHERS})}")
        if root["response"] != "none":
            yield Finding(kind="touched", what=f"{where}, which somebody else organises")
        if root["guests"] and not entry["calendar"].startswith("g"):
            yield Finding(kind="guests", what=f"{where}, whose guests are mailed")
        for part in sorted(changed & {*masks.TEXTS}):
            if not any(_is_exposed(link, part) for _, link in meant):
                yield Finding(kind="told back", what=f"{where}: its {part}, which the mirror does not show")
        for part in sorted(changed & {*PARTS}):
            if not any(self._was_written(tag, part, entry) for tag, _ in meant):
                value = _value(after, part)
                yield Finding(
                    kind="from nowhere", what=f"{where}: {part} {value!r}, which nobody wrote since both agreed"
                )

    def _was_withdrawn(self, entry: dict[str, Any], root: Item, tags: list[str], where: str) -> Iterator[Finding]:
        """Kalends deleted a person's event, or an occurrence of it: because a person had deleted its mirror."""
        if root["response"] != "none":
            yield Finding(kind="touched", what=f"{where}, which somebody else organises")
        if root["guests"] or (entry["before"] or root)["guests"]:
            yield Finding(kind="guests", what=f"{where}, whose guests are mailed, or lose it unheard")
        occurrence = entry["after"]["original"]
        proved = [tag for tag in tags if self._is_deleted(tag, entry["root"], occurrence)]
        if not proved:
            yield Finding(kind="unproved delete", what=f"{where}, which is gone by that: nobody deleted its mirror")
        if occurrence is None:
            self._withdrawn += [(entry["at"], tag) for tag in proved[:1]]

    def _was_cancelled(self, entry: dict[str, Any]) -> bool:
        """Whether an occurrence was cancelled before its whole series was moved, by this write, to where it has its
        place now."""
        moved = next(
            (
                plain.moment(one["after"]["start"]) - plain.moment(one["before"]["start"])
                for one in self._history.journal
                if (one["at"], one["calendar"], one["id"]) == (entry["at"], entry["calendar"], entry["root"])
                and one["before"] is not None
            ),
            None,
        )
        return bool(moved) and any(
            one["series"] == entry["root"]
            and one["status"] == "cancelled"
            and plain.at_place(one["original"]) + moved == plain.at_place(entry["after"]["original"])
            for one in self._items.values()
        )

    def _is_deleted(self, tag: str, root: str, occurrence: str | None) -> bool:
        """Whether a person deleted that mirror, or the mirror of that occurrence, and nothing has become of it since by
        a person's hand."""
        deleted, alone = self._deleted[tag], forms.of_series(self._history.tags[tag]["source"])
        if alone is not None and alone[0] == root:
            return alone[1] == occurrence and None in deleted
        return occurrence in deleted

    def _not_withdrawn(self) -> Iterator[Finding]:
        """Where a person deleted a mirror, and such deletions are said to mean the event, that goes, or it is recorded
        why not; unless very many were deleted, a person changed the event afterwards, the link's filters leave it out,
        it lies outside the link's window by now, where a full read shows nobody what is gone, or a restore or another
        change of the link came in between."""
        history = self._history
        changed = {(was or now or {})["id"]: at for at, was, now in history.link_log if was != now}
        for tag, deleted in self._deleted.items():
            link = next((one for one in history.links if one["id"] == history.tags.get(tag, {}).get("link")), None)
            source, mirror = self._both(tag)
            if None not in deleted or link is None or not _withdraws(link) or link["state"] != "active":
                continue
            if source is None or mirror is None or plain.is_gone(source) or not plain.is_gone(mirror):
                continue
            is_own = source["response"] == "none" and not source["guests"] and source["readable"]
            is_own = is_own and not masks.hidden(source, link) and _is_near(history, link, link["source"], source)
            is_quiet = changed[link["id"]] < deleted[None] and not history.restores
            is_quiet = is_quiet and self._changed[link["source"], source["id"]] < deleted[None]
            if is_own and is_quiet and tag not in history.refused and not self._is_one_of_many(tag, link["id"]):
                what = f"{mirror['id']}, a mirror of {source['id']} in {link['source']}, was deleted"
                yield Finding(kind="deletion lost", what=f"{what} at {deleted[None]:.0f}, and the event stands")

    def _is_one_of_many(self, tag: str, link: str) -> bool:
        """Whether a page showed this deletion, or a reader of all pages asked for it by name, beside more of the same
        link than are ever heeded at once."""
        calendar, mirror = self._mirrors[tag]
        of_link = {
            place[1]
            for one, place in self._mirrors.items()
            if self._history.tags.get(one, {}).get("link") == link and place[0] == calendar
        }
        shown = [
            {*call["removed"]} for call in self._history.calls if call.get("lists") == calendar and "removed" in call
        ]
        asked: dict[str, set[str]] = defaultdict(set)
        for call in self._history.calls:
            if "named" in call and call["named"][0] == calendar and call["named"][2]:
                asked[call["actor"]].add(call["named"][1])
        return any(mirror in one and len(one & of_link) > AT_ONCE for one in (*shown, *asked.values()))

    def _too_many(self) -> Iterator[Finding]:
        """No reading of a calendar from which very many mirrors are gone has their events deleted: somebody emptied it.
        Counted are only those that one reader alone can have asked for."""
        seen: dict[tuple[str, str], list[tuple[float, str, bool]]] = defaultdict(list)
        for call in self._history.calls:
            for is_gone in (True, False):
                for item_id in call.get("removed" if is_gone else "there", ()):
                    seen[call["lists"], item_id].append((call["at"], call["actor"], is_gone))
        asked: Counter[tuple[str, str]] = Counter()
        for at, tag in self._withdrawn:
            readers: set[str] = set()
            for seen_at, actor, is_gone in seen[self._mirrors[tag]]:
                if seen_at <= at:
                    readers = readers | {actor} if is_gone else set()
            if len(readers) == 1:
                asked[readers.pop(), self._history.tags[tag]["link"]] += 1
        for (actor, link), count in asked.items():
            if count > AT_ONCE:
                what = f"{actor} saw mirrors of link {link[-6:]} deleted, and {count} of their events were deleted"
                yield Finding(kind="not held", what=what)

    def _by_rule(self, root: Item, item: Item) -> Item:
        """An occurrence that has not differed so far, or that goes along with its series to another place, texts and
        all."""
        if item["series"] is None:
            return item
        of_series = [one for one in self._items.values() if one["series"] == root["id"] != one["id"]]
        gone_along = (one for one in of_series if all(one[part] == item[part] for part in masks.TEXTS))
        if (was := next(gone_along, None)) is not None and root["updated"] == item["updated"]:
            return {**was, **{name: item[name] for name in ("guests", "marker", "recurrence")}}
        start = plain.at_place(item["original"])
        length = plain.moment(root["end"]) - plain.moment(root["start"])
        times = {"start": start, "end": start + length}
        return {
            **root,
            **{name: plain.text(at, all_day=root["all_day"]) for name, at in times.items()},
            **{name: item[name] for name in ("guests", "marker", "recurrence", "readable")},
        }

    def _was_written(self, tag: str, part: str, entry: dict[str, Any]) -> bool:
        value = _value(entry["after"], part)
        if any(edit == value for _, edit in self._shared[tag, part].edits):
            return True
        if entry["id"] == entry["root"] and self._history.tags[tag]["source"] == entry["root"]:
            # An occurrence that was changed in the mirror keeps the times that its series had then, too.
            return part == "when" and value in self._times[tag]
        # An occurrence: whatever its mirror shows of it by a person's hand, or its own series has, or had until the
        # same worker changed that.
        written = [item for _, item in self._in_series[tag]]
        own = [one for (name, _), one in self._items.items() if name == entry["calendar"]]
        of_series = [one for one in own if plain.root_of(one) == entry["root"]]
        before = [
            one["before"]
            for one in self._history.journal
            if (one["actor"], one["calendar"], one["id"]) == (entry["actor"], entry["calendar"], entry["root"])
            and one["before"] is not None
        ]
        return part == "when" or any(_value(one, part) == value for one in (*written, *of_series, *before))

    def _not_kept(self) -> Iterator[Finding]:
        """What was written into a mirror last, and nobody else wrote into the event, stands in the event, or it is
        recorded why not; unless both lie outside the link's window by now, and the provider has forgotten the cursor
        that would have told of it: a full read shows nobody what is there."""
        history = self._history
        forgot = {call["forgot"]: call["at"] for call in history.calls if "forgot" in call}
        links = {link["id"]: link for link in history.links}
        changed = {(was or now or {})["id"]: at for at, was, now in history.link_log if was != now}
        frozen = {tag for _, tag in history.frozen}
        for (tag, part), shared in self._shared.items():
            link = links.get(history.tags.get(tag, {}).get("link", ""))
            if not shared.edits or shared.own or link is None or link["on_edit"] != "merge" or tag in frozen:
                continue
            began = shared.edits[0][0]
            source, mirror = self._both(tag)
            if source is None or mirror is None or plain.is_gone(source) or plain.is_gone(mirror):
                continue
            is_quiet = link["state"] == "active" and changed[link["id"]] < began and source["readable"]
            if not is_quiet or not _is_exposed(link, part) or tag in history.conflicts:
                continue
            if any(put_back > began for _, put_back in history.restores):
                continue
            both = ((link["source"], source), (link["target"], mirror))
            is_told = forgot.get(link["target"], began) <= began
            if not is_told and not any(_is_near(history, link, *one) for one in both):
                continue
            if _value(source, part) not in [value for _, value in shared.edits]:
                what = f"the {part} that was written into {mirror['id']} at {began:.0f}, a mirror of {source['id']}"
                yield Finding(kind="edit lost", what=f"{what}, is neither there nor among the conflicts")


def _withdraws(link: dict[str, Any]) -> bool:
    return bool(link["on_delete"] == "withdraw")


def _is_exposed(link: dict[str, Any], part: str) -> bool:
    if part == "title" and link["title_template"] is not None:
        return False
    return part not in masks.TEXTS or masks.shows(link, part)


def _value(item: Item, part: str) -> Any:
    if part == "when":
        return tuple(item[name] for name in TIMES)
    value = item[part]
    return value.replace("\r\n", "\n").strip() if part in masks.TEXTS else value


def _is_near(history: History, link: dict[str, Any], calendar: str, root: Item) -> bool:
    """Whether any of it lies surely inside the link's window."""
    first, last = history.window(link)
    overrides = [one for one in history.calendars[calendar] if one["series"] == root["id"]]
    return any(plain.happenings(root, overrides, first=first, last=last))
