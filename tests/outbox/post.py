"""The post as tests see it: a box that keeps messages, and the worker that brings them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage

import asyncpg
from fastapi import FastAPI
from pgqueuer.types import QueueExecutionMode
from sqlalchemy.engine import make_url

from itschool_api import worker
from itschool_api.mail.delivery import Delivery, Postponed
from itschool_api.settings import Settings


@dataclass
class Mailbox:
    """A delivery that keeps what it is given, or refuses it a number of times."""

    refusals: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    tried: list[EmailMessage] = field(default_factory=list)

    async def send(self, message: EmailMessage) -> None:
        self.tried.append(message)
        if self.refusals:
            self.refusals -= 1
            raise Postponed("the server asks to wait")
        self.messages.append(message)

    def to(self, address: str) -> list[EmailMessage]:
        return [message for message in self.messages if message["To"] == address]


def plain(message: EmailMessage) -> str:
    """Return the words of a message."""
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def token_in(message: EmailMessage) -> str:
    """Return the login token in a message: four groups of eight."""
    (token,) = {
        word
        for word in plain(message).split()
        if len(word) == 35 and word.count("-") == 3 and word.isupper()
    }
    return token


@dataclass
class Post:
    """The worker's side: does all jobs that wait."""

    settings: Settings
    app: FastAPI
    database_url: str

    def worker(self, delivery: Delivery) -> worker.Worker:
        state = self.app.state
        return worker.Worker(self.settings, state.sessions, state.authority, delivery)

    async def collect(self, delivery: Delivery) -> None:
        """Do all jobs that wait, through the real queue."""
        async with asyncio.timeout(20), self.connection() as connection:
            queue = worker.queue_of(self.worker(delivery), connection)
            await worker.work(queue, QueueExecutionMode.drain, timedelta(seconds=0.1))

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        plain_url = make_url(self.database_url).set(drivername="postgresql")
        connection = await asyncpg.connect(plain_url.render_as_string(hide_password=False))
        try:
            yield connection
        finally:
            await connection.close()
