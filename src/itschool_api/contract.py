"""Shapes that the whole HTTP contract shares: strict forms and frozen documents.

The word for what a client sends is a form, for what it receives a document.
"""

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

BIGGEST_AMOUNT_CENTS = 100_000_000_00


class Form(BaseModel):
    """What a client sends: unknown fields are refused, blanks around texts removed."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Document(BaseModel):
    """What a client receives."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


def printable(text: str) -> str:
    """Return `text`; raises `ValueError` for control characters (PostgreSQL stores no NUL)."""
    if any(character < " " and character not in "\n\t" for character in text) or "\x7f" in text:
        raise ValueError("must not contain control characters")
    return text


def _unix_lines(text: str) -> str:
    """End lines in one way: forms of browsers and of Windows send two characters."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _one_line(text: str) -> str:
    if "\n" in text or "\t" in text:
        raise ValueError("must be one line")
    return text


Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=120),
    AfterValidator(printable),
    AfterValidator(_one_line),
]
ShortText = Annotated[
    str, StringConstraints(max_length=120), AfterValidator(printable), AfterValidator(_one_line)
]
# Days that a school can mean; beyond them, arithmetic with days would overflow.
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2199, 12, 31))]
Instant = Annotated[
    AwareDatetime,
    Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(2199, 12, 31, tzinfo=UTC)),
]
LongText = Annotated[
    str,
    StringConstraints(max_length=10_000),
    AfterValidator(_unix_lines),
    AfterValidator(printable),
]
Email = Annotated[
    str,
    StringConstraints(
        max_length=254, to_lower=True, pattern=r"^[^@\s<>,;\"]+@[^@\s<>,;\"]+\.[^@\s<>,;\"]+$"
    ),
    AfterValidator(printable),
]
Language = Annotated[str, StringConstraints(pattern="^(fr|nl|de|en)$")]
# Strict: neither "100" nor 100.0 nor true is an amount.
PositiveCents = Annotated[int, Field(strict=True, gt=0, le=BIGGEST_AMOUNT_CENTS)]
Search = Annotated[
    str, StringConstraints(max_length=100, strip_whitespace=True), AfterValidator(printable)
]
