"""What reading costs: beside a bare application, after long histories, and under load."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx2

from benchmarks import world
from benchmarks.figures import Figure, Size
from benchmarks.load import Requests, latencies, saturation
from benchmarks.place import Place, Served, told
from itschool_api.database import Sessions, new_id, school_transaction
from itschool_api.ledger import service as ledger
from itschool_api.ledger.service import Posting
from itschool_api.money import Cents

_SHORT_HISTORY: Final = 10
_PAGE: Final = 50
_LONGEST_PAGE: Final = 200
_WALLETS: Final = "/v1/wallets?limit=20"


@dataclass(frozen=True, slots=True)
class _Histories:
    """Two wallets."""

    short: str
    long: str


async def measure_wallets(place: Place, size: Size) -> list[Figure]:
    """Ask for the same 20 wallets of the API and of a bare application, turn by turn."""
    async with place.sessions() as sessions:
        school = await world.found(sessions, students=size.students, invoices=1)
    async with (
        place.api() as api,
        place.bare(school.id) as bare,
        _client(api, await _token(api, school)) as person,
        _client(api, school.api_key) as program,
        _client(bare) as anybody,
    ):
        told("wallets: beside a bare application")
        mine = (await person.get(_WALLETS)).json()["items"]
        theirs = (await anybody.get("/wallets")).json()
        if [each["id"] for each in mine] != [each["id"] for each in theirs]:
            raise RuntimeError("these are not the same rows")
        costs = await _in_turns(
            size,
            ((api, person, _WALLETS), (api, program, _WALLETS), (bare, anybody, "/wallets")),
        )
    (ours, keys, bares) = costs
    return [
        Figure(
            what="bare FastAPI + asyncpg ÷ `GET /v1/wallets` of a person, the server's processor",
            value=_ratio(bares, ours),
            at_least=0.25,
            aim=0.4,
            found=f"{_micro(bares)} and {_micro(ours)} µs a request",
        ),
        Figure(
            what="the same with an API key",
            value=_ratio(bares, keys),
            found=f"{_micro(keys)} µs a request",
        ),
    ]


async def measure_histories(place: Place, size: Size) -> list[Figure]:
    """Read a balance and pages of a history, with little and with much behind them."""
    async with place.sessions() as sessions:
        told(f"histories: a wallet with {size.long_history:,} transfers")
        school = await world.found(sessions, students=2, invoices=1)
        wallets = await _with_histories(sessions, school.id, size.long_history)
    owner = await place.connect()
    await owner.execute("ANALYZE")
    await owner.close()
    async with (
        place.api() as api,
        _client(api, school.api_key) as client,
    ):
        told("histories: the balance")
        balance = [f"/v1/wallets/{wallet}" for wallet in (wallets.short, wallets.long)]
        short, long = await _in_turns(size, [(api, client, path) for path in balance], place)
        told("histories: the newest operations")
        newest = [f"{path}/operations?limit={_SHORT_HISTORY}" for path in balance]
        few, many = await _in_turns(size, [(api, client, path) for path in newest], place)
        told("histories: through all pages to the last")
        first = f"/v1/wallets/{wallets.long}/operations?limit={_PAGE}"
        last = await _last_page(client, wallets.long)
        front, back = await _in_turns(size, [(api, client, path) for path in (first, last)], place)
    return [
        Figure(
            what=f"a balance with {size.long_history:,} transfers ÷ with {_SHORT_HISTORY}",
            value=_ratio(long, short),
            at_most=1.2,
            found=f"{_micro(long)} and {_micro(short)} µs of processors a request",
        ),
        Figure(
            what=f"the newest {_SHORT_HISTORY} operations of {size.long_history:,} ÷ of "
            f"{_SHORT_HISTORY}",
            value=_ratio(many, few),
            at_most=1.2,
            found=f"{_micro(many)} and {_micro(few)} µs of processors a request",
        ),
        Figure(
            what=f"the last page of {size.long_history:,} operations ÷ the first",
            value=_ratio(back, front),
            at_most=1.5,
            found=f"{_micro(back)} and {_micro(front)} µs of processors a request, "
            f"{_PAGE} rows a page",
        ),
    ]


async def measure_load(place: Place, size: Size) -> list[Figure]:
    """Ask two workers for half of what they can give, and look at the slowest answers."""
    async with place.sessions() as sessions:
        school = await world.found(sessions, students=size.students, invoices=1)
    async with place.api() as one, place.api() as two:
        token = await _token(one, school)
        requests = [Requests(each.url, _WALLETS, f"Bearer {token}") for each in (one, two)]
        told("load: what saturates two workers")
        most = await saturation(requests, size.load_seconds)
        found = []
        for turn in range(size.rounds):
            told(f"load: half of {most:,.0f} requests a second, turn {turn + 1} of {size.rounds}")
            found.append(await latencies(requests, most / 2, size.load_seconds))
    pairs = [(_quantile(each, 0.5), _quantile(each, 0.99)) for each in found]
    middle = sorted(pairs, key=lambda pair: pair[1] / pair[0])[len(pairs) // 2]
    return [
        Figure(
            what="p99 ÷ p50 of `GET /v1/wallets` at half of the saturating load, two workers",
            value=middle[1] / middle[0],
            at_most=2,
            found=f"{middle[1] * 1000:.1f} and {middle[0] * 1000:.1f} ms at {most / 2:,.0f} "
            "requests a second",
        )
    ]


async def _token(api: Served, school: world.School) -> str:
    async with httpx2.AsyncClient(base_url=api.url) as client:
        form = {
            "grant_type": "password",
            "username": school.manager,
            "password": world.PASSWORD,
        }
        answer = await client.post("/v1/auth/token", data=form)
    return str(answer.json()["access_token"])


def _client(served: Served, token: str = "") -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx2.AsyncClient(base_url=served.url, headers=headers)


async def _in_turns(
    size: Size,
    asked: Sequence[tuple[Served, httpx2.AsyncClient, str]],
    place: Place | None = None,
) -> list[list[float]]:
    """Return what each costs in processor seconds a request, turn by turn.

    With `place`, PostgreSQL's part too.
    """
    costs: list[list[float]] = [[] for _ in asked]
    for _ in range(max(3, size.rounds)):
        for (served, client, path), found in zip(asked, costs, strict=True):
            for _ in range(20):
                await client.get(path)
            before = served.cpu_seconds() + _database(place)
            for _ in range(size.requests):
                (await client.get(path)).raise_for_status()
            after = served.cpu_seconds() + _database(place)
            found.append(max(after - before, 0.001) / size.requests)
    return costs


def _database(place: Place | None) -> float:
    return sum(place.cpu_seconds().values()) if place else 0.0


async def _with_histories(sessions: Sessions, school_id: UUID, long: int) -> _Histories:
    async with school_transaction(sessions, school_id) as session:
        rows = (await session.execute(world.WALLETS, {"school": school_id})).all()
        for (_, account), count in zip(rows, (_SHORT_HISTORY, long), strict=True):
            locked = await ledger.lock(session, school_id, [account])
            postings = [
                Posting(locked.chart.opening, account, Cents(1), f"opening:{new_id()}", world.ON)
                for _ in range(count)
            ]
            await ledger.post(session, locked, postings)
    return _Histories(*(str(wallet) for wallet, _ in rows))


async def _last_page(client: httpx2.AsyncClient, wallet: str) -> str:
    """Walk through all pages, and return the address of the last whole one."""
    walked: list[str] = []
    cursor: Any = None
    seen = 0
    while True:
        query: dict[str, Any] = {"limit": _LONGEST_PAGE} | ({"cursor": cursor} if cursor else {})
        page = json.loads(
            (await client.get(f"/v1/wallets/{wallet}/operations", params=query)).content
        )
        seen += len(page["items"])
        if page["next"] is None:
            break
        cursor = page["next"]
        walked.append(cursor)
    told(f"histories: {seen:,} operations on {len(walked) + 1} pages")
    return f"/v1/wallets/{wallet}/operations?limit={_PAGE}&cursor={walked[-1]}"


def _ratio(above: Sequence[float], below: Sequence[float]) -> float:
    return statistics.median(one / two for one, two in zip(above, below, strict=True))


def _micro(costs: Sequence[float]) -> str:
    return f"{statistics.median(costs) * 1e6:,.0f}"


def _quantile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)]
