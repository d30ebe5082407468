"""What is attacked: the application, a world of objects in it, and those who may ask.

The application runs in the event loop of schemathesis; whatever the tests do to it goes there too.
"""

import asyncio
import random
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any, Final, TypeVar

from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from itschool_api.auth.caller import KEY_SCOPES, Role
from tests.access import policy
from tests.access.requests import Request, request_for
from tests.access.world import World, build
from tests.kit import logged_in

Result = TypeVar("Result")
CALLERS: Final = ("parent", "admin", "key")


class Target:
    """The application behind a door, where callers are known by their names.

    `Bearer admin` becomes the token of an admin who may still ask: some requests end the session
    that sends them. Every request comes from an address of its own, for the limits on guessing
    have tests of their own.
    """

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lifespan = app.router.lifespan_context(app)
        self._addresses = random.Random(1)
        self._world: World | None = None
        self._bearers: dict[str, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the beginning and the end of a lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        address = ".".join(str(self._addresses.randint(1, 250)) for _ in range(4))
        caller = (
            dict(scope["headers"])
            .get(b"authorization", b"")
            .removeprefix(b"Bearer ")
            .decode("latin-1")
        )
        if caller not in CALLERS:
            await self.app({**scope, "client": (address, 1)}, receive, send)
            return
        if caller not in self._bearers:
            self._bearers[caller] = await self._bearer(caller)
        headers = [each for each in scope["headers"] if each[0] != b"authorization"]
        headers.append((b"authorization", self._bearers[caller].encode()))

        async def send_on(message: Message) -> None:
            if message.get("status") in {401, 403}:
                self._bearers.pop(caller, None)
            await send(message)

        await self.app({**scope, "client": (address, 1), "headers": headers}, receive, send_on)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start once, and stop in `close` alone: each attack begins and ends a lifespan."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            await self._lifespan.__aenter__()
        for stage in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{stage}.complete"})

    def close(self) -> None:
        """Stop the application."""
        self.run(self._lifespan.__aexit__(None, None, None))

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do something where the application runs."""
        assert self._loop is not None, "its lifespan has not begun"
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def world(self) -> World:
        """Return the world; a new one where the attack before left it in ruins."""
        if self._world is None or not self.run(_is_whole(self._world)):
            self._world = self.run(build(self.app))
            self._bearers.clear()
        return self._world

    def request(self, operation: str, path: str) -> Request:
        """Return a request that succeeds."""
        assert self._world is not None
        return self.run(request_for(operation, self._world, path))

    async def _bearer(self, caller: str) -> str:
        """Return what authorises a caller: never a session of the world's, which others need."""
        assert self._world is not None
        school = self._world.ours.school
        match caller:
            case "key":
                client = await school.api_key(*KEY_SCOPES)
            case "parent":
                client = await logged_in(self.app, self._world.ours.child.user_name)
            case _:
                client = await school.as_(Role.ADMIN)
        return str(client.headers["Authorization"])


def callers_of(operation: str) -> tuple[str, ...]:
    """Return who shall try an operation: the parent, an admin and a key, where they may."""
    rule = policy.RULES.get(operation)
    if rule is None:
        return ()
    people = {"parent": "parent A", "admin": "admin"}
    able = [name for name, column in people.items() if rule.statuses[column] == rule.success]
    if rule.scopes is None:  # a person's own affairs: rather the admin's, who can be replaced
        return (able[-1] if able else "admin",)
    return (*able, "key")


def is_in_reach(operation: str) -> bool:
    """Tell whether the policy's own request for it succeeds."""
    rule = policy.RULES.get(operation)
    return rule is None or rule.success < HTTPStatus.BAD_REQUEST


async def _is_whole(world: World) -> bool:
    """Tell whether everybody still gets what the other attacks need."""
    ids = world.ours.ids
    wanted = (
        ("parent A", f"/v1/wallets/{ids['wallet']}"),
        ("parent A", f"/v1/invoices/{ids['invoice']}"),
        ("parent A", f"/v1/events/{ids['event']}"),
        ("admin", f"/v1/students/{ids['student']}"),
        ("admin", f"/v1/bank-transactions/{ids['transaction']}"),
        ("admin", "/v1/api-keys"),
        ("manager", "/v1/guardians"),
        ("manager", f"/v1/webhook-deliveries/{ids['delivery']}"),
    )
    answers = [await world.callers[caller].get(url) for caller, url in wanted]
    return all(answer.status_code == 200 for answer in answers)
