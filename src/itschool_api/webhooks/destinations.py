"""Where a webhook may be sent, as far as its URL tells. Pure.

It is read by the parser that the request is made with, so that the two cannot understand it in
different ways. What a name leads to is judged at each delivery (`courier`).
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import httpx2

from itschool_api.webhooks.addresses import Address, is_public

LONGEST: Final = 500
# ASCII without what has a meaning before a host (@, \), blanks and fragments.
PATTERN: Final = r"""^https?://[A-Za-z0-9.:\[\]-]{1,260}([/?][!"$-\[\]-~]*)?$"""
_PATTERN: Final = re.compile(PATTERN)
# Two labels at least; the last begins with a letter, so that it is no number in disguise.
_NAME: Final = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_USUAL_PORTS: Final = {"https": 443, "http": 80}


class NotADestination(ValueError):
    """Nothing is sent to this URL; says why."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What this installation allows beside the public Internet over https."""

    ports: frozenset[int]
    loopback: bool
    """Whether this machine may be sent to, over http too and at any port: for developing."""

    def allow(self, address: Address) -> bool:
        """Tell whether a connection to an address may be opened."""
        return is_public(address) or (self.loopback and address.is_loopback)


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL, understood."""

    url: httpx2.URL
    host: str
    port: int
    address: Address | None
    """The host, where it is no name."""


def read(text: str, rules: Rules) -> Destination:
    """Understand a URL; raises `NotADestination`."""
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        raise NotADestination("It is not a URL.") from error
    if len(text) > LONGEST or not _PATTERN.fullmatch(text) or url.userinfo:
        raise NotADestination("It must be an https address without credentials and fragment.")
    host = url.raw_host.decode("ascii").lower()
    address = _address(host)
    port = url.port or _USUAL_PORTS.get(url.scheme, 0)
    if rules.loopback and (host == "localhost" or (address is not None and address.is_loopback)):
        return Destination(url, host, port, address)
    if url.scheme != "https":
        raise NotADestination("It must begin with https://.")
    if port not in rules.ports:
        raise NotADestination(f"Port {port} is not among those that are allowed.")
    if address is not None and not is_public(address):
        raise NotADestination("Its address is not a public one.")
    if address is None and not _NAME.fullmatch(host):
        raise NotADestination("Its host is not a name on the Internet.")
    return Destination(url, host, port, address)


def _address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
