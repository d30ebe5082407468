"""The invoice as a document: its facts in, an A4 PDF out.

This module is pure. It knows no database, no request and no clock: the same facts give the same
bytes. It decides how amounts and dates are written; `document.typ` beside it decides where they
stand, and `document_words.toml` in which words. Whatever people typed reaches the typesetter as
data and is never read as markup.
"""

import json
import threading
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.resources import files
from typing import Any, Final, Literal

import typst
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal

from itschool_api import epc
from itschool_api.money import Cents
from itschool_api.references import Reference, formatted

Language = Literal["fr", "nl", "de", "en"]
LineKind = Literal["compulsory", "optional", "service"]

_HERE: Final = files(__package__)
_TEMPLATE: Final = (_HERE / "document.typ").read_bytes()
_WORDS: Final[dict[str, dict[str, Any]]] = tomllib.loads(
    (_HERE / "document_words.toml").read_text("utf-8")
)
_REGIONS: Final[dict[Language, str]] = {"fr": "BE", "nl": "BE", "de": "BE", "en": "GB"}

# Archival and accessible: an invoice is kept for years, and read aloud to who cannot see it.
_STANDARDS: Final[list[Literal["a-2a", "ua-1"]]] = ["a-2a", "ua-1"]  # ISO 19005-2, ISO 14289-1

# Only the fonts inside the package: a document looks the same on every machine.
_COMPILER: Final = typst.Compiler(ignore_system_fonts=True)
# The compiler refuses a second thread while it is at work ("Already borrowed").
_COMPILING: Final = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """Who sends the invoice."""

    name: str
    street: str
    postal_code: str
    city: str
    enterprise_number: str | None = None
    email: str | None = None
    phone: str | None = None


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

    About 20 ms a page: call it outside the event loop. The PDF is archival and accessible
    (PDF/A-2a, PDF/UA-1), unless somebody's name has a letter that no embedded font can draw.
    """
    facts = json.dumps(_facts(document))
    issued_at = datetime.combine(document.issued_on, time(), UTC)
    try:
        return _typeset(facts, issued_at, _STANDARDS)
    except typst.TypstError:
        # The standards forbid a box in place of a letter; a reader prefers it to no invoice.
        return _typeset(facts, issued_at, [])


def _typeset(facts: str, issued_at: datetime, standards: list[Any]) -> bytes:
    """Compile the template with these facts."""
    with _COMPILING:
        pdf = _COMPILER.compile(
            # Given to the compiler once and for all, it would be forgotten by the second call.
            input=_TEMPLATE,
            format="pdf",
            sys_inputs={"document": facts},
            pdf_standards=standards,
            timestamp=issued_at,
        )
    if not isinstance(pdf, bytes):  # a list would be one picture a page, which was not asked for
        raise TypeError(f"the typesetter returned {type(pdf).__name__}")
    return pdf


def _facts(document: InvoiceDocument) -> dict[str, Any]:
    """Write every fact as the template prints it."""
    language = document.language
    words = _WORDS[language]
    return {
        "language": language,
        "region": _REGIONS[language],
        "words": words,
        "school": _letterhead(document.school),
        "addressee": [_one_line(line) for line in document.addressee],
        "number": document.number,
        "label": _one_line(document.label),
        "issued_on": _day(document.issued_on, language),
        "due_on": _day(document.due_on, language),
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


def _letterhead(school: Letterhead) -> dict[str, Any]:
    """Give the school's name, and the lines below it as far as they are known."""
    return {
        "name": _one_line(school.name),
        "street": school.street,
        "place": f"{school.postal_code} {school.city}",
        "enterprise_number": school.enterprise_number,
        "contact": [contact for contact in (school.email, school.phone) if contact],
    }


def _by_student(lines: tuple[DocumentLine, ...], language: Language) -> list[dict[str, Any]]:
    """Group the lines by student, in the order in which the students first appear."""
    groups: dict[str, list[DocumentLine]] = {}
    for line in lines:
        groups.setdefault(line.student, []).append(line)
    marks = _WORDS[language]["marks"]
    return [
        {
            "name": _one_line(student),
            "lines": [
                {
                    "label": _one_line(line.label),
                    "mark": marks[line.kind],
                    "quantity": format_decimal(line.quantity, locale=_locale(language)),
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
        "beneficiary": _one_line(payment.beneficiary),
        "iban": " ".join(payment.iban[at : at + 4] for at in range(0, len(payment.iban), 4)),
        "bic": payment.bic,
        "reference": formatted(payment.reference),
        "qr": epc.svg(payment.epc_payload).decode(),
    }


def _one_line(typed: str) -> str:
    """Drop what is not to be seen, such as line feeds and marks that turn the text around."""
    return " ".join("".join(c if c.isprintable() else " " for c in typed).split())


def _locale(language: Language) -> str:
    """Name the locale whose habits a document in this language follows."""
    return f"{language}_{_REGIONS[language]}"


def _money(cents: Cents, language: Language) -> str:
    """Write an amount with its currency: ``1 234,56 €`` in French, ``€ 1.234,56`` in Dutch."""
    return format_currency(Decimal(cents).scaleb(-2), "EUR", locale=_locale(language))


def _day(day: date, language: Language) -> str:
    """Write a day with the month's name: no reader takes the month for the day."""
    written = format_date(day, "long", locale=_locale(language))
    # The locale data know "1 mars"; a francophone writes "1er mars".
    return written.replace("1", "1er", 1) if language == "fr" and day.day == 1 else written
