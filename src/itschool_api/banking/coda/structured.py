"""Structured communications: a type of three digits and a payload laid out by that type.

Types 100, 101, 102, 105 and 127 are decoded (Febelfin CODA 2.6, annex III, pages 61 to 68); all
others keep their payload as it came, and no reference is ever taken from them. A payload that does
not fit its type decodes to nothing: the bank's free use of it is no reason to refuse the money.
"""

from datetime import date
from typing import Final, NamedTuple

from stdnum import iso11649

from itschool_api import references
from itschool_api.banking.coda.columns import is_number, read_date

BELGIAN_TYPES: Final = frozenset({"101", "102"})
CREDITOR_REFERENCE: Final = "100"
ORIGINAL_AMOUNT: Final = "105"
DIRECT_DEBIT: Final = "127"


class BelgianReference(NamedTuple):
    """Types 101 and 102: twelve digits; 102 was put together by the bank itself."""

    digits: str
    valid: bool
    reconstituted: bool


class CreditorReference(NamedTuple):
    """Type 100: an ISO 11649 reference."""

    reference: str
    valid: bool


class OriginalAmount(NamedTuple):
    """Type 105: what the payer ordered, in whatever currency; amounts in thousandths."""

    gross_milli: int
    original_milli: int
    rate: str
    currency: str
    communication: str
    country: str
    equivalent: str


class DirectDebit(NamedTuple):
    """Type 127: a SEPA direct debit, or what became of it."""

    settled_on: date | None
    sequence_type: str
    scheme: str
    outcome: str
    creditor: str
    mandate: str
    communication: str
    return_type: str
    return_reason: str


Decoded = BelgianReference | CreditorReference | OriginalAmount | DirectDebit


class Structured(NamedTuple):
    """A structured communication: its type and the text after it, without trailing blanks."""

    type: str
    payload: str

    @property
    def decoded(self) -> Decoded | None:
        """Read the payload by its type, or give nothing for a type that is kept raw."""
        if self.type in BELGIAN_TYPES:
            digits = self.payload[:12]
            return BelgianReference(digits, references.is_valid(digits), self.type == "102")
        if self.type == CREDITOR_REFERENCE:
            text = self.payload[:25].strip()
            return CreditorReference(text, _is_creditor_reference(text))
        if self.type == ORIGINAL_AMOUNT:
            return _original_amount(self.payload)
        if self.type == DIRECT_DEBIT:
            return _direct_debit(self.payload)
        return None


def reference_in(kind: str, payload: str) -> str | None:
    """Give the valid reference that a structured communication is, or carries (type 105)."""
    if kind in BELGIAN_TYPES:
        digits = payload[:12]
    elif kind == ORIGINAL_AMOUNT:
        digits = payload[45:57]
    elif kind == CREDITOR_REFERENCE:
        text = payload[:25].strip()
        return text if _is_creditor_reference(text) else None
    else:
        return None
    return digits if references.is_valid(digits) else None


def _is_creditor_reference(text: str) -> bool:
    """Accept only the electronic form: ``RF``, upper case, no blanks."""
    return text.startswith("RF") and text.isalnum() and text.isascii() and iso11649.is_valid(text)


def _original_amount(payload: str) -> OriginalAmount | None:
    gross, original = payload[:15], payload[15:30]
    if not (is_number(gross) and is_number(original)):
        return None
    return OriginalAmount(
        gross_milli=int(gross),
        original_milli=int(original),
        rate=payload[30:42].strip(),
        currency=payload[42:45].strip(),
        communication=payload[45:57].strip(),
        country=payload[57:59].strip(),
        equivalent=payload[59:74].strip(),
    )


def _direct_debit(payload: str) -> DirectDebit | None:
    try:
        settled_on = read_date(payload[:6])
    except ValueError:
        return None
    return DirectDebit(
        settled_on=settled_on,
        sequence_type=payload[6:7],
        scheme=payload[7:8],
        outcome=payload[8:9],
        creditor=payload[9:44].strip(),
        mandate=payload[44:79].strip(),
        communication=payload[79:141].strip(),
        return_type=payload[141:142].strip(),
        return_reason=payload[142:146].strip(),
    )
