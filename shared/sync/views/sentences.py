"""How it stands with an event in a link, in plain sentences: why, and what can be done next. No event's text is in
them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from shared.connections import store as connections
from shared.sync.expansion import EXPANDED
from shared.sync.rules import plan
from shared.sync.store import calendars
from shared.sync.two_way import conflicts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.core.errors import KalendsError
    from shared.store.database import Connection
    from shared.sync.links import Link
    from shared.sync.rules.plan import Decision
    from shared.sync.store.calendars import SyncedCalendar
    from shared.sync.views.explain import Standing


class Verdict(StrEnum):
    """How an event stands in a link."""

    MIRRORED = "mirrored"
    WAITING = "waiting"
    """Something is still to be read or written."""
    HELD = "held"
    KEPT = "kept"
    """Its source is gone, and the person wants the mirror to stay."""
    FROZEN = "frozen"
    UNDONE = "undone"
    """The person took back what was written; it rests until its source changes."""
    IGNORED = "ignored"
    """Somebody deleted the mirror by hand, and the link heeds that."""
    SKIPPED = "skipped"
    LEFT_OUT = "left_out"
    OUTSIDE = "outside"
    """Of the window."""
    GONE = "gone"
    MIRROR = "mirror"
    """It is itself a mirror."""
    DELETING = "deleting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Because:
    """A verdict with its reason as a word, as sentences, and what to do next ("" for nothing)."""

    verdict: Verdict
    reason: str = ""
    sentences: tuple[str, ...]
    todo: str = ""

    def and_also(self, *told: str) -> Because:
        """With more to say."""
        return replace(self, sentences=(*self.sentences, *told))


_BECAUSE_OF = {
    "deleted": "the event is gone from its calendar",
    "declined": "you have declined it",
    "unanswered": "you have not answered it, and the link leaves such invitations out",
    "event type": "the link leaves its kind of event out",
    "private": "it is private, and the link leaves such events out",
    "title": "its title is one that the link leaves out",
    "category": "its category is one that the link leaves out",
    "working hours": "it lies outside the working hours of the link",
    "invited": "the account of the target is invited to the same meeting, so it stands there itself",
    "all-day": "the link leaves all-day events out",
    "free": "it is shown as free, and the link leaves such events out",
    EXPANDED: "the target holds the series in another form by now",
}


_FIELDS = {"when": "its time", "recurrence": "how it repeats", "occurrence": "whether an occurrence takes place"}


def because_of(reason: str) -> str:
    """A plan's word as half a sentence; a word that is not known here stands for itself."""
    return _BECAUSE_OF.get(reason, f"the link leaves it out ({reason})")


def itself_a_mirror(source_name: str) -> Because:
    """Never mirror a mirror (promise 4)."""
    return Because(
        verdict=Verdict.MIRROR,
        reason="mirror",
        sentences=(f"It is itself a mirror of an event in {source_name}; mirrors are never mirrored again.",),
        todo=f"To have it elsewhere, too, link {source_name} to that calendar.",
    )


def unreadable(message: str) -> Because:
    """The provider's answer for it could not be understood."""
    return Because(
        verdict=Verdict.SKIPPED,
        reason="EVENT.UNREADABLE",
        sentences=("It could not be read and is skipped, alone.", *([message] if message else [])),
        todo="It is read again when it changes: open it in its calendar and save it anew.",
    )


def not_expandable(error: KalendsError) -> Because:
    """Nobody can say when it happens."""
    return Because(
        verdict=Verdict.SKIPPED,
        reason=error.error_code,
        sentences=("It is skipped, alone.", error.message),
        todo="Change how it repeats; it is tried again when it changes.",
    )


