"""Posting the bank's file: what it pays, what waits, what comes back."""

import asyncio
import os
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from itschool_api import clock, references
from itschool_api.auth.caller import Role, Scope
from itschool_api.banking import coda
from itschool_api.banking.coda.builders import (
    bank_total,
    card_total,
    charges,
    customer_total,
    direct_debit,
    foreign_payment,
    outgoing,
    payment,
    recalled_payment,
    returned_transfer,
    transfer,
)
from itschool_api.banking.models import BankFile
from itschool_api.database import school_transaction
from itschool_api.money import Cents
from tests.kit import (
    PAYER,
    Child,
    School,
    books_are_clean,
    counted_statements,
    ok,
    once,
    open_school,
    problem,
)

pytestmark = pytest.mark.anyio
TODAY = clock.today("Europe/Brussels")
ROUNDS = 200 if os.environ.get("ITSCHOOL_LONG") else 25
DECISIONS = 500 if os.environ.get("ITSCHOOL_LONG") else 1


async def balance(child: Child) -> int:
    wallet = ok(await child.parent.get(f"/v1/wallets/{child.wallet_id}"))
    return int(wallet["balance_cents"])


async def state(school: School, invoice: Any) -> tuple[str, int]:
    document = ok(await school.manager.get(f"/v1/invoices/{invoice['id']}"))
    return document["status"], document["remaining_cents"]


def causes(part: Any) -> dict[str, tuple[int, int]]:
    return {each["cause"]: (each["count"], each["cents"]) for each in part["by_cause"]}


# --- rule 8: where a payment goes ----------------------------------------------------------------


async def test_a_part_payment_leaves_the_rest_due(school: School) -> None:
    child = await school.child()
    invoice = await school.invoice(child, 6_00, 4_00)

    await school.post_coda(school.coda(payment(invoice["reference"], Cents(7_00), PAYER)))

    assert await state(school, invoice) == ("partially_paid", 3_00)
    lines = ok(await child.parent.get(f"/v1/invoices/{invoice['id']}"))["lines"]
    assert [line["paid_cents"] for line in lines] == [6_00, 1_00]


async def test_excess_pays_the_familys_other_invoices_then_the_general_wallet(
    school: School,
) -> None:
    child = await school.child()
    sibling = await school.sibling(child)
    late = await school.invoice(child, 5_00, due_on=TODAY + timedelta(days=30))
    soon = await school.invoice(child, 4_00, due_on=TODAY + timedelta(days=3))
    paid = await school.invoice(child, 2_00, 1_00, students=[sibling.student_id, child.student_id])

    await school.post_coda(school.coda(payment(paid["reference"], Cents(10_00), PAYER)))

    assert await state(school, paid) == ("paid", 0)
    assert await state(school, soon) == ("paid", 0)
    assert await state(school, late) == ("partially_paid", 2_00)

    await school.post_coda(school.coda(payment(paid["reference"], Cents(3_00), PAYER)))

    assert await state(school, late) == ("paid", 0)
    # What is left goes to the first line's student.
    assert await balance(sibling) == 1_00
    assert await balance(child) == 0
    await books_are_clean(school)


async def test_excess_never_pays_another_familys_invoice(school: School) -> None:
    child, other = await school.child(), await school.child()
    mine, theirs = await school.invoice(child, 2_00), await school.invoice(other, 5_00)

    await school.post_coda(school.coda(payment(mine["reference"], Cents(9_00), PAYER)))

    assert await state(school, theirs) == ("issued", 5_00)
    assert await balance(child) == 7_00


async def test_a_school_may_leave_other_invoices_alone(app: FastAPI) -> None:
    school = await open_school(app, spread_excess=False)
    child = await school.child()
    mine, later = await school.invoice(child, 2_00), await school.invoice(child, 5_00)

    await school.post_coda(school.coda(payment(mine["reference"], Cents(9_00), PAYER)))

    assert await state(school, later) == ("issued", 5_00)
    assert await balance(child) == 7_00


