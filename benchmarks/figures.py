"""What is measured and what is asked of it; how it is shown."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

ROUNDS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured: the whole, or a little to see that it runs."""

    movements: int = 100_000
    students: int = 2_000
    invoices: int = 3_000
    long_history: int = 100_000
    requests: int = 600
    load_seconds: int = 8
    rounds: int = ROUNDS


SMALL: Final = Size(
    movements=1_000,
    students=30,
    invoices=30,
    long_history=1_000,
    requests=20,
    load_seconds=1,
    rounds=1,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table; without a gate it is only shown."""

    what: str
    found: str
    value: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    aim: float | None = None

    @property
    def is_missed(self) -> bool:
        """Tell whether it is not what is asked."""
        if self.value is None:
            return False
        too_low = self.at_least is not None and self.value < self.at_least
        return too_low or (self.at_most is not None and self.value > self.at_most)

    def row(self) -> str:
        """Return its line of the table."""
        asked = ""
        if self.at_least is not None:
            asked = f"≥ {self.at_least:g}"
        elif self.at_most is not None:
            asked = f"≤ {self.at_most:g}"
        aim = "" if self.aim is None else f" (aim {self.aim:g})"
        value = "" if self.value is None else f"**{self.value:.2f}**"
        state = "" if not asked else "missed" if self.is_missed else "met"
        return f"| {self.what} | {value} | {asked}{aim} | {state} | {self.found} |"


def table(figures: Sequence[Figure]) -> str:
    """Return the table."""
    head = "| what | value | asked | | found |\n|---|---|---|---|---|"
    return "\n".join([head, *(figure.row() for figure in figures)])


def median(rounds: int, measure: Callable[[], float]) -> float:
    """Return the middle of some measurements."""
    return statistics.median(measure() for _ in range(rounds))