def of(
    decision: Decision, link: Link, calendar: SyncedCalendar, standing: Standing | None, *, now: datetime
) -> Because:
    """How it stands: what the link wants of it by its `decision`, and what has become of that so far."""
    if link.state == "deleting":
        return Because(verdict=Verdict.DELETING, sentences=("The link is being deleted, and its mirrors with it.",))
    if standing is not None:
        found = _standing(standing, link)
        if found is not None:
            return found
        if standing.gives_way and decision.verdict is plan.Verdict.PRESENT:
            return Because(
                verdict=Verdict.MIRRORED,
                reason=EXPANDED,
                sentences=(
                    "The target cannot hold such a series, so each of its occurrences inside the link's window is "
                    "mirrored as an event of its own.",
                ),
            )
    match decision.verdict:
        case plan.Verdict.PRESENT if standing is not None and standing.mirror_event_id is not None:
            return Because(verdict=Verdict.MIRRORED, sentences=("It is mirrored, and its mirror is up to date.",))
        case plan.Verdict.OUTSIDE if standing is not None and standing.mirror_event_id is not None:
            return Because(
                verdict=Verdict.MIRRORED,
                sentences=("It is mirrored. It has left the link's window since, and that never deletes a mirror.",),
            )
        case plan.Verdict.PRESENT:
            return _not_planned(calendar)
        case plan.Verdict.OUTSIDE:
            return _outside(link, now=now)
        case plan.Verdict.ABSENT if decision.reason == "deleted":
            return Because(
                verdict=Verdict.GONE,
                reason="deleted",
                sentences=("It is gone from its calendar, and so is its mirror.",),
            )
    return Because(
        verdict=Verdict.LEFT_OUT,
        reason=decision.reason,
        sentences=(f"It is not mirrored: {because_of(decision.reason)}.",),
        todo=""
        if decision.reason == "declined"
        else "To have it mirrored, change the event or what the link leaves out.",
    )


def _standing(standing: Standing, link: Link) -> Because | None:
    """What stands above any decision: somebody must say something, or something is still to be written."""
    reason = standing.reason or ""
    match standing.state:
        case "held":
            return Because(
                verdict=Verdict.HELD,
                reason=reason,
                sentences=(
                    "So many mirrors were to be deleted at once that this deletion is held, and waits for you.",
                ),
                todo="Decide: kalends held list, then kalends held approve or discard.",
            )
        case "discarded":
            return Because(
                verdict=Verdict.KEPT,
                reason=reason,
                sentences=("Its deletion was held, and you said that the mirror stays.",),
                todo="It follows its source again when that changes.",
            )
        case "frozen":
            return Because(
                verdict=Verdict.FROZEN,
                reason=reason,
                sentences=("Somebody else changes its mirror again and again, so it rests.",),
                todo="Find out who changes it; it goes on when its source changes.",
            )
        case "open" if standing.edit_due:
            return Because(
                verdict=Verdict.WAITING,
                reason="edit",
                sentences=("Its mirror was changed by hand, and that waits to be merged into it.",),
                todo="Nothing; it goes on by itself. To look at once: kalends sync.",
            )
        case "open" if standing.conflicts:
            return Because(
                verdict=Verdict.WAITING,
                reason="conflict",
                sentences=(
                    f"It and its mirror were both changed, and each keeps its own until you decide: "
                    f"{_fields(standing.conflicts)}.",
                ),
                todo="Say whose value stays: kalends conflicts list, then kalends conflicts resolve.",
            )
        case "open" | "undone" if standing.is_due:
            return _waiting(standing, link)
        case "undone":
            return Because(
                verdict=Verdict.UNDONE,
                reason=reason,
                sentences=("You have undone what was written of it, and it rests as it was before.",),
                todo="It follows its source again when that changes. To have it at once: kalends runs follow RUN.",
            )
        case "ignored":
            return Because(
                verdict=Verdict.IGNORED,
                reason=reason,
                sentences=("Its mirror was deleted by hand, and the link does not make such mirrors again.",),
                todo=f"To have it again: kalends links change {link.id} --on-delete restore",
            )
        case "open" if standing.last_error is not None:
            return Because(
                verdict=Verdict.SKIPPED,
                reason=reason,
                sentences=("The target cannot hold it, so it is skipped, alone.", standing.last_error),
                todo="It is tried again when it changes.",
            )
    return None


