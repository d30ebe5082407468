"""Kill the server and PostgreSQL as often as is asked, and print what became of the books.

python -m faults [server] [database] [--movements N] [--kills N] [--crashes N] [--seed N] [--small]
"""

import argparse
import asyncio
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.place import Place, place, told
from faults import databases, servers
from faults.scene import SMALL, Outcome, Size
from itschool_api import logs

_ITSCHOOL: Final = str(Path(sys.executable).with_name("itschool"))
_KILLS: Final[dict[str, Callable[[Place, Size, random.Random], Awaitable[Outcome]]]] = {
    "server": servers.kill,
    "database": databases.kill,
}


def main() -> int:
    """Print how often what was killed; 1 where anything was lost, doubled or left in part."""
    parser = argparse.ArgumentParser(prog="make faults ARGS=…")
    parser.add_argument("names", nargs="*", help=", ".join(_KILLS))
    parser.add_argument("--movements", type=int, help="in each file")
    parser.add_argument("--kills", type=int, help="of the server")
    parser.add_argument("--crashes", type=int, help="of PostgreSQL")
    parser.add_argument("--seed", type=int, help="the same kills again, as far as time allows")
    parser.add_argument("--small", action="store_true", help="one of each kind: does it run?")
    chosen = parser.parse_args()
    if strangers := set(chosen.names) - set(_KILLS):
        parser.error(f"{', '.join(sorted(strangers))}: there are {', '.join(_KILLS)}")
    given = {
        name: getattr(chosen, name)
        for name in ("movements", "kills", "crashes")
        if getattr(chosen, name) is not None
    }
    size = replace(SMALL if chosen.small else Size(), **given)
    seed = random.randrange(10**6) if chosen.seed is None else chosen.seed
    logs.configure("warning", "json")
    print(f"seed {seed}, {size.movements:,} movements a file")
    wrong: list[str] = []
    for name in chosen.names or list(_KILLS):
        told(f"{name}: a database")
        with place() as here:
            outcome = asyncio.run(_found(_KILLS[name], here, size, random.Random(seed)))
            for phase, count in sorted(outcome.counts.items()):
                print(f"{name}: {phase}: {count}")
            if outcome.acknowledged:
                print(f"{name}: acknowledged beside the imports: {outcome.acknowledged}")
            wrong += [*outcome.wrong, *_verified(here)]
    for line in wrong:
        print(f"wrong: {line}")
    print(f"{len(wrong)} things are wrong")
    return 1 if wrong else 0


async def _found(
    kill: Callable[[Place, Size, random.Random], Awaitable[Outcome]],
    here: Place,
    size: Size,
    chance: random.Random,
) -> Outcome:
    return await kill(here, size, chance)


def _verified(here: Place) -> list[str]:
    """Ask `itschool ledger verify`, as an operator would."""
    done = subprocess.run(  # noqa: S603 - our own command
        [_ITSCHOOL, "ledger", "verify"],
        env={"DATABASE_URL": here.url, "ITSCHOOL_SECRET_KEY": here.secret},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    print(done.stdout.strip())
    return [] if done.returncode == 0 else [f"ledger verify: {done.stdout}{done.stderr}"]


if __name__ == "__main__":
    sys.exit(main())
