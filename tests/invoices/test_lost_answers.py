"""Payments whose answers never arrive, and that are sent again."""

import os
import random

import pytest

from itschool_api.banking.coda.builders import payment
from itschool_api.money import Cents
from tests.kit import PAYER, Child, School, books_are_clean, ok, once

pytestmark = pytest.mark.anyio
TIMES = 1_000 if os.environ.get("ITSCHOOL_LONG") else 30


async def balance(child: Child) -> int:
    return int(ok(await child.parent.get(f"/v1/wallets/{child.wallet_id}"))["balance_cents"])


async def test_answers_that_are_lost_and_asked_for_again_double_nothing(
    school: School, chance: random.Random
) -> None:
    """REL-11: committed, the answer dropped, repeated with its key until one arrives."""
    child = await school.child()
    invoice = await school.invoice(child, TIMES * 1_00)
    await school.post_coda(school.coda(payment(child.reference, Cents(TIMES * 1_00), PAYER)))
    url, form = f"/v1/invoices/{invoice['id']}/payments", {"wallet_id": child.wallet_id}

    for done in range(1, TIMES + 1):
        headers = once()
        sent = [
            await child.parent.post(url, json=form | {"amount_cents": 1_00}, headers=headers)
            for _ in range(1 + chance.randint(1, 2))
        ]
        assert {each.status_code for each in sent} == {201}
        assert len({each.content for each in sent}) == 1
        if done % 10 == 0:
            assert await balance(child) == (TIMES - done) * 1_00

    assert await balance(child) == 0
    paid = ok(await child.parent.get(f"/v1/invoices/{invoice['id']}"))
    assert (paid["status"], paid["paid_cents"]) == ("paid", TIMES * 1_00)
    await books_are_clean(school)
