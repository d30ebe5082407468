"""Stand between a client and the server, and hold back what the server answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

_BYTES: Final = 65_536


@dataclass(slots=True)
class Holding:
    """Connections are passed on; answers are not."""

    upstream: str
    url: str = ""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set as soon as the server has begun to answer."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what a client says until the server's side ends, then end the client's."""
        parts = urlsplit(self.upstream)
        from_server, to_server = await asyncio.open_connection(parts.hostname, parts.port)
        passing = asyncio.create_task(_pass_on(reader, to_server))
        with suppress(ConnectionError):
            while await from_server.read(_BYTES):
                self.answered.set()
        passing.cancel()
        for each in (to_server, writer):
            each.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(_BYTES):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def holding(upstream: str) -> AsyncIterator[Holding]:
    """Listen on a port of its own for the server at `upstream`."""
    found = Holding(upstream)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    found.url = f"http://{host}:{port}"
    yield found
    server.close()
