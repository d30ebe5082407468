"""Make up whole CODA files: any size, the same for the same seed, with every kind of outcome.

The people, accounts and streets are invented; whatever they resemble is chance.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from itschool_api import references
from itschool_api.banking.coda import builders
from itschool_api.banking.coda.builders import Account
from itschool_api.banking.coda.model import Counterparty, Movement, Statement
from itschool_api.money import Cents

SCHOOL: Final = Account(
    number="BE92732664554623",
    bic="CREGBEBB",
    holder="ECOLE DU TILLEUL ASBL",
    company_number="00417331909",
)

OPENING: Final = Cents(1_000_00)
_FIRST: Final = (
    *("Marie", "Louise", "Emma", "Jules", "Noah", "Adam", "Lina", "Fatima", "Jan", "Els"),
    *("Koen", "Aline", "Yasmine", "Arthur", "Mohamed", "Lucas", "Anna", "Eline", "Victor", "Zoé"),
)
_LAST: Final = (
    *("Dupont", "Peeters", "Janssens", "Lambert", "Maes", "Nguyen", "El Amrani", "Claes"),
    *("Jacobs", "Mertens", "Willems", "Dubois", "Leroy", "Simon", "De Smet", "Lefèvre"),
)
_STREETS: Final = ("Rue Haute", "Kerkstraat", "Avenue Louise", "Stationsstraat", "Rue du Moulin")
_PLACES: Final = ("1000 BRUXELLES", "2000 ANTWERPEN", "4000 LIEGE", "9000 GENT", "5000 NAMUR")
_BICS: Final = ("GKCCBEBB", "GEBABEBB", "KREDBEBB", "BBRUBEBB", "BPOTBEB1", "AXABBE22")
_TEXTS: Final = (
    "Repas de {child} novembre, merci",
    "Voor {child}, opvang en middag",
    "Classes vertes {child}",
    "Solde du mois passe",
)


class Kind(StrEnum):
    """What a movement can be; the names are also what an import has to make of them."""

    STRUCTURED = "structured"
    RECONSTITUTED = "reconstituted"
    FREE_TEXT_REFERENCE = "free-text-reference"
    CREDITOR_REFERENCE = "creditor-reference"
    FOREIGN = "foreign"
    BAD_CHECK_DIGITS = "bad-check-digits"
    NO_REFERENCE = "no-reference"
    ACCOUNT_IN_TEXT = "account-in-text"
    OUTGOING = "outgoing"
    CHARGES = "charges"
    BANK_TOTAL = "bank-total"
    DETAILED_BANK_TOTAL = "detailed-bank-total"
    CUSTOMER_TOTAL = "customer-total"
    TOTAL_WITHOUT_DETAILS = "total-without-details"
    RETURNED = "returned"
    RECALLED = "recalled"


MIX: Final[Mapping[Kind, int]] = {
    Kind.STRUCTURED: 60,
    Kind.RECONSTITUTED: 3,
    Kind.FREE_TEXT_REFERENCE: 8,
    Kind.CREDITOR_REFERENCE: 1,
    Kind.FOREIGN: 1,
    Kind.BAD_CHECK_DIGITS: 2,
    Kind.NO_REFERENCE: 8,
    Kind.ACCOUNT_IN_TEXT: 1,
    Kind.OUTGOING: 6,
    Kind.CHARGES: 2,
    Kind.BANK_TOTAL: 2,
    Kind.DETAILED_BANK_TOTAL: 1,
    Kind.CUSTOMER_TOTAL: 1,
    Kind.TOTAL_WITHOUT_DETAILS: 2,
    Kind.RETURNED: 1,
    Kind.RECALLED: 1,
}
"""How many of a hundred movements are of which kind, about as at a school."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment that must be in the file; without a payer, somebody is made up."""

    reference: str
    amount_cents: Cents
    payer: Counterparty | None = None


class Imagination:
    """Makes up people, accounts, amounts and movements from one seed."""

    def __init__(self, seed: int, on: date) -> None:
        self.on = on
        self._random = random.Random(seed)

    def account(self) -> str:
        """Make up a Belgian IBAN with right check digits."""
        bban = references.issue(self._random.randrange(10**9, 10**10))
        return f"BE{98 - int(bban + '111400') % 97:02d}{bban}"

    def person(self) -> Counterparty:
        """Make up somebody with an account at a Belgian bank."""
        name = f"{self._random.choice(_LAST)} {self._random.choice(_FIRST)}"
        return Counterparty(self.account(), "EUR", self._random.choice(_BICS), name)

    def amount(self) -> Cents:
        """Make up what families pay: 2.50 to 250.00."""
        return Cents(self._random.randrange(250, 25_000, 5))

    def reference(self) -> str:
        """Make up a reference; that it was ever issued is unlikely."""
        return references.issue(self._random.randrange(10**9))

    def text(self) -> str:
        """Make up a free text without a reference."""
        return self._random.choice(_TEXTS).format(child=self._random.choice(_FIRST))

    def kinds(self, mix: Mapping[Kind, int], count: int) -> list[Kind]:
        """Choose kinds by their weights."""
        return self._random.choices(list(mix), list(mix.values()), k=count)

    def movement(self, kind: Kind) -> Movement:
        """Make up a movement of this kind; every other payer's bank also gives the address."""
        movement = _MAKERS[kind](self)
        if movement.counterparty_name and self._random.random() < 0.5:  # noqa: PLR2004  (half)
            street = f"{self._random.choice(_STREETS)} {self._random.randrange(1, 200)}"
            return builders.with_address(movement, street, self._random.choice(_PLACES))
        return movement

    def paid(self, wanted: Payment) -> Movement:
        """Pay exactly this."""
        payer = wanted.payer or self.person()
        return builders.payment(wanted.reference, wanted.amount_cents, payer)

    def payments(self) -> list[Movement]:
        """Make up a few structured payments, as a bank totals them."""
        return [
            builders.payment(self.reference(), self.amount(), self.person())
            for _ in range(self._random.randrange(2, 6))
        ]

    def shuffle(self, movements: list[Movement]) -> None:
        """Bring them in the order of a day."""
        self._random.shuffle(movements)


