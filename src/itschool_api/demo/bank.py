"""Invents what the bank reports: weeks of payments, with everything that can happen to one.

Pure: references and amounts in, statements out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import cycle, islice
from random import Random
from typing import Final

from itschool_api import references
from itschool_api.banking import coda
from itschool_api.banking.coda import Counterparty, Movement, Statement, builders
from itschool_api.banking.coda.generator import Imagination, Kind
from itschool_api.demo.invention import SchoolPlan
from itschool_api.money import Cents
from itschool_api.references import Reference

BANK_DAYS: Final = 10
_OPENING: Final = Cents(18_250_00)
_SATURDAY: Final = 5
_HOLDER_WIDTH: Final = 26
# A daily file of card payments alone, beside the statements of everything.
_SEPARATE_APPLICATION: Final = "00507"
_OWN_TRANSFER: Final = "00164000"
_INTEREST: Final = "03501000"
_TOP_UPS: Final = (10_00, 15_00, 20_00, 25_00, 30_00, 40_00, 50_00, 60_00, 75_00)

# What must come to the bank together: equal payments, the parts of one story.
Group = tuple[Movement, ...]


@dataclass(frozen=True, slots=True)
class Payable:
    """Something that a family can pay into, and how it would."""

    reference: Reference
    payer: Counterparty
    child: str
    due_cents: Cents
    """What remains of an invoice; 0 for a wallet."""
    is_parents: bool
    """Whether it is of the first family, whose balances are foretold."""


@dataclass(frozen=True, slots=True)
class Payables:
    """What a school's families can pay into."""

    wallets: Sequence[Payable]
    invoices: Sequence[Payable]
    closed_wallet: Payable


def account_of(plan: SchoolPlan) -> coda.Account:
    """Return the school's account as its bank writes it."""
    return coda.Account(
        number=plan.iban,
        bic=plan.bic,
        holder=plan.holder.upper()[:_HOLDER_WIDTH],
        company_number=plan.enterprise_number.replace(".", "").rjust(11, "0"),
    )


def statements(plan: SchoolPlan, payables: Payables, until: date) -> list[Statement]:
    """Make the statements of the bank's last days, with every outcome; the newest is the last."""
    random = Random(plan.seed)
    mind = Imagination(plan.seed, until)
    elsewhere = [mind.movement(Kind.STRUCTURED) for _ in range(4)]
    groups = [*_special(plan, mind, payables), *_of_invoices(random, payables.invoices)]
    groups += _of_parent(payables)
    room = plan.movements - len(elsewhere) - sum(map(booked, groups))
    wallets = [each for each in payables.wallets if not each.is_parents]
    again = cycle(random.sample(wallets, len(wallets)))
    groups += [(_top_up(random, wallet),) for wallet in islice(again, room)]
    random.shuffle(groups)
    alone = coda.statement(
        account_of(plan),
        elsewhere,
        on=until,
        number=number_of(until),
        separate_application=_SEPARATE_APPLICATION,
    )
    return [alone, *_days(plan, groups, bank_days_before(until, BANK_DAYS))]


