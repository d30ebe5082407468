"""What a client wishes, and how much: lists with quality values (RFC 9110, section 12.4.2)."""

from typing import Final, NamedTuple

_FULL: Final = 1000
_MOST_WISHES: Final = 50  # no browser names as many; the rest is not read


class Wish(NamedTuple):
    """What the client names, with its quality in thousandths and its place in the list."""

    name: str
    quality: int
    place: int


def wishes(header: str) -> list[Wish]:
    """Read the value of `Accept` or `Accept-Language`."""
    parts = header.split(",", _MOST_WISHES)[:_MOST_WISHES]
    return [_wish(part, place) for place, part in enumerate(parts)]


def _wish(part: str, place: int) -> Wish:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = _FULL
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key == "q":
            quality = _thousandths(value)
    return Wish(name, quality, place)


def _thousandths(quality: str) -> int:
    whole, _, decimals = quality.partition(".")
    digits = whole + decimals.ljust(3, "0")[:3]
    return min(int(digits), _FULL) if digits.isascii() and digits.isdecimal() else 0
