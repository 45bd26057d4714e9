"""WebDAV as far as CalDAV needs it: requests, redirects, multistatus answers (RFC 4918). It knows nothing of calendars.

The password travels in each request, so which hosts may get it is decided here: the server that the person named, hosts
below it, and the partitions of a provider known to have them. Whether a host may be asked at all, the guard decides
(shared/net), for each request. No cookies: people share servers, not sessions.
"""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote, unquote, urljoin, urlsplit

import httpx

from shared.core.errors import InvalidError, KalendsError, TransientError
from shared.net.egress import GuardedTransport, Limits
from shared.providers.caldav import errors
from shared.providers.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Mapping

DAV, CALDAV = "DAV:", "urn:ietf:params:xml:ns:caldav"
SERVER, APPLE, OWNCLOUD = "http://calendarserver.org/ns/", "http://apple.com/ns/ical/", "http://owncloud.org/ns"
PREFIXES = f'xmlns:D="{DAV}" xmlns:C="{CALDAV}" xmlns:S="{SERVER}" xmlns:A="{APPLE}" xmlns:O="{OWNCLOUD}"'
LIMITS = Limits(size=64_000_000, seconds=20.0)
"""Of one request: a listing of 100,000 events, or a hundred events of half a megabyte each."""
MAX_REDIRECTS = 5
AT_ONCE = 8
"""Connections to one server: what browsers allow themselves as well."""

_PARTITIONED = ("icloud.com",)
"""Whose accounts live on numbered hosts (p42-caldav.icloud.com) beside the one that people are told to enter."""
_XML = '<?xml version="1.0" encoding="utf-8"?>'
_SEGMENT = "!$&'()*+,;=:@~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `url` is where it came from in the end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    what: str

    @property
    def is_success(self) -> bool:
        """Whether the request was carried out."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def etag(self) -> str | None:
        """The strong ETag, if the server gave one: only then what was sent is what is kept (RFC 4791, 5.3.4)."""
        etag = self.headers.get("etag", "")
        return etag if etag and not etag.startswith("W/") else None

    def conditions(self) -> set[str]:
        """The preconditions that a refusal names (RFC 4918, 16): local names."""
        try:
            root = parse_xml(self.body, what=self.what) if self.body else None
        except TransientError:
            return set()
        return {local(child.tag) for child in root} if root is not None and local(root.tag) == "error" else set()

    def error(self) -> KalendsError | None:
        """What a refusal means; None if it is none."""
        if self.is_success:
            return None
        return errors.translate(self.status, self.headers, self.conditions(), what=self.what)

    def require(self) -> Answer:
        """This answer, which must be a success. Raises what `error` says."""
        if (refusal := self.error()) is not None:
            raise refusal
        return self

    def multistatus(self) -> Multistatus:
        """The answer as a 207. Raises what a refusal means, and TransientError if it is not one."""
        self.require()
        root = parse_xml(self.body, what=self.what)
        if self.status != HTTPStatus.MULTI_STATUS or root.tag != f"{{{DAV}}}multistatus":
            raise errors.unreadable(self.what)
        responses = [_response(child, self) for child in root if child.tag == f"{{{DAV}}}response"]
        return Multistatus(responses=responses, sync_token=(root.findtext(f"{{{DAV}}}sync-token") or "").strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a multistatus says of one resource: its address, a status if it speaks of the whole, what it has."""

    url: str
    status: int | None
    found: Mapping[str, ET.Element] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A property's text, or empty."""
        element = self.found.get(name)
        return "" if element is None else (element.text or "").strip()

    def href(self, name: str) -> str | None:
        """The first address in a property, absolute."""
        return next(iter(self.hrefs(name)), None)

    def hrefs(self, name: str) -> list[str]:
        """The addresses in a property, absolute."""
        element = self.found.get(name)
        if element is None:
            return []
        return [urljoin(self.url, one.text.strip()) for one in element.iter(f"{{{DAV}}}href") if one.text]

    def children(self, name: str) -> set[str]:
        """The names of what a property holds, at any depth."""
        element = self.found.get(name)
        return set() if element is None else {child.tag for child in element.iter()} - {element.tag}