def following(
    plan: SchoolPlan, payables: Payables, before: Statement, on: date, invoice: Payable
) -> Statement:
    """Make the next statement: the first family tops up and pays `invoice`, among others."""
    random = Random(plan.seed + 1)
    mind = Imagination(plan.seed + 1, on)
    mine, *_ = [each for each in payables.wallets if each.is_parents]
    others = [each for each in payables.wallets if not each.is_parents]
    return coda.statement(
        account_of(plan),
        [
            _paid(mine, Cents(45_00)),
            *[_top_up(random, each) for each in random.sample(others, 12)],
            _paid(invoice, invoice.due_cents),
            mind.movement(Kind.NO_REFERENCE),
            mind.movement(Kind.BAD_CHECK_DIGITS),
            mind.movement(Kind.OUTGOING),
            mind.movement(Kind.CHARGES),
        ],
        on=on,
        number=number_of(on),
        opening_cents=Cents(before.closing_milli // 10),
        opening_on=before.closing_on,
    )


def booked(group: Group) -> int:
    """Count the movements that an import decides on: the details of a total, not the total."""
    return sum(len(each.details) if each.itemised else 1 for each in group)


def bank_days_before(day: date, count: int) -> list[date]:
    """Return the last `count` days up to `day` on which banks work, the oldest first."""
    days: list[date] = []
    while len(days) < count:
        if day.weekday() < _SATURDAY:
            days.append(day)
        day -= timedelta(days=1)
    return days[::-1]


def number_of(day: date) -> int:
    """Return the number of a bank day's statement: from 1 each year."""
    days = (day - date(day.year, 1, 1)).days + 1
    return sum(
        1
        for passed in range(days)
        if (date(day.year, 1, 1) + timedelta(days=passed)).weekday() < _SATURDAY
    )


def _days(plan: SchoolPlan, groups: Sequence[Group], days: Sequence[date]) -> Iterator[Statement]:
    opening, opening_on = _OPENING, days[0] - timedelta(days=1)
    for place, day in enumerate(days):
        share = groups[place * len(groups) // len(days) : (place + 1) * len(groups) // len(days)]
        statement = coda.statement(
            account_of(plan),
            [movement for group in share for movement in group],
            on=day,
            number=number_of(day),
            opening_cents=opening,
            opening_on=opening_on,
        )
        yield statement
        opening, opening_on = Cents(statement.closing_milli // 10), day


def _of_parent(payables: Payables) -> Iterator[Group]:
    """Pay what is foretold: the parent's wallets hold something, the oldest invoice is paid."""
    for wallet, cents in zip(
        [each for each in payables.wallets if each.is_parents],
        (50_00, 32_50, 25_00, 18_00),
        strict=False,
    ):
        yield (_paid(wallet, Cents(cents)),)
    for invoice in payables.invoices:
        if invoice.is_parents:
            yield (_paid(invoice, invoice.due_cents),)


def _of_invoices(random: Random, invoices: Sequence[Payable]) -> Iterator[Group]:
    """Pay most invoices, each by a story; the first ones tell every story once."""
    others = [each for each in invoices if not each.is_parents]
    stories = [*_STORIES]
    more = random.choices(stories, [*_STORIES.values()], k=len(others))
    for invoice, story in zip(others, [*stories, *more], strict=False):
        yield story(random, invoice)


def _whole(_: Random, invoice: Payable) -> Group:
    return (_paid(invoice, invoice.due_cents),)


def _in_part(_: Random, invoice: Payable) -> Group:
    return (_paid(invoice, Cents(invoice.due_cents // 2)),)


def _in_two(_: Random, invoice: Payable) -> Group:
    half = Cents(invoice.due_cents // 2)
    return _paid(invoice, half), _paid(invoice, Cents(invoice.due_cents - half))


def _too_much(random: Random, invoice: Payable) -> Group:
    return (_paid(invoice, Cents(invoice.due_cents + random.choice((5_00, 12_50, 80_00)))),)


def _twice(_: Random, invoice: Payable) -> Group:
    return (_paid(invoice, invoice.due_cents),) * 2


def _not_yet(_: Random, _invoice: Payable) -> Group:
    return ()


_STORIES: Final[Mapping[Callable[[Random, Payable], Group], int]] = {
    _whole: 66,
    _in_part: 10,
    _in_two: 8,
    _too_much: 6,
    _twice: 2,
    _not_yet: 8,
}
"""How many of a hundred invoices are paid in which way."""


def _special(plan: SchoolPlan, mind: Imagination, payables: Payables) -> Iterator[Group]:
    """Tell each story that an import must understand, a few times."""
    wallets = [each for each in payables.wallets if not each.is_parents]
    one, two, three, four, *more = wallets
    someone = mind.person()
    for child in (one, two, three, four):
        text = plan.words.greetings[0].format(child=child.child)
        yield (builders.transfer(text, mind.amount(), child.payer),)
        free = f"{child.child} {references.formatted(child.reference)}"
        yield (builders.transfer(free, Cents(25_00), child.payer),)
    both = f"{one.child} {one.reference} {two.child} {two.reference}"
    yield (builders.transfer(both, Cents(40_00), one.payer),)
    yield (builders.payment(three.reference, Cents(20_00), three.payer, is_reconstituted=True),)
    yield (builders.foreign_payment(four.reference, Cents(35_00), four.payer),)
    yield (_paid(two, Cents(15_00)), _paid(two, Cents(15_00)))  # two equal ones are two
    yield (_paid(payables.closed_wallet, Cents(30_00)),)
    totalled = [_paid(each, Cents(20_00)) for each in more[:5]]
    yield (builders.bank_total("Versements groupes - Gegroepeerde stortingen", totalled),)
    collected = [
        builders.direct_debit(
            f"MND{place:05d}",
            references.formatted(each.reference),
            Cents(30_00),
            each.payer,
            mind.on,
        )
        for place, each in enumerate(more[5:8], start=1)
    ]
    yield (builders.customer_total("Domiciliations - Domicilieringen", collected),)
    yield (builders.recalled_payment(more[8].reference, Cents(20_00), more[8].payer),)
    yield (builders.returned_transfer(Cents(48_00), someone),)
    for kind, count in (
        (Kind.BAD_CHECK_DIGITS, 4),
        (Kind.STRUCTURED, 3),
        (Kind.CREDITOR_REFERENCE, 1),
        (Kind.NO_REFERENCE, 5),
        (Kind.ACCOUNT_IN_TEXT, 1),
        (Kind.TOTAL_WITHOUT_DETAILS, 2),
        (Kind.OUTGOING, 9),
        (Kind.CHARGES, 2),
    ):
        yield from ((mind.movement(kind),) for _ in range(count))
    own = Counterparty(mind.account(), "EUR", plan.bic, plan.holder.upper())
    yield (builders.transfer("Compte epargne", Cents(2_500_00), own, code=_OWN_TRANSFER),)
    yield (builders.transfer("Interets", Cents(3_17), builders.NOBODY, code=_INTEREST),)
    yield (builders.transfer("Avis sans montant", Cents(0), someone),)


def _top_up(random: Random, wallet: Payable) -> Movement:
    return _paid(wallet, Cents(random.choice(_TOP_UPS)))


def _paid(payable: Payable, cents: Cents) -> Movement:
    return builders.payment(payable.reference, cents, payable.payer)
