"""One HTTP request to a receiver: to a public address, which is checked before it is connected to.

The name is resolved once, every address that it has is judged, and the connection goes to the
address itself; the name is used for TLS and the `Host` header alone. So whoever owns the name can
answer differently a second time (DNS rebinding), and nobody asks. httpx's transport is used without
its client: there is nothing that would follow a redirect, keep a cookie, read a proxy from the
environment or send credentials.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from types import TracebackType
from typing import Final, Self

import httpx2

from itschool_api.webhooks import destinations
from itschool_api.webhooks.addresses import Address
from itschool_api.webhooks.destinations import Destination, NotADestination, Rules

MOST_SECONDS: Final = 15.0
_CONNECT_SECONDS: Final = 5.0
_MOST_REPLY_BYTES: Final = 1000
_REPLY_SECONDS: Final = 2.0
_MOST_ADDRESSES: Final = 4
_AGENT: Final = "itschool-api-webhooks/1"

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one try."""

    duration_ms: int
    status: int | None = None
    reply: str | None = None
    reason: str | None = None
    """Why it failed; None: it succeeded."""


class _NotSent(Exception):
    """Nothing was sent; says why."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, as the system resolves it."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


@cache
def public_tls() -> ssl.SSLContext:
    """Return what trusts the authorities that browsers trust; reading them takes a while."""
    return httpx2.create_ssl_context(trust_env=False)


class Courier:
    """Brings messages to one endpoint; its connections are kept until the end.

    Not for several: connections are known by their address, and two names can share one.
    """

    def __init__(
        self, rules: Rules, *, resolver: Resolver = resolve, tls: ssl.SSLContext | None = None
    ) -> None:
        self._rules = rules
        self._resolver = resolver
        self._transport = httpx2.AsyncHTTPTransport(verify=tls or public_tls(), trust_env=False)

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close what is open."""
        await self._transport.aclose()

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Try once, whatever comes."""
        begun = time.monotonic()
        status, reply, reason = None, None, None
        try:
            async with asyncio.timeout(MOST_SECONDS):
                destination = destinations.read(url, self._rules)
                addresses = await self._addresses(destination)
                status, reply = await self._post(destination, addresses, headers, body)
                reason = _refusal(status)
        except (NotADestination, _NotSent) as error:
            reason = str(error)
        except (TimeoutError, httpx2.TimeoutException):
            reason = f"It took longer than {MOST_SECONDS:.0f} seconds."
        except httpx2.ConnectError:
            reason = "No connection could be made, or its certificate is not valid."
        except httpx2.TransportError:
            reason = "The connection was lost, or what came was not HTTP."
        return Answer(round((time.monotonic() - begun) * 1000), status, reply, reason)

    async def _addresses(self, destination: Destination) -> list[Address]:
        """Return where to connect to; one address that is not public spoils all."""
        if destination.address is not None:
            found: list[Address] = [destination.address]
        else:
            try:
                texts = await self._resolver(destination.host, destination.port)
                found = [ip_address(text) for text in dict.fromkeys(texts)]
            except (OSError, ValueError) as error:
                raise _NotSent("Its name cannot be resolved.") from error
        if not found or not all(self._rules.allow(address) for address in found):
            raise _NotSent("Its name leads to an address that is not public.")
        return found[:_MOST_ADDRESSES]

    async def _post(
        self,
        destination: Destination,
        addresses: Sequence[Address],
        headers: Mapping[str, str],
        body: bytes,
    ) -> tuple[int, str]:
        for address in addresses[:-1]:
            try:
                return await self._post_to(destination, address, headers, body)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue  # nothing was sent yet
        return await self._post_to(destination, addresses[-1], headers, body)

    async def _post_to(
        self, destination: Destination, address: Address, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, str]:
        url = destination.url
        request = httpx2.Request(
            "POST",
            url.copy_with(host=str(address)),
            headers={
                "host": url.netloc.decode("ascii"),
                "content-type": "application/json",
                "accept-encoding": "identity",
                "user-agent": _AGENT,
                **headers,
            },
            content=body,
            extensions={
                "timeout": dict.fromkeys(("read", "write", "pool"), MOST_SECONDS)
                | {"connect": _CONNECT_SECONDS},
                # Whom the certificate must be of.
                "sni_hostname": destination.host,
            },
        )
        response = await self._transport.handle_async_request(request)
        try:
            return response.status_code, await _beginning(response)
        finally:
            await response.aclose()


async def _beginning(response: httpx2.Response) -> str:
    """Return how an answer begins, on what the database can store; the rest is not read.

    Its status has come and decides: what comes late after it, or breaks off, changes nothing.
    """
    found = b""
    with suppress(TimeoutError, httpx2.TransportError):
        async with asyncio.timeout(_REPLY_SECONDS):
            async for chunk in response.aiter_raw():
                found += chunk
                if len(found) >= _MOST_REPLY_BYTES:
                    break
    text = found[:_MOST_REPLY_BYTES].decode("utf-8", "replace")
    return "".join(each if each.isprintable() or each in "\n\t" else " " for each in text)


def _refusal(status: int) -> str | None:
    """Say why an answer is no success; None: it is."""
    if httpx2.codes.is_success(status):
        return None
    if httpx2.codes.is_redirect(status):
        return f"It answered {status}: redirects are not followed."
    return f"It answered {status}."
