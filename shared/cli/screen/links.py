"""Links and plans, as they are shown."""

from typing import Any

from shared.cli.client import filters
from shared.cli.client.api import Item
from shared.cli.screen import output, times


def privacy(link: Item) -> str:
    """The level, and what is otherwise than it has it."""
    own = [f"{'' if shows else 'no '}{field}" for field, shows in link["show"].items() if shows is not None]
    if link["title_template"]:
        own.append(f"as {link['title_template']!r}")
    elif link["privacy"] == "busy":
        own.append(f"as {link['busy_title']!r}")
    return ", ".join([link["privacy"], *own])


def ahead(days: int | None) -> str:
    """How far ahead a link looks."""
    return "everything to come" if days is None else f"{output.count(days, 'day')} ahead"


def readers(found: Item) -> list[tuple[str, str]]:
    """Who else reads in the target of a link, and what."""
    who = found["readers"]
    names = "not known: its provider does not say it" if who is None else ", ".join(who) or "nobody"
    asked = [("not yet allowed", ", ".join(found["new"]))] if found["new"] else []
    return [("readers", names), *asked, ("they see", ", ".join(found["see"]) or "only when you are busy")]


def left_out(link: Item) -> list[str]:
    """What a link leaves out."""
    kinds = {"all-day events": link["skip_all_day"], "free events": link["skip_free"]}
    return [*(kind for kind, out in kinds.items() if out), *filters.shown(link["filters"])]


def by_hand(link: Item) -> str:
    """What follows from what people do by hand."""
    both = f"; on both sides: {link['on_conflict']}" if link["on_edit"] == "merge" else ""
    return f"changed: {link['on_edit']}; deleted: {link['on_delete']}{both}"


def show_preview(found: Item, target: Item, *, as_json: bool) -> None:
    """What readers of the target would see of an example."""
    if as_json:
        output.as_json(found)
        return
    before, seen = found["original"], found["seen"]
    rows: list[tuple[str, Any, Any]] = [
        ("when", times.when(before["when"]), times.when(seen["when"])),
        *((part, before[part], seen[part]) for part in ("title", "location", "description", "availability")),
    ]
    output.table(("", "your event", f"readers of {target['name']} see"), rows, empty="")
    output.note(f"Never shown: {', '.join(found['never_shown'])}.")


def show_plan(plan: Item) -> None:
    """What a plan would write."""
    counts = plan["counts"]
    output.facts((name, counts[name]) for name in ("create", "rewrite", "remove", "leave", "held", "writes"))
    for name, title in (("skipped", "skipped"), ("left_out", "left out")):
        for reason, number in counts[name].items():
            output.say(f"{title}: {number} ({reason})")
    output.table(
        ("what", "before", "after", "when"),
        [(one["kind"], _title(one["before"]), _title(one["after"]), _when(one)) for one in plan["samples"]],
        empty="Nothing would be written.",
    )
    warn(plan)
    for sentence in counts["unknown"]:
        output.note(f"Not known: {sentence}")
    output.say(f"plan {plan['id']}")
    output.note(f"To do it, until {times.moment(plan['expires_at'])}: kalends links apply {plan['id']}")


def warn(told: Item) -> None:
    """What the person should know of a link or plan: who else reads."""
    for one in told["warnings"]:
        output.note(f"Note: {one['message']}")


def _title(look: Item | None) -> str:
    return look["title"] if look else ""


def _when(sample: Item) -> str:
    return times.when((sample["after"] or sample["before"])["when"]) if sample["after"] or sample["before"] else ""
