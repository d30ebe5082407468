"""The QR code that fills in a credit transfer in any European banking app.

The text inside the code follows EPC069-12 version 3.0, "Quick Response Code: Guidelines to enable
data capture for the initiation of a SEPA credit transfer": an element a line, in a fixed order,
an unused element as an empty line, and nothing after the last one given. Version 002 of the
element set is written, in which the BIC may stay empty within the EEA.

This module is pure. It knows neither wallets nor invoices, and does not ask whether an account or
a reference exists; it refuses what no bank could execute.

    ValueError
    └── NotPayable    one of the details has no place in the code, and which
"""

import io
import re
from typing import Final, cast

import segno
from stdnum import iban as ibans

from itschool_api.money import Cents, euros
from itschool_api.references import InvalidReference, Reference, normalise

LOWEST: Final = Cents(1)
"""The smallest amount that the code can carry, 0.01 (EPC069-12, table of data elements)."""

HIGHEST: Final = Cents(99_999_999_999)
"""The largest amount that the code can carry, 999999999.99 (the same)."""

NAME_LENGTH: Final = 70
"""The longest name of a beneficiary, in characters (the same)."""

CAPACITY: Final = 331
"""What a code of version 13 holds at error level M, in bytes (the same)."""

_VERSION: Final = 13
_QUIET_ZONE: Final = 4  # modules, ISO/IEC 18004
_BIC: Final = re.compile(r"[A-Z]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?", re.ASCII)


class NotPayable(ValueError):
    """The details cannot be carried by the code."""


def payload(
    *,
    beneficiary: str,
    iban: str,
    bic: str,
    reference: Reference,
    amount_cents: Cents | None,
) -> str:
    """Write the text of the code; without an amount, the payer chooses one.

    The reference stands bare on the line for structured remittance information, which is where
    Belgian banks look for it. A long name is cut after a whole word if possible.

    Raises:
        NotPayable: when the name is blank, the account, BIC or reference is not well-formed, or
            the amount is outside 0.01 to 999999999.99.
    """
    account = ibans.compact(iban)
    # Without the list of banks inside the library: a bank may be younger than it.
    if not ibans.is_valid(account, check_country=False):
        raise NotPayable(f"{iban!r} is not an IBAN")
    if bic and _BIC.fullmatch(bic) is None:
        raise NotPayable(f"{bic!r} is not a BIC of 8 or 11 characters")
    if amount_cents is not None and not LOWEST <= amount_cents <= HIGHEST:
        raise NotPayable(f"{amount_cents} cents are not between 0.01 and 999999999.99 euro")
    try:
        communication = normalise(reference)
    except InvalidReference as error:
        raise NotPayable(f"{reference!r} is not a reference: {error}") from error

    amount = "" if amount_cents is None else f"EUR{euros(amount_cents)}"
    before = f"BCD\n002\n1\nSCT\n{bic}\n"
    after = f"\n{account}\n{amount}\n\n{communication}"
    room = CAPACITY - len(before) - len(after)  # both are ASCII
    return f"{before}{_name(beneficiary, room)}{after}"


def svg(payload: str) -> bytes:
    """Draw the code as a stand-alone SVG document that scales to any size."""
    drawing = io.BytesIO()
    _code(payload).save(drawing, kind="svg", border=_QUIET_ZONE, omitsize=True, light="#fff")
    return drawing.getvalue()


def png(payload: str, *, pixels_per_module: int = 8) -> bytes:
    """Draw the code as a black and white PNG, 8 pixels a module unless told otherwise."""
    picture = io.BytesIO()
    _code(payload).save(picture, kind="png", border=_QUIET_ZONE, scale=pixels_per_module)
    return picture.getvalue()


def _code(payload: str) -> segno.QRCode:
    """Encode the bytes at error level M, in the smallest version that holds them."""
    # boost_error would draw a level above M where there is room; the guidelines fix the level.
    code = segno.make_qr(payload, error="m", encoding="utf-8", mode="byte", boost_error=False)
    if cast("int", code.version) > _VERSION:
        raise NotPayable(f"the text has more than the {CAPACITY} bytes that a code may hold")
    return code


def _name(beneficiary: str, room: int) -> str:
    """Fit a name on its line: 70 characters at most, and as many bytes as are left."""
    # Blanks of any kind become one space: a line feed would shift every later element.
    name = " ".join("".join(c if c.isprintable() else " " for c in beneficiary).split())
    if not name:
        raise NotPayable("the beneficiary has no name")
    cut = name[:NAME_LENGTH]
    while len(cut.encode()) > room:
        cut = cut[:-1]
    if len(cut) < len(name) and name[len(cut)] != " ":
        whole_words = cut.rpartition(" ")[0]
        cut = whole_words if len(whole_words) > len(cut) // 2 else cut
    return cut.rstrip()