async def test_two_payments_in_one_file_see_each_other(school: School) -> None:
    child = await school.child()
    invoice = await school.invoice(child, 6_00)

    await school.post_coda(
        school.coda(
            payment(invoice["reference"], Cents(4_00), PAYER),
            payment(invoice["reference"], Cents(4_00), PAYER),
        )
    )

    assert await state(school, invoice) == ("paid", 0)
    assert await balance(child) == 2_00
    await books_are_clean(school)


async def test_two_equal_payments_are_both_kept(school: School) -> None:
    """REL-15."""
    child = await school.child()
    twin = payment(child.reference, Cents(5_00), PAYER)

    report = await school.post_coda(school.coda(twin, twin))

    assert report["paid"] == {"count": 2, "cents": 10_00}
    assert await balance(child) == 10_00


# --- what a reference looks like ------------------------------------------------------------------


async def test_a_reference_is_found_wherever_a_bank_writes_it(school: School) -> None:
    child = await school.child()
    reference = child.reference
    framed = f"+++{reference[:3]}/{reference[3:7]}/{reference[7:]}+++"
    bank = [
        payment(reference, Cents(1), PAYER),
        payment(reference, Cents(2), PAYER, is_reconstituted=True),
        transfer(f"{'x' * 45} {framed} merci", Cents(4), PAYER),
        transfer(f"recharge {reference}", Cents(8), PAYER),
        foreign_payment(reference, Cents(16), PAYER),
        transfer("sans rien", Cents(32), PAYER)._replace(customer_reference=reference),
        bank_total("total", [payment(reference, Cents(64), PAYER)]),
        customer_total("lot", [direct_debit("M1", reference, Cents(128), PAYER, TODAY)]),
    ]

    report = await school.post_coda(school.coda(*bank))

    assert report["paid"] == {"count": 8, "cents": 255}, report
    assert await balance(child) == 255


async def test_a_bank_account_number_is_no_reference(school: School) -> None:
    """It passes mod 97, and is nobody's reference."""
    await school.child()
    report = await school.post_coda(
        school.coda(transfer("de 539007547034 pour cantine", Cents(1_00), PAYER))
    )
    assert causes(report["suspense"]) == {"no_reference": (1, 1_00)}


async def test_another_schools_reference_never_matches(
    school: School, other_school: School
) -> None:
    """REL-17."""
    stranger = await other_school.child()
    report = await school.post_coda(school.coda(payment(stranger.reference, Cents(1_00), PAYER)))
    assert causes(report["suspense"]) == {"unknown_reference": (1, 1_00)}
    assert await balance(stranger) == 0


async def test_each_movement_that_cannot_be_matched_waits_or_is_ignored_with_its_cause(
    school: School,
) -> None:
    """REL-18: matched, waiting and ignored make up all, in count and cents."""
    one, two = await school.child(), await school.child()
    nobodys = references.issue(5)
    bad = one.reference[:-1] + str((int(one.reference[-1]) + 1) % 10)
    movements = [
        payment(one.reference, Cents(10_00), PAYER),
        transfer("cadeau", Cents(1_00), PAYER),
        payment(nobodys, Cents(2_00), PAYER),
        transfer(references.formatted(nobodys), Cents(3_00), PAYER),
        payment(bad, Cents(4_00), PAYER),
        transfer(f"+++{bad[:3]}/{bad[3:7]}/{bad[7:]}+++", Cents(5_00), PAYER),
        transfer(f"{one.reference} {two.reference}", Cents(6_00), PAYER),
        card_total("cartes", Cents(7_50), Cents(50)),
        returned_transfer(Cents(8_00), PAYER),
        recalled_payment(one.reference, Cents(9_00), PAYER),
        outgoing("facture eau", Cents(11_00), PAYER),
        charges("frais", Cents(12_00), Cents(2_52)),
        transfer("interets", Cents(13_00), PAYER, code="03501000"),
        transfer("virement interne", Cents(14_00), PAYER, code="00164000"),
    ]

    report = await school.post_coda(school.coda(*movements))

    assert report["paid"] == {"count": 1, "cents": 10_00}
    assert causes(report["suspense"]) == {
        "no_reference": (1, 1_00),
        "unknown_reference": (2, 5_00),
        "bad_check_digits": (2, 9_00),
        "ambiguous_reference": (1, 6_00),
        "total_without_details": (1, 7_00),
        "returned_payment": (2, -1_00),
    }
    assert causes(report["ignored"]) == {
        "outgoing_payment": (1, -11_00),
        "bank_charges": (1, -14_52),
        "interest": (1, 13_00),
        "own_transfer": (1, 14_00),
    }
    parts = (report["paid"], report["suspense"], report["ignored"])
    assert sum(part["count"] for part in parts) == report["transactions"]["count"] == 14
    assert sum(part["cents"] for part in parts) == report["transactions"]["cents"]
    statement = report["statements"][0]
    moved = statement["closing_cents"] - statement["opening_cents"]
    assert report["transactions"]["cents"] == moved
    # A debit takes nothing from anybody, whatever reference it carries (rule 6).
    assert await balance(one) == 10_00
    await books_are_clean(school)