def of_lost_edit(standing: Standing) -> list[str]:
    """Why the last edit of its mirror was not taken, if it was not."""
    if standing.lost_to is None or standing.lost_to == conflicts.OVERTAKEN:
        return []
    if conflicts.is_refusal(standing.lost_to):
        why = conflicts.refused_because(standing.lost_to)
    elif standing.lost_to == conflicts.RESTORED:
        why = "the database had been restored to an earlier moment, and then the source wins"
    elif standing.lost_to == conflicts.BY_POLICY:
        why = "both sides had changed it, and by the link's policy the source won"
    else:
        why = "both sides had changed it, and you said that the source wins"
    return [
        f"The last edit of its mirror was not taken ({_fields(standing.lost)}): {why}. Both values are kept for 30 "
        "days: kalends conflicts list --all."
    ]


def _fields(names: Sequence[str]) -> str:
    return ", ".join(_FIELDS.get(name, name) for name in names)


def _waiting(standing: Standing, link: Link) -> Because:
    doing = "removed" if standing.wanted == "absent" else "written"
    told = [f"Its mirror waits to be {doing}."]
    if standing.wanted == "absent" and standing.reason:
        told.append(f"It goes because {because_of(standing.reason)}.")
    if standing.last_error is not None:
        times = "once" if standing.attempts <= 1 else f"{standing.attempts} times"
        told.append(f"It was tried {times}; the last answer was: {standing.last_error}")
    if link.state == "paused":
        return Because(
            verdict=Verdict.WAITING,
            reason="paused",
            sentences=(*told, "The link is paused."),
            todo=f"Resume it: kalends links resume {link.id}",
        )
    return Because(
        verdict=Verdict.WAITING,
        reason=standing.reason or "",
        sentences=tuple(told),
        todo="Nothing; it goes on by itself. To look at once: kalends sync.",
    )


def _not_planned(calendar: SyncedCalendar) -> Because:
    if calendar.needs_full_sync:
        why = "Its calendar is being read for this link; it is planned when that is done."
    elif calendar.requested > calendar.done:
        why = "Its calendar is about to be read; it is planned then."
    else:
        why = "It has entered the link's window, and is planned with the next daily look."
    return Because(
        verdict=Verdict.WAITING,
        reason="not planned yet",
        sentences=("It belongs into the link, but is not planned yet.", why),
        todo="Nothing; it goes on by itself. To look at once: kalends sync.",
    )


def _outside(link: Link, *, now: datetime) -> Because:
    bounds = plan.window(link, now=now)
    until = f" until {bounds.end:%Y-%m-%d}" if bounds.end is not None else " on"
    since = f" from {bounds.start:%Y-%m-%d}" if bounds.start is not None else ""
    return Because(
        verdict=Verdict.OUTSIDE,
        reason="window",
        sentences=(f"It lies outside the link's window, which today reaches{since}{until}.",),
        todo=f"It is mirrored when the window reaches it; or widen the window: /links/{link.id}/edit",
    )


def of_accounts(conn: Connection, link: Link, *, now: datetime) -> list[str]:
    """What holds up either account, if anything does."""
    told: list[str] = []
    ends: dict[UUID, str] = {link.source_calendar_id: "source", link.target_calendar_id: "target"}
    for calendar_id, end in ends.items():
        account = connections.get(conn, calendars.get(conn, calendar_id).connection_id)
        if account.may_sync(now):
            continue
        rests = account.backoff_until
        until = f" until {rests:%Y-%m-%d %H:%M} UTC" if rests is not None and rests > now else ""
        told.append(f"The account of the {end} cannot be used now ({account.status}){until}: see kalends status.")
    return told
