"""kill -9 of PostgreSQL, all its processes, while there is an import (REL-13)."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import httpx2
import psutil

from benchmarks import world
from benchmarks.place import Place
from faults.scene import Outcome, Posted, Scene, Size, noted, post, posted_again
from faults.watch import Missed, Watch
from itschool_api import embedded
from itschool_api.banking import coda
from itschool_api.banking.coda.builders import transfer
from itschool_api.money import Cents

LOST: Final = "the import was rolled back"
KEPT: Final = "the import had been committed"
_STAGES: Final = ("bank_transactions", "transfers", "allocations", "audit_events", "audit_events")
_PATIENCE_SECONDS: Final = 60
_ONE_BACKEND_EVERY: Final = 4
_AFTER_COMMIT_EVERY: Final = 3
_CENTS: Final = Cents(1_00)
_DONOR: Final = coda.Counterparty("BE71096123456769", "EUR", "GKCCBEBB", "AN PEETERS")


@dataclass(frozen=True, slots=True)
class _Aim:
    """Whom to kill, and when."""

    one_backend: bool
    after_commit: bool
    stage: str
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class _Crash:
    """What was killed, what was answered, and what was strange about it."""

    file: Posted
    one_backend: bool
    answer: httpx2.Response
    wrong: list[str]


@dataclass(slots=True)
class _Office:
    """Somebody who settles movements one after the other, and remembers each answer."""

    school: world.School
    client: httpx2.AsyncClient
    wallet_id: str = ""
    waiting: list[str] = field(default_factory=list)
    acknowledged: dict[str, bytes] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def prepare(self, movements: int) -> None:
        """Import movements that nobody can match."""
        school = self.school
        school.statements += 1
        statement = coda.statement(
            school.account,
            [transfer("cadeau", _CENTS, _DONOR) for _ in range(movements)],
            number=school.statements,
            on=world.ON,
            opening_cents=school.balance_cents,
        )
        school.balance_cents = Cents(statement.closing_milli // 10)
        file = Posted(school, school.statements, coda.write([statement]), 0)
        answer = await post(str(self.client.base_url).rstrip("/"), file)
        if answer.status_code != httpx2.codes.CREATED:
            raise RuntimeError(answer.text)
        self.begun.clear()
        query: dict[str, str | int] = {"state": "suspense", "limit": 200}
        listed = await self.client.get("/v1/bank-transactions", params=query)
        self.waiting = [each["id"] for each in listed.json()["items"]]
        wallets = await self.client.get("/v1/wallets", params={"limit": 1})
        self.wallet_id = wallets.json()["items"][0]["id"]

    async def work(self, pause_seconds: float) -> None:
        """Settle what waits until the server refuses."""
        while self.waiting:
            await asyncio.sleep(pause_seconds)
            movement = self.waiting.pop()
            try:
                answer = await self.settle(movement)
            except httpx2.TransportError:
                self.unanswered.append(movement)
                return
            if answer.status_code != httpx2.codes.CREATED:
                self.unanswered.append(movement)
                return
            self.acknowledged[movement] = answer.content
            self.begun.set()

    async def settle(self, movement: str) -> httpx2.Response:
        """Give a movement to a wallet; the movement's id is the request's key as well."""
        part = {"wallet_id": self.wallet_id, "amount_cents": _CENTS}
        return await self.client.post(
            f"/v1/bank-transactions/{movement}/allocations",
            json={"allocations": [part]},
            headers={"Idempotency-Key": movement},
        )

    async def wrong(self) -> list[str]:
        """Ask for everything again with its key, and look whether it is there once."""
        wrong = []
        for movement, content in self.acknowledged.items():
            if (await self.settle(movement)).content != content:
                wrong.append(f"acknowledged and lost: {movement}")
        for movement in self.unanswered:
            answer = await self.settle(movement)
            if answer.status_code != httpx2.codes.CREATED:
                wrong.append(f"unanswered and then refused: {answer.text[:200]}")
            self.acknowledged[movement] = answer.content
        self.unanswered.clear()
        wallet = (await self.client.get(f"/v1/wallets/{self.wallet_id}")).json()
        if wallet["balance_cents"] != _CENTS * len(self.acknowledged):
            wrong.append(f"{wallet['balance_cents']} cents for {len(self.acknowledged)} movements")
        return wrong


async def kill(place: Place, size: Size, chance: random.Random) -> Outcome:
    """Kill PostgreSQL as often as is asked, below a server that goes on running."""
    async with place.api() as api:
        return await kill_below(place, api.url, size, chance)


async def kill_below(place: Place, url: str, size: Size, chance: random.Random) -> Outcome:
    """Kill PostgreSQL, start it again, post the same file to the API that is at `url`."""
    outcome = Outcome()
    scene = Scene(place, await place.connect(), size)
    if await scene.owner.fetchval("SHOW fsync") != "on":
        raise RuntimeError("fsync is off")
    async with _office(scene, url) as office:
        for _ in range(size.crashes):
            await office.prepare(size.allocations)
            before = len(office.acknowledged)
            turn = outcome.counts.total() + 1
            aim = _Aim(
                one_backend=turn % _ONE_BACKEND_EVERY == 0,
                after_commit=turn % _AFTER_COMMIT_EVERY == 0,
                stage=chance.choice(_STAGES),
                wait_seconds=chance.uniform(0, size.movements / 400_000),
            )
            crash = await _crash(scene, url, office, aim)
            file, answer, wrong = crash.file, crash.answer, crash.wrong
            was_there = await scene.is_there(file)
            wrong += await scene.parts_of(file)
            if answer.status_code == httpx2.codes.CREATED and not was_there:
                wrong.append("an acknowledged import is lost")
            found, again = await posted_again(url, file, was_there)
            wrong += found
            if answer.status_code == httpx2.codes.CREATED and answer.content != again:
                wrong.append("another answer than the one before the crash")
            outcome.acknowledged += len(office.acknowledged) - before
            wrong += await office.wrong()
            wrong += await scene.wrong_with(file.school.id)
            wrong += await scene.wrong_with(office.school.id)
            await scene.count(file)
            whom = "one backend" if crash.one_backend else "all processes"
            noted(outcome, f"{whom} killed, {KEPT if was_there else LOST}", wrong)
    await scene.owner.close()
    return outcome


@asynccontextmanager
async def _office(scene: Scene, url: str) -> AsyncIterator[_Office]:
    school = await scene.new_school(1, 1)
    headers = {"Authorization": f"Bearer {school.api_key}"}
    async with httpx2.AsyncClient(
        base_url=url, headers=headers, timeout=_PATIENCE_SECONDS
    ) as client:
        yield _Office(school, client)


async def _crash(scene: Scene, url: str, office: _Office, aim: _Aim) -> _Crash:
    """Kill in the midst of an import, start again, and wait until the API serves."""
    file = await scene.next_file()
    watch = Watch(scene.owner)
    working = asyncio.create_task(office.work(scene.size.movements / 1_000_000))
    await office.begun.wait()
    posting = asyncio.create_task(post(url, file))
    backend = None
    # What is over too soon to be seen has been acknowledged, and that is to be looked for as well.
    with suppress(Missed):
        transaction = await watch.writing(aim.stage, posting.done)
        if aim.after_commit:
            await watch.end(transaction)
        else:
            await asyncio.sleep(aim.wait_seconds)
        backend = await watch.backend(transaction) if aim.one_backend else None
    await asyncio.to_thread(_kill_postgres, scene.place, backend)
    answer = await posting
    await working
    if backend is None:
        await asyncio.to_thread(embedded.start, scene.place.folder / "postgres")
    scene.owner = await _reconnected(scene.place)
    wrong = [] if _is_well(answer) else [f"answered {answer.status_code}: {answer.text[:200]}"]
    wrong += await _recovered(url, file.school)
    return _Crash(file, backend is not None, answer, wrong)


def _is_well(answer: httpx2.Response) -> bool:
    """Tell whether the import succeeded before the crash, or was refused as one should be."""
    if answer.status_code in {httpx2.codes.OK, httpx2.codes.CREATED}:
        return True
    is_problem = answer.headers["content-type"] == "application/problem+json"
    return is_problem and answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE


async def _recovered(url: str, school: world.School) -> list[str]:
    """Wait until the API serves again by itself; return what was answered meanwhile but 503."""
    headers = {"Authorization": f"Bearer {school.api_key}"}
    strange: list[str] = []
    until = time.monotonic() + _PATIENCE_SECONDS
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        while time.monotonic() < until:
            answer = await client.get("/v1/wallets", params={"limit": 1})
            if answer.status_code == httpx2.codes.OK:
                return strange
            if answer.status_code != httpx2.codes.SERVICE_UNAVAILABLE:
                strange.append(f"afterwards {answer.status_code}: {answer.text[:200]}")
            await asyncio.sleep(0.05)
    return [*strange, "the API did not recover"]


async def _reconnected(place: Place) -> asyncpg.Connection:
    """Connect as soon as the server lets anybody in."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return await place.connect()
        except (asyncpg.PostgresError, OSError):
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.05)


def _kill_postgres(place: Place, backend: int | None) -> None:
    """Kill one backend, after which the postmaster throws out all others and recovers.

    Or all processes: the postmaster first, so that it cannot tidy up after its children.
    """
    if backend is not None:
        psutil.Process(backend).kill()
        return
    marker = place.folder / "postgres" / "postmaster.pid"
    postmaster = psutil.Process(int(marker.read_text().splitlines()[0]))
    children = postmaster.children(recursive=True)
    for each in (postmaster, *children):
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs([postmaster, *children], timeout=30)
