"""Imports end to end, beside COPY of the same movements into the same server."""

import os
import statistics
import time
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import httpx2
import psutil

from benchmarks import world
from benchmarks.figures import Figure, Size
from benchmarks.place import Place, Served, seconds, told
from itschool_api.banking import audit as banking_audit
from itschool_api.database import school_transaction
from itschool_api.invoices import audit as invoices_audit
from itschool_api.ledger import audit as ledger_audit

# Tryton 8.0 with its CODA module on PostgreSQL, on another machine: see the README.
_PEER_PAID_A_SECOND: Final = 9.8
_PEER_IMPORTED_A_SECOND: Final = 690
_MOST_MIB: Final = 600
_COPY: Final = """
    CREATE TABLE bench_bare (LIKE bank_transactions);
    CREATE TABLE bench_copy (LIKE bank_transactions INCLUDING INDEXES INCLUDING CONSTRAINTS)
"""


_TICK_SECONDS: Final = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class _Run:
    """Seconds for some rows: the clock's, and the processors' on both sides of the connection."""

    rows: int
    clock: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.rows / self.clock

    @property
    def cpu_rate(self) -> float:
        # The system counts in hundredths of a second: few rows can take none.
        return self.rows / max(self.cpu, _TICK_SECONDS)


async def measure(place: Place, size: Size) -> list[Figure]:
    """Post files to a served API, copy their movements, turn by turn; then check the books."""
    async with place.sessions() as sessions:
        told(f"imports: a school of {size.students:,} students, {size.invoices:,} invoices")
        school = await world.found(sessions, students=size.students, invoices=size.invoices)
        owner = await place.connect()
        # As autovacuum does a minute after any such change.
        await owner.execute("ANALYZE")
        await owner.execute(_COPY)
        imports, copies, bare = [], [], []
        async with place.api() as api:
            await _imported(place, api, school, 100)
            small = await _imported(place, api, school, 1_000)
            for turn in range(size.rounds):
                told(f"imports: turn {turn + 1} of {size.rounds}, {size.movements:,} movements")
                imports.append(await _imported(place, api, school, size.movements))
                rows = await _rows(owner, school)
                copies.append(await _copied(owner, "bench_copy", rows))
                bare.append(await _copied(owner, "bench_bare", rows))
            most = api.most_mib()
        await owner.close()
        told("imports: checking the books")
        async with school_transaction(sessions, school.id) as session:
            for audit in (ledger_audit, invoices_audit, banking_audit):
                if found := await audit.findings(session, school.id):
                    raise RuntimeError(f"the books are wrong: {found[:3]}")
    return _figures(small, imports, copies, bare, most)


def _figures(
    small: _Run, imports: list[_Run], copies: list[_Run], bare: list[_Run], most_mib: float
) -> list[Figure]:
    pairs = list(zip(imports, copies, strict=True))
    by_clock = statistics.median(one.rate / (two.rate / 2) for one, two in pairs)
    by_cpu = statistics.median(one.cpu_rate / (two.cpu_rate / 2) for one, two in pairs)
    rate, copy_rate, bare_rate = (
        statistics.median(run.rate for run in runs) for runs in (imports, copies, bare)
    )
    cpu_rate, copy_cpu_rate = (
        statistics.median(run.cpu_rate for run in runs) for runs in (imports, copies)
    )
    return [
        Figure(
            what="import end to end ÷ half of COPY, in processor time",
            value=by_cpu,
            at_least=0.15,
            aim=0.3,
            found=f"{cpu_rate:,.0f} and {copy_cpu_rate:,.0f} movements for each second of "
            "processors",
        ),
        Figure(
            what="the same by the clock",
            value=by_clock,
            found=f"{rate:,.0f}/s and {copy_rate:,.0f}/s; COPY without any index {bare_rate:,.0f}/s",
        ),
        Figure(
            what="slowest ÷ fastest of these imports, the first into empty tables",
            value=max(run.clock for run in imports) / min(run.clock for run in imports),
            at_most=2,
            found=", ".join(f"{run.clock:.1f} s" for run in imports),
        ),
        Figure(
            what="memory of the API while importing, MiB",
            value=most_mib,
            at_most=_MOST_MIB,
            found=f"{imports[0].rows:,} movements",
        ),
        Figure(
            what="1,000 movements, from file to paid invoices, ÷ Tryton's (another machine)",
            value=small.cpu_rate / _PEER_PAID_A_SECOND,
            at_least=500,
            found=f"{small.cpu:.2f} s of processors, {small.clock:.2f} s by the clock; "
            "Tryton 8.0 took 102 s",
        ),
        Figure(
            what="import with matching ÷ Tryton's import without (another machine)",
            value=cpu_rate / _PEER_IMPORTED_A_SECOND,
            at_least=20,
            found=f"{cpu_rate:,.0f}/s of processors, {rate:,.0f}/s by the clock; "
            "Tryton 8.0 imports 400 to 690/s",
        ),
    ]


async def _imported(place: Place, api: Served, school: world.School, movements: int) -> _Run:
    data = school.file(movements)
    headers = {"Authorization": f"Bearer {school.api_key}", "Content-Type": "text/plain"}
    async with httpx2.AsyncClient(base_url=api.url, headers=headers, timeout=600) as client:
        await client.get("/v1/wallets")
        before, spent = place.cpu_seconds(), api.cpu_seconds()
        began = time.perf_counter()
        answer = await client.post("/v1/bank-statements", content=data)
        clock = time.perf_counter() - began
        cpu = api.cpu_seconds() - spent
        cpu += sum(now - before[pid] for pid, now in place.cpu_seconds().items() if pid in before)
    if answer.status_code != httpx2.codes.CREATED:
        raise RuntimeError(answer.text)
    return _Run(answer.json()["transactions"]["count"], clock, cpu)


async def _rows(owner: asyncpg.Connection, school: world.School) -> list[Any]:
    """Return the movements of the newest statement as they are kept."""
    return [
        tuple(row)
        for row in await owner.fetch(
            "SELECT * FROM bank_transactions WHERE school_id = $1 AND statement_id = (SELECT id"
            " FROM bank_statements WHERE school_id = $1 ORDER BY number DESC LIMIT 1)"
            " ORDER BY ordinal",
            school.id,
        )
    ]


async def _copied(owner: asyncpg.Connection, table: str, rows: list[Any]) -> _Run:
    backend = psutil.Process(owner.get_server_pid())
    own = psutil.Process()
    spent = seconds(backend) + seconds(own)
    began = time.perf_counter()
    await owner.copy_records_to_table(table, records=rows)
    clock = time.perf_counter() - began
    return _Run(len(rows), clock, seconds(backend) + seconds(own) - spent)