@dataclass(frozen=True, slots=True, kw_only=True)
class Multistatus:
    """A 207: responses in their order, and the sync token of a report."""

    responses: list[Response]
    sync_token: str = ""


class Dav:
    """One account at one server. Its requests may be made by several threads at once."""

    def __init__(
        self,
        *,
        url: str,
        username: str,
        password: str,
        transport: GuardedTransport,
    ) -> None:
        self.home, self._home = url, _checked(url)
        self._transport = transport
        secret = base64.b64encode(f"{username}:{password}".encode()).decode()
        self._headers = {"authorization": f"Basic {secret}", "user-agent": "Kalends", "accept-encoding": "gzip"}

    def propfind(self, url: str, properties: str, *, depth: int, what: str, follow: bool = False) -> Multistatus:
        """The properties (XML elements with PREFIXES) of a resource, or of what is in a collection."""
        body = (
            f'<?xml version="1.0" encoding="utf-8"?><D:propfind {PREFIXES}><D:prop>{properties}</D:prop></D:propfind>'
        )
        headers = {"depth": str(depth)}
        return self.send("PROPFIND", url, what=what, headers=headers, body=body, follow=follow).multistatus()

    def report(self, url: str, body: str, *, depth: int, what: str) -> Answer:
        """A REPORT; `body` is its element with PREFIXES."""
        headers = {"depth": str(depth)}
        return self.send(
            "REPORT", url, what=what, headers=headers, body=f'<?xml version="1.0" encoding="utf-8"?>{body}'
        )

    def send(
        self,
        method: str,
        url: str,
        *,
        what: str,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        follow: bool = False,
        patience: Patience | None = None,
    ) -> Answer:
        """One request; what passes is tried again for seconds. Redirects are followed only on request, while looking
        for an account, and only then does a refusal of the guard speak of what a person entered: InvalidError EGRESS.*.
        Raises TransientError if there is no answer, ReauthRequiredError; any other refusal is given."""
        patience, repeats, redirects = patience or Patience(), 0, 0
        while True:
            refusal: KalendsError | None
            try:
                answer = self._exchange(method, url, what=what, headers=headers or {}, body=body)
                if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
                    redirects += 1
                    url = self._redirected(answer, follow=follow and redirects <= MAX_REDIRECTS)
                    continue
                refusal = answer.error()
                if answer.status == HTTPStatus.UNAUTHORIZED:
                    answer.require()
                if refusal is None or not patience.grants([refusal], repeats=repeats):
                    return answer
            except TransientError as error:
                if not patience.grants([error], repeats=repeats):
                    raise
            except InvalidError as error:
                if follow or not error.error_code.startswith("EGRESS."):
                    raise
                # Of an account that is connected it is the host's trouble, not that of the event which was asked for.
                raise TransientError(error.message, code=error.error_code) from None
            repeats += 1

    def allowed(self, url: str) -> str:
        """The address, if our credentials may go there. Raises InvalidError with what to do otherwise."""
        self._allowed(url)
        return url

    def _allowed(self, url: str) -> httpx.URL:
        parsed = _checked(url)
        named, asked = _host(self._home), _host(parsed)
        is_below = asked == named or asked.endswith(f".{named}")
        is_partition = any(_is_of(named, site) and _is_of(asked, site) for site in _PARTITIONED)
        is_weaker = self._home.scheme == "https" and parsed.scheme != "https"
        if is_weaker or not (is_below or is_partition) or (asked == named and _port_of(parsed) != _port_of(self._home)):
            raise InvalidError(
                f"{named} sends us to {asked}, which would get your password. If that is your calendar server, enter "
                f"its address instead.",
                code=errors.MOVED,
            )
        return parsed

    def _redirected(self, answer: Answer, *, follow: bool) -> str:
        location = answer.headers.get("location", "")
        if not follow or not location:
            raise TransientError(f"The server sent us elsewhere for {answer.what} ({answer.status}). Try again later.")
        return self.allowed(urljoin(answer.url, location))

    def _exchange(self, method: str, url: str, *, what: str, headers: Mapping[str, str], body: str | None) -> Answer:
        parsed = self._allowed(url)
        given = {**self._headers, **headers}
        if body is not None:
            given.setdefault("content-type", "application/xml; charset=utf-8")
        content = None if body is None else body.encode("utf-8", errors="replace")
        self._transport.begin()
        found = self._transport.exchange(method, parsed, headers=given, content=content)
        return Answer(status=found.status, headers=found.headers, body=found.body, url=url, what=what)


