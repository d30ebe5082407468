"""The thinnest thread through everything: a bank's file becomes balances."""

import pytest

from itschool_api.auth.caller import Scope
from itschool_api.banking.coda.builders import charges, payment, transfer
from itschool_api.money import Cents
from tests.kit import PAYER, School, ok

pytestmark = pytest.mark.anyio


async def test_a_posted_coda_file_tops_up_a_wallet_and_pays_an_invoice(school: School) -> None:
    child = await school.child()
    invoice = await school.invoice(child, 6_00)
    office = await school.api_key(Scope.BANK_STATEMENTS_WRITE)
    data = school.coda(
        payment(child.reference, Cents(50_00), PAYER),
        payment(invoice["reference"], Cents(6_00), PAYER),
        transfer("cadeau", Cents(1_00), PAYER),
        charges("Frais", Cents(2_00), Cents(42)),
    )

    report = ok(
        await office.post(
            "/v1/bank-statements", content=data, headers={"Content-Type": "text/plain"}
        ),
        201,
    )

    assert report["transactions"] == {"count": 4, "cents": 50_00 + 6_00 + 1_00 - 2_42}
    assert report["paid"] == {"count": 2, "cents": 56_00}
    assert report["suspense"]["by_cause"] == [{"cause": "no_reference", "count": 1, "cents": 1_00}]
    assert report["ignored"]["by_cause"] == [{"cause": "bank_charges", "count": 1, "cents": -2_42}]
    wallets = ok(await child.parent.get("/v1/wallets"))["items"]
    assert [wallet["balance_cents"] for wallet in wallets] == [50_00]
    assert wallets[0]["imported_until"] == "2026-11-20"
    paid = ok(await child.parent.get(f"/v1/invoices/{invoice['id']}"))
    assert (paid["status"], paid["remaining_cents"]) == ("paid", 0)
    operations = ok(await child.parent.get(f"/v1/wallets/{child.wallet_id}/operations"))["items"]
    assert [(each["amount_cents"], each["balance_cents"]) for each in operations] == [
        (50_00, 50_00)
    ]