# --- the same again -------------------------------------------------------------------------------


async def test_the_same_file_again_changes_nothing_and_gives_the_first_report(
    school: School,
) -> None:
    """REL-14."""
    child = await school.child()
    data = school.coda(payment(child.reference, Cents(5_00), PAYER))
    first = await school.post_coda(data)

    # The bank marks a duplicate with a D; lines end as whatever carried the file ends them.
    for again in (data, data.replace(b"\r\n", b"\n"), data[:16] + b"D" + data[17:]) * 3 + (data,):
        assert await school.post_coda(again, status=200) == first
    assert len(ok(await school.manager.get("/v1/bank-statements"))["items"]) == 1

    assert await balance(child) == 5_00


@pytest.fixture
def all_at_once(app: FastAPI) -> Iterator[None]:
    """Let eight imports of one process begin together, as those of eight processes do."""
    turn = app.state.importing
    app.state.importing = asyncio.Semaphore(8)
    yield
    # By hand: monkeypatch deletes what it finds only behind `__getattr__`.
    app.state.importing = turn


@pytest.mark.usefixtures("all_at_once")
async def test_eight_posts_at_once_are_one_import(school: School) -> None:
    """REL-14: by the database's lock, for eight processes share no other."""
    child = await school.child()
    data = school.coda(*[payment(child.reference, Cents(1_00), PAYER)] * 20)

    answers = await asyncio.gather(
        *(
            school.manager.post(
                "/v1/bank-statements", content=data, headers={"Content-Type": "text/plain"}
            )
            for _ in range(8)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.content for answer in answers}) == 1
    assert await balance(child) == 20_00
    await books_are_clean(school)


async def test_known_statements_in_a_new_file_are_skipped_and_said_so(school: School) -> None:
    child = await school.child()
    first = school.coda(payment(child.reference, Cents(5_00), PAYER))
    second = school.coda(payment(child.reference, Cents(2_00), PAYER), on=date(2026, 11, 21))
    await school.post_coda(first)

    report = await school.post_coda(coda.write([coda.parse(first)[0], coda.parse(second)[0]]))

    assert [each["outcome"] for each in report["statements"]] == ["duplicate", "imported"]
    assert report["transactions"] == {"count": 1, "cents": 2_00}
    assert report["statements"][1]["findings"] == []
    assert await balance(child) == 7_00


async def test_the_same_statement_with_another_content_is_a_conflict(school: School) -> None:
    child = await school.child()
    await school.post_coda(school.coda(payment(child.reference, Cents(5_00), PAYER)))
    other = school.coda(
        payment(child.reference, Cents(6_00), PAYER), number=1, opening_milli=100_000_00_0
    )

    answer = await school.manager.post(
        "/v1/bank-statements", content=other, headers={"Content-Type": "text/plain"}
    )

    problem(answer, 409, "statement-conflict")
    assert await balance(child) == 5_00