@cache
def way_out(allowed_hosts: tuple[str, ...]) -> GuardedTransport:
    """The process's own: connections outlive accounts, whose passwords travel in each request."""
    return GuardedTransport(allowed_hosts=frozenset(allowed_hosts), allow_http=False, limits=LIMITS)


def parse_xml(body: bytes, *, what: str) -> ET.Element:
    """The root of an XML answer. Raises TransientError for anything else, and for a document with a DTD: entities,
    with which a few bytes become gigabytes, can be declared nowhere else."""
    parser = ET.XMLParser(target=_Builder())  # noqa: S314 - entities are refused by _Builder
    try:
        parser.feed(body)
        root = parser.close()
    except (ET.ParseError, ValueError, LookupError):
        raise errors.unreadable(what) from None
    if not isinstance(root, ET.Element):
        raise errors.unreadable(what)
    return root


class _Builder(ET.TreeBuilder):
    def doctype(self, name: str, public: str | None, system: str | None) -> NoReturn:
        """Called before anything that the DTD declares."""
        raise ValueError("a document type")


def local(tag: str) -> str:
    """A name without its namespace."""
    return tag.rpartition("}")[2]


def name_of(url: str) -> str | None:
    """The last part of a resource's address, decoded: what names it in its collection. None for a collection."""
    name = urlsplit(url).path.rpartition("/")[2]
    return unquote(name) or None


def within(collection: str, name: str) -> str:
    """The address of the resource with that name."""
    return f"{collection.rstrip('/')}/{quote(name, safe=_SEGMENT)}"


def path_of(url: str) -> str:
    """What tells one resource of a server from another, however the server encodes it."""
    return unquote(urlsplit(url).path).rstrip("/")


def canonical(url: str) -> str:
    """The one way to write an address: servers percent-encode and name the port as they like."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if _port(url) == (443 if parts.scheme == "https" else 80) else f":{_port(url)}"
    path = "/".join(quote(unquote(segment), safe=_SEGMENT) for segment in parts.path.split("/"))
    return f"{parts.scheme}://{host}{port}{path}"


def _response(element: ET.Element, answer: Answer) -> Response:
    href = (element.findtext(f"{{{DAV}}}href") or "").strip()
    found: dict[str, ET.Element] = {}
    for propstat in element.iter(f"{{{DAV}}}propstat"):
        if _status(propstat.findtext(f"{{{DAV}}}status")) in (None, HTTPStatus.OK):
            for group in propstat.iter(f"{{{DAV}}}prop"):
                found |= {child.tag: child for child in group}
    try:
        url = urljoin(answer.url, href)
    except ValueError:
        raise errors.unreadable(answer.what) from None
    return Response(url=url, status=_status(element.findtext(f"{{{DAV}}}status")), found=found)


def _status(line: str | None) -> int | None:
    """The code of a status line such as `HTTP/1.1 404 Not Found`."""
    parts = (line or "").split()
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else None


def _checked(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
        is_address = bool(parsed.host) and parsed.scheme in ("http", "https") and not parsed.userinfo
    except (ValueError, httpx.InvalidURL):
        is_address = False
    if not is_address:
        raise InvalidError(
            "This is not a server's address. Enter it as your provider gives it: https://host/path.",
            code="CALDAV.ADDRESS",
        )
    return parsed


def _host(url: httpx.URL) -> str:
    return url.host.rstrip(".").lower()


def _port_of(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _is_of(host: str, site: str) -> bool:
    return host == site or host.endswith(f".{site}")
