"""The guard on outgoing requests, against servers that really listen and resolvers that lie."""

from __future__ import annotations

import base64
import gzip
import logging
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from shared.core.errors import InvalidError, KalendsError, TransientError
from shared.net.egress import MAX_REDIRECTS, Egress, GuardedTransport, Limits
from tests.net.server import redirect, running, say
from tests.store.test_tls import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from tests.net.server import Answering, Server

OURS = ("localhost", "127.0.0.1", "feeds.example", "other.example")


class Names:
    """A resolver: what each name resolves to, one answer after the other, the last for ever."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self._answers = {name.replace("_", "."): list(found) for name, found in answers.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answers = self._answers.get(host, [["127.0.0.1"]])
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


def ours(limits: Limits | None = None, names: Names | None = None) -> Egress:
    """What an operator allows on this machine."""
    return Egress(allowed_hosts=OURS, limits=limits, resolver=names or Names())


def code(egress: Egress, url: str) -> str:
    with pytest.raises(KalendsError) as caught:
        egress.request("GET", url)
    assert "secret" not in caught.value.message
    return caught.value.error_code


def test_an_allowed_host_is_reached_at_the_address_that_was_checked(server: Server) -> None:
    server.answers["/a"] = say(b"hello", ETag='"1"')
    names = Names()

    answer = ours(names=names).request("GET", server.url("/a", host="feeds.example"))

    assert (answer.status_code, answer.content, answer.headers["etag"]) == (200, b"hello", '"1"')
    assert server.asked[0][1]["host"] == f"feeds.example:{server.port}"
    assert names.asked == ["feeds.example"]  # once: there is no second answer to connect to


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["::1"], ["::ffff:127.0.0.1"], ["93.184.215.14", "127.0.0.1"]],
)
def test_a_name_that_leads_inside_is_refused_unasked(server: Server, found: list[str]) -> None:
    egress = Egress(allow_http=True, resolver=Names(evil_example=[found]))

    assert code(egress, server.url("/secret", host="evil.example")) == "EGRESS.PRIVATE_ADDRESS"
    assert server.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1", "0"])
def test_a_literal_address_inside_is_refused_however_it_is_written(server: Server, host: str) -> None:
    assert code(Egress(allow_http=True), server.url("/", host=host)) in (
        "EGRESS.PRIVATE_ADDRESS",
        "EGRESS.UNKNOWN_HOST",
    )
    assert server.asked == []


def test_a_name_that_changes_its_mind_is_checked_at_each_connection(server: Server) -> None:
    server.answers["/a"] = redirect(server.url("/b", host="turning.example"))
    names = Names(turning_example=[["93.184.215.14", "10.0.0.1"], ["127.0.0.1"]])
    egress = Egress(allowed_hosts=["localhost"], allow_http=True, resolver=names)

    first = code(egress, server.url("/a"))
    second = code(egress, server.url("/a"))

    assert (first, second) == ("EGRESS.PRIVATE_ADDRESS", "EGRESS.PRIVATE_ADDRESS")
    assert [path for path, _ in server.asked] == ["/a", "/a"]


def test_plain_http_needs_leave(server: Server) -> None:
    assert code(Egress(), server.url("/secret", host="feeds.example")) == "EGRESS.INSECURE"


@pytest.mark.parametrize("url", ["ftp://feeds.example/x", "file:///etc/passwd", "https://", "not one", "https://a:22/"])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    assert code(Egress(), url) == "EGRESS.BAD_ADDRESS"


def test_an_unknown_host_is_told_apart() -> None:
    assert code(Egress(resolver=Names(no_example=[[]])), "https://no.example/secret") == "EGRESS.UNKNOWN_HOST"


def test_nobody_listening_is_told_apart(server: Server) -> None:
    assert code(ours(), "http://localhost:1/secret") in ("EGRESS.UNREACHABLE", "EGRESS.BAD_ADDRESS")


def test_redirects_are_followed_and_checked_one_by_one(server: Server) -> None:
    server.answers["/a"] = redirect("/b")
    server.answers["/b"] = redirect(server.url("/c", host="inside.example"))
    egress = Egress(allowed_hosts=["localhost"], allow_http=True, resolver=Names(inside_example=[["10.0.0.1"]]))

    assert code(egress, server.url("/a")) == "EGRESS.PRIVATE_ADDRESS"
    assert [path for path, _ in server.asked] == ["/a", "/b"]


def test_a_redirect_away_from_encryption_is_refused(server: Server) -> None:
    server.answers["/a"] = redirect("http://public.example/b")

    assert code(Egress(allowed_hosts=["localhost"], resolver=Names()), server.url("/a")) == "EGRESS.INSECURE"


def test_redirects_in_a_circle_come_to_an_end(server: Server) -> None:
    server.answers["/a"] = redirect("/a")

    assert code(ours(), server.url("/a")) == "EGRESS.REDIRECTS"
    assert len(server.asked) == MAX_REDIRECTS + 1


def test_credentials_stay_with_the_site_they_are_for(server: Server) -> None:
    server.answers["/a"] = redirect("/b")
    server.answers["/b"] = redirect(server.url("/c", host="other.example"))
    server.answers["/c"] = say(b"done")

    ours().request("GET", server.url("/a", host="feeds.example"), auth=("ann", "password"))

    expected = "Basic " + base64.b64encode(b"ann:password").decode()
    assert [headers.get("authorization") for _, headers in server.asked] == [expected, expected, None]


def test_a_hundred_megabytes_are_broken_off_at_the_limit(server: Server) -> None:
    sent = 0

    def endless(request: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        request.send_response(200)
        request.send_header("Content-Length", str(100 << 20))
        request.end_headers()
        for _ in range(100):
            request.wfile.write(b"x" * (1 << 20))
            sent += 1

    server.answers["/a"] = endless

    assert code(ours(Limits(size=2 << 20)), server.url("/a")) == "EGRESS.TOO_LARGE"
    assert sent < 50


def test_a_small_parcel_that_unpacks_to_a_hundred_megabytes_is_not_unpacked(server: Server) -> None:
    server.answers["/a"] = say(gzip.compress(b"\0" * (100 << 20), 1), Content_Encoding="gzip")

    began = time.process_time()
    assert code(ours(Limits(size=1 << 20)), server.url("/a")) == "EGRESS.TOO_LARGE"
    assert time.process_time() - began < 1


def test_what_is_packed_is_unpacked(server: Server) -> None:
    server.answers["/a"] = say(gzip.compress(b"hello"), Content_Encoding="gzip")

    assert ours().request("GET", server.url("/a")).content == b"hello"


@pytest.mark.parametrize(
    ("encoding", "body"), [("br", b"hello"), ("gzip", gzip.compress(b"hello", mtime=0)[:-6]), ("gzip", b"no")]
)
def test_a_parcel_that_cannot_be_unpacked_is_refused(server: Server, encoding: str, body: bytes) -> None:
    server.answers["/a"] = say(body, Content_Encoding=encoding)

    assert code(ours(), server.url("/a")) in ("EGRESS.ENCODING", "EGRESS.UNREACHABLE")


@pytest.mark.parametrize("where", ["head", "body"])
def test_a_slow_drip_ends_with_the_time_of_the_whole_exchange(server: Server, where: str) -> None:
    def drip(request: BaseHTTPRequestHandler) -> None:
        if where == "body":
            request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        else:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(40):
            request.wfile.write(b"x")
            request.wfile.flush()
            time.sleep(0.05)

    server.answers["/a"] = drip

    began = time.monotonic()
    assert code(ours(Limits(seconds=0.4)), server.url("/a")) == "EGRESS.TOO_SLOW"
    assert time.monotonic() - began < 1.9  # before the drip was over


def test_an_exchange_is_what_httpx_makes_of_the_same_request(server: Server) -> None:
    told = {"ETag": '"1"', "Content-Encoding": "gzip", "X-Word": "grüezi"}
    server.answers["/a"] = say(body=gzip.compress(b"unpacked"), **told)
    guarded = GuardedTransport(allowed_hosts=frozenset(("localhost",)), allow_http=False, limits=Limits())
    url, match = httpx.URL(server.url("/a")), '"ü"'

    found = guarded.exchange("GET", url, headers={"if-match": match}, content=None)
    whole = guarded.handle_request(httpx.Request("GET", url, headers=[(b"if-match", match.encode("latin-1"))]))

    assert found.body == whole.read() == b"unpacked"
    assert found.status == whole.status_code
    assert found.headers.keys() == whole.headers.keys()
    assert (found.headers["etag"], found.headers["x-word"]) == ('"1"', "grüezi")
    assert server.asked[0] == server.asked[1]
    assert server.asked[0][1]["if-match"] == match


def test_threads_share_connections_and_each_has_its_own_time(server: Server) -> None:
    server.answers["/a"] = wait(0.25)
    guarded = GuardedTransport(allowed_hosts=frozenset(("localhost",)), allow_http=False, limits=Limits(seconds=0.6))

    def ask(delay: float) -> int:
        time.sleep(delay)
        for _ in range(3):
            guarded.begin()
            answer = guarded.exchange("GET", httpx.URL(server.url("/a")), headers={}, content=None)
        return answer.status

    with ThreadPoolExecutor(max_workers=8) as threads:
        found = list(threads.map(ask, [0.05 * number for number in range(8)]))

    assert found == [200] * 8
    assert len(server.asked) == 24


def wait(seconds: float) -> Answering:
    """An answer that takes its time."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        say(b"done")(request)

    return answer