async def test_two_accounts_on_one_day_both_import(school: School) -> None:
    child = await school.child()
    second = await school.bank_account()
    data = [
        school.coda(payment(child.reference, Cents(5_00), PAYER), number=1),
        school.coda(
            payment(child.reference, Cents(5_00), PAYER),
            number=1,
            iban=second,
            opening_milli=0,
        ),
    ]
    report = await school.post_coda(coda.write([coda.parse(each)[0] for each in data]))

    assert [each["iban"] for each in report["statements"]] == [school.iban, second]
    assert await balance(child) == 10_00
    await books_are_clean(school)


async def test_a_gap_between_statements_is_told(school: School) -> None:
    """REL-16."""
    child = await school.child()
    await school.post_coda(school.coda(payment(child.reference, Cents(5_00), PAYER)))
    report = await school.post_coda(
        school.coda(
            payment(child.reference, Cents(1_00), PAYER),
            number=3,
            on=date(2026, 11, 23),
            opening_milli=1_000_0,
        )
    )
    codes = [each["code"] for each in report["statements"][0]["findings"]]
    assert codes == ["balance-gap", "number-gap"]


async def test_a_separate_application_never_posts(school: School) -> None:
    child = await school.child()
    statement = coda.statement(
        coda.Account(number=school.iban),
        [payment(child.reference, Cents(5_00), PAYER)],
        number=1,
        on=date(2026, 11, 20),
        separate_application="00001",
    )
    report = await school.post_coda(coda.write([statement]))
    assert causes(report["ignored"]) == {"separate_application": (1, 5_00)}
    assert await balance(child) == 0
    await books_are_clean(school)


# --- preview --------------------------------------------------------------------------------------


async def test_a_preview_tells_all_and_writes_nothing(school: School) -> None:
    child = await school.child()
    data = school.coda(payment(child.reference, Cents(5_00), PAYER))

    preview = await school.post_coda(data, status=200, preview=True)

    assert (preview["preview"], preview["id"]) == (True, None)
    assert await balance(child) == 0
    assert ok(await school.manager.get("/v1/bank-statements"))["items"] == []
    report = await school.post_coda(data)
    assert {**report, "id": None, "imported_at": None, "preview": True} == {
        **preview,
        "statements": [
            {**each, "id": report["statements"][place]["id"]}
            for place, each in enumerate(preview["statements"])
        ],
    }


async def test_a_preview_of_a_known_file_says_so(school: School) -> None:
    child = await school.child()
    data = school.coda(payment(child.reference, Cents(5_00), PAYER))
    await school.post_coda(data)
    preview = await school.post_coda(data, status=200, preview=True)
    assert preview["statements"][0]["outcome"] == "duplicate"
    assert preview["transactions"]["count"] == 0


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [each for each in coda.Fault if each != "empty"])
async def test_a_broken_file_is_refused_and_nothing_is_written(
    school: School, fault: coda.Fault
) -> None:
    """REL-16: with line, column, what was read and what was expected."""
    child = await school.child()
    data = school.coda(
        payment(child.reference, Cents(5_00), PAYER),
        payment(child.reference, Cents(6_00), PAYER),
    )
    answer = await school.manager.post(
        "/v1/bank-statements",
        content=coda.plant(data, fault),
        headers={"Content-Type": "text/plain"},
    )
    detail = problem(answer, 422, "malformed-bank-file")["detail"]
    assert "line " in detail
    assert "expected" in detail
    assert await balance(child) == 0
    assert ok(await school.manager.get("/v1/bank-transactions"))["items"] == []


async def test_a_file_of_an_account_that_is_not_ours_is_refused(
    school: School, other_school: School
) -> None:
    child = await school.child()
    data = other_school.coda(payment(child.reference, Cents(5_00), PAYER))
    answer = await school.manager.post(
        "/v1/bank-statements", content=data, headers={"Content-Type": "text/plain"}
    )
    problem(answer, 422, "unknown-bank-account")


