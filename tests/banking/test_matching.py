"""Where payments go, without a database: nothing is lost, whatever arrives in whatever order."""

import itertools
import os
import random
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from itschool_api import references
from itschool_api.banking import coda, matching
from itschool_api.banking.coda.builders import outgoing, payment, transfer
from itschool_api.banking.matching import Books, Cause, Planned, State
from itschool_api.money import Cents

PAYER = coda.Counterparty("BE71096123456769", "EUR", "GKCCBEBB", "AN PEETERS")
FAMILY, STUDENT, WALLET = UUID(int=1), UUID(int=2), UUID(int=3)
INVOICES = [UUID(int=10 + place) for place in range(4)]
REFERENCES = {references.issue(1000 + place): account for place, account in enumerate(INVOICES)}
WALLET_REFERENCE = references.issue(77)
PAYMENTS = 100_000 if os.environ.get("ITSCHOOL_LONG") else 1_000


def books(
    due: Sequence[int], *, spread_excess: bool = True, closed: frozenset[UUID] = frozenset()
) -> Books:
    """One family with an invoice for each amount, the first the oldest due."""
    return Books(
        account_of=dict([*REFERENCES.items(), (WALLET_REFERENCE, WALLET)]),
        remaining_cents={
            account: Cents(cents) for account, cents in zip(INVOICES, due, strict=False)
        },
        billed=dict.fromkeys(INVOICES, (FAMILY, STUDENT)),
        open_of_family={FAMILY: INVOICES[: len(due)]},
        general_wallet={STUDENT: WALLET},
        closed=closed,
        spread_excess=spread_excess,
    )


def planned(movements: Sequence[coda.Movement], picture: Books) -> list[Planned]:
    statement = coda.statement(
        coda.Account(number="BE71096123456769"),
        movements,
        number=1,
        on=date(2026, 11, 20),
        opening_cents=Cents(1_000_000_00),
    )
    return matching.plan(matching.lines_of([statement], [0]), picture)


def reference_of(place: int) -> str:
    return references.issue(1000 + place)


def paid_to(plan: Sequence[Planned]) -> dict[UUID, int]:
    sums: dict[UUID, int] = {}
    for each in plan:
        for account, cents in each.parts:
            sums[account] = sums.get(account, 0) + cents
    return sums


def test_an_invoice_is_paid_before_older_ones() -> None:
    plan = planned([payment(reference_of(2), Cents(5), PAYER)], books([10, 10, 10]))
    assert plan[0].parts == ((INVOICES[2], 5),)


def test_excess_goes_to_the_oldest_due_first_then_to_the_wallet() -> None:
    plan = planned([payment(reference_of(2), Cents(27), PAYER)], books([10, 5, 10]))
    assert plan[0].parts == ((INVOICES[2], 10), (INVOICES[0], 10), (INVOICES[1], 5), (WALLET, 2))


def test_excess_that_may_not_spread_goes_to_the_wallet() -> None:
    plan = planned(
        [payment(reference_of(2), Cents(27), PAYER)], books([10, 5, 10], spread_excess=False)
    )
    assert plan[0].parts == ((INVOICES[2], 10), (WALLET, 17))


def test_all_of_a_payment_waits_where_its_excess_has_no_place() -> None:
    plan = planned(
        [payment(reference_of(0), Cents(11), PAYER), payment(reference_of(0), Cents(10), PAYER)],
        books([10], closed=frozenset({WALLET})),
    )
    assert [(each.state, each.cause) for each in plan] == [
        (State.SUSPENSE, Cause.CLOSED_ACCOUNT),
        (State.PAID, None),
    ]


def test_a_payment_into_a_closed_wallet_waits() -> None:
    plan = planned(
        [payment(WALLET_REFERENCE, Cents(1), PAYER)], books([], closed=frozenset({WALLET}))
    )
    assert plan[0].cause is Cause.CLOSED_ACCOUNT


def test_one_reference_written_twice_is_one() -> None:
    text = f"{reference_of(0)} / {references.formatted(references.Reference(reference_of(0)))}"
    plan = planned([transfer(text, Cents(5), PAYER)], books([10]))
    assert plan[0].parts == ((INVOICES[0], 5),)


