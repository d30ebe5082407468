"""A phone with an authenticator app, and a clock that both sides go by.

The codes are computed here from RFC 6238 and RFC 4226 alone, so that they prove ours.
"""

import base64
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from httpx2 import AsyncClient, Response

from itschool_api import clock
from itschool_api.auth.caller import Role
from tests.auth.ways_in import log_in
from tests.kit import PASSWORD, School, client_of, ok


def code_of(secret: bytes, counter: int) -> str:
    """Return the code of a step of time."""
    mac = hmac.digest(secret, counter.to_bytes(8, "big"), "sha1")
    place = mac[-1] & 0xF
    number = int.from_bytes(mac[place : place + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


@dataclass
class Watch:
    """A clock that stands still until somebody moves it."""

    at: datetime

    def forward(self, **span: int) -> None:
        """Let time pass."""
        self.at += timedelta(**span)

    @property
    def step(self) -> int:
        """The present step of time."""
        return int(self.at.timestamp()) // 30


@dataclass
class Phone:
    """What an app knows after its camera saw the QR code."""

    watch: Watch
    secret: bytes

    @classmethod
    def scanned(cls, watch: Watch, uri: str) -> "Phone":
        """Read the address in a QR code."""
        text = parse_qs(urlsplit(uri).query)["secret"][0]
        return cls(watch, base64.b32decode(text))

    def code(self, steps: int = 0) -> str:
        """Return the code of now, or of some steps later or earlier."""
        return code_of(self.secret, self.watch.step + steps)

    def next_code(self) -> str:
        """Wait for a code that was not shown before."""
        self.watch.forward(seconds=30)
        return self.code()

    def wrong_code(self) -> str:
        """Return a code that is not right, nor soon will be."""
        near = {self.code(steps) for steps in range(-5, 6)}
        return next(code for n in range(100) if (code := f"{n:06d}") not in near)


@dataclass
class Person:
    """Somebody with a second factor, and how they get in."""

    school: School
    id: UUID
    name: str
    client: AsyncClient
    phone: Phone
    recovery_codes: list[str] = field(default_factory=list)

    async def log_in(self, otp: str | None = None, password: str = PASSWORD) -> Response:
        """Log in from an address where nobody failed before."""
        async with client_of(self.school.app) as client:
            return await log_in(client, self.name, password, **({"otp": otp} if otp else {}))


async def begin(client: AsyncClient, **more: Any) -> Any:
    """Begin to set up a second factor."""
    form = {"current_password": PASSWORD, **more}
    return ok(await client.post("/v1/me/second-factor", json=form), 201)


async def enrol(client: AsyncClient, watch: Watch) -> tuple[Phone, list[str]]:
    """Set up a second factor; return the phone and the recovery codes."""
    phone = Phone.scanned(watch, (await begin(client))["uri"])
    answer = await client.post("/v1/me/second-factor/confirmation", json={"otp": phone.next_code()})
    return phone, ok(answer)["recovery_codes"]


async def protected(school: School, watch: Watch, *roles: Role) -> Person:
    """Make a person who has a second factor."""
    user_id, name, client = await school.user(*(roles or (Role.TEACHER,)))
    phone, recovery_codes = await enrol(client, watch)
    return Person(school, user_id, name, client, phone, recovery_codes)


def beginning_of_a_window() -> datetime:
    """Return an instant soon after the next window of the limits begins."""
    now = clock.now()
    return datetime.fromtimestamp((int(now.timestamp()) // 900 + 1) * 900 + 5, now.tzinfo)
