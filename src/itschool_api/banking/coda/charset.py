"""Which of two eight-bit character sets a file is written in: Windows-1252 or DOS's CP850.

The standard names none, and no file says which. But people's names tell: a letter stands among
letters, and a small one seldom among capitals. ``é`` of CP850 would be a low quotation mark within
a word in Windows-1252. Each set is given a point for each byte that makes sense in it; CP850 needs
more points, and one of its usual letters, for hardly any bank writes it any more.
"""

import re
from itertools import islice
from typing import Final

WINDOWS: Final = "cp1252"
DOS: Final = "cp850"

_BEYOND_ASCII: Final = re.compile(rb"[\x80-\xff]")
# CP850's letters of western Europe; further up it has frames, and capitals that are rare.
_WITNESSES: Final = range(0x80, 0xA6)
_APOSTROPHE: Final = "\u2019"
# Quotation marks, dots and the like touch a word; dashes and the euro touch none. Windows-1252 has
# more signs than these, which nobody types.
_AT_WORDS: Final = frozenset("\u2018\u201c\u201d\u2026\u2122")
_APART: Final = frozenset("\u20ac\u2013\u2014\u2022")
# Enough to know; a file of nothing else would cost as much as reading it.
_MOST_BYTES: Final = 2_000


def charset_of(data: bytes) -> str:
    """Name the character set of a file that is not UTF-8, for Python's codecs."""
    windows = dos = witnesses = 0
    for found in islice(_BEYOND_ASCII.finditer(data), _MOST_BYTES):
        at = found.start()
        byte = data[at : at + 1]
        before = data[at - 1 : at].decode("ascii", "replace") if at else ""
        after = data[at + 1 : at + 2].decode("ascii", "replace")
        windows += _makes_sense(byte.decode(WINDOWS, "replace"), before, after)
        if _makes_sense(byte.decode(DOS), before, after):
            dos += 1
            witnesses += data[at] in _WITNESSES
    return DOS if witnesses and dos > windows else WINDOWS


def _makes_sense(character: str, before: str, after: str) -> bool:
    """Tell whether a character belongs between its neighbours, as far as those are ASCII."""
    if character == _APOSTROPHE:
        return True
    # The one that is a word of its own.
    if character == "à" and before + after == "  ":
        return True
    if character.islower():
        # "école", "Zoé", and the "é" of "Né": not that of "LEFéVRE".
        return before.islower() or after.islower() or (before.isalpha() and not after.isalpha())
    if character.isupper():
        return before.isupper() or after.isupper() or (after.islower() and not before.isalpha())
    if character in _AT_WORDS:
        return not (before.isalpha() and after.isalpha()) and before + after != "  "
    return character in _APART and not (before.isalpha() or after.isalpha())
