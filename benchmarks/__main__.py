"""Measure everything, or what is named, and write the table into the README beside this file.

python -m benchmarks [reader] [imports] [wallets] [histories] [load] [--small] [--dry]
"""

import argparse
import asyncio
import platform
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import imports, reader, reads
from benchmarks.figures import SMALL, Figure, Size, table
from benchmarks.place import Place, place, told
from itschool_api import logs

_README: Final = Path(__file__).with_name("README.md")
_BEGIN: Final = "<!-- figures -->\n"
_END: Final = "<!-- end of figures -->"
_IN_A_DATABASE: Final[dict[str, Callable[[Place, Size], Awaitable[list[Figure]]]]] = {
    "imports": imports.measure,
    "wallets": reads.measure_wallets,
    "histories": reads.measure_histories,
    "load": reads.measure_load,
}
_NAMES: Final = ("reader", *_IN_A_DATABASE)


def main() -> int:
    """Print the table; 1 where something is not what is asked."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…")
    parser.add_argument("names", nargs="*", help=", ".join(_NAMES))
    parser.add_argument("--small", action="store_true", help="a little of each: does it run?")
    parser.add_argument("--dry", action="store_true", help="leave the README as it is")
    chosen = parser.parse_args()
    names = chosen.names or list(_NAMES)
    if strangers := set(names) - set(_NAMES):
        parser.error(f"{', '.join(sorted(strangers))}: there are {', '.join(_NAMES)}")
    logs.configure("warning", "json")
    figures = _measure(names, SMALL if chosen.small else Size())
    print(table(figures))
    if not (chosen.small or chosen.dry or chosen.names):
        _write(figures)
    missed = [figure.what for figure in figures if figure.is_missed]
    for what in missed:
        told(f"missed: {what}")
    return 1 if missed and not chosen.small else 0


def _measure(names: list[str], size: Size) -> list[Figure]:
    figures = _told(reader.measure(size)) if "reader" in names else []
    for name, measure in _IN_A_DATABASE.items():
        if name in names:
            told(f"{name}: a database")
            # One for each: what the one before wrote is no part of the next.
            with place() as here:
                figures += _told(asyncio.run(_found(measure, here, size)))
    return figures


def _told(figures: list[Figure]) -> list[Figure]:
    """Show figures as they come: what fails later takes none of them along."""
    for figure in figures:
        told(figure.row())
    return figures


async def _found(
    measure: Callable[[Place, Size], Awaitable[list[Figure]]], here: Place, size: Size
) -> list[Figure]:
    return await measure(here, size)


def _write(figures: list[Figure]) -> None:
    """Put the table between its marks."""
    told_of = (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}.\n\n"
    )
    text = _README.read_text()
    head, rest = text.split(_BEGIN)
    _README.write_text(f"{head}{_BEGIN}{told_of}{table(figures)}\n{_END}{rest.split(_END)[1]}")


if __name__ == "__main__":
    sys.exit(main())
