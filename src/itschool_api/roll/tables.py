"""A file as tables of cells: what CSV and spreadsheets have in common. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from itschool_api.roll.cells import Cell

MOST_ROWS: Final = 10_000
MOST_COLUMNS: Final = 200


class Unreadable(ValueError):
    """The file is not what it says, or not a table; the message says why."""


class TooMuch(ValueError):
    """The file holds more than is taken; the message says of what."""


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet: rows of cells with the numbers that people see beside them."""

    name: str | None
    """A CSV file's has none."""
    rows: Sequence[tuple[int, Sequence[Cell]]]
    """The empty ones are left out."""


def numbered(rows: Iterable[Sequence[Cell]]) -> list[tuple[int, Sequence[Cell]]]:
    """Give rows their numbers, from 1, and leave the empty ones out; raises `TooMuch`."""
    found = []
    for number, row in enumerate(rows, start=1):
        if number > MOST_ROWS:
            raise TooMuch(f"At most {MOST_ROWS} rows are taken at once.")
        if len(row) > MOST_COLUMNS:
            raise TooMuch(f"At most {MOST_COLUMNS} columns are taken; row {number} has {len(row)}.")
        if any(cell != "" for cell in row):
            found.append((number, row))
    return found