async def test_an_account_in_another_currency_is_refused(school: School) -> None:
    statement = coda.statement(
        coda.Account(number=school.iban, currency="USD"), [], number=1, on=date(2026, 11, 20)
    )
    answer = await school.manager.post(
        "/v1/bank-statements",
        content=coda.write([statement]),
        headers={"Content-Type": "text/plain"},
    )
    problem(answer, 422, "unsupported-currency")


async def test_an_account_written_in_the_old_way_is_recognised(school: School) -> None:
    child = await school.child()
    statement = coda.statement(
        coda.Account(number=school.iban[4:], structure=coda.AccountStructure.BELGIAN_BBAN),
        [payment(child.reference, Cents(5_00), PAYER)],
        number=1,
        on=date(2026, 11, 20),
    )
    await school.post_coda(coda.write([statement]))
    assert await balance(child) == 5_00


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        ("application/json", b"{}", 415, "not-a-bank-file"),
        ("application/x-www-form-urlencoded", b"x", 415, "not-a-bank-file"),
        ("text/plain", b"", 400, "empty-bank-file"),
        ("application/octet-stream", b"\x00\xff" * 200, 422, "malformed-bank-file"),
    ],
)
async def test_what_is_no_bank_file_is_refused(
    school: School, kind: str, body: bytes, status: int, code: str
) -> None:
    answer = await school.manager.post(
        "/v1/bank-statements", content=body, headers={"Content-Type": kind}
    )
    problem(answer, status, code)


async def test_an_empty_statement_is_imported_and_moves_the_day(school: School) -> None:
    child = await school.child()
    report = await school.post_coda(school.coda())
    assert report["transactions"] == {"count": 0, "cents": 0}
    wallet = ok(await child.parent.get(f"/v1/wallets/{child.wallet_id}"))
    assert wallet["imported_until"] == "2026-11-20"


# --- afterwards -----------------------------------------------------------------------------------


async def test_statements_and_transactions_can_be_read_afterwards(school: School) -> None:
    child = await school.child()
    report = await school.post_coda(
        school.coda(
            payment(child.reference, Cents(5_00), PAYER), transfer("cadeau", Cents(1_00), PAYER)
        )
    )
    statement_id = report["statements"][0]["id"]

    listed = ok(await school.manager.get("/v1/bank-statements"))["items"]
    statement = ok(await school.manager.get(f"/v1/bank-statements/{statement_id}"))
    waiting = ok(await school.manager.get("/v1/bank-transactions", params={"state": "suspense"}))[
        "items"
    ]
    everything = ok(
        await school.manager.get("/v1/bank-transactions", params={"statement": statement_id})
    )["items"]

    assert [each["id"] for each in listed] == [statement_id]
    assert statement["import_id"] == report["id"]
    assert statement["paid"] == {"count": 1, "cents": 5_00}
    assert statement["suspense"] == report["suspense"]
    assert [each["communication"] for each in waiting] == ["cadeau"]
    assert waiting[0]["counterparty_account"] == PAYER.account
    assert [each["ordinal"] for each in everything] == [2, 1]
    paid = ok(await school.manager.get(f"/v1/bank-transactions/{everything[1]['id']}"))
    assert paid["allocations"][0]["wallet_id"] == child.wallet_id
    assert paid["allocations"][0]["allocated_by"] == "matching"


async def test_the_file_itself_is_kept_byte_for_byte(app: FastAPI, school: School) -> None:
    """REL-23: an auditor derives everything from it again."""
    data = school.coda(transfer("été, cadeau", Cents(1_00), PAYER))
    report = await school.post_coda(data)

    async with school_transaction(school.sessions, school.id) as session:
        kept = (await session.execute(select(BankFile))).scalar_one()

    assert await app.state.storage.read(kept.storage_key) == data
    assert (str(kept.import_id), kept.sha256) == (report["id"], report["file_sha256"])
    assert kept.size_bytes == len(data)


