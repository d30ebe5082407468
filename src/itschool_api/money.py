"""Money: integer cents, and decimal strings for people and for JSON Lines.

Everything is in euro. Nothing here knows where an amount comes from or goes to, and no float is
ever involved: a float cannot hold 0.10.
"""

import re
from typing import NewType

Cents = NewType("Cents", int)
"""An amount in euro cents; negative for what is owed or taken."""

_EUROS = re.compile(r"(-?)([0-9]{1,13})(?:\.([0-9]{1,2}))?", re.ASCII)


class InvalidAmount(ValueError):
    """The text is not an amount in euro."""


def euros(cents: Cents) -> str:
    """Write cents as a decimal string with two decimals: ``-1234`` is ``-12.34``."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02d}"


def parse_euros(text: str) -> Cents:
    """Read a decimal string such as ``12.34``, ``12`` or ``-0.5`` as cents.

    Raises:
        InvalidAmount: when the text is anything else; nothing is rounded or guessed.
    """
    match = _EUROS.fullmatch(text)
    if match is None:
        message = f"{text!r} is not an amount in euro such as 12.34"
        raise InvalidAmount(message)
    sign, whole, rest = match.groups(default="")
    cents = int(whole) * 100 + int(rest.ljust(2, "0"))
    return Cents(-cents if sign else cents)
