"""A client that costs next to nothing: it shares the machine with what it measures."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_CONNECTIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Requests:
    """The same request to one worker, again and again."""

    url: str
    path: str
    authorization: str

    async def connect(self) -> "Connection":
        """Open a connection that is kept."""
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        request = (
            f"GET {self.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Authorization: {self.authorization}\r\n\r\n"
        )
        return Connection(reader, writer, request.encode())


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection that asks one thing at a time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request: bytes

    async def ask(self) -> None:
        """Send the request and take its answer."""
        self.writer.write(self.request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
        await self.reader.readexactly(int(length))


async def saturation(requests: Sequence[Requests], seconds: float) -> float:
    """Return how many requests a second all connections together get answered."""
    done = 0

    async def keep_asking(connection: Connection, until: float) -> None:
        nonlocal done
        while time.perf_counter() < until:
            await connection.ask()
            done += 1

    connections = [await each.connect() for each in requests for _ in range(_CONNECTIONS)]
    for connection in connections:
        await connection.ask()
    began = time.perf_counter()
    await asyncio.gather(*(keep_asking(each, began + seconds) for each in connections))
    taken = time.perf_counter() - began
    for connection in connections:
        connection.writer.close()
    return done / taken


async def latencies(requests: Sequence[Requests], rate: float, seconds: float) -> list[float]:
    """Ask at a steady rate, in turns; return how long after its time each was answered."""
    free: list[asyncio.Queue[Connection]] = []
    for each in requests:
        queue: asyncio.Queue[Connection] = asyncio.Queue()
        for _ in range(_CONNECTIONS * 4):
            queue.put_nowait(await each.connect())
        free.append(queue)
    found: list[float] = []

    async def ask(queue: asyncio.Queue[Connection], due: float) -> None:
        connection = await queue.get()
        await connection.ask()
        queue.put_nowait(connection)
        found.append(time.perf_counter() - due)

    began = time.perf_counter()
    tasks = []
    for place in range(int(rate * seconds)):
        due = began + place / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(ask(free[place % len(free)], due)))
    await asyncio.gather(*tasks)
    for queue in free:
        while not queue.empty():
            queue.get_nowait().writer.close()
    return found
