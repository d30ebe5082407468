"""Which network addresses a webhook may be sent to: public ones. Pure.

By lists of our own (IANA's registries of special-purpose addresses), for what Python calls global
has changed between its patch releases. An IPv6 address that carries an IPv4 address (mapped, NAT64,
6to4, Teredo) is refused whatever it carries: no public receiver is published under one.
"""

from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address

_NOT_PUBLIC: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # carriers' own (RFC 6598)
            "127.0.0.0/8",
            "169.254.0.0/16",  # link-local, among it the clouds' metadata
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "2001::/23",  # Teredo, ORCHID and other protocols' own
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)
# What is not in here is loopback, mapped, NAT64, unique local, link-local, multicast, or unassigned.
_GLOBAL_UNICAST: Final = ip_network("2000::/3")


def is_public(address: Address) -> bool:
    """Tell whether an address can be that of a server on the Internet."""
    if isinstance(address, IPv6Address) and (
        address.scope_id is not None or address not in _GLOBAL_UNICAST
    ):
        return False
    return address.is_global and not any(
        address in network for network in _NOT_PUBLIC if network.version == address.version
    )
