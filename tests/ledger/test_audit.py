"""The proof of the books: clean where they are, and it finds what somebody broke."""

import asyncio
import os
from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from itschool_api.banking import audit as banking
from itschool_api.banking import coda
from itschool_api.banking.coda.builders import outgoing, payment, transfer
from itschool_api.database import new_id, school_transaction
from itschool_api.invoices import audit as invoices
from itschool_api.ledger import audit as ledger
from itschool_api.ledger import service
from itschool_api.ledger.service import AlreadyReversed, InsufficientFunds, Posting
from itschool_api.money import Cents
from tests.kit import PAYER, School, books_are_clean, ok, once

pytestmark = pytest.mark.anyio
DAY = date(2026, 11, 20)
REVERSALS = 500 if os.environ.get("ITSCHOOL_LONG") else 50

# Each breaks one thing that only the database's owner could.
CORRUPTIONS = {
    "a balance": "UPDATE accounts SET balance_cents = balance_cents + 1 WHERE school_id = :school "
    "AND kind = 'wallet' AND balance_cents > 0",
    "a count of entries": "UPDATE accounts SET entries = entries + 1 WHERE school_id = :school "
    "AND kind = 'wallet' AND entries > 0",
    "a balance after an entry": "UPDATE transfers SET target_balance_cents = 1 WHERE "
    "school_id = :school AND target_balance_cents > 1",
    "the order of entries": "UPDATE transfers SET target_entry = target_entry + 7 WHERE "
    "school_id = :school AND target_entry IS NOT NULL",
    "an amount": "UPDATE transfers SET amount_cents = amount_cents + 1 WHERE school_id = :school "
    "AND cause LIKE 'bank-transaction:%'",
    "the side of a transfer": "UPDATE transfers SET source_id = target_id, target_id = source_id "
    "WHERE school_id = :school AND cause LIKE 'bank-transaction:%'",
    "a line of an invoice": "UPDATE invoice_lines SET unit_cents = unit_cents + 1 "
    "WHERE school_id = :school",
    "the total of an invoice": "UPDATE invoices SET total_cents = total_cents + 1 "
    "WHERE school_id = :school",
    "the number of an invoice": "UPDATE invoices SET number = number + 1 WHERE school_id = :school",
    "the amount of a movement": "UPDATE bank_transactions SET amount_cents = amount_cents + 1 "
    "WHERE school_id = :school AND ordinal = 1",
    "the state of a movement": "UPDATE bank_transactions SET state = 'suspense', "
    "cause = 'no_reference' WHERE school_id = :school AND state = 'paid'",
    "what waits": "UPDATE bank_transactions SET state = 'ignored' WHERE school_id = :school "
    "AND state = 'suspense'",
    "the balance of a statement": "UPDATE bank_statements SET closing_cents = closing_cents + 1 "
    "WHERE school_id = :school",
    "an allocation": "DELETE FROM allocations WHERE school_id = :school",
    "the amounts of two movements": "UPDATE bank_transactions SET amount_cents = 700 - amount_cents"
    " WHERE school_id = :school AND state = 'suspense'",
    "two transfers that make up for each other": "DELETE FROM transfers t USING accounts a WHERE "
    "t.school_id = :school AND a.school_id = t.school_id AND a.kind = 'other' "
    "AND a.id IN (t.source_id, t.target_id)",
    "whom two payments went to": "UPDATE transfers t SET target_id = (SELECT w.account_id FROM "
    "wallets w WHERE w.school_id = t.school_id AND w.account_id <> t.target_id) "
    "WHERE t.school_id = :school AND t.amount_cents = 50_00 AND t.target_entry = 1",
    "the account of a reference": "UPDATE payment_references r SET account_id = (SELECT account_id "
    "FROM wallets w WHERE w.school_id = r.school_id AND w.account_id <> r.account_id LIMIT 1) "
    "WHERE r.school_id = :school",
}


