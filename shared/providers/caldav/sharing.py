"""Who else reads a calendar, as far as its server tells.

Servers tell it in several ways, and some in none: access control lists (RFC 3744, 5.5), invitations
(draft-pot-webdav-resource-sharing, DAV:invite; caldav-sharing of Calendar Server and iCloud; ownCloud and Nextcloud),
and the address of a published calendar (caldav-publish). Who sees only when somebody is busy does not count, nor do
the delegates that a server names beneath the person's own principal (caldav-proxy): whether there are any, it does not
say there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from shared.providers.caldav.dav import DAV, OWNCLOUD, SERVER, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree import ElementTree as ET

    from shared.providers.caldav.dav import Response

PROPERTIES = "<D:acl/><D:share-access/><D:invite/><S:invite/><O:invite/><S:publish-url/>"

_ACL, _SHARE_ACCESS = f"{{{DAV}}}acl", f"{{{DAV}}}share-access"
_INVITES = (
    (f"{{{DAV}}}invite", f"{{{DAV}}}sharee"),
    (f"{{{SERVER}}}invite", f"{{{SERVER}}}user"),
    (f"{{{OWNCLOUD}}}invite", f"{{{OWNCLOUD}}}user"),
)
_SHARED = {f"{{{SERVER}}}shared", f"{{{SERVER}}}shared-owner", f"{{{DAV}}}shared-owner"}
_NOT_INVITED = {"invite-declined", "invite-deleted", "invite-invalid", "no-access", "shared-owner"}
_READING = {f"{{{DAV}}}read", f"{{{DAV}}}all"}
_EVERYBODY = {"all": "everybody", "authenticated": "everybody with an account", "unauthenticated": "everybody"}
_SOMEBODY = "others"


def readers(response: Response, *, principal: str) -> tuple[str, ...] | None:
    """Whoever reads the calendar beside the account's principal; None where the server tells nothing of it."""
    owner = response.href(f"{{{DAV}}}owner")
    if owner is not None and path_of(owner) != path_of(principal):
        return (_name(owner),)
    names = {*_invited(response)} or {*_granted(response, path_of(principal))}
    if f"{{{SERVER}}}publish-url" in response.found:
        names.add("everybody who has its address")
    told = [name for name, _ in _INVITES if name in response.found]
    shared = (response.children(f"{{{DAV}}}resourcetype") | response.children(_SHARE_ACCESS)) & _SHARED
    if shared and not names and not told:
        names.add(_SOMEBODY)
    if names or told or {_ACL, _SHARE_ACCESS} & response.found.keys():
        return tuple(sorted(names))
    return None


def _invited(response: Response) -> Iterator[str]:
    """Those who may accept, too: they read as soon as they like."""
    for name, sharee in _INVITES:
        invite = response.found.get(name)
        for one in () if invite is None else invite.iter(sharee):
            if not _NOT_INVITED & {_local(child) for child in one.iter()}:
                called = next((child.text for child in one.iter() if _local(child) == "common-name"), None)
                href = one.findtext(f"{{{DAV}}}href") or ""
                yield (called or "").strip() or _name(href)


def _granted(response: Response, principal: str) -> Iterator[str]:
    """Whom an access control entry lets read."""
    acl = response.found.get(_ACL)
    for entry in () if acl is None else acl.iter(f"{{{DAV}}}ace"):
        grant, who = entry.find(f"{{{DAV}}}grant"), entry.find(f"{{{DAV}}}principal")
        if grant is None or who is None or not _READING & {child.tag for child in grant.iter()}:
            continue
        href = who.findtext(f"{{{DAV}}}href")
        if href is not None:
            path = path_of(urljoin(response.url, href.strip()))
            if path != principal and not path.startswith(f"{principal}/"):
                yield _name(href)
        else:
            yield from (_EVERYBODY[_local(child)] for child in who if _local(child) in _EVERYBODY)


def _name(href: str) -> str:
    """An address of mail, or the last name of a principal."""
    if href.lower().startswith("mailto:"):
        return href[len("mailto:") :].strip()
    return path_of(urlsplit(href.strip()).path).rpartition("/")[2] or _SOMEBODY


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
