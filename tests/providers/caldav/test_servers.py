"""What servers do that Radicale does not, said by a server that says what it is told to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from shared import providers
from shared.core.errors import (
    CursorExpiredError,
    ForbiddenError,
    InvalidError,
    KalendsError,
    NotFoundError,
    RateLimitedError,
    ReauthRequiredError,
    TransientError,
)
from shared.net.egress import GuardedTransport, Limits
from shared.providers import AppPassword
from shared.providers.caldav import changes, dav
from shared.providers.caldav.client import CalDavCalendar
from shared.providers.port import Delete, Failed, Insert, Removed, Update, Upserted, Written
from tests.providers.replica import WINDOW
from tests.providers.samples import MARKER, event, key
from tests.providers.scripted import Say, Script, scripted

if TYPE_CHECKING:
    from shared.providers.port import CalendarProvider, Page

LUNCH = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:lunch\r\nDTSTART:20260302T110000Z\r\nSUMMARY:Lunch\r\n"
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
)
XML = {"content-type": "application/xml; charset=utf-8"}
NS = 'xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:S="http://calendarserver.org/ns/" '
NS += 'xmlns:O="http://owncloud.org/ns"'


def many(*responses: str, token: str = "") -> Say:
    """A 207."""
    ending = f"<sync-token>{token}</sync-token>" if token else ""
    return Say(207, f'<?xml version="1.0"?><multistatus {NS}>{"".join(responses)}{ending}</multistatus>'.encode(), XML)


def has(href: str, properties: str) -> str:
    """A response with properties."""
    return (
        f"<response><href>{href}</href><propstat><prop>{properties}</prop><status>HTTP/1.1 200 OK</status></propstat>"
        "<propstat><prop><displayname/></prop><status>HTTP/1.1 404 Not Found</status></propstat></response>"
    )


def is_(href: str, status: int) -> str:
    """A response that is a status."""
    return f"<response><href>{href}</href><status>HTTP/1.1 {status} Whatever</status></response>"


def item(name: str, etag: str = "1", data: str = "") -> str:
    """A resource, perhaps with its data."""
    calendar_data = f"<C:calendar-data>{data}</C:calendar-data>" if data else ""
    return has(f"/cal/{name}", f'<getetag>"{etag}"</getetag>{calendar_data}')


def refusal(status: int, condition: str) -> Say:
    """A refusal with its reason."""
    return Say(status, f'<?xml version="1.0"?><error xmlns="DAV:"><{condition}/></error>'.encode(), XML)


CALENDAR = has("/cal/", "<resourcetype><collection/><C:calendar/></resourcetype>")


def account(script: Script) -> CalendarProvider:
    """An account there."""
    login = AppPassword(url=script.base, username="pat", password="secret")
    return providers.log_in("caldav", login=login, allowed_hosts=("127.0.0.1",))


def read(script: Script, cursor: str | None, page: str | None = None) -> Page:
    """One page of its only calendar."""
    return account(script).changes(f"{script.base}/cal/", cursor=cursor, page=page, window=WINDOW)


@pytest.mark.parametrize(
    "answer",
    [refusal(403, "valid-sync-token"), refusal(409, "valid-sync-token"), Say(410), Say(412), Say(409)],
    ids=["403", "409 with reason", "410", "412", "409"],
)
def test_a_forgotten_token_is_an_ordinary_event_however_it_is_said(answer: Say) -> None:
    with scripted(answer) as script, pytest.raises(CursorExpiredError):
        read(script, "token:old")


def test_a_right_that_was_lost_is_no_forgotten_token() -> None:
    with scripted(Say(403)) as script, pytest.raises(ForbiddenError):
        read(script, "token:old")


def test_a_report_that_is_cut_is_read_on_with_its_token() -> None:
    first = many(item("a.ics"), is_("/cal/", 507), token="half")
    rest = many(item("b.ics"), is_("/cal/gone.ics", 404), token="whole")
    with scripted(first, many(item("a.ics", data=LUNCH)), rest, many(item("b.ics", data=LUNCH))) as script:
        one = read(script, "token:old")
        other = read(script, "token:old", one.next_page)

    assert one.cursor is None
    assert [change.event.id for change in one.changes if isinstance(change, Upserted)] == ["a.ics"]
    assert b"<D:sync-token>half</D:sync-token>" in script.asked[2].body
    assert Removed(event_id="gone.ics") in other.changes
    assert other.cursor == "token:whole"


def test_what_a_multiget_leaves_out_is_asked_for_alone() -> None:
    listed = many(item("a.ics"), item("b.ics"), token="t")
    with scripted(listed, many(item("a.ics", data=LUNCH)), Say(200, LUNCH.encode(), {"etag": '"1"'})) as script:
        page = read(script, "token:old")

    assert [change.event.id for change in page.changes if isinstance(change, Upserted)] == ["a.ics", "b.ics"]


def test_one_bad_item_is_skipped_alone() -> None:
    bad = LUNCH.replace("DTSTART:20260302T110000Z", "DTSTART:Secret")
    listed = many(item("a.ics"), item("b.ics"), token="t")
    with scripted(listed, many(item("a.ics", data=bad), item("b.ics", data=LUNCH))) as script:
        page = read(script, "token:old")

    assert [(one.event_id, "Secret" in one.reason) for one in page.skipped] == [("a.ics", False)]
    assert len(page.changes) == 1


def state(ctag: str) -> Say:
    """A calendar of a server that knows no sync tokens."""
    return many(has("/cal/", f"<S:getctag>{ctag}</S:getctag><resourcetype><C:calendar/></resourcetype>"))


def test_without_sync_tokens_etags_are_compared() -> None:
    everything = [item(f"{number}.ics") for number in range(200)]
    with scripted(
        state("1"), state("1"), many(*everything), many(*(item(f"{n}.ics", data=LUNCH) for n in range(200)))
    ) as script:
        script.answers += [script.answers[-1]]
        full = read(script, None)
    assert full.cursor is not None
    assert len(full.changes) == 200
    assert len(full.cursor) < 4000

    with scripted(state("1")) as script:
        quiet = read(script, full.cursor)
        asked = len(script.asked)
    assert (quiet.changes, quiet.cursor, asked) == ((), full.cursor, 1)

    edited = [*everything[:7], item("7.ics", "2"), *everything[8:], item("new.ics")]
    data = [item(f"{n}.ics", data=LUNCH) for n in (*range(200), "new")]
    with scripted(state("2"), many(*edited), many(*data)) as script:
        changed = read(script, full.cursor)
    told = {change.event.id for change in changed.changes if isinstance(change, Upserted)}
    assert {"7.ics", "new.ics"} <= told
    assert len(told) < 20

    with scripted(state("3"), many(*everything[1:])) as script, pytest.raises(CursorExpiredError):
        read(script, full.cursor)


def test_absence_of_an_event_counts_only_if_its_calendar_is_there() -> None:
    with scripted(Say(404), many(CALENDAR)) as script:
        assert account(script).get(f"{script.base}/cal/", "a.ics", window=WINDOW) is None
    with scripted(Say(404), Say(404)) as script, pytest.raises(NotFoundError):
        account(script).get(f"{script.base}/cal/", "a.ics", window=WINDOW)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Say(401), ReauthRequiredError),
        (Say(429, headers={"retry-after": "90"}), RateLimitedError),
        (Say(423), TransientError),
        (Say(507), TransientError),
        (Say(200, b"<html>Sign in</html>"), TransientError),
        (Say(207, b"<multistatus xmlns='DAV:'><resp", XML), TransientError),
        (Say(302, headers={"location": "/elsewhere/"}), TransientError),
        (Say(405), InvalidError),
    ],
    ids=["401", "429", "423", "507", "html", "half", "redirect", "405"],
)
def test_every_refusal_has_its_type(answer: Say, error: type[KalendsError]) -> None:
    with scripted(answer) as script, pytest.raises(error):
        read(script, "token:old")


def test_a_document_with_entities_is_refused_before_they_are_read() -> None:
    bomb = b"<!DOCTYPE a [<!ENTITY b 'bbbb'><!ENTITY c '&b;&b;'>]><a>&c;</a>"

    with pytest.raises(TransientError):
        dav.parse_xml(bomb, what="a bomb")

    assert dav.parse_xml(b"<a>c</a>", what="no bomb").text == "c"


def guarded(limits: Limits) -> GuardedTransport:
    """A way out to this machine."""
    return GuardedTransport(allowed_hosts=frozenset(("127.0.0.1",)), allow_http=False, limits=limits)


def test_an_answer_without_end_is_given_up() -> None:
    with scripted(many(item("a" * 20_000), token="t")) as script, pytest.raises(TransientError) as refused:
        small = CalDavCalendar(url=script.base, username="pat", password="x", transport=guarded(Limits(size=10_000)))
        small.changes(f"{script.base}/cal/", cursor="token:old", page=None, window=WINDOW)

    assert refused.value.error_code == "EGRESS.TOO_LARGE"


def insert(script: Script) -> Written | Failed:
    """One insert."""
    write = Insert(key=key(1), marker=MARKER, appearance=event("Busy"))
    return account(script).write(f"{script.base}/cal/", [write])[0]


def mirror() -> bytes:
    """The mirror, as an earlier attempt made it."""
    return LUNCH.replace("UID:lunch", f"UID:kalends-{key(1)}\r\nX-KALENDS-MARKER:{MARKER}").encode()


def test_a_uid_that_the_server_has_under_another_name_is_found_there() -> None:
    there = Say(200, mirror(), {"etag": '"1"'})
    with scripted(
        refusal(409, "no-uid-conflict"), Say(404), many(item("other.ics")), there, Say(204, headers={"etag": '"2"'})
    ) as script:
        outcome = insert(script)

    assert isinstance(outcome, Written)
    assert outcome.event_id == "other.ics"
    assert (script.asked[-1].method, script.asked[-1].headers["if-match"]) == ("PUT", '"1"')


def test_what_a_server_changed_while_storing_is_read_back() -> None:
    stored = mirror().replace(b"SUMMARY:Lunch", b"SUMMARY:BUSY")
    with scripted(Say(201), Say(200, stored, {"etag": '"9"'})) as script:
        outcome = insert(script)

    assert isinstance(outcome, Written)
    assert outcome.event is not None
    assert outcome.event.text is not None
    assert (outcome.event.text.title, outcome.event.etag) == ("BUSY", '"9"')


def test_a_password_revoked_midway_ends_the_whole_call() -> None:
    writes = [Delete(event_id=f"{number}.ics", marker=MARKER, etag='"1"') for number in range(3)]
    with scripted(Say(204), Say(401)) as script, pytest.raises(ReauthRequiredError, match="invalid_token"):
        account(script).write(f"{script.base}/cal/", writes)


# Looking for an account


def principal(home: str) -> Say:
    """A principal."""
    return many(
        has(
            "/me/",
            f"<current-user-principal><href>/me/</href></current-user-principal><C:calendar-home-set><href>{home}</href>"
            "</C:calendar-home-set><C:calendar-user-address-set><href>mailto:Pat@example.com</href>"
            "</C:calendar-user-address-set>",
        )
    )


HOME = many(
    has("/home/", "<resourcetype><collection/></resourcetype>"),
    has("/home/tasks/", '<resourcetype><C:calendar/></resourcetype><C:supported-calendar-component-set>'
        '<C:comp name="VTODO"/>'
        "</C:supported-calendar-component-set>"),
    has("/home/read%20only/", "<resourcetype><C:calendar/></resourcetype><displayname>Holidays</displayname>"
        "<current-user-privilege-set><privilege><read/></privilege></current-user-privilege-set>"
        "<owner><href>/other/</href></owner>"),
    has("/home/own/", "<resourcetype><C:calendar/></resourcetype><owner><href>/me/</href></owner>"),
)  # fmt: skip


def test_an_account_is_found_by_way_of_the_well_known_address() -> None:
    with scripted(Say(404), Say(301, headers={"location": "/dav/"}), principal("/home/"), HOME) as script:
        found = account(script).list_calendars()

    assert script.asked[1].target == "/.well-known/caldav"
    assert [(one.name, one.can_write, one.readers, one.is_primary) for one in found] == [
        ("Holidays", False, ("other",), False),
        ("own", True, None, True),
    ]
    assert found[0].id == f"{script.base}/home/read%20only/"


ACE = "<ace><principal>{}</principal><grant><privilege><{}/></privilege></grant></ace>"
MINE = (
    ACE.format("<property><owner/></property>", "all")
    + ACE.format("<href>/me/</href>", "read")
    + ACE.format("<href>/me/calendar-proxy-read/</href>", "read")
    + ACE.format("<authenticated/>", "C:read-free-busy")
)


@pytest.mark.parametrize(
    ("properties", "readers"),
    [
        ("", None),
        (f"<acl>{MINE}</acl>", ()),
        (f"<acl>{MINE}{ACE.format('<href>/principals/users/bob/</href>', 'read')}</acl>", ("bob",)),
        (f"<acl>{MINE}{ACE.format('<all/>', 'read')}</acl>", ("everybody",)),
        ("<share-access><not-shared/></share-access>", ()),
        ("<share-access><shared-owner/></share-access>", ("others",)),
        (
            "<invite><sharee><href>mailto:me@x.org</href><invite-accepted/><share-access><shared-owner/></share-access>"
            "</sharee><sharee><href>mailto:bob@x.org</href><invite-noresponse/><share-access><read/></share-access>"
            "</sharee><sharee><href>mailto:eve@x.org</href><invite-declined/></sharee></invite>",
            ("bob@x.org",),
        ),
        (
            "<S:invite><S:user><href>urn:uuid:7</href><S:common-name>Bob</S:common-name><S:invite-accepted/>"
            "<S:access><S:read-write/></S:access></S:user></S:invite>",
            ("Bob",),
        ),
        (
            f"<acl>{ACE.format('<href>/principals/users/bob/</href>', 'read')}</acl><O:invite><O:user>"
            "<href>principal:principals/users/bob</href><O:invite-accepted/><O:access><O:read/></O:access></O:user>"
            "</O:invite>",
            ("bob",),
        ),
        ("<O:invite/>", ()),
        ("<S:publish-url><href>https://x.org/p/7</href></S:publish-url>", ("everybody who has its address",)),
    ],
)
def test_who_else_reads_a_calendar_is_told_in_as_many_ways_as_there_are_servers(
    properties: str, readers: tuple[str, ...] | None
) -> None:
    own = "<resourcetype><C:calendar/></resourcetype><owner><href>/me/</href></owner>"

    with scripted(principal("/home/"), many(has("/home/own/", own + properties))) as script:
        (found,) = account(script).list_calendars()

    assert found.readers == readers


@pytest.mark.parametrize(("kind", "readers"), [("S:shared-owner", ("others",)), ("S:shared", ("others",))])
def test_a_calendar_that_is_called_shared_is_read_by_others(kind: str, readers: tuple[str, ...]) -> None:
    own = f"<resourcetype><C:calendar/><{kind}/></resourcetype>"

    with scripted(principal("/home/"), many(has("/home/own/", own))) as script:
        (found,) = account(script).list_calendars()

    assert found.readers == readers


def test_the_address_of_one_calendar_is_enough() -> None:
    with scripted(many(CALENDAR)) as script:
        found = account(script).list_calendars()

    assert [one.id for one in found] == [f"{script.base}/cal/"]


def test_the_password_goes_to_no_other_host() -> None:
    with scripted(principal("https://evil.example.org/home/")) as script, pytest.raises(InvalidError) as refused:
        account(script).list_calendars()

    assert refused.value.error_code == "CALDAV.MOVED"
    assert "evil.example.org" in refused.value.message


@pytest.mark.parametrize(
    ("home", "asked", "goes"),
    [
        ("https://caldav.icloud.com", "https://p42-caldav.icloud.com:443/1/calendars/", True),
        ("https://example.com", "https://dav.example.com/", True),
        ("https://dav.example.co.uk", "https://evil.co.uk/", False),
        ("https://caldav.icloud.com", "https://icloud.com.evil.org/", False),
        ("https://example.com", "http://example.com/", False),
        ("https://example.com", "http://dav.example.com/", False),
        ("https://example.com", "https://example.com:8443/", False),
        ("https://example.com", "https://user:pw@example.com/", False),
    ],
)
def test_where_the_password_may_go(home: str, asked: str, goes: bool) -> None:
    client = dav.Dav(url=home, username="pat", password="secret", transport=dav.way_out(()))

    if goes:
        assert client.allowed(asked) == asked
    else:
        with pytest.raises(InvalidError):
            client.allowed(asked)


@pytest.mark.parametrize("answer", [Say(404), Say(200, b"<html/>"), many(has("/", "<resourcetype/>")), Say(405)])
def test_a_place_without_calendars_is_told_as_such(answer: Say) -> None:
    with scripted(answer) as script, pytest.raises((InvalidError, TransientError)) as refused:
        account(script).list_calendars()

    assert refused.value.error_code in ("CALDAV.NOT_FOUND", "PROVIDER.UNREADABLE")


def test_redirects_without_end_are_noticed() -> None:
    with scripted(Say(302, headers={"location": "/again/"})) as script, pytest.raises(TransientError):
        account(script).list_calendars()

    assert len(script.asked) < 120


def test_a_private_address_is_asked_nothing_unless_the_operator_allows_it() -> None:
    with scripted(Say(404)) as script:
        for base in (script.base, script.base.replace("http:", "https:")):
            login = AppPassword(url=base, username="pat", password="secret")
            with pytest.raises(InvalidError) as refused:
                providers.log_in("caldav", login=login, allowed_hosts=()).list_calendars()
            assert refused.value.error_code in ("EGRESS.INSECURE", "EGRESS.PRIVATE_ADDRESS")
            assert "secret" not in repr(login) + refused.value.message

    assert script.asked == []


def test_an_account_whose_host_turns_private_rests_and_gives_no_event_up() -> None:
    update = Update(event_id="a.ics", marker=MARKER, appearance=event("Busy"), etag=None)
    with scripted(Say(404)) as script:
        address = f"{script.base}/cal/".replace("http:", "https:")
        login = AppPassword(url=address, username="pat", password="secret")
        turned = providers.log_in("caldav", login=login, allowed_hosts=())
        (answer,) = turned.write(address, [update])

    assert isinstance(answer, Failed)
    assert (type(answer.error), answer.error.error_code) == (TransientError, "EGRESS.PRIVATE_ADDRESS")
    assert script.asked == []


def test_eight_writes_at_once_each_have_the_whole_time() -> None:
    slow = Say(201, headers={"etag": '"1"'}, seconds=0.3)
    inserts = [Insert(key=key(number), marker=MARKER, appearance=event("Busy")) for number in range(24)]
    with scripted(slow) as script:
        many_at_once = CalDavCalendar(
            url=script.base, username="pat", password="x", transport=guarded(Limits(seconds=0.8))
        )
        answers = many_at_once.write(f"{script.base}/cal/", inserts)

    assert [type(one) for one in answers] == [Written] * 24
    assert len(script.asked) == 24


def test_a_page_token_is_small_and_complete() -> None:
    place = changes._Place(by="token", since="s", token="t", after="z.ics", number=3)

    assert changes._Place.parse(str(place)) == place
    assert len(json.loads(str(place))) == 6