def _bad_check_digits(mind: Imagination) -> Movement:
    good = mind.reference()
    bad = f"{good[:10]}{int(good[10:]) % 97 + 1:02d}"
    return builders.payment(bad, mind.amount(), mind.person())


def _framed(mind: Imagination) -> Movement:
    """Put a reference where the bank's records cut it in two (columns 63 to 115, then 11)."""
    text = f"{mind.text():46} {references.formatted(references.Reference(mind.reference()))}"
    return builders.transfer(text, mind.amount(), mind.person())


def _creditor_reference(mind: Imagination) -> Movement:
    body = mind.reference()
    check = 98 - int(f"{body}271500") % 97  # ISO 11649: R is 27, F is 15
    return builders.payment(f"RF{check:02d}{body}", mind.amount(), mind.person())


def _detailed(mind: Imagination) -> Movement:
    first, *others = mind.payments()
    parts = (
        builders.transfer("Part 1", Cents(100), builders.NOBODY),
        builders.transfer("Part 2", Cents(first.amount_milli // 10 - 100), builders.NOBODY),
    )
    return builders.bank_total("Versements groupes", [first._replace(details=parts), *others])


def _customer_total(mind: Imagination) -> Movement:
    items = [
        builders.direct_debit(f"MND{n:05d}", mind.text(), mind.amount(), mind.person(), mind.on)
        for n in range(1, 4)
    ]
    return builders.customer_total("Domiciliations", items)


_MAKERS: Final[Mapping[Kind, Callable[[Imagination], Movement]]] = {
    Kind.STRUCTURED: lambda m: builders.payment(m.reference(), m.amount(), m.person()),
    Kind.RECONSTITUTED: lambda m: builders.payment(
        m.reference(), m.amount(), m.person(), is_reconstituted=True
    ),
    Kind.FREE_TEXT_REFERENCE: _framed,
    Kind.CREDITOR_REFERENCE: _creditor_reference,
    Kind.FOREIGN: lambda m: builders.foreign_payment(m.reference(), m.amount(), m.person()),
    Kind.BAD_CHECK_DIGITS: _bad_check_digits,
    Kind.NO_REFERENCE: lambda m: builders.transfer(m.text(), m.amount(), m.person()),
    Kind.ACCOUNT_IN_TEXT: lambda m: builders.transfer(
        f"Compte {m.account()[4:]} remboursement", m.amount(), m.person()
    ),
    Kind.OUTGOING: lambda m: builders.outgoing("Facture fournisseur", m.amount(), m.person()),
    Kind.CHARGES: lambda _: builders.charges("Frais de gestion", Cents(5_00), Cents(1_05)),
    Kind.BANK_TOTAL: lambda m: builders.bank_total("Versements groupes", m.payments()),
    Kind.DETAILED_BANK_TOTAL: _detailed,
    Kind.CUSTOMER_TOTAL: _customer_total,
    Kind.TOTAL_WITHOUT_DETAILS: lambda m: builders.card_total("Terminal", m.amount(), Cents(50)),
    Kind.RETURNED: lambda m: builders.returned_transfer(m.amount(), m.person()),
    Kind.RECALLED: lambda m: builders.recalled_payment(m.reference(), m.amount(), m.person()),
}


def generate(
    *,
    on: date,
    seed: int = 0,
    movements: int = 20,
    account: Account = SCHOOL,
    number: int = 1,
    opening_cents: Cents = OPENING,
    pay: Sequence[Payment] = (),
    mix: Mapping[Kind, int] = MIX,
    statements: int = 1,
) -> list[Statement]:
    """Make up statements of one account on following days, each beginning where the last ended.

    ``movements`` counts those of all statements together, the payments asked for included; the
    same arguments always give the same statements.
    """
    mind = Imagination(seed, on)
    lines = [mind.paid(wanted) for wanted in pay]
    lines += [mind.movement(kind) for kind in mind.kinds(mix, max(0, movements - len(lines)))]
    mind.shuffle(lines)
    made: list[Statement] = []
    for index in range(statements):
        share = lines[index * len(lines) // statements : (index + 1) * len(lines) // statements]
        day = on + timedelta(days=index)
        made.append(
            builders.statement(
                account, share, on=day, number=number + index, opening_cents=opening_cents
            )
        )
        opening_cents = Cents(made[-1].closing_milli // 10)
    return made
