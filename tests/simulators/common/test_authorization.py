"""The authorization server's core, where the providers' own tests do not reach."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from infra.local.simulators.authorization import AuthorizationServer
from infra.local.simulators.credentials import Account, AuthorizationError, TokenError, TokenRejectedError
from infra.local.simulators.state import StateFile

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 2, tzinfo=UTC)
REDIRECT = "http://127.0.0.1:1/cb"
QUERY = {"client_id": "c", "redirect_uri": REDIRECT, "response_type": "code", "scope": "read write", "state": "s"}


def _server(state: StateFile | None = None) -> AuthorizationServer:
    server = AuthorizationServer(state or StateFile(None), access_prefix="a.", refresh_prefix="r.")
    server.add_account(Account(email="a@example.com", name="A", subject="1"))
    server.add_client("c", "secret", [REDIRECT])
    return server


def _code(server: AuthorizationServer) -> str:
    address = server.allow(
        server.request(QUERY), email="a@example.com", scopes=["read", "write"], refreshable=True, now=NOW
    )
    return address.partition("code=")[2].replace("%2F", "/")


def test_client_credentials_come_in_the_form_or_by_basic_authentication() -> None:
    server = _server()

    by_form = server.authenticate_client({"client_id": "c", "client_secret": "secret"})
    by_basic = server.authenticate_client({}, "Basic " + base64.b64encode(b"c:secret").decode())

    assert by_form == by_basic
    for form, header in (({}, ""), ({"client_id": "c", "client_secret": "x"}, ""), ({}, "Basic !")):
        with pytest.raises(TokenError, match="invalid_client"):
            server.authenticate_client(form, header)


def test_a_redirect_uri_with_a_query_keeps_it() -> None:
    server = _server()
    server.add_client("c", "secret", [f"{REDIRECT}?a=1"])

    address = server.deny(server.request({**QUERY, "redirect_uri": f"{REDIRECT}?a=1"}))

    assert address == f"{REDIRECT}?a=1&error=access_denied&state=s"


def test_an_unregistered_redirect_uri_is_never_redirected_to() -> None:
    with pytest.raises(AuthorizationError) as error:
        _server().request({**QUERY, "redirect_uri": "https://evil.example", "response_type": "token"})

    assert error.value.redirect is None


def test_a_refresh_may_narrow_the_scopes_and_not_widen_them() -> None:
    server = _server()
    client = server.clients["c"]
    issued = server.exchange_code(client, {"code": _code(server), "redirect_uri": REDIRECT}, lifetime=60, now=NOW)
    form = {"refresh_token": issued.refresh_token or ""}

    narrow = server.refresh(client, {**form, "scope": "read"}, lifetime=60, now=NOW, renew=False, end_old=False)

    assert narrow.scopes == ("read",)
    with pytest.raises(TokenError, match="invalid_scope"):
        server.refresh(client, {**form, "scope": "read admin"}, lifetime=60, now=NOW, renew=False, end_old=False)


def test_a_renewed_refresh_token_may_leave_the_old_one_good() -> None:
    server = _server()
    client = server.clients["c"]
    issued = server.exchange_code(client, {"code": _code(server), "redirect_uri": REDIRECT}, lifetime=60, now=NOW)
    form = {"refresh_token": issued.refresh_token or ""}

    first = server.refresh(client, form, lifetime=60, now=NOW, renew=True, end_old=False)
    second = server.refresh(client, form, lifetime=60, now=NOW, renew=True, end_old=False)

    assert len({issued.refresh_token, first.refresh_token, second.refresh_token}) == 3


async def test_tokens_and_consents_outlive_the_process_and_codes_do_not(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state")
    server = _server(state)
    client = server.clients["c"]
    spare = _code(server)
    issued = server.exchange_code(client, {"code": _code(server), "redirect_uri": REDIRECT}, lifetime=60, now=NOW)
    await state.close()

    later = AuthorizationServer(StateFile(None))
    later.load(StateFile(tmp_path / "state").load())

    assert later.authenticate(issued.access_token, NOW).email == "a@example.com"
    assert later.consented("c", "a@example.com") == {"read", "write"}
    form = {"refresh_token": issued.refresh_token or ""}
    assert later.refresh(later.clients["c"], form, lifetime=60, now=NOW, renew=False, end_old=False)
    with pytest.raises(TokenError):
        later.exchange_code(later.clients["c"], {"code": spare, "redirect_uri": REDIRECT}, lifetime=60, now=NOW)


def test_an_expired_access_token_is_rejected() -> None:
    server = _server()
    client = server.clients["c"]
    issued = server.exchange_code(client, {"code": _code(server), "redirect_uri": REDIRECT}, lifetime=60, now=NOW)

    with pytest.raises(TokenRejectedError):
        server.authenticate(issued.access_token, NOW + timedelta(seconds=60))
