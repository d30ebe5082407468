"""Which form of an answer a client likes best (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence
from typing import NamedTuple

from itschool_api import errors

_FULL = 1000


class _Wish(NamedTuple):
    """A media range that the client names, with its quality in thousandths."""

    media_range: str
    quality: int
    place: int


def preferred(accept: str | None, offered: Sequence[str]) -> str:
    """Choose by the client's quality, then by its order, then by ours; raises `NotAcceptable`.

    Of several ranges that a form is in, the most specific one counts.
    """
    wishes = [_wish(part, place) for place, part in enumerate((accept or "*/*").split(","))]
    best: tuple[int, int, int] | None = None
    chosen = ""
    for rank, form in enumerate(offered):
        found = _most_specific(wishes, form)
        if found is None or found.quality == 0:
            continue
        order = (found.quality, -found.place, -rank)
        if best is None or order > best:
            best, chosen = order, form
    if best is None:
        raise errors.NotAcceptable(f"Accept one of {', '.join(offered)}.")
    return chosen


def _wish(part: str, place: int) -> _Wish:
    media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = _FULL
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q":
            quality = _thousandths(value)
    return _Wish(media_range, quality, place)


def _most_specific(wishes: Sequence[_Wish], form: str) -> _Wish | None:
    for media_range in (form, f"{form.partition('/')[0]}/*", "*/*"):
        for wish in wishes:
            if wish.media_range == media_range:
                return wish
    return None


def _thousandths(quality: str) -> int:
    whole, _, decimals = quality.partition(".")
    digits = whole + decimals.ljust(3, "0")[:3]
    return min(int(digits), _FULL) if digits.isascii() and digits.isdecimal() else 0
