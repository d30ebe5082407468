"""A school whose bank's files are posted again and again, and what must be true of it each time."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
import httpx2

from benchmarks import world
from benchmarks.place import Place, told
from faults import auditor
from itschool_api.banking import audit as banking_audit
from itschool_api.database import Sessions, school_transaction
from itschool_api.invoices import audit as invoices_audit
from itschool_api.ledger import audit as ledger_audit

_PATIENCE_SECONDS: Final = 300
# A school's books are read as a whole after each kill: they are not to grow for ever.
_FILES_A_SCHOOL: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How often, and how much."""

    movements: int = 100_000
    students: int = 500
    invoices: int = 750
    kills: int = 50
    least_of_each: int = 10
    crashes: int = 20
    allocations: int = 200
    """What else is written and acknowledged while PostgreSQL is killed."""


SMALL: Final = Size(
    movements=400,
    students=10,
    invoices=10,
    kills=3,
    least_of_each=1,
    crashes=1,
    allocations=20,
)


@dataclass(frozen=True, slots=True)
class Posted:
    """A file, whose it is, and what the books held before it came."""

    school: world.School
    number: int
    data: bytes
    before: int


@dataclass(slots=True)
class Outcome:
    """What was killed how often, and what was wrong afterwards."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    acknowledged: int = 0
    """Writes beside the imports that were acknowledged, and looked for afterwards."""


@dataclass(slots=True)
class Scene:
    """Schools of one database, one after the other."""

    place: Place
    owner: asyncpg.Connection
    size: Size
    school: world.School | None = None
    held: int = 0
    """Movements in the books of the present school."""

    async def next_file(self) -> Posted:
        """Let the bank write one more file."""
        if self.school is None or self.school.statements >= _FILES_A_SCHOOL:
            self.school = await self.new_school(self.size.students, self.size.invoices)
            self.held = 0
            # As autovacuum does a minute after any such change.
            await self.owner.execute("ANALYZE")
        data = self.school.file(self.size.movements)
        return Posted(self.school, self.school.statements, data, self.held)

    async def new_school(self, students: int, invoices: int) -> world.School:
        """Open a school with a wallet for each student, and invoices."""
        async with self.place.sessions() as sessions:
            return await world.found(sessions, students=students, invoices=invoices)

    async def is_there(self, file: Posted) -> bool:
        """Tell whether a file is in the books: all of it, for `wrong_with` sees to parts."""
        query = "SELECT count(*) FROM bank_statements WHERE school_id = $1 AND number = $2"
        return bool(await self.owner.fetchval(query, file.school.id, file.number))

    async def parts_of(self, file: Posted) -> list[str]:
        """Return what is left of a file that is not there, or is missing of one that is."""
        query = "SELECT count(*) FROM bank_transactions WHERE school_id = $1"
        now = await self.owner.fetchval(query, file.school.id)
        added = await self.owner.fetchval(
            "SELECT transactions FROM bank_statements WHERE school_id = $1 AND number = $2",
            file.school.id,
            file.number,
        )
        expected = file.before + (added or 0)
        return [] if now == expected else [f"partial: {now} movements instead of {expected}"]

    async def count(self, file: Posted) -> None:
        """Note how many movements the books hold with this file."""
        query = "SELECT count(*) FROM bank_transactions WHERE school_id = $1"
        self.held = await self.owner.fetchval(query, file.school.id)

    async def wrong_with(self, school_id: UUID) -> list[str]:
        """Recompute a school's books, and derive them again from the bank's files."""
        async with self.place.sessions() as sessions:
            files = self.place.folder / "data" / "files"
            return await wrong_in(sessions, self.owner, files, school_id)


async def wrong_in(
    sessions: Sessions, owner: asyncpg.Connection, files: Path, school_id: UUID
) -> list[str]:
    """Return what `itschool ledger verify` finds in a school's books, and what an auditor does."""
    found: list[str] = []
    async with school_transaction(sessions, school_id) as session:
        for audit in (ledger_audit, invoices_audit, banking_audit):
            found += await audit.findings(session, school_id)
    return found + await auditor.findings(owner, files, school_id)


async def post(url: str, file: Posted) -> httpx2.Response:
    """Post a file as a school's program does."""
    headers = {"Authorization": f"Bearer {file.school.api_key}", "Content-Type": "text/plain"}
    async with httpx2.AsyncClient(timeout=_PATIENCE_SECONDS, headers=headers) as client:
        return await client.post(f"{url}/v1/bank-statements", content=file.data)


async def posted_again(url: str, file: Posted, was_there: bool) -> tuple[list[str], bytes]:
    """Post a file after a kill, and once more; return what is wrong with the answers."""
    first, second = await post(url, file), await post(url, file)
    expected = httpx2.codes.OK if was_there else httpx2.codes.CREATED
    wrong = []
    if first.status_code != expected:
        wrong.append(f"answered {first.status_code} instead of {expected}: {first.text[:200]}")
    if second.status_code != httpx2.codes.OK:
        wrong.append(f"answered {second.status_code} the second time: {second.text[:200]}")
    if first.content != second.content:
        wrong.append("the two answers differ")
    return wrong, first.content


def noted(outcome: Outcome, phase: str, wrong: list[str]) -> None:
    """Count a kill, and show what it did."""
    outcome.counts[phase] += 1
    outcome.wrong += [f"{phase}: {each}" for each in wrong]
    told(f"{sum(outcome.counts.values())}: {phase}: {'; '.join(wrong) or 'all well'}")