# --- what waits is settled ------------------------------------------------------------------------


async def waiting_transaction(school: School, cents: int) -> str:
    await school.post_coda(school.coda(transfer("cadeau", Cents(cents), PAYER)))
    found = ok(await school.manager.get("/v1/bank-transactions", params={"state": "suspense"}))[
        "items"
    ]
    return str(found[0]["id"])


async def test_what_waits_is_split_over_wallets_and_invoices(school: School) -> None:
    child, other = await school.child(), await school.child()
    invoice = await school.invoice(other, 3_00)
    transaction = await waiting_transaction(school, 10_00)
    parts = [
        {"wallet_id": child.wallet_id, "amount_cents": 7_50},
        {"invoice_id": invoice["id"], "amount_cents": 2_50},
    ]

    settled = ok(
        await school.manager.post(
            f"/v1/bank-transactions/{transaction}/allocations",
            json={"allocations": parts},
            headers=once(),
        ),
        201,
    )

    assert (settled["state"], settled["cause"]) == ("paid", None)
    assert [each["amount_cents"] for each in settled["allocations"]] == [7_50, 2_50]
    assert await balance(child) == 7_50
    assert await state(school, invoice) == ("partially_paid", 50)
    await books_are_clean(school)


async def test_one_key_has_one_effect_and_one_answer(school: School) -> None:
    """REL-10: 20 posts with one key."""
    child = await school.child()
    transaction = await waiting_transaction(school, 10_00)
    form = {"allocations": [{"wallet_id": child.wallet_id, "amount_cents": 10_00}]}
    url = f"/v1/bank-transactions/{transaction}/allocations"
    headers = once()

    answers = await asyncio.gather(
        *(school.manager.post(url, json=form, headers=headers) for _ in range(20))
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await balance(child) == 10_00
    other = {"allocations": [{"wallet_id": child.wallet_id, "amount_cents": 9_00}]}
    problem(
        await school.manager.post(url, json=other, headers=headers), 422, "idempotency-key-reused"
    )


async def test_of_two_decisions_one_wins(school: School) -> None:
    """REL-19: whatever decides a movement takes its lock first."""
    one, two = await school.child(), await school.child()
    for done in range(1, DECISIONS + 1):
        transaction = await waiting_transaction(school, 10_00)
        url = f"/v1/bank-transactions/{transaction}/allocations"

        answers = await asyncio.gather(
            *(
                school.manager.post(
                    url,
                    json={"allocations": [{"wallet_id": each.wallet_id, "amount_cents": 10_00}]},
                    headers=once(),
                )
                for each in (one, two) * 5
            )
        )

        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
        assert await balance(one) + await balance(two) == done * 10_00
    await books_are_clean(school)


async def test_a_decision_that_cannot_be_is_refused(school: School, other_school: School) -> None:
    child, stranger = await school.child(), await other_school.child()
    invoice = await school.invoice(child, 3_00)
    transaction = await waiting_transaction(school, 10_00)
    url = f"/v1/bank-transactions/{transaction}/allocations"

    async def refused(parts: list[dict[str, Any]], status: int, code: str) -> None:
        answer = await school.manager.post(url, json={"allocations": parts}, headers=once())
        problem(answer, status, code)

    wallet = {"wallet_id": child.wallet_id, "amount_cents": 10_00}
    await refused([{**wallet, "amount_cents": 9_99}], 422, "allocations-do-not-add-up")
    await refused([{**wallet, "amount_cents": 10_01}], 422, "allocations-do-not-add-up")
    await refused([{**wallet, "amount_cents": 0}], 422, "validation-failed")
    await refused([{**wallet, "invoice_id": invoice["id"]}], 422, "validation-failed")
    await refused([{"amount_cents": 10_00}], 422, "validation-failed")
    await refused([{"invoice_id": invoice["id"], "amount_cents": 10_00}], 409, "more-than-due")
    await refused([{**wallet, "wallet_id": stranger.wallet_id}], 404, "wallet-not-found")
    answer = await school.manager.post(url, json={"allocations": [wallet]})
    problem(answer, 422, "validation-failed")
    assert await balance(child) == 0


async def test_money_that_left_cannot_be_given_to_anybody(school: School) -> None:
    child = await school.child()
    await school.post_coda(school.coda(recalled_payment(child.reference, Cents(5_00), PAYER)))
    found = ok(await school.manager.get("/v1/bank-transactions", params={"state": "suspense"}))[
        "items"
    ]
    answer = await school.manager.post(
        f"/v1/bank-transactions/{found[0]['id']}/allocations",
        json={"allocations": [{"wallet_id": child.wallet_id, "amount_cents": 5_00}]},
        headers=once(),
    )
    problem(answer, 422, "debit-not-allocatable")


# --- cost and concurrency -------------------------------------------------------------------------


async def test_the_number_of_statements_does_not_grow_with_the_movements(
    app: FastAPI, school: School
) -> None:
    children = [await school.child() for _ in range(4)]
    invoices = [await school.invoice(child, 500_00) for child in children]
    references = [each["reference"] for each in invoices] + [each.reference for each in children]
    counts = []
    # In each case whole statements of 64 rows, and one by one what is left.
    for size in (100, 1000):
        movements = [
            payment(references[place % len(references)], Cents(1 + place), PAYER)
            if place % 5
            else transfer("cadeau", Cents(1 + place), PAYER)
            for place in range(size)
        ]
        data = school.coda(*movements)
        with counted_statements(app) as statements:
            await school.post_coda(data)
        counts.append(len(statements))
    assert counts[0] == counts[1]
    await books_are_clean(school)


async def test_imports_beside_spends_never_deadlock(school: School) -> None:
    """REL-05, REL-20: two bank accounts, and spends from the same wallets."""
    children = [await school.child() for _ in range(3)]
    second = await school.bank_account()
    office = await school.api_key(Scope.BANK_STATEMENTS_WRITE)
    await school.post_coda(
        school.coda(*(payment(child.reference, Cents(500_00), PAYER) for child in children))
    )
    for_spending = [await school.invoice(child, 400_00) for child in children]
    first_balance, second_balance = school.balance_cents, 0

    async def post(data: bytes) -> None:
        ok(
            await office.post(
                "/v1/bank-statements", content=data, headers={"Content-Type": "text/plain"}
            ),
            201,
        )

    async def spend(child: Child, invoice: Any) -> None:
        ok(
            await child.parent.post(
                f"/v1/invoices/{invoice['id']}/payments",
                json={"wallet_id": child.wallet_id, "amount_cents": 1_00},
                headers=once(),
            ),
            201,
        )

    for place in range(ROUNDS):
        school.balance_cents = first_balance
        forwards = school.coda(
            *(payment(child.reference, Cents(1), PAYER) for child in children),
            number=2 + place,
        )
        first_balance = school.balance_cents
        backwards = school.coda(
            *(payment(child.reference, Cents(1), PAYER) for child in reversed(children)),
            number=1 + place,
            iban=second,
            opening_milli=second_balance * 10,
        )
        second_balance = school.balance_cents
        await asyncio.gather(
            post(forwards),
            post(backwards),
            *(spend(*pair) for pair in zip(children, for_spending, strict=True)),
            *(spend(*pair) for pair in zip(children, for_spending, strict=True)),
        )
    assert [await balance(child) for child in children] == [
        500_00 - 2 * ROUNDS * 1_00 + 2 * ROUNDS
    ] * 3
    await books_are_clean(school)


async def test_only_who_may_sees_the_bank(school: School) -> None:
    child = await school.child()
    teacher = await school.as_(Role.TEACHER)
    for client in (child.parent, teacher):
        for url in ("/v1/bank-statements", "/v1/bank-transactions"):
            problem(await client.get(url), 403, "insufficient-scope")
