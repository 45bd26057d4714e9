"""Whether every calendar shows what its links promise: nothing lost, doubled, invented or altered."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

from tests.simulation import plain
from tests.simulation.oracle import forms, masks, two_way
from tests.simulation.oracle.judging import WORDS, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.oracle.judging import History, Item

type Look = tuple[datetime, datetime, bool, str, str, str, str]
type Looks = tuple[Look, ...]
type Homes = dict[str, set[str]]

BEYOND = timedelta(days=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    link: str
    source: str
    looks: Looks
    must: bool


def judge(history: History) -> Iterator[Finding]:
    """Every finding about the calendars as they stand now."""
    last = {(was or now or {})["id"]: (was, now) for _, was, now in history.link_log}
    deleted = {name: was for name, (was, now) in last.items() if now is None and was is not None}
    kept = {name for name, was in deleted.items() if was["state"] != "deleting"} - history.taken
    mentioned = _source_versions(history)
    homes = _homes(mentioned)
    for name, items in history.calendars.items():
        leading = [link for link in history.links if link["target"] == name and link["state"] != "deleting"]
        yield from _compare(history, name, leading, kept, mentioned)
        for root in items:
            if root["by"] == "kalends" and root["series"] is None and not plain.is_gone(root):
                differing = [one for one in items if one["series"] == root["id"]]
                seen = [one for one in (root, *differing) if not _is_unseen(history, name, one)]
                yield from _tells_too_much(history, root, seen, leading, homes)
    for link in history.links:
        if link["state"] == "deleting":
            yield Finding(kind="unfinished", what=f"link {link['id']} is still being deleted")


def _compare(
    history: History,
    name: str,
    links: list[dict[str, Any]],
    kept: set[str],
    versions: dict[tuple[str, str], list[Item]],
) -> Iterator[Finding]:
    items = history.calendars[name]
    roots = [one for one in items if one["by"] == "kalends" and one["series"] is None and not plain.is_gone(one)]
    overrides: dict[str, list[Item]] = defaultdict(list)
    for one in items:
        if one["series"] is not None:
            overrides[one["series"]].append(one)
    yield from _manners(name, roots, overrides)

    expected = [one for link in links for one in _promised(history, link, versions)]
    found = [(root, _looks(history, root, overrides[root["id"]], None)) for root in roots]
    missing: list[_Expected] = []
    for one in sorted(expected, key=lambda one: not one.must):
        alike = [pair for pair in found if pair[1] == one.looks]
        # Its own first: what a deleted link left behind may look the same.
        match = next((pair for pair in alike if _is_of(history, pair[0], one)), next(iter(alike), None))
        if match is not None:
            found.remove(match)
        elif one.must:
            missing.append(one)
    by_id = {link["id"]: link for link in links}
    for root, looks in found:
        named = history.tags.get(_tag(root) or "", {"link": "?", "source": "?"})
        link = by_id.get(named["link"])
        series = forms.of_series(named["source"])
        if series is not None and link and (link["source"], series[0]) in versions:
            named = {**named, "source": series[0]}
        source = versions.get((link["source"] if link else "?", named["source"]), [])
        if named["link"] in kept or _is_excused(history, name, link, links):
            continue
        if _tag(root) in history.discarded:
            continue
        lost = next((one for one in missing if (one.link, one.source) == (named["link"], named["source"])), None)
        if lost is not None:
            missing.remove(lost)
            what = f"the mirror {root['id']} in {name} of {lost.source} (link {lost.link[-6:]}) looks wrong"
            yield Finding(kind="altered", what=f"{what}: {_difference(lost.looks, looks)}")
        elif link is not None and source and (_is_elsewhere(history, link, looks) or not source[-1]["readable"]):
            continue  # outside the window nothing is promised, but that it is not deleted
        elif named["link"] in history.taken:
            what = f"{root['id']} in {name} still stands, though a restore took its link {named['link'][-6:]} away"
            yield Finding(kind="orphan", what=what)
        elif link is not None and _is_mirror(history, link["source"], named["source"]):
            what = f"{root['id']} in {name} mirrors {named['source']} in {link['source']}, which is a mirror"
            yield Finding(kind="mirror of a mirror", what=what)
        else:
            why = "nothing explains" if not source else f"one too many of {named['source']}:"
            yield Finding(kind="stray", what=f"{why} {root['id']} in {name} (link {named['link'][-6:]}) {looks[:1]}")
    for one in missing:
        if not _is_excused(history, name, by_id[one.link], links):
            what = f"no mirror in {name} of {one.source} (link {one.link[-6:]}) {one.looks[:1]}"
            beside = [item for item in history.calendars[by_id[one.link]["source"]] if not item["readable"]]
            yield Finding(kind="spoiled" if beside else "lost", what=what)


def _is_of(history: History, root: Item, one: _Expected) -> bool:
    """Whether a mirror says that it is of this source, or of an occurrence of it."""
    named = history.tags.get(_tag(root) or "", {"link": "?", "source": "?"})
    series = forms.of_series(named["source"])
    return named["link"] == one.link and one.source in (named["source"], series and series[0])


def _is_unseen(history: History, calendar: str, item: Item) -> bool:
    """Whether somebody has changed it since its calendar was last listed: nobody could know."""
    changes = [entry for entry in history.journal if (entry["calendar"], entry["id"]) == (calendar, item["id"])]
    if not changes or changes[-1]["by"] != "person":
        return False
    return not any(call.get("lists") == calendar and call["at"] > changes[-1]["at"] for call in history.calls)


def _tells_too_much(
    history: History,
    root: Item,
    items: list[Item],
    links: list[dict[str, Any]],
    homes: dict[tuple[str, str], Homes],
) -> Iterator[Finding]:
    """Whatever mirror it is, and whyever it stands: it shows no more than its link allows by now."""
    named = history.tags.get(_tag(root) or "", {"link": "?", "source": "?"})
    link = next((one for one in links if one["id"] == named["link"] and one["state"] == "active"), None)
    if link is None:
        return
    series = forms.of_series(named["source"])
    known = homes[link["source"], named["source"]] | homes[link["source"], series[0] if series else "?"]
    for item in items:
        if item["status"] != "cancelled" and (told := masks.told(link, item, known)):
            what = f"{item['id']} of mirror {root['id']} of link {link['id'][-6:]} still shows {told}"
            yield Finding(kind="leak", what=what)
            return


def _homes(versions: dict[tuple[str, str], list[Item]]) -> dict[tuple[str, str], Homes]:
    """In which parts of an event or series each of its words ever stood, by calendar and id."""
    found: dict[tuple[str, str], Homes] = defaultdict(lambda: defaultdict(set))
    for (calendar, _), items in versions.items():
        for item, part in product(items, masks.TEXTS):
            for word in WORDS.findall(item[part]):
                found[calendar, plain.root_of(item)][word].add(part)
    return found


def _promised(
    history: History, link: dict[str, Any], versions: dict[tuple[str, str], list[Item]]
) -> Iterator[_Expected]:
    """What a link shows of each event of its source that a person made."""
    items = history.calendars[link["source"]]
    overrides: dict[str, list[Item]] = defaultdict(list)
    for one in items:
        if one["series"] is not None:
            overrides[one["series"]].append(one)
    let_go = two_way.let_go(history) if link["on_delete"] == "withdraw" else set()
    first, last = history.window(link)
    for root in items:
        if root["by"] != "person" or root["series"] is not None or plain.is_gone(root) or masks.hidden(root, link):
            continue
        looks = _looks(history, root, overrides[root["id"]], link)
        as_one = forms.holds(history.kinds[link["target"]], root, overrides[root["id"]])
        for form in (looks,) if as_one else tuple((look,) for look in looks):
            inside = any(plain.touches(look[0], look[1], first, last) for look in form)
            must = inside and root["readable"] and (link["id"], root["id"]) not in let_go
            yield _Expected(link=link["id"], source=root["id"], looks=form, must=must)


def _looks(history: History, root: Item, overrides: list[Item], link: dict[str, Any] | None) -> Looks:
    """How a unit shows: each occurrence with what can be read of it; under a link's mask, or as it stands."""
    first, last = history.began - BEYOND, history.now + timedelta(days=730) + BEYOND
    found: list[Look] = []
    for begin, end, item in plain.happenings(root, overrides, first=first, last=last):
        if link is not None and masks.hidden(item, link):
            continue
        title, description, location = item["title"].strip(), _plain(item["description"]), item["location"].strip()
        if link is not None:
            title = masks.title(link, title)
            description = description if masks.shows(link, "description") else ""
            location = location if masks.shows(link, "location") else ""
        found.append((begin, end, root["all_day"], title, description, location, _availability(item)))
    return tuple(sorted(found))


