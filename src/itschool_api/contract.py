"""Shapes that the whole HTTP contract shares: strict forms and frozen documents.

The word for what a client sends is a form, for what it receives a document.
"""

import re
from datetime import date
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

BIGGEST_AMOUNT_CENTS = 100_000_000_00
# No form has so many. Each that is unknown is a fault of its own, and 80,000 of them, as many as a
# body holds, kept everybody else waiting for two seconds.
_MOST_MEMBERS: Final = 100

# What the validators below ask for, as the document tells it. Python counts four control characters
# among its blanks, which patterns do not: these are removed at the ends before anything is judged.
_BLANK_CHARACTERS: Final = "\t\n\v\f\r "
_BLANKS: Final = r"[\t-\r ]*"
LINE: Final = rf"^{_BLANKS}[^\x00-\x1f\x7f]*{_BLANKS}$"
_LINES: Final = rf"^{_BLANKS}[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*{_BLANKS}$"
_MAILBOX: Final = r'[^@\s<>,;"\x00-\x1f\x7f-\x9f]+'
_EMAIL: Final = rf"{_MAILBOX}@{_MAILBOX}\.{_MAILBOX}"
# No blank of any language: U+1680 to U+3000 are those of Unicode that Python removes as well.
_INK: Final = r"[^\x00-\x20\x7f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
_NAME: Final = rf"^{_BLANKS}[^\x00-\x1f\x7f]*{_INK}[^\x00-\x1f\x7f]*{_BLANKS}$"
# Years that a school can mean; beyond them, arithmetic with days would overflow.
_DAY: Final = r"(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"  # RFC 3339
_INSTANT: Final = rf"{_DAY}[Tt]{_TIME}([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"


class Form(BaseModel):
    """What a client sends: unknown fields are refused; the types below remove blanks around texts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _few_members(cls, given: Any) -> Any:
        if isinstance(given, dict) and len(given) > _MOST_MEMBERS:
            raise ValueError(f"has more than {_MOST_MEMBERS} members")
        return given


# The default of a field that stays as it is; a form of changes never reads it.
UNCHANGED: Any = None


def _without_defaults(schema: dict[str, Any]) -> None:
    for each in schema.get("properties", {}).values():
        each.pop("default", None)


class Changes(Form):
    """What to change (RFC 7396): what is left out stays, what is null goes."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    def given(self) -> dict[str, Any]:
        """Return the fields that were sent."""
        return self.model_dump(exclude_unset=True)


class Document(BaseModel):
    """What a client receives."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


def exactly_one_of(*fields: str) -> PydanticCustomError:
    """Return the fault of a form that fills in none of these fields, or several."""
    return PydanticCustomError(
        "exactly_one_of", "give exactly one of {fields}", {"fields": ", ".join(fields)}
    )


def not_before(first: str, last: str) -> PydanticCustomError:
    """Return the fault of a form whose period ends before it begins."""
    return PydanticCustomError(
        "not_before", "{last} must not lie before {first}", {"first": first, "last": last}
    )


def _printable(text: str) -> str:
    """Return `text`; raises `ValueError` for control characters (PostgreSQL stores no NUL)."""
    if any(character < " " and character not in "\n\t" for character in text) or "\x7f" in text:
        raise PydanticCustomError("control_characters", "must not contain control characters")
    return text


def _lines(text: str) -> str:
    """Return lines that end in one way: forms of browsers and of Windows send two characters."""
    one_way = text.replace("\r\n", "\n").replace("\r", "\n")
    return _printable(one_way.strip(_BLANK_CHARACTERS)).strip()


def line(text: str) -> str:
    """Return `text` without blanks at its ends; raises `ValueError` for more than one line."""
    text = _printable(text.strip(_BLANK_CHARACTERS))
    if "\n" in text or "\t" in text:
        raise PydanticCustomError("several_lines", "must be one line")
    return text.strip()


def _name(text: str) -> str:
    if not (text := line(text)):
        raise PydanticCustomError("blank", "must not be blank")
    return text


def _written_as(pattern: str, example: str) -> BeforeValidator:
    """Take a text of this form alone: Pydantic by itself takes numbers and much else for dates."""
    form = re.compile(pattern)

    def check(value: Any) -> Any:
        if isinstance(value, str) and form.fullmatch(value):
            return value
        if isinstance(value, date):
            return value
        raise PydanticCustomError(
            "not_written_so",
            "must be written like {example}, within the years 1900 to 2199",
            {"example": example},
        )

    return BeforeValidator(check)


def _email(text: str) -> str:
    text = text.strip(_BLANK_CHARACTERS)
    if not re.fullmatch(_EMAIL, text):
        raise PydanticCustomError("not_an_email", "must be written like an@example.org")
    return text


def told_as(pattern: str) -> Any:
    """Tell the document what a validator asks for."""
    return Field(json_schema_extra={"pattern": pattern})


# Blanks at the ends are removed after the lengths were measured, so that the document's hold.
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=120),
    AfterValidator(_name),
    told_as(_NAME),
]
ExternalKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    AfterValidator(_name),
    told_as(_NAME),
]
ShortText = Annotated[
    str,
    StringConstraints(max_length=120),
    AfterValidator(line),
    told_as(LINE),
]
Day = Annotated[date, _written_as(_DAY, "2026-12-15"), told_as(f"^{_DAY}$")]
Instant = Annotated[
    AwareDatetime,
    _written_as(_INSTANT, "2026-12-18T16:00:00+01:00"),
    told_as(f"^{_INSTANT}$"),
]
# Strict: neither "yes" nor 1 is true.
Flag = Annotated[bool, Strict()]
LongText = Annotated[
    str,
    StringConstraints(max_length=10_000),
    AfterValidator(_lines),
    told_as(_LINES),
]
Email = Annotated[
    str,
    StringConstraints(max_length=254, to_lower=True),
    AfterValidator(_email),
    told_as(f"^{_BLANKS}{_EMAIL}{_BLANKS}$"),
]
Phone = Annotated[
    str,
    StringConstraints(max_length=30, pattern=rf"^{_BLANKS}\+?[ ./()-]*[0-9][0-9 ./()-]*{_BLANKS}$"),
    AfterValidator(str.strip),
]
Language = Annotated[str, StringConstraints(pattern="^(fr|nl|de|en)$", max_length=2)]
# Strict: neither "100" nor 100.0 nor true is an amount.
PositiveCents = Annotated[int, Field(strict=True, gt=0, le=BIGGEST_AMOUNT_CENTS)]
Search = Annotated[
    str,
    StringConstraints(max_length=100),
    AfterValidator(_lines),
    told_as(_LINES),
]
