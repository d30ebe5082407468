"""Compare the CODA reader with febelfin-coda on the same files, in the same run.

python -m benchmarks.coda [MOVEMENTS]
"""

import io
import sys
import time
from collections.abc import Callable
from datetime import date

import coda as febelfin

from itschool_api.banking import coda
from itschool_api.banking.coda import builders
from itschool_api.banking.coda.generator import MIX, SCHOOL, Kind
from itschool_api.money import Cents

DAY = date(2026, 11, 24)
PAYER = coda.Counterparty("BE68539007547034", "EUR", "GKCCBEBB", "Dupont Marie")
# febelfin-coda 0.5.0 cannot read details of type 9.
READABLE: dict[Kind, int] = {
    kind: weight for kind, weight in MIX.items() if kind is not Kind.DETAILED_BANK_TOTAL
}


def files(count: int) -> dict[str, bytes]:
    """Make files of records 2.1 only, of 2.1 to 2.3, with an address too, and as at a school."""
    plain = builders.payment("539007547034", Cents(12_34), builders.NOBODY)
    paid = builders.payment("539007547034", Cents(12_34), PAYER)
    addressed = builders.with_address(paid, "Rue Haute 1", "1000 BRUXELLES")
    made = {
        name: [coda.statement(SCHOOL, [movement] * count, on=DAY, number=1)]
        for name, movement in (("2.1", plain), ("2.1-2.3", paid), ("2.1-3.2", addressed))
    }
    made["school"] = coda.generate(on=DAY, movements=count, mix=READABLE)
    return {name: coda.write(statements) for name, statements in made.items()}


def best(read: Callable[[], object], times: int = 5) -> float:
    """Give the shortest time of some, in seconds."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        kept = read()
        seconds.append(time.perf_counter() - began)
        del kept
    return min(seconds)


def main() -> None:
    """Print movements a second of both readers."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    print(f"{'file':10} {'MB':>6} {'ours/s':>10} {'febelfin/s':>10} {'ratio':>6}")
    for name, data in files(count).items():
        ours = best(lambda data=data: coda.parse(data))  # type: ignore[misc]
        text = data.decode("cp1252")
        theirs = best(lambda text=text: febelfin.CODA(io.StringIO(text)))  # type: ignore[misc]
        size = len(data) / 1e6
        print(
            f"{name:10} {size:6.1f} {count / ours:10,.0f} {count / theirs:10,.0f}"
            f" {theirs / ours:6.2f}"
        )


if __name__ == "__main__":
    main()