def test_an_unknown_marked_reference_yields_to_an_issued_one_in_the_text() -> None:
    unknown = references.formatted(references.issue(5))
    plan = planned([transfer(f"{unknown} {reference_of(0)}", Cents(5), PAYER)], books([10]))
    assert plan[0].parts == ((INVOICES[0], 5),)


def test_a_debit_with_a_reference_takes_nothing() -> None:
    plan = planned([outgoing(reference_of(0), Cents(5), PAYER)], books([10]))
    assert (plan[0].state, plan[0].cause) == (State.IGNORED, Cause.OUTGOING_PAYMENT)
    assert plan[0].parts == ()


amounts = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5_000)), max_size=25)


@given(due=st.lists(st.integers(1, 9_000), min_size=4, max_size=4), arriving=amounts)
def test_nothing_is_lost_and_no_invoice_is_overpaid(
    due: list[int], arriving: list[tuple[int, int]]
) -> None:
    """REL-08, REL-18."""
    movements = [payment(reference_of(place), Cents(cents), PAYER) for place, cents in arriving]

    plan = planned(movements, books(due))

    assert [sum(cents for _, cents in each.parts) for each in plan] == [
        cents for _, cents in arriving
    ]
    sums = paid_to(plan)
    for invoice, cents in zip(INVOICES, due, strict=True):
        assert sums.get(invoice, 0) <= cents
    if sums.get(WALLET):
        # Only what no invoice needs becomes credit.
        assert all(
            sums.get(invoice, 0) == cents for invoice, cents in zip(INVOICES, due, strict=True)
        )


@given(due=st.integers(1, 3_000), parts=st.lists(st.integers(1, 2_000), min_size=1, max_size=5))
def test_partial_payments_commute(due: int, parts: list[int]) -> None:
    """REL-07: every order leaves the same state."""
    states = set()
    for order in itertools.permutations(parts):
        movements = [payment(reference_of(0), Cents(cents), PAYER) for cents in order]
        states.add(tuple(sorted(paid_to(planned(movements, books([due]))).items())))
    assert len(states) == 1


@given(st.text(max_size=140))
def test_no_text_pays_anybody_by_chance(text: str) -> None:
    """REL-17: only what was issued matches."""
    printable = "".join(character for character in text if " " <= character <= "~")
    plan = planned([transfer(printable, Cents(5), PAYER)], books([10]))
    if not any(reference in references.candidates(printable) for reference in REFERENCES):
        assert plan[0].state is State.SUSPENSE


@given(st.sampled_from(sorted(REFERENCES)), st.integers(0, 11), st.integers(1, 9))
def test_a_mistyped_digit_pays_nobody(reference: str, place: int, by: int) -> None:
    """REL-17."""
    digit = (int(reference[place]) + by) % 10
    wrong = f"{reference[:place]}{digit}{reference[place + 1 :]}"
    plan = planned([payment(wrong, Cents(5), PAYER)], books([10]))
    assert plan[0].state is State.SUSPENSE
    assert plan[0].cause in {Cause.BAD_CHECK_DIGITS, Cause.UNKNOWN_REFERENCE}


def test_references_that_nobody_issued_pay_nobody(chance: random.Random) -> None:
    """REL-17: not one of 100,000, half of them with the right check digits."""
    strangers = [
        references.issue(chance.randrange(10**10))
        if place % 2
        else f"{chance.randrange(10**12):012}"
        for place in range(PAYMENTS)
    ]
    for first in range(0, PAYMENTS, 500):
        some = [each for each in strangers[first : first + 500] if each not in REFERENCES]
        movements = [
            payment(each, Cents(5), PAYER) if place % 3 else transfer(each, Cents(5), PAYER)
            for place, each in enumerate(some)
            if each != WALLET_REFERENCE
        ]
        assert not paid_to(planned(movements, books([10])))


def test_a_column_that_old_files_fill_otherwise_returns_nothing() -> None:
    """Only 1 to 5 are R-transactions (Febelfin CODA 2.6, page 19)."""
    paid = payment(WALLET_REFERENCE, Cents(5), PAYER)
    plan = planned([paid._replace(return_code="0"), paid._replace(return_code="2")], books([]))
    assert [each.cause for each in plan] == [None, Cause.RETURNED_PAYMENT]
