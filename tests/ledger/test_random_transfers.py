"""Random transfers, many in a transaction: what is stored is always what they make."""

import os
import random
from datetime import date
from uuid import UUID

import pytest

from itschool_api.database import new_id, school_transaction
from itschool_api.ledger import service as ledger
from itschool_api.ledger.service import InsufficientFunds, Posting
from itschool_api.money import Cents
from tests.kit import School, books_are_clean

pytestmark = pytest.mark.anyio
DAY = date(2026, 11, 20)
OPERATIONS = 1_000_000 if os.environ.get("ITSCHOOL_LONG") else 2_000


async def test_stored_balances_are_the_sums_of_random_transfers(
    school: School, chance: random.Random
) -> None:
    """REL-04, REL-05: after each transaction; refused ones leave nothing."""
    floors = [0, 0, -5_00, 0, 0, -1_00]
    async with school_transaction(school.sessions, school.id) as session:
        opened = await ledger.open_with_references(
            session, school.id, "wallet", [(Cents(floor), None) for floor in floors]
        )
    wallets = [account for account, _ in opened]
    sums = dict.fromkeys(wallets, 0)
    done = refused = 0
    # Chance may find all that it asks for there: out of an empty wallet nothing can go.
    moves: list[tuple[UUID | None, UUID | None, int]] = [(wallets[0], None, 1)]
    while done < OPERATIONS:
        made = dict(sums)
        try:
            async with school_transaction(school.sessions, school.id) as session:
                locked = await ledger.lock(session, school.id, wallets)
                outside = locked.chart.other
                postings = [
                    Posting(
                        source or outside, target or outside, Cents(cents), f"t:{new_id()}", DAY
                    )
                    for source, target, cents in moves
                ]
                await ledger.post(session, locked, postings)
            for source, target, cents in moves:
                made |= {source: made.get(source, 0) - cents} if source else {}
                made |= {target: made.get(target, 0) + cents} if target else {}
            sums = made
        except InsufficientFunds:
            refused += 1
        done += len(moves)
        async with school_transaction(school.sessions, school.id) as session:
            stored = (await ledger.lock(session, school.id, wallets)).balances
        assert {account: each.balance_cents for account, each in stored.items()} == sums
        assert all(sums[account] >= floor for account, floor in zip(wallets, floors, strict=True))
        moves = [_move(chance, wallets) for _ in range(chance.choice((1, 40, 200)))]
    assert refused > 0
    await books_are_clean(school)


def _move(chance: random.Random, wallets: list[UUID]) -> tuple[UUID | None, UUID | None, int]:
    """Give a transfer between wallets, into one, or out of one; most of them can be made."""
    one, other = chance.sample(wallets, 2)
    kind = chance.random()
    if kind < 0.5:
        return None, one, chance.randint(1, 50_00)
    if kind < 0.8:
        return one, other, chance.randint(1, 60)
    return one, None, chance.randint(1, 60)
