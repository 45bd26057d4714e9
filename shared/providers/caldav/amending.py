"""What is done to the lines of a person's own resource: fields that are named change, occurrences are taken out,
invitations are answered. Pure. Everything else stays as it was written.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

from shared.calendar import patch as patches
from shared.calendar import recurrence, zones
from shared.calendar.event import Availability
from shared.calendar.ical import values
from shared.calendar.ical.lines import Component, Line, split, text_line
from shared.calendar.ical.values import BUSY_STATUSES
from shared.calendar.ical.writing import utc
from shared.calendar.patch import Description, Field
from shared.calendar.span import AllDaySpan, TimedSpan, occurrence_key, parse_occurrence_key
from shared.core.errors import ConflictError, NotFoundError
from shared.providers.caldav import reading, resource, writing
from shared.providers.caldav.resource import OF_A_SERIES, TIMES, Series
from shared.providers.port import HAS_GUESTS, NOT_ORGANIZER

if TYPE_CHECKING:
    from collections.abc import Collection

    from shared.calendar.event import Event, Unit
    from shared.calendar.mirror import Appearance
    from shared.calendar.patch import Patch
    from shared.calendar.span import Span, Start
    from shared.providers.caldav.reading import Context
    from shared.providers.port import Amend, Withdraw

_SAYING = {
    Field.TITLE: ("SUMMARY",),
    Field.DESCRIPTION: ("DESCRIPTION", "X-ALT-DESC"),
    Field.LOCATION: ("LOCATION", "GEO", "X-APPLE-STRUCTURED-LOCATION"),
    Field.WHEN: (*TIMES, "X-MICROSOFT-CDO-ALLDAYEVENT"),
    Field.AVAILABILITY: ("STATUS", "TRANSP", "X-MICROSOFT-CDO-BUSYSTATUS"),
    Field.RECURRENCE: OF_A_SERIES,
}
"""The lines that say a field, some of them in another way: they would deny it, left as they are."""


def require_own(calendar: Component, name: str, *, context: Context) -> None:
    """Raises ConflictError where somebody else organises the event, or where others are invited to it: a server with
    scheduling mails them every change (RFC 6638, 3.2.1)."""
    organisers, invited = (
        {values.address(line) for event in calendar.components("VEVENT") for line in event.lines(role)}
        for role in ("ORGANIZER", "ATTENDEE")
    )
    if not organisers and not invited:
        return
    own = set(context.addresses())
    if organisers - own:
        raise ConflictError(f"Somebody else organises event {name}: only they change it.", code=NOT_ORGANIZER)
    if invited - own:
        raise ConflictError(
            f"Others are invited to event {name} and would be mailed: it is left as it is.", code=HAS_GUESTS
        )


def seen(unit: Unit, occurrence: str | None) -> Event | None:
    """What a person sees: the event, or what happens at that place of the series; None if nothing does."""
    root = unit.root
    if occurrence is None:
        return None if root.is_cancelled else root
    if root.span is None or not root.is_series:
        return None
    for one in unit.overrides:
        if one.original_start is not None and occurrence_key(one.original_start) == occurrence:
            return None if one.is_cancelled else one
    span = recurrence.occurrence_span(root.span, root.recurrence, occurrence)
    if span is None:
        return None
    place = parse_occurrence_key(occurrence)
    return replace(
        root, id=f"{root.id}_{occurrence}", span=span, recurrence=(), series_id=root.id, original_start=place
    )


def amend(calendar: Component, write: Amend, *, etag: str | None, context: Context, now: datetime) -> None:
    """Change what the patch names, of the event or of one occurrence; nothing if that is shown already. `etag` is the
    resource's. Raises NotFoundError for what does not happen, PreconditionFailedError."""
    unit, occurrence = _unit(calendar, write.event_id, context), write.occurrence
    event = None if unit is None else seen(unit, occurrence)
    if unit is None or event is None:
        raise NotFoundError(f"There is no event {write.event_id}, or no occurrence {occurrence} of it any more.")
    patch = _as_text(write.patch)
    if patches.is_shown(patch, event):
        return
    resource.require_unchanged(write.event_id, etag, write.etag)
    before = patches.unmasked(event)
    wanted = _of_one_kind(before, patches.applied(before, patch))
    fields = {field for field in patches.OF_ROOTS if not patches.same(field, before, wanted)}
    if occurrence is None:
        component = resource.master(calendar)
        if before.recurrence and fields & {Field.WHEN, Field.RECURRENCE}:
            _carry_along(calendar, component, unit, before, wanted, context=context, now=now)
    else:
        component = Series.of(calendar, occurrence, context).own_override(occurrence, now)
    in_series = occurrence is not None or bool(wanted.recurrence)
    dropped = [name for field in fields for name in _SAYING[field]]
    component.replace(dropped, [line for field in sorted(fields) for line in _said(field, wanted, in_series=in_series)])
    resource.revise(component, now)
    if Field.WHEN in fields:
        resource.require_zones(calendar, now)


