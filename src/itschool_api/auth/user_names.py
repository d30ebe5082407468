"""User names: what they may be, and how they are made of a person's names. Pure.

Lower-case ASCII only, so that none looks like another to a person and differs to a computer, and
no `@`, so that none is somebody's e-mail address.
"""

import secrets
import unicodedata
from typing import Annotated, Final

from pydantic import StringConstraints

SHORTEST: Final = 3
LONGEST: Final = 64
_LONGEST_PART: Final = 28  # two of them, a dot and a number fit
_TRIES: Final = 8
_WIDEST_NUMBER: Final = 7
_NAMELESS: Final = "user"
# Letters that Unicode does not take apart; the others lose their accents by themselves.
_PLAIN: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"}
    | {"\N{LATIN SMALL LETTER DOTLESS I}": "i"}
)

NewUserName = Annotated[
    str,
    # The pattern is held against what was typed: the Kelvin sign, too, is a "k" in lower case.
    StringConstraints(
        min_length=SHORTEST,
        max_length=LONGEST,
        pattern=r"^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$",
        to_lower=True,
    ),
]


def stem(first_name: str, last_name: str) -> str:
    """Return `an.peeters`, or `user` where the names have no Latin letter."""
    made = ".".join(filter(None, (_plain(first_name), _plain(last_name))))
    return made if len(made) >= SHORTEST else _NAMELESS


def candidates(first_name: str, last_name: str, attempt: int) -> list[str]:
    """Return names to try, the nicest first; at each further attempt they are longer.

    The numbers are random, so that two people made at once are unlikely to meet, and no name
    tells how many others there are.
    """
    begin = stem(first_name, last_name)
    width = min(4 + attempt, _WIDEST_NUMBER)
    numbered = [f"{begin}{secrets.randbelow(10**width):0{width}}" for _ in range(_TRIES)]
    return numbered if attempt or begin == _NAMELESS else [begin, *numbered]


def _plain(name: str) -> str:
    folded = name.lower().translate(_PLAIN)
    ascii_only = unicodedata.normalize("NFKD", folded).encode("ascii", "ignore").decode()
    return "".join(filter(str.isalnum, ascii_only))[:_LONGEST_PART]
