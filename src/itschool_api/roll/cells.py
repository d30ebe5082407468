"""One cell: what a file holds in it, and what spreadsheets must not make of it. Pure."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

LONGEST_CELL: Final = 1_000


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a spreadsheet, as it shows it."""

    text: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """What is no value: a formula, an error, a time."""

    code: str
    message: str


Cell = str | Number | date | bool | Unusable
"""What a file holds; an empty text is an empty cell."""
Value = str | int | bool | date | None
"""What a column makes of it; None: the cell is empty."""


class BadCell(ValueError):
    """The cell does not hold what its column needs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Read:
    """A value, and what a person should know about how it was read."""

    value: Value
    doubt: tuple[str, str] | None = None
    """Code and message."""


# A cell that begins like this is a formula to a spreadsheet (OWASP, "CSV Injection").
_DANGEROUS: Final = re.compile(r"'*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_GUARDED: Final = re.compile(r"'+[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: with an apostrophe before it."""
    return f"'{text}" if _DANGEROUS.match(text) else text


def unguarded(text: str) -> str:
    """Return the text that `harmless` was given."""
    return text[1:] if _GUARDED.match(text) else text
