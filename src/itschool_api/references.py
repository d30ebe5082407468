"""Structured references: the twelve digits by which a payment finds its wallet or invoice.

The Belgian structured communication (OGM/VCS) is ten digits and two check digits: the first ten
modulo 97, written 97 where the remainder is 0 (Febelfin and EPC, AOS1 OGM-VCS, 27/7/2017). People
see ``+++123/4567/89012+++``; files, databases and QR codes carry the twelve bare digits. The
international creditor reference (ISO 11649, ``RF…``) is accepted beside it.

This module is pure. It does not know which references exist: a Belgian account number ends in the
same check, so a valid reference in a free text means nothing until it is one that was issued.

    ValueError
    └── InvalidReference    with its reason, what was read and what was expected
"""

import re
from enum import StrEnum
from typing import Final, NewType

from stdnum import iso11649
from stdnum.be import ogm_vcs

Reference = NewType("Reference", str)
"""A valid reference: twelve digits, or ``RF`` and up to 23 letters and digits."""

DIGITS: Final = 12
"""The length of a Belgian structured reference."""

HIGHEST_NUMBER: Final = 9_999_999_999
"""The highest number that a Belgian structured reference can carry."""

# What people, keyboards and printed letters put between the digits: blanks (also unbreakable
# ones), the frame of +++ or ***, slashes, dots, and every kind of dash.
_DECORATION: Final = dict.fromkeys(
    map(ord, " \t\r\n\u00a0\u2007\u2009\u202f+*/.-\u2010\u2011\u2012\u2013\u2014\u2212")
)

# Bounded, so that a text of nothing but separators is still read in linear time.
_GAP: Final = r"[ +*/.\-]{0,3}"
# A look-ahead, so that a group which fails its check does not hide one that begins inside it.
_CANDIDATE: Final = re.compile(
    rf"(?<![0-9])(?=([0-9]{{3}}{_GAP}[0-9]{{4}}{_GAP}[0-9]{{5}})(?![0-9]))"
)
_DELIMITED: Final = re.compile(
    r"(?<!\+)\+{3} ?([0-9]{3}[ /.\-]?[0-9]{4}[ /.\-]?[0-9]{5}) ?\+{3}(?!\+)"
    r"|(?<!\*)\*{3} ?([0-9]{3}[ /.\-]?[0-9]{4}[ /.\-]?[0-9]{5}) ?\*{3}(?!\*)"
)


class Flaw(StrEnum):
    """Why a text is not a reference."""

    LENGTH = "wrong-length"
    CHARACTERS = "not-digits"
    CHECK_DIGITS = "wrong-check-digits"


class InvalidReference(ValueError):
    """The text is not a valid reference: ``flaw`` says why, ``read`` and ``expected`` what."""

    def __init__(self, flaw: Flaw, read: str, expected: str) -> None:
        """Keep the facts, so that a caller can say them in another language."""
        super().__init__(f"{flaw.value.replace('-', ' ')}: read {read!r}, expected {expected}")
        self.flaw = flaw
        self.read = read
        self.expected = expected


def normalise(text: str) -> Reference:
    """Read a reference as a person typed it, with or without ``+++``, ``***``, blanks and dashes.

    A digit is never corrected: money must not go where nobody meant it.

    Raises:
        InvalidReference: with the precise reason.
    """
    bare = text.translate(_DECORATION)
    if bare[:2].upper() == "RF":
        return _normalise_rf(bare.upper())
    if not (bare.isascii() and bare.isdigit()):
        odd = next((c for c in bare if not (c.isascii() and c.isdigit())), "")
        raise InvalidReference(Flaw.CHARACTERS, odd or bare, f"{DIGITS} digits")
    if len(bare) != DIGITS:
        raise InvalidReference(Flaw.LENGTH, f"{len(bare)} digits", f"{DIGITS} digits")
    check = ogm_vcs.calc_check_digits(bare)
    if bare[10:] != check:
        raise InvalidReference(Flaw.CHECK_DIGITS, bare[10:], check)
    return Reference(bare)


def _normalise_rf(bare: str) -> Reference:
    """Check an ISO 11649 creditor reference that has lost its decoration."""
    if not 5 <= len(bare) <= 25:  # noqa: PLR2004  (ISO 11649: RF, two check digits, 1 to 21 more)
        raise InvalidReference(Flaw.LENGTH, f"{len(bare)} characters", "5 to 25 characters")
    if not (bare.isascii() and bare.isalnum() and bare[2:4].isdigit()):
        raise InvalidReference(Flaw.CHARACTERS, bare, "RF, two digits, then letters and digits")
    if not iso11649.is_valid(bare):
        remainder = int("".join(str(int(c, 36)) for c in bare[4:] + "RF00")) % 97
        raise InvalidReference(Flaw.CHECK_DIGITS, bare[2:4], f"{98 - remainder:02d}")
    return Reference(bare)


def is_valid(digits: str) -> bool:
    """Tell whether these are twelve bare digits of which the last two check the first ten."""
    if len(digits) != DIGITS or not (digits.isdecimal() and digits.isascii()):
        return False
    number = int(digits)
    return (number // 100 % 97 or 97) == number % 100


def issue(number: int) -> Reference:
    """Make the reference that carries this number, 0 to 9 999 999 999.

    Raises:
        ValueError: when the number has more than ten digits or is negative.
    """
    if not 0 <= number <= HIGHEST_NUMBER:
        message = f"{number} does not fit in the ten digits of a reference"
        raise ValueError(message)
    return Reference(f"{number:010d}{number % 97 or 97:02d}")


def formatted(reference: Reference) -> str:
    """Write a reference as people know it: ``+++123/4567/89012+++``, or ``RF18 5390 0754 7034``."""
    if reference.startswith("RF"):
        return str(iso11649.format(reference))
    return f"+++{ogm_vcs.format(reference)}+++"


def candidates(text: str) -> list[Reference]:
    """List what might be a Belgian reference in a free text, the likeliest first, each once.

    Numbers written in groups of three, four and five come before bare runs of twelve digits; only
    those with right check digits are listed. The time is linear in the length of the text.
    """
    if len(text) < DIGITS:
        return []
    grouped: dict[Reference, None] = {}
    bare: dict[Reference, None] = {}
    for match in _CANDIDATE.finditer(text):
        written = match[1]
        digits = written.translate(_DECORATION)
        if is_valid(digits):
            (bare if len(written) == DIGITS else grouped)[Reference(digits)] = None
    return list(grouped | bare)


def delimited(text: str) -> Reference | None:
    """Find the one reference explicitly framed by ``+++`` or ``***``, or nothing.

    Two different valid ones are as good as none: the payer did not say which.
    """
    if "+++" not in text and "***" not in text:
        return None
    found = {
        digits
        for match in _DELIMITED.finditer(text)
        if is_valid(digits := (match[1] or match[2]).translate(_DECORATION))
    }
    return Reference(found.pop()) if len(found) == 1 else None
