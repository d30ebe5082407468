"""A receiver as a school would write it: a real HTTP server, and a check of signatures of its own.

The check knows nothing of ours: it follows the specification (standardwebhooks.com, 1.0).
"""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


class NotAuthentic(Exception):
    """The signature is of somebody else, or the message is old."""


def verified(secret: str, headers: dict[str, str], body: bytes, *, tolerance: int = 300) -> Any:
    """Return a message whose signature is right."""
    assert secret.startswith("whsec_")
    key = base64.b64decode(secret.split("_", 1)[1])
    assert 24 <= len(key) <= 64
    message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > tolerance:
        raise NotAuthentic("old")
    content = message_id.encode() + b"." + timestamp.encode() + b"." + body
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    for signature in headers["webhook-signature"].split(" "):
        version, _, text = signature.partition(",")
        if version == "v1" and hmac.compare_digest(text, expected):
            return json.loads(body)
    raise NotAuthentic("signature")


@dataclass
class Received:
    """One request."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """Answers what it is told to, and keeps what came."""

    answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n"
    received: list[Received] = field(default_factory=list)
    port: int = 0
    connections: int = 0
    meanwhile: Callable[[Received], Any] | None = None
    scheme: str = "http"

    def url(self, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}/hook?from=school"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *lines = head.decode().split("\r\n")
                headers = {
                    name.lower(): value
                    for name, _, value in (each.partition(": ") for each in lines if each)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                came = Received(line, headers, body)
                self.received.append(came)
                if self.meanwhile is not None:
                    await self.meanwhile(came)
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(
    *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Receiver]:
    """Listen on this machine, at a free port where none is said."""
    receiver = Receiver(scheme="https" if tls else "http")
    server = await asyncio.start_server(receiver.serve, host, port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
