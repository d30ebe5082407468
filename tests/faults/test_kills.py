"""A little of `make faults`: one kill in each phase, of a real process and of a real PostgreSQL."""

import asyncio
import os
import random
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
import uvicorn

from benchmarks.place import Place, Served, place
from faults import databases, servers
from faults.scene import SMALL, Scene, wrong_in
from itschool_api.app import create_app
from itschool_api.database import APPLICATION_ROLE, create_engine, create_sessions
from itschool_api.settings import Settings

pytestmark = pytest.mark.anyio
BALANCES = "SELECT school_id, id, balance_cents, entries FROM accounts ORDER BY school_id, id"


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place() as found:
        yield found


@pytest.fixture(scope="module")
async def next_server(here: Place) -> AsyncIterator[Served]:
    """Another server of the same school, which goes on when the first was killed."""
    settings = Settings(
        environment="development",
        secret_key=here.secret,
        data_dir=here.folder / "data",
        requests_per_minute=10**9,
    )
    app = create_app(settings, here.url)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it tells in no other way
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Served(f"http://127.0.0.1:{port}", psutil.Process())
    server.should_exit = True
    await serving


async def test_a_killed_server_loses_and_doubles_nothing(here: Place, next_server: Served) -> None:
    """REL-12: before COMMIT, after COMMIT and before the answer, while idle."""
    scene = Scene(here, await here.connect(), SMALL)
    chance = random.Random(1)
    met = set()
    for wanted in (servers.BEFORE, servers.HELD, servers.IDLE):
        async with here.api() as api:
            killed = await servers.kill_one(scene, api, wanted, chance)
        assert await servers.wrong_after(scene, next_server, killed) == []
        met.add(killed.phase)
    assert met == {servers.BEFORE, servers.HELD, servers.IDLE}
    await scene.owner.close()


async def test_a_killed_database_keeps_what_was_acknowledged(
    here: Place, next_server: Served
) -> None:
    """REL-13: with fsync; the server goes on by itself, and answers 503 meanwhile."""
    outcome = await databases.kill_below(here, next_server.url, SMALL, random.Random(1))
    assert outcome.wrong == []
    assert outcome.acknowledged > 0
    assert outcome.counts.total() == SMALL.crashes


async def test_a_restored_backup_has_every_balance(here: Place) -> None:
    """REL-22: pg_dump and pg_restore, as docs of PostgreSQL have it."""
    owner = await here.connect()
    before = await owner.fetch(BALANCES)
    schools = [row["id"] for row in await owner.fetch("SELECT id FROM schools")]
    assert len(before) > 10
    await owner.execute("CREATE DATABASE restored")
    await owner.close()

    archive = here.folder / "backup"
    run(here, "pg_dump", "-Fc", "-d", "itschool", "-f", str(archive))
    run(here, "pg_restore", "-d", "restored", "--exit-on-error", str(archive))

    url = here.server.url(database="restored").replace("+asyncpg", "")
    restored = await asyncpg.connect(url)
    assert await restored.fetch(BALANCES) == before
    engine = create_engine(here.server.url(APPLICATION_ROLE, "restored"))
    files = here.folder / "data" / "files"
    for school_id in schools:
        assert await wrong_in(create_sessions(engine), restored, files, school_id) == []
    await engine.dispose()
    await restored.close()


def run(here: Place, tool: str, *arguments: str) -> None:
    """Run one of PostgreSQL's tools against the server."""
    socket = here.server.handle.get_postmaster_info().socket_dir
    environment = {**os.environ, "PGHOST": str(socket), "PGUSER": "postgres"}
    binary = Path(here.server.handle.bin_path) / tool
    subprocess.run(  # noqa: S603 - PostgreSQL's own tools
        [binary, *arguments], env=environment, check=True, timeout=60
    )
