"""Plain pages for people: accounts and calendars, the events of a calendar, a form for each thing to do, and
the consent page that the providers' authorization endpoints show. Server-rendered, no script."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, cast, get_args
from zoneinfo import ZoneInfo

import jinja2
from aiohttp import web

from infra.local.simulators import exchange
from infra.local.simulators.credentials import Account, AuthorizationRequest
from infra.local.simulators.port import AgendaItem, Draft, NotFoundError, Provider, Repeat

_DAYS_SHOWN = 14

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class FormError(ValueError):
    """What a person typed cannot be used; the message tells them why."""


def routes(provider: Provider) -> list[web.RouteDef]:
    """The pages of one simulator."""
    pages = _Pages(provider)
    return [
        web.get("/", pages.home),
        web.get("/calendars/{calendar}", pages.calendar),
        web.post("/calendars/{calendar}", pages.add),
        web.get("/calendars/{calendar}/events/{event}", pages.event),
        web.post("/calendars/{calendar}/events/{event}", pages.change),
    ]


def consent(
    *,
    provider: str,
    request: AuthorizationRequest,
    accounts: Sequence[Account],
    scopes: Mapping[str, str],
    selectable: bool = True,
    problem: str = "",
) -> web.Response:
    """The page that asks a person to choose an account and to allow or deny.

    It posts to its own address: `account` (an e-mail), `scope` (repeated, those ticked) and `decision` (`allow` or
    `deny`). `scopes` maps each requested scope to its description; unless they are `selectable` it is all or none.
    """
    return _page(
        "consent.html",
        provider=provider,
        request=request,
        accounts=accounts,
        scopes=scopes,
        selectable=selectable,
        problem=problem,
    )


def problem(
    *, provider: str, title: str, explanation: str, status: int = 400, link: tuple[str, str] | None = None
) -> web.Response:
    """The provider's own error page, where a request may not be answered by a redirect; `link` is a text and an
    address to go on to."""
    return _page("problem.html", status=status, provider=provider, title=title, explanation=explanation, link=link)


class _Pages:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def home(self, request: web.Request) -> web.Response:
        accounts = [
            (account, self._provider.calendars(account.email))
            for account in self._provider.parts.authorization.accounts.values()
        ]
        return _page("home.html", provider=self._provider.title, accounts=accounts)

    async def calendar(self, request: web.Request) -> web.Response:
        return self._calendar_page(request)

    async def add(self, request: web.Request) -> web.Response:
        calendar = self._calendar(request)
        form = {key: str(value) for key, value in (await request.post()).items()}
        try:
            self._provider.add_draft(calendar["id"], _draft(form, ZoneInfo(calendar["timeZone"])))
        except (FormError, exchange.Refused) as error:
            return self._calendar_page(request, form=form, problem=_why(error))
        raise web.HTTPSeeOther(request.rel_url)

    async def event(self, request: web.Request) -> web.Response:
        calendar, item = self._calendar(request), self._item(request)
        return self._event_page(request, calendar, _fields(item, ZoneInfo(calendar["timeZone"])), item)

    async def change(self, request: web.Request) -> web.Response:
        calendar, event = self._calendar(request), request.match_info["event"]
        form = {key: str(value) for key, value in (await request.post()).items()}
        try:
            if form.get("do") == "delete":
                self._provider.delete(calendar["id"], event)
            else:
                draft = _draft(form, ZoneInfo(calendar["timeZone"]))
                self._provider.change_draft(calendar["id"], event, draft)
        except (FormError, exchange.Refused) as error:
            return self._event_page(request, calendar, form, self._item(request), problem=_why(error))
        raise web.HTTPSeeOther(request.rel_url.parent.parent.with_query(request.rel_url.query))

    def _calendar(self, request: web.Request) -> dict[str, Any]:
        wanted = request.match_info["calendar"]
        for email in self._provider.parts.authorization.accounts:
            for calendar in self._provider.calendars(email):
                if calendar["id"] == wanted:
                    return {**calendar, "account": email}
        raise web.HTTPNotFound(text="There is no such calendar.")

    def _item(self, request: web.Request) -> AgendaItem:
        first, days = _span_shown(request)
        wanted = request.match_info["event"]
        for item in self._provider.agenda(request.match_info["calendar"], first, days):
            if item.id == wanted:
                return item
        raise web.HTTPNotFound(text="There is no such event among the days shown. It may have been deleted.")

    def _calendar_page(
        self, request: web.Request, *, form: Mapping[str, str] | None = None, problem: str = ""
    ) -> web.Response:
        calendar = self._calendar(request)
        zone = ZoneInfo(calendar["timeZone"])
        first, days = _span_shown(request, today=self._provider.parts.clock.now().astimezone(zone).date())
        start = datetime.combine(first, datetime.min.time()).replace(hour=9)
        return _page(
            "calendar.html",
            status=400 if problem else 200,
            provider=self._provider.title,
            calendar=calendar,
            lines=[(item, _when(item, zone)) for item in self._provider.agenda(calendar["id"], first, days)],
            first=first,
            last=first + timedelta(days=days - 1),
            earlier=first - timedelta(days=days),
            later=first + timedelta(days=days),
            days=days,
            live="live" in request.query,
            repeats=get_args(Repeat.__value__),
            form=form or {"title": "", "start": _local(start), "end": _local(start.replace(hour=10)), "repeat": ""},
            problem=problem,
        )

    def _event_page(
        self,
        request: web.Request,
        calendar: Mapping[str, Any],
        form: Mapping[str, str],
        item: AgendaItem,
        *,
        problem: str = "",
    ) -> web.Response:
        return _page(
            "event.html",
            status=400 if problem else 200,
            provider=self._provider.title,
            calendar=calendar,
            item=item,
            form=form,
            problem=problem,
        )


@web.middleware
async def friendly(request: web.Request, handler: Any) -> web.StreamResponse:
    """Unknown accounts, calendars and events on a page are 404, not an accident."""
    if request.path.startswith("/_sim"):
        return await handler(request)  # type: ignore[no-any-return]
    try:
        answer: web.StreamResponse = await handler(request)
    except NotFoundError as error:
        raise web.HTTPNotFound(text=str(error)) from error
    return answer


def _span_shown(request: web.Request, today: date | None = None) -> tuple[date, int]:
    try:
        days = max(1, min(366, int(request.query.get("days", _DAYS_SHOWN))))
        wanted = request.query.get("from")
        first = date.fromisoformat(wanted) if wanted else today
    except ValueError as error:
        raise web.HTTPBadRequest(text="from must be a date such as 2026-03-01 and days a number.") from error
    if first is None:
        raise web.HTTPBadRequest(text="The address needs ?from=2026-03-01: open the event from its calendar's page.")
    return first, days


def _draft(form: Mapping[str, str], zone: ZoneInfo) -> Draft:
    try:
        start, end = (datetime.fromisoformat(form[key]).replace(tzinfo=zone) for key in ("start", "end"))
    except (KeyError, ValueError) as error:
        raise FormError("Give a start and an end, each with date and time.") from error
    if end < start:
        raise FormError("The end must not be before the start.")
    if form.get("repeat", "") not in get_args(Repeat.__value__):
        raise FormError(f"Cannot repeat {form['repeat']!r}.")
    repeat = cast("Repeat", form.get("repeat", ""))
    if "all_day" not in form:
        return Draft(title=form.get("title", ""), start=start, end=end, repeat=repeat)
    return Draft(title=form.get("title", ""), start=start.date(), end=end.date() + timedelta(days=1), repeat=repeat)


def _fields(item: AgendaItem, zone: ZoneInfo) -> dict[str, str]:
    if isinstance(item.start, datetime) and isinstance(item.end, datetime):
        start, end = item.start.astimezone(zone), item.end.astimezone(zone)
        return {"title": item.title, "start": _local(start), "end": _local(end)}
    midnight = datetime.min.time()
    last = datetime.combine(item.end, midnight) - timedelta(days=1)
    return {
        "title": item.title,
        "start": _local(datetime.combine(item.start, midnight)),
        "end": _local(last),
        "all_day": "on",
    }


def _local(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M")


def _when(item: AgendaItem, zone: ZoneInfo) -> str:
    if isinstance(item.start, datetime) and isinstance(item.end, datetime):
        start, end = item.start.astimezone(zone), item.end.astimezone(zone)
        until = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%a %d %b %H:%M}"
        return f"{start:%a %d %b %H:%M} – {until}"
    last = item.end - timedelta(days=1)
    return f"{item.start:%a %d %b}" + (f" – {last:%a %d %b}" if last > item.start else "") + ", all day"


def _why(error: FormError | exchange.Refused) -> str:
    if isinstance(error, FormError):
        return str(error)
    return f"The provider refused it: {error.answer.body.decode()}"


def _page(template: str, *, status: int = 200, **values: Any) -> web.Response:
    text = _templates.get_template(template).render(**values)
    return web.Response(text=text, status=status, content_type="text/html", headers={"Cache-Control": "no-store"})