def take_out(calendar: Component, write: Withdraw, *, etag: str | None, context: Context, now: datetime) -> None:
    """Take one occurrence out of the series; nothing if it does not happen. Raises PreconditionFailedError."""
    unit, occurrence = _unit(calendar, write.event_id, context), write.occurrence
    if unit is None or occurrence is None or seen(unit, occurrence) is None:
        return
    resource.require_unchanged(write.event_id, etag, write.etag)
    series = Series.of(calendar, occurrence, context)
    series.exclude()
    resource.revise(series.master, now)


def decline(calendar: Component, key: str | None, *, context: Context, now: datetime) -> None:
    """Answer an invitation with no, or the occurrence `key` of it.

    The server is told to leave the organiser alone (SCHEDULE-AGENT, RFC 6638, 7.1): it is we who speak to them, and we
    do not. Raises ConflictError where the person is not invited, NotFoundError if there is no such place.
    """
    own = context.addresses()
    answering = resource.master(calendar) if key is None else Series.of(calendar, key, context).own_override(key, now)
    organiser = answering.line("ORGANIZER")
    invited = [line for line in answering.lines("ATTENDEE") if values.address(line) in own]
    if not invited or organiser is None or values.address(organiser) in own:
        raise ConflictError("The person is not invited to this event: there is nothing to decline.")
    if all(line.parameter("PARTSTAT").upper() == "DECLINED" for line in invited):
        return
    answering.parts = [
        part.having("PARTSTAT", "DECLINED")
        if part in invited
        else part.having("SCHEDULE-AGENT", "CLIENT")
        if part is organiser
        else part
        for part in answering.parts
    ]
    answering.replace(("DTSTAMP",), [Line("DTSTAMP", "", utc(now))])


def _unit(calendar: Component, event_id: str, context: Context) -> Unit | None:
    return reading.unit(calendar, event_id=event_id, etag=None, context=context)


def _as_text(patch: Patch) -> Patch:
    """The patch as a resource can show it: a description is plain text."""
    if patch.description is None or not patch.description.is_html:
        return patch
    return replace(patch, description=Description(text=writing.plain(patch.description.text)))


def _of_one_kind(before: Appearance, wanted: Appearance) -> Appearance:
    """A rule that stays, as the days or times that its series is made of now need it (UNTIL, RDATE)."""
    is_other = before.span.is_all_day != wanted.span.is_all_day
    if not is_other or not wanted.recurrence or wanted.recurrence != before.recurrence:
        return wanted
    return replace(wanted, recurrence=recurrence.normalise(wanted.recurrence, wanted.span))


