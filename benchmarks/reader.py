"""The CODA reader beside febelfin-coda: the same file, turn by turn, in processor time."""

import gc
import io
import statistics
import time
from collections.abc import Callable
from typing import Final

import coda as febelfin

from benchmarks.figures import Figure, Size
from benchmarks.place import told
from benchmarks.world import ON
from itschool_api.banking import coda
from itschool_api.banking.coda.generator import MIX, Kind

# febelfin-coda 0.5.0 cannot read details of type 9.
_READABLE: Final[dict[Kind, int]] = {
    kind: weight for kind, weight in MIX.items() if kind is not Kind.DETAILED_BANK_TOTAL
}


def measure(size: Size) -> list[Figure]:
    """Read a file as a school's bank sends it, with both."""
    told(f"reader: a file of {size.movements:,} movements")
    data = coda.write(coda.generate(on=ON, movements=size.movements, mix=_READABLE))
    text = data.decode("cp1252")
    ours, theirs = [], []
    for turn in range(size.rounds):
        told(f"reader: turn {turn + 1} of {size.rounds}")
        ours.append(_cpu_seconds(lambda: coda.parse(data)))
        theirs.append(_cpu_seconds(lambda: febelfin.CODA(io.StringIO(text))))
    ratio = statistics.median(their / our for our, their in zip(ours, theirs, strict=True))
    return [
        Figure(
            what="CODA reader ÷ febelfin-coda, movements a second",
            value=ratio,
            at_least=3,
            aim=4,
            found=f"{size.movements / statistics.median(ours):,.0f}/s and "
            f"{size.movements / statistics.median(theirs):,.0f}/s, {len(data) / 1e6:.1f} MB",
        )
    ]


def _cpu_seconds(read: Callable[[], object]) -> float:
    gc.collect()
    began = time.process_time()
    kept = read()
    spent = time.process_time() - began
    del kept
    return spent
