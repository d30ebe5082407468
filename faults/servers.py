"""kill -9 of `itschool serve` while it imports, and while it rests (REL-12)."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import httpx2

from benchmarks.place import Place, Served
from faults.holding import holding
from faults.scene import Outcome, Posted, Scene, Size, noted, post, posted_again
from faults.watch import Missed, Watch

BEFORE: Final = "before COMMIT"
UNSENT: Final = "after COMMIT, before the answer was sent"
HELD: Final = "after COMMIT, the answer held back"
IDLE: Final = "while idle"
# In the order in which an import writes; the last one right before COMMIT.
_STAGES: Final = (
    "bank_statements",
    "bank_transactions",
    "transfers",
    "allocations",
    "audit_events",
)


@dataclass(frozen=True, slots=True)
class Killed:
    """What was killed, and what the client had been told."""

    file: Posted
    phase: str
    acknowledged: bytes | None = None


async def kill(place: Place, size: Size, chance: random.Random) -> Outcome:
    """Kill, start again, post the same file; until each phase was met often enough."""
    outcome = Outcome()
    owner = await place.connect()
    scene = Scene(place, owner, size)
    killed: Killed | None = None
    while killed or not _is_enough(outcome, size):
        async with place.api() as api:
            if killed:
                noted(outcome, killed.phase, await wrong_after(scene, api, killed))
            killed = None
            if (wanted := _wanted(outcome, size)) is not None:
                killed = await kill_one(scene, api, wanted, chance)
    await owner.close()
    return outcome


def _wanted(outcome: Outcome, size: Size) -> str | None:
    """Return the phase that was met least: a kill that came too late counts for what it was."""
    if _is_enough(outcome, size):
        return None
    after = outcome.counts[UNSENT] + outcome.counts[HELD]
    met = {BEFORE: outcome.counts[BEFORE], UNSENT: after, IDLE: outcome.counts[IDLE]}
    least = min(met, key=lambda phase: met[phase])
    if least is UNSENT and outcome.counts[HELD] < outcome.counts[UNSENT]:
        return HELD
    return least


def _is_enough(outcome: Outcome, size: Size) -> bool:
    counts = outcome.counts
    each = (counts[BEFORE], counts[UNSENT] + counts[HELD], counts[IDLE])
    return counts.total() >= size.kills and min(each) >= size.least_of_each


async def kill_one(scene: Scene, api: Served, wanted: str, chance: random.Random) -> Killed:
    """Post a file and kill the server in the phase that is wanted; tell in which it was."""
    file = await scene.next_file()
    if wanted is IDLE:
        answer = await post(api.url, file)
        await asyncio.sleep(chance.uniform(0, 0.2))
        await _end(api)
        return Killed(file, IDLE, answer.content)
    watch = Watch(scene.owner)
    async with holding(api.url) as between:
        posting = asyncio.create_task(post(between.url, file))
        transaction = None
        stage = chance.choice(_STAGES) if wanted is BEFORE else "bank_transactions"
        # What is over too soon to be seen has been answered, and the answer is held back.
        with suppress(Missed):
            transaction = await watch.writing(stage, between.answered.is_set)
        if transaction and wanted is BEFORE:
            # In the midst of a stage as well as at its first row.
            await asyncio.sleep(chance.uniform(0, scene.size.movements / 100_000))
        elif transaction:
            await watch.end(transaction)
        if wanted is HELD:
            await between.answered.wait()
        was_answered = between.answered.is_set()
        await _end(api)
        with suppress(httpx2.TransportError):
            await posting
        if transaction and await watch.end(transaction) == "aborted":
            return Killed(file, BEFORE)
    return Killed(file, HELD if was_answered else UNSENT)


async def _end(api: Served) -> None:
    api.process.kill()
    await asyncio.to_thread(api.process.wait)


async def wrong_after(scene: Scene, api: Served, killed: Killed) -> list[str]:
    """Return what is wrong after a kill, also once the file was posted again."""
    file = killed.file
    was_there = await scene.is_there(file)
    wrong = await scene.parts_of(file)
    if was_there is (killed.phase is BEFORE):
        wrong.append("lost" if killed.phase is not BEFORE else "there without its transaction")
    found, answer = await posted_again(api.url, file, was_there)
    wrong += found
    if killed.acknowledged not in {None, answer}:
        wrong.append("another answer than the one before the kill")
    wrong += await scene.wrong_with(file.school.id)
    await scene.count(file)
    return wrong