def test_an_answer_that_breaks_off_is_a_passing_failure(server: Server) -> None:
    def half(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        request.close_connection = True

    server.answers["/a"] = half

    with pytest.raises(TransientError) as caught:
        ours().request("GET", server.url("/a"))
    assert caught.value.error_code == "EGRESS.UNREACHABLE"


def test_tls_proves_the_name_although_the_address_is_pinned(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue("feeds.example")
    (tmp_path / "server.pem").write_bytes(certificate + key)
    at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    at_server.load_cert_chain(tmp_path / "server.pem")
    trusting = ssl.create_default_context(cadata=authority.pem.decode())
    trusting.verify_flags &= ~ssl.VERIFY_X509_STRICT  # our authority is no model of one
    with running(at_server) as server:
        server.answers["/a"] = say(b"proved")
        egress = Egress(allowed_hosts=OURS, resolver=Names(), tls=trusting)

        right = egress.request("GET", server.url("/a", host="feeds.example", scheme="https"))
        wrong = code(egress, server.url("/a", host="other.example", scheme="https"))

    assert right.content == b"proved"
    assert wrong == "EGRESS.CERTIFICATE"


def test_a_refusal_says_what_to_do() -> None:
    with pytest.raises(InvalidError, match="EGRESS_ALLOWED_HOSTS"):
        Egress(resolver=Names()).request("GET", "https://nas.example/secret")


def test_nothing_that_is_logged_holds_the_address(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.answers["/secret"] = say(b"hello")
    with caplog.at_level(logging.INFO):
        ours().request("GET", server.url("/secret"))

    assert "secret" not in caplog.text
