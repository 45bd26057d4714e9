"""Which addresses are out in the world. Pure.

Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (as `ipaddress` has them); RFC 6052 and 8215 (NAT64),
RFC 3056 (6to4), RFC 4380 (Teredo), RFC 4291, 2.5.5 (addresses that hold an IPv4 address).
"""

from __future__ import annotations

import ipaddress

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Public by the registry, and yet the host of a virtual machine on Azure, which tells it secrets.
_METADATA = (ipaddress.IPv4Address("168.63.129.16"),)


def is_public(address: str) -> bool:
    """Whether an IP address, as a resolver writes it, leads out to the public internet.

    Loopback, private, shared (CGNAT), link-local, multicast, reserved and documentation addresses do not, nor what
    hides one of them in an IPv6 address; 6to4 and Teredo lead anywhere and so nowhere.
    """
    try:
        parsed: Address = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.scope_id is not None or parsed.sixtofour is not None or parsed.teredo is not None:
            return False
        if parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        elif parsed in _NAT64:  # how an IPv6-only network reaches the IPv4 internet
            parsed = ipaddress.IPv4Address(parsed.packed[-4:])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.is_site_local:
        return False
    is_special = parsed.is_multicast or parsed.is_reserved or parsed.is_unspecified or parsed.is_loopback
    return parsed.is_global and not is_special and parsed not in _METADATA
