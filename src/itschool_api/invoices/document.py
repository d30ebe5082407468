"""The invoice as a document: its facts in, an A4 PDF out.

This module is pure. It knows no database, no request and no clock: the same facts give the same
bytes. It decides how amounts and dates are written; `document.typ` beside it decides where they
stand, and `document_words.toml` in which words. Whatever people typed reaches the typesetter as
data and is never read as markup.
"""

import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.resources import files
from typing import Any, Final, Literal

from babel.numbers import format_currency, format_decimal

from itschool_api import epc
from itschool_api.languages import Language
from itschool_api.money import Cents
from itschool_api.references import Reference, formatted
from itschool_api.typesetting import (
    REGIONS,
    Letterhead,
    Typesetter,
    locale_of,
    one_line,
    written_day,
)

LineKind = Literal["compulsory", "optional", "service"]

_HERE: Final = files(__package__)
_TYPESETTER: Final = Typesetter((_HERE / "document.typ").read_bytes())
_WORDS: Final[dict[str, dict[str, Any]]] = tomllib.loads(
    (_HERE / "document_words.toml").read_text("utf-8")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLine:
    """What one student is charged for; the amount is told, not computed, for it may be a share."""

    student: str
    label: str
    quantity: int
    unit_cents: Cents
    amount_cents: Cents
    kind: LineKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Where the money goes; ``epc_payload`` is the text of the QR code."""

    beneficiary: str
    iban: str
    bic: str
    reference: Reference
    epc_payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDocument:
    """All that is printed on an invoice; ``addressee`` is the family's name and address by line.

    Raises:
        ValueError: when the lines do not make up the total, or what is paid and what remains do
            not: a document that does not add up is never printed.
    """

    language: Language
    school: Letterhead
    addressee: tuple[str, ...]
    number: str
    label: str
    issued_on: date
    due_on: date
    lines: tuple[DocumentLine, ...]
    total_cents: Cents
    paid_cents: Cents
    remaining_cents: Cents
    payment: Payment

    def __post_init__(self) -> None:
        """Check the sums."""
        lines = sum(line.amount_cents for line in self.lines)
        if lines != self.total_cents:
            raise ValueError(f"the lines make {lines} cents, the total says {self.total_cents}")
        if self.paid_cents + self.remaining_cents != self.total_cents:
            raise ValueError(
                f"{self.paid_cents} paid and {self.remaining_cents} remaining "
                f"do not make {self.total_cents} cents"
            )


def render(document: InvoiceDocument) -> bytes:
    """Typeset an invoice as a tagged PDF; threads may call this at the same time, and take turns.

    About 20 ms a page: call it outside the event loop.
    """
    return _TYPESETTER.pdf(_facts(document), datetime.combine(document.issued_on, time(), UTC))


def _facts(document: InvoiceDocument) -> dict[str, Any]:
    """Write every fact as the template prints it."""
    language = document.language
    words = _WORDS[language]
    return {
        "language": language,
        "region": REGIONS[language],
        "words": words,
        "school": document.school.printed(),
        "addressee": [one_line(line) for line in document.addressee],
        "number": document.number,
        "label": one_line(document.label),
        "issued_on": written_day(document.issued_on, language),
        "due_on": written_day(document.due_on, language),
        "students": _by_student(document.lines, language),
        "kinds": [
            {"mark": mark, "meaning": words["kinds"][kind]}
            for kind, mark in words["marks"].items()
            if any(line.kind == kind for line in document.lines)
        ],
        "total": _money(document.total_cents, language),
        "paid": _money(document.paid_cents, language),
        "remaining": _money(document.remaining_cents, language),
        "payment": None if document.remaining_cents <= 0 else _payment(document.payment),
    }


def _by_student(lines: tuple[DocumentLine, ...], language: Language) -> list[dict[str, Any]]:
    """Group the lines by student, in the order in which the students first appear."""
    groups: dict[str, list[DocumentLine]] = {}
    for line in lines:
        groups.setdefault(line.student, []).append(line)
    marks = _WORDS[language]["marks"]
    return [
        {
            "name": one_line(student),
            "lines": [
                {
                    "label": one_line(line.label),
                    "mark": marks[line.kind],
                    "quantity": format_decimal(line.quantity, locale=locale_of(language)),
                    "unit": _money(line.unit_cents, language),
                    "amount": _money(line.amount_cents, language),
                }
                for line in group
            ],
            "subtotal": _money(Cents(sum(line.amount_cents for line in group)), language),
        }
        for student, group in groups.items()
    ]


def _payment(payment: Payment) -> dict[str, str]:
    """Write the payment's details as a form of a bank has them."""
    return {
        "beneficiary": one_line(payment.beneficiary),
        "iban": " ".join(payment.iban[at : at + 4] for at in range(0, len(payment.iban), 4)),
        "bic": payment.bic,
        "reference": formatted(payment.reference),
        "qr": epc.svg(payment.epc_payload).decode(),
    }


def _money(cents: Cents, language: Language) -> str:
    """Write an amount with its currency: ``1 234,56 €`` in French, ``€ 1.234,56`` in Dutch."""
    return format_currency(Decimal(cents).scaleb(-2), "EUR", locale=locale_of(language))