def _availability(item: Item) -> str:
    if item["show"] == "free":
        return "free"
    is_open = item["status"] == "tentative" or item["show"] == "tentative"
    return "tentative" if is_open or item["response"] in ("tentative", "needs_action") else "busy"


def _manners(name: str, roots: list[Item], overrides: dict[str, list[Item]]) -> Iterator[Finding]:
    """What holds for every mirror, whatever its link."""
    for tag, count in Counter(_tag(root) for root in roots).items():
        if count > 1:
            yield Finding(kind="duplicate", what=f"{count} mirrors in {name} carry the marker {tag}")
    for root in roots:
        living = [root, *(one for one in overrides[root["id"]] if one["status"] != "cancelled")]
        if any(one["visibility"] != "private" for one in living):
            yield Finding(kind="leak", what=f"the mirror {root['id']} in {name} is not private")
        if root["guests"] or "@" in root["title"] + root["description"] + root["location"]:
            yield Finding(kind="guests", what=f"the mirror {root['id']} in {name} has guests")


def _source_versions(history: History) -> dict[tuple[str, str], list[Item]]:
    """Every version of everything that people made, amended or not, by calendar and id."""
    found: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for entry in history.journal:
        if "person" in (entry["by"], entry["root_by"]):
            found[entry["calendar"], entry["id"]].append(entry["after"])
    return found


def _is_excused(history: History, name: str, link: dict[str, Any] | None, links: list[dict[str, Any]]) -> bool:
    if link is None:
        return bool(history.excused & {name, *(one["source"] for one in links)})
    return bool(history.excused & {name, link["source"]})


def _is_elsewhere(history: History, link: dict[str, Any], looks: Looks) -> bool:
    """Whether nothing of it lies surely inside the link's window."""
    first, last = history.window(link)
    return not any(plain.touches(look[0], look[1], first, last) for look in looks)


def _is_mirror(history: History, calendar: str, item_id: str) -> bool:
    return any(item["id"] == item_id and item["by"] == "kalends" for item in history.calendars[calendar])


def _tag(item: Item) -> str | None:
    return item["marker"].partition(".")[0] if item["marker"] else None


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").rstrip()


def _difference(wanted: Looks, found: Looks) -> str:
    """The first occurrence that differs."""
    for look in sorted({*wanted} ^ {*found}):
        return f"{'only wanted' if look in wanted else 'only found'}: {look[0].isoformat()} {look[1:]}"
    return "one occurrence too many"