async def busy(school: School) -> None:
    """Give a school something of everything."""
    child, other = await school.child(), await school.child()
    invoice = await school.invoice(child, 6_00)
    await school.post_coda(
        school.coda(
            payment(child.reference, Cents(50_00), PAYER),
            payment(other.reference, Cents(50_00), PAYER),
            payment(invoice["reference"], Cents(2_00), PAYER),
            transfer("cadeau", Cents(3_00), PAYER),
            transfer("encore", Cents(4_00), PAYER),
            transfer("interne", Cents(9_00), PAYER, code="00164000"),
            outgoing("eau", Cents(9_00), PAYER),
        )
    )
    ok(
        await child.parent.post(
            f"/v1/invoices/{invoice['id']}/payments",
            json={"wallet_id": child.wallet_id, "amount_cents": 1_00},
            headers=once(),
        ),
        201,
    )


@pytest.mark.parametrize("what", CORRUPTIONS)
async def test_a_corruption_is_found(school: School, owner_url: str, what: str) -> None:
    """REL-01, REL-23."""
    await busy(school)
    await books_are_clean(school)
    engine = create_async_engine(owner_url)
    async with engine.begin() as connection:
        broken = await connection.execute(text(CORRUPTIONS[what]), {"school": school.id})
        assert broken.rowcount > 0
    await engine.dispose()

    async with school_transaction(school.sessions, school.id) as session:
        found = [
            *await ledger.findings(session, school.id),
            *await invoices.findings(session, school.id),
            *await banking.findings(session, school.id),
        ]
    assert found, what


async def test_a_separate_application_may_have_any_balances(school: School) -> None:
    """They are a part's, whatever the standard says, and nothing of it is posted."""
    await busy(school)
    part = coda.statement(
        coda.Account(number=school.iban),
        [transfer("cadeau", Cents(3_00), PAYER)],
        number=1,
        on=DAY,
        separate_application="00001",
    )

    await school.post_coda(coda.write([replace(part, closing_milli=77_000)]))

    await books_are_clean(school)


async def open_wallet(school: School) -> Posting:
    """Open a wallet's account with 10.00 in it."""
    async with school_transaction(school.sessions, school.id) as session:
        [(account, _)] = await service.open_with_references(
            session, school.id, "wallet", [(Cents(0), None)]
        )
        locked = await service.lock(session, school.id, [account])
        posting = Posting(
            source_id=locked.chart.opening,
            target_id=account,
            amount_cents=Cents(10_00),
            cause=f"opening:{account}",
            booked_on=DAY,
            id=new_id(),
        )
        await service.post(session, locked, [posting])
    return posting


async def post(school: School, posting: Posting, holding: list[UUID]) -> None:
    async with school_transaction(school.sessions, school.id) as session:
        locked = await service.lock(session, school.id, holding)
        await service.post(session, locked, [posting])


async def reverse(school: School, posting: Posting) -> None:
    async with school_transaction(school.sessions, school.id) as session:
        assert posting.id
        await service.reverse(session, school.id, [posting.id], DAY)


async def test_each_transfer_is_reversed_once(school: School) -> None:
    """REL-09: of reversals that are sent twice at once, exactly half succeed."""
    postings = [await open_wallet(school) for _ in range(REVERSALS)]

    results = await asyncio.gather(
        *(reverse(school, posting) for posting in postings for _ in range(2)),
        return_exceptions=True,
    )

    assert results.count(None) == REVERSALS
    # The loser finds the transfer reversed, or the money gone already.
    refused = [each for each in results if each is not None]
    assert all(isinstance(each, (AlreadyReversed, InsufficientFunds)) for each in refused)
    await books_are_clean(school)


async def test_what_was_spent_since_cannot_be_reversed(school: School) -> None:
    posting = await open_wallet(school)
    async with school_transaction(school.sessions, school.id) as session:
        locked = await service.lock(session, school.id, [posting.target_id])
        spent = Posting(
            source_id=posting.target_id,
            target_id=locked.chart.other,
            amount_cents=Cents(1),
            cause=f"test:{posting.id}",
            booked_on=DAY,
        )
        await service.post(session, locked, [spent])
    with pytest.raises(InsufficientFunds):
        await reverse(school, posting)


async def test_a_cause_is_booked_once(school: School) -> None:
    posting = await open_wallet(school)
    again = Posting(
        posting.source_id, posting.target_id, Cents(1), posting.cause, posting.booked_on
    )
    with pytest.raises(IntegrityError):
        await post(school, again, holding=[posting.target_id])


async def test_nobody_moves_money_on_accounts_that_are_not_held(school: School) -> None:
    posting = await open_wallet(school)
    with pytest.raises(LookupError):
        await post(school, posting, holding=[])