def _said(field: Field, wanted: Appearance, *, in_series: bool) -> Collection[Line]:
    """The lines of a field; none for what is empty."""
    text = wanted.text
    match field:
        case Field.TITLE:
            return [text_line("SUMMARY", text.title)] if text.title else []
        case Field.DESCRIPTION:
            return [text_line("DESCRIPTION", text.description)] if text.description else []
        case Field.LOCATION:
            return [text_line("LOCATION", text.location)] if text.location else []
        case Field.WHEN:
            return resource.times(wanted.span, in_series=in_series)
        case Field.AVAILABILITY:
            is_open = patches.availability(wanted) is Availability.TENTATIVE
            return [
                Line("STATUS", "", "TENTATIVE" if is_open else "CONFIRMED"),
                Line("TRANSP", "", "TRANSPARENT" if wanted.availability in writing.FREE else "OPAQUE"),
                Line("X-MICROSOFT-CDO-BUSYSTATUS", "", BUSY_STATUSES[wanted.availability]),
            ]
        case Field.RECURRENCE:
            return [split(line) for line in wanted.recurrence]
        case Field.OCCURRENCE:
            return []


def _carry_along(
    calendar: Component,
    master: Component,
    unit: Unit,
    before: Appearance,
    wanted: Appearance,
    *,
    context: Context,
    now: datetime,
) -> None:
    """What differs from a series goes along with it, since a RECURRENCE-ID names a place that the series has (RFC 5545,
    3.8.4.4): moved as far as the series is, or where the new rule has no such place, left at its own. What has neither
    place ends. An occurrence that a person moved elsewhere stays there, one that stood at its place moves."""
    known = context.zones(calendar)
    floating = resource.floats(master) and before.span == wanted.span  # one that moves is given its zone
    taken: set[Start] = set()
    differing: set[Start] = set()

    def place_of(start: Start) -> Start | None:
        for one in (_shifted(start, before.span, wanted.span), start) if wanted.recurrence else ():
            is_there = recurrence.occurrence_span(wanted.span, wanted.recurrence, occurrence_key(one)) is not None
            if is_there and one not in taken:
                taken.add(one)
                return one
        return None

    for component in [one for one in calendar.components("VEVENT") if one.line("RECURRENCE-ID")]:
        start = values.override_place(component, before.span, known)
        differing.add(start)
        found = place_of(start)
        if found is None:
            calendar.parts = [part for part in calendar.parts if part is not component]
        elif found != start:
            stands = recurrence.occurrence_span(before.span, before.recurrence, occurrence_key(start))
            if stands is not None and patches.same_span(stands, values.span(component, known), with_zone=False):
                moved = recurrence.occurrence_span(wanted.span, wanted.recurrence, occurrence_key(found))
                component.replace(_SAYING[Field.WHEN], resource.times(moved or wanted.span, in_series=True))
            place = resource.named("RECURRENCE-ID", found, wanted.span, floating=floating)
            component.replace(("RECURRENCE-ID",), [place])
            resource.revise(component, now)
    gone = [one.original_start for one in unit.overrides if one.is_cancelled and one.original_start not in differing]
    excluded = [found for start in gone if start is not None and (found := place_of(start)) is not None]
    master.replace(("EXDATE",), [resource.named("EXDATE", start, wanted.span, floating=floating) for start in excluded])


def _shifted(start: Start, before: Span, wanted: Span) -> Start:
    """A place of a series, moved on the wall clock as its first one was."""
    moved = _wall(start, before) + (_wall(_first(wanted), wanted) - _wall(_first(before), before))
    if isinstance(wanted, TimedSpan):
        return moved.replace(tzinfo=zones.zone(wanted.zone)).astimezone(UTC)
    return moved.date()


def _first(span: Span) -> Start:
    return span.start if isinstance(span, AllDaySpan) else span.starts_at().replace(microsecond=0)


def _wall(start: Start, span: Span) -> datetime:
    """A place on the wall clock of its series; midnight for a day."""
    if isinstance(start, datetime) and isinstance(span, TimedSpan):
        return start.astimezone(zones.zone(span.zone)).replace(tzinfo=None)
    return datetime.combine(start, time())
