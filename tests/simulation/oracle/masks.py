"""What a link lets readers of its target see, by its settings alone."""

from __future__ import annotations

from typing import Any

TEXTS = ("title", "description", "location")
PRESETS = {"busy": (), "title": ("title", "availability"), "full": (*TEXTS, "availability")}
HIDDEN_TYPES = ("working_location", "birthday")


def shows(link: dict[str, Any], part: str) -> bool:
    """Whether a part of an event shows: as the link's privacy has it, or as is said of this part."""
    own = link["show"].get(part)
    return part in PRESETS[link["privacy"]] if own is None else bool(own)


def hidden(item: dict[str, Any], link: dict[str, Any]) -> bool:
    """Whether a link's filters leave an event or occurrence out."""
    return bool(
        item["response"] == "declined"
        or item["type"] in HIDDEN_TYPES
        or (link["skip_all_day"] and item["all_day"])
        or (link["skip_free"] and item["show"] == "free")
    )


def title(link: dict[str, Any], own: str) -> str:
    """How the mirror of an event with this title is called."""
    called = (own.strip() if shows(link, "title") else "") or link["busy_title"]
    if link["title_template"] is None:
        return str(called)
    named = link["title_template"].replace("{calendar}", link["source"]).replace("{title}", called)
    return str(named.strip() or link["busy_title"])


def told(link: dict[str, Any], item: dict[str, Any], homes: dict[str, set[str]]) -> str:
    """What an item of the target tells that the link hides, "" if nothing: a word, by the parts of the source that it
    stands in, or that somebody is away."""
    for part in TEXTS:
        for word, parts in homes.items():
            if word in item[part] and not any(shows(link, one) for one in parts):
                return word
    return "away" if item["show"] == "oof" and not shows(link, "availability") else ""
