"""One statement is imported once, in whichever way the bank writes it this time."""

from datetime import date

import pytest
from httpx2 import Response

from itschool_api.banking import coda
from itschool_api.banking.coda.builders import payment
from itschool_api.money import Cents
from tests.kit import PAYER, Child, School, books_are_clean, ok, problem

pytestmark = pytest.mark.anyio


def old_and_new(school: School, child: Child) -> list[coda.Statement]:
    """Return the same statement of the account's old number, and of its IBAN."""
    return [
        coda.statement(
            coda.Account(number=number, structure=structure),
            [payment(child.reference, Cents(5_00), PAYER)],
            number=1,
            on=date(2026, 11, 20),
        )
        for number, structure in (
            (school.iban[4:], coda.AccountStructure.BELGIAN_BBAN),
            (school.iban, coda.AccountStructure.BELGIAN_IBAN),
        )
    ]


async def post(school: School, *statements: coda.Statement) -> Response:
    return await school.manager.post(
        "/v1/bank-statements",
        content=coda.write(statements),
        headers={"Content-Type": "text/plain"},
    )


async def balance(school: School, child: Child) -> int:
    wallet = ok(await school.manager.get(f"/v1/wallets/{child.wallet_id}"))
    return int(wallet["balance_cents"])


@pytest.mark.parametrize("order", [1, -1])
async def test_a_bank_that_writes_the_account_in_another_way_pays_nothing_twice(
    school: School, order: int
) -> None:
    child = await school.child()
    first, again = old_and_new(school, child)[::order]
    ok(await post(school, first), 201)

    problem(await post(school, again), 409, "statement-conflict")

    assert await balance(school, child) == 5_00
    await books_are_clean(school)


async def test_nor_does_one_file_that_holds_both_ways(school: School) -> None:
    child = await school.child()
    problem(await post(school, *old_and_new(school, child)), 409, "statement-conflict")
    assert await balance(school, child) == 0
