"""What the API's reading is compared with: FastAPI, asyncpg, one SELECT, and nothing else.

No login, no tenant, no pages, no schema of the answer, no log: the least that gives these rows.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import FastAPI, Request

_WALLETS = """
    SELECT w.id, w.student_id, s.first_name, s.last_name, w.compartment_id, c.name,
           a.balance_cents, a.floor_cents, a.closed_at IS NOT NULL AS closed,
           (SELECT imported_until FROM bank_accounts b WHERE b.school_id = $1 AND b.is_default)
    FROM wallets w
    JOIN students s ON s.school_id = w.school_id AND s.id = w.student_id
    JOIN compartments c ON c.school_id = w.school_id AND c.id = w.compartment_id
    JOIN accounts a ON a.school_id = w.school_id AND a.id = w.account_id
    WHERE w.school_id = $1
    ORDER BY s.last_name, s.first_name, c.position, w.id LIMIT 20
"""


@asynccontextmanager
async def _pool(app: FastAPI) -> AsyncIterator[None]:
    url = os.environ["BENCH_URL"].replace("+asyncpg", "")
    async with asyncpg.create_pool(url, min_size=2, max_size=10) as pool:
        app.state.pool = pool
        app.state.school_id = UUID(os.environ["BENCH_SCHOOL"])
        yield


app = FastAPI(lifespan=_pool)


@app.get("/wallets")
async def wallets(request: Request) -> list[dict[str, Any]]:
    """Return the rows as they are."""
    state = request.app.state
    return [dict(row) for row in await state.pool.fetch(_WALLETS, state.school_id)]
