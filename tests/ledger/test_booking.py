"""The arithmetic of transfers, without a database."""

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itschool_api.ledger.booking import AboveCeiling, Balance, BelowFloor, Closed, Posting, book
from itschool_api.money import Cents

WALLET, INVOICE, BANK = UUID(int=1), UUID(int=2), UUID(int=3)
DAY = date(2026, 11, 20)


def posting(source: UUID, target: UUID, cents: int) -> Posting:
    return Posting(source, target, Cents(cents), f"test:{source}{target}{cents}", DAY)


def wallet(cents: int = 0, floor: int = 0, *, closed: bool = False) -> Balance:
    return Balance(Cents(cents), Cents(floor), None, entries=0, closed=closed)


def test_money_leaves_one_side_and_reaches_the_other() -> None:
    booked, changed = book(
        {WALLET: wallet(10_00), INVOICE: Balance(Cents(-6_00), Cents(-6_00), Cents(0), 1)},
        [posting(WALLET, INVOICE, 6_00)],
    )

    assert changed[WALLET].balance_cents == 4_00
    assert changed[INVOICE].balance_cents == 0
    assert booked[0].source == changed[WALLET]
    assert changed[INVOICE].entries == 2


def test_a_wallet_is_not_spent_below_its_floor() -> None:
    with pytest.raises(BelowFloor) as refused:
        book({WALLET: wallet(10_00)}, [posting(WALLET, BANK, 10_01)])
    assert refused.value.account_id == WALLET


def test_an_overdraft_reaches_to_its_limit_and_no_further() -> None:
    _, changed = book({WALLET: wallet(0, -5_00)}, [posting(WALLET, BANK, 5_00)])
    assert changed[WALLET].balance_cents == -5_00
    with pytest.raises(BelowFloor):
        book(changed, [posting(WALLET, BANK, 1)])


def test_an_overdraft_may_be_reduced_below_a_floor_that_was_raised() -> None:
    _, changed = book({WALLET: wallet(-8_00, 0)}, [posting(BANK, WALLET, 1_00)])
    assert changed[WALLET].balance_cents == -7_00


def test_an_invoice_takes_no_more_than_is_due() -> None:
    invoice = Balance(Cents(-6_00), Cents(-6_00), Cents(0), 1)
    with pytest.raises(AboveCeiling):
        book({INVOICE: invoice}, [posting(BANK, INVOICE, 6_01)])


def test_a_closed_account_neither_takes_nor_gives() -> None:
    with pytest.raises(Closed):
        book({WALLET: wallet(1_00, closed=True)}, [posting(BANK, WALLET, 1)])
    with pytest.raises(Closed):
        book({WALLET: wallet(1_00, closed=True)}, [posting(WALLET, BANK, 1)])


@pytest.mark.parametrize("cents", [0, -1])
def test_only_positive_amounts_move(cents: int) -> None:
    with pytest.raises(ValueError, match="not a transfer"):
        book({}, [posting(BANK, WALLET, cents)])


def test_money_goes_somewhere_else() -> None:
    with pytest.raises(ValueError, match="not a transfer"):
        book({}, [posting(WALLET, WALLET, 1)])


@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1, 2]), st.sampled_from([0, 1, 2]), st.integers(1, 500)),
        max_size=60,
    )
)
def test_whatever_is_booked_the_sum_stays_and_no_floor_is_crossed(
    moves: list[tuple[int, int, int]],
) -> None:
    """REL-01, REL-04, REL-05: refused as a whole or booked as a whole."""
    ids = [UUID(int=number) for number in (1, 2, 3)]
    balances = {each: wallet(10_00, -1_00) for each in ids}
    for source, target, cents in moves:
        if source == target:
            continue
        before = dict(balances)
        try:
            _, changed = book(balances, [posting(ids[source], ids[target], cents)])
        except BelowFloor:
            assert balances == before
            assert balances[ids[source]].balance_cents - cents < -1_00
            continue
        balances |= changed
        assert sum(each.balance_cents for each in balances.values()) == 30_00
        assert all(each.balance_cents >= -1_00 for each in balances.values())
