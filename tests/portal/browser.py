"""A browser without scripts: it reads pages, follows links and redirects, and sends forms as they stand in the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

VOID = {"area", "base", "br", "hr", "img", "input", "link", "meta", "wbr"}


@dataclass(slots=True)
class Form:
    """A form with the fields it would send."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """What stands in a page. Raises ValueError for tags that are not closed in order."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.answer = answer
        self.status = answer.status_code
        self.path = urlsplit(str(answer.url)).path
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self._open: list[str] = []
        self._select = ""
        if answer.headers.get("content-type", "").startswith("text/html"):
            self.feed(answer.text)
            self.close()
            if self._open:
                raise ValueError(f"not closed: {self._open}")

    @property
    def text(self) -> str:
        """What a person reads."""
        return " ".join(" ".join(self.words).split())

    def form(self, action: str) -> Form:
        """The one form that is sent to `action`."""
        (found,) = [one for one in self.forms if one.action == action]
        return found

    def of(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every tag of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        got = {name: value or "" for name, value in attrs}
        self.tags.append((tag, got))
        if tag not in VOID:
            self._open.append(tag)
        match tag:
            case "form":
                own = urlsplit(str(self.answer.url)).path
                self.forms.append(Form(got.get("action", own), got.get("method", "get")))
            case "a":
                self.links.append(got["href"])
            case "input" if self.forms and "name" in got:
                if got.get("type") not in ("checkbox", "radio") or "checked" in got:
                    self.forms[-1].fields[got["name"]] = got.get("value", "on")
            case "button" if self.forms and "name" in got:
                self.forms[-1].buttons.append((got["name"], got.get("value", "")))
            case "select":
                self._select = got["name"]
                self.forms[-1].fields[got["name"]] = ""
            case "option" if "selected" in got:
                self.forms[-1].fields[self._select] = got["value"]

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            raise ValueError(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        if "style" not in self._open and "script" not in self._open:
            self.words.append(data)


class Browser:
    """One person's browser."""

    def __init__(self, client: httpx.Client) -> None:
        self.http = client
        client.headers["accept"] = "text/html"
        client.follow_redirects = True

    def open(self, address: str) -> Page:
        """Go to an address."""
        return Page(self.http.get(address))

    def send(self, page: Page, action: str, **fields: str | None) -> Page:
        """Fill in the form of `action` and send it; None takes a field out, as an unticked box does."""
        form = page.form(action)
        filled = {name: value for name, value in {**form.fields, **fields}.items() if value is not None}
        return Page(self.http.post(form.action, data=filled))

    def sign_in(self, email: str, password: str) -> Page:
        """From the sign-in page."""
        return self.send(self.open("/signin"), "/signin", email=email, password=password)

    def everything_linked(self, start: str) -> Iterator[Page]:
        """Every page of ours that can be reached by links from `start`."""
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            address = waiting.pop()
            if address in seen or not address.startswith("/") or address.startswith("/oauth/"):
                continue
            seen.add(address)
            page = self.open(address)
            waiting += page.links
            yield page
