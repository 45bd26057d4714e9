"""The pages a person may see at the end of an authorization: self-contained, and about what to do next."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING

from functions.http import Response, problem
from shared.core.errors import InvalidError, UnauthenticatedError

if TYPE_CHECKING:
    from functions.http import Request
    from shared.core.errors import KalendsError

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:38rem;margin:12vh auto;padding:0 1.25rem}"
    "code{display:block;overflow-wrap:anywhere;padding:.75rem;background:#8881;border-radius:.5rem}"
    ":root{color-scheme:light dark}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; frame-ancestors 'none'; style-src 'sha256-{_STYLE_HASH}'"

_TITLES = {
    "AUTH.CONSENT_DENIED": "Nothing was connected",
    "AUTH.ADMIN_APPROVAL": "Your administrator has to approve first",
    "AUTH.SCOPES_MISSING": "Some permissions are missing",
    "AUTH.WRONG_TENANT": "This account may not be used here",
    "AUTH.STATE_EXPIRED": "That took too long",
    "AUTH.STATE_REUSED": "This was finished before",
    "AUTH.WRONG_SESSION": "Another session started this",
    "GATE.CLOSED": "Connecting is switched off",
}


def refuse(request: Request, error: KalendsError) -> Response:
    """A page for a browser, a problem for a program."""
    if not request.wants_html:
        return problem(error)
    link = error.fields.get("admin_consent_url", "") if isinstance(error, InvalidError) else ""
    again = ("/sign-in", "Sign in") if isinstance(error, UnauthenticatedError) else ("/connections", "Your connections")
    title = _TITLES.get(error.error_code, "The account was not connected")
    return page(error.status, title, error.message, copy=link, onward=again, note=f"{error.error_code} · {request.id}")


def page(status: int, title: str, text: str, *, copy: str = "", onward: tuple[str, str], note: str = "") -> Response:
    """A page with one message, a link to copy if there is one, and the way on."""
    copied = f"<p>The link to send:</p><code>{escape(copy)}</code>" if copy else ""
    small = f"<p><small>{escape(note)}</small></p>" if note else ""
    address, words = onward
    return Response(
        status=status,
        body=(
            f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>{escape(title)} · Kalends</title><style>{_STYLE}</style>"
            f"<main><h1>{escape(title)}</h1><p>{escape(text)}</p>{copied}"
            f'<p><a href="{escape(address)}">{escape(words)}</a></p>{small}</main></html>'
        ),
        content_type="text/html; charset=utf-8",
        headers={"content-security-policy": _POLICY},
    )
