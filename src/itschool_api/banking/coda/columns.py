"""Fields of a record: digits and dates, read without ever guessing.

``int`` and ``str.isdigit`` take signs, blanks, underscores and the digits of other scripts; a bank
writes none of these.
"""

from datetime import date

# Two-digit years below this are of this century, as POSIX and every other CODA reader has it.
_CENTURY_PIVOT = 69


def is_number(text: str) -> bool:
    """Tell whether the text is one or more of the digits 0 to 9, and nothing else."""
    return text.isdecimal() and text.isascii()


def read_date(text: str) -> date | None:
    """Read DDMMYY; 000000 is an unknown date.

    Raises:
        ValueError: when there is no such day.
    """
    if text == "000000":
        return None
    if len(text) != 6 or not is_number(text):  # noqa: PLR2004  (DDMMYY)
        message = f"{text!r} is not a date DDMMYY"
        raise ValueError(message)
    year = int(text[4:])
    return date(year + (2000 if year < _CENTURY_PIVOT else 1900), int(text[2:4]), int(text[:2]))


def write_date(day: date | None) -> str:
    """Write DDMMYY, or 000000 for an unknown date."""
    return "000000" if day is None else f"{day:%d%m%y}"
