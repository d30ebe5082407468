"""What an invoice's money and days say about it. Pure."""

from collections.abc import Iterable
from datetime import date
from enum import StrEnum

from itschool_api.money import Cents


class InvoiceStatus(StrEnum):
    """How far an invoice is; `overdue` is told beside it."""

    DRAFT = "draft"
    ISSUED = "issued"
    PARTIALLY_PAID = "partially_paid"
    PAID = "paid"


def status(total_cents: Cents, balance_cents: Cents | None) -> InvoiceStatus:
    """Return the status; a draft has no balance, a paid invoice a balance of 0.

    An issued invoice is an account whose balance starts at minus its total.
    """
    if balance_cents is None:
        return InvoiceStatus.DRAFT
    if balance_cents == 0:
        return InvoiceStatus.PAID
    return InvoiceStatus.ISSUED if balance_cents == -total_cents else InvoiceStatus.PARTIALLY_PAID


def is_overdue(balance_cents: Cents | None, due_on: date | None, today: date) -> bool:
    """Tell whether something is due since before `today`."""
    return bool(balance_cents) and due_on is not None and due_on < today


def shown_number(series: str, year: int, number: int) -> str:
    """Return a number as people read it, such as `F-2026-00003`."""
    return f"{series}-{year}-{number:05d}"


def paid_by_line(paid_cents: Cents, line_cents: Iterable[Cents]) -> list[Cents]:
    """Share out what was paid over the lines, the first line first (rule 15)."""
    left = int(paid_cents)
    shares = []
    for cents in line_cents:
        share = min(left, cents)
        shares.append(Cents(share))
        left -= share
    return shares
