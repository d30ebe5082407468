"""Invoices over HTTP: from draft to paid, and who sees them."""

import asyncio
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from pypdf import PdfReader
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api import clock
from itschool_api.auth.caller import Role
from itschool_api.banking.coda.builders import payment
from itschool_api.money import Cents
from tests.kit import PAYER, Child, School, books_are_clean, ok, once, problem

pytestmark = pytest.mark.anyio
TODAY = clock.today("Europe/Brussels")


def new_invoice(child: Child, *cents: int, **more: Any) -> dict[str, Any]:
    lines = [
        {"student_id": child.student_id, "label": "Garderie", "unit_cents": amount}
        for amount in cents
    ]
    return {"family_id": child.family_id, "label": "Garderie", "lines": lines, **more}


async def draft(school: School, child: Child, *cents: int, **more: Any) -> Any:
    form = new_invoice(child, *cents, **more)
    return ok(await school.manager.post("/v1/invoices", json=form), 201)


async def test_a_draft_is_the_offices_own_until_it_is_issued(school: School) -> None:
    child = await school.child()

    made = await draft(school, child, 2_50, 3_50)

    assert (made["status"], made["number"], made["due_on"]) == ("draft", None, None)
    assert (made["total_cents"], made["remaining_cents"], made["paid_cents"]) == (6_00, 6_00, 0)
    assert ok(await child.parent.get("/v1/invoices"))["items"] == []
    for path in ("", "/payment", "/pdf"):
        answer = await child.parent.get(f"/v1/invoices/{made['id']}{path}")
        problem(answer, 404, "invoice-not-found")
    for path in ("/payment", "/pdf"):
        answer = await school.manager.get(f"/v1/invoices/{made['id']}{path}")
        problem(answer, 409, "invoice-is-draft")


async def test_an_invoice_is_never_larger_than_what_can_be_paid(school: School) -> None:
    child = await school.child()
    line = {"student_id": child.student_id, "label": "Voyage", "unit_cents": 1_000_000_00}

    most = await draft(school, child, lines=[line | {"quantity": 100}])
    issued = ok(await school.manager.post(f"/v1/invoices/{most['id']}/issue", json={}))
    pay = ok(await school.manager.get(f"/v1/invoices/{issued['id']}/payment"))
    refused = await school.manager.post(
        "/v1/invoices", json=new_invoice(child, 1, lines=[line | {"quantity": 100}, line])
    )

    assert "EUR100000000.00" in pay["epc_payload"]
    assert (await school.manager.get(f"/v1/invoices/{issued['id']}/pdf")).status_code == 200
    problem(refused, 422, "validation-failed")


async def test_a_line_is_of_the_familys_own_student(school: School) -> None:
    """SEC-01: the family reads the name, and its excess would go to that child's wallet."""
    child, stranger = await school.child(), await school.child()
    form = new_invoice(child, 1_00)
    form["lines"] += new_invoice(stranger, 1_00)["lines"]

    answer = await school.manager.post("/v1/invoices", json=form)

    problem(answer, 422, "student-not-in-family")
    assert ok(await school.manager.get("/v1/invoices"))["items"] == []


async def test_an_issued_invoice_has_number_reference_and_due_date(school: School) -> None:
    child = await school.child()
    year = ok(await school.manager.get("/v1/school-years"))["items"][0]

    invoice = await school.invoice(child, 6_00)
    second = await school.invoice(child, 1_00)

    first_year = year["name"].split("-")[0]
    assert invoice["number"] == f"F-{first_year}-00001"
    assert second["number"] == f"F-{first_year}-00002"
    assert invoice["status"] == "issued"
    assert (
        invoice["due_on"] == (date.fromisoformat(invoice["issued_on"]) + timedelta(15)).isoformat()
    )
    assert invoice["reference"] != second["reference"] != child.reference
    seen = ok(await child.parent.get("/v1/invoices"))["items"]
    assert [each["number"] for each in seen] == [second["number"], invoice["number"]]
    await books_are_clean(school)


async def test_numbers_have_no_gaps_whatever_arrives_at_once(school: School) -> None:
    """Rule 13: also where drafts are thrown away and series differ."""
    child = await school.child()
    drafts = [await draft(school, child, 1_00) for _ in range(12)]
    other = [await draft(school, child, 1_00, series="REPAS") for _ in range(3)]
    thrown = drafts.pop()
    ok(await school.manager.delete(f"/v1/invoices/{thrown['id']}"), 204)

    answers = await asyncio.gather(
        *(
            school.manager.post(f"/v1/invoices/{each['id']}/issue", json={})
            for each in (*drafts, *other)
        )
    )

    numbers = sorted(ok(answer)["number"] for answer in answers)
    assert [number[-5:] for number in numbers] == [
        f"{number:05d}" for number in (*range(1, 12), *range(1, 4))
    ]
    await books_are_clean(school)


async def test_an_invoice_is_issued_once_and_never_changes(school: School) -> None:
    child = await school.child()
    made = await draft(school, child, 1_00)
    url = f"/v1/invoices/{made['id']}"

    answers = await asyncio.gather(
        *(school.manager.post(f"{url}/issue", json={}) for _ in range(5))
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    problem(await school.manager.post(f"{url}/issue", json={}), 409, "invoice-is-issued")
    problem(await school.manager.delete(url), 409, "invoice-is-issued")
    await books_are_clean(school)


async def test_an_invoice_is_not_due_before_it_is_issued(school: School) -> None:
    child = await school.child()
    made = await draft(school, child, 1_00)
    answer = await school.manager.post(
        f"/v1/invoices/{made['id']}/issue",
        json={"due_on": (TODAY - timedelta(days=2)).isoformat()},
    )
    problem(answer, 422, "due-before-issue")


async def test_status_follows_the_money(school: School) -> None:
    child = await school.child()
    invoice = await school.invoice(child, 6_00)
    pay = ok(await child.parent.get(f"/v1/invoices/{invoice['id']}/payment"))
    assert (pay["amount_cents"], pay["reference"]) == (6_00, invoice["reference"])
    assert "EUR6.00" in pay["epc_payload"]

    await school.post_coda(school.coda(payment(invoice["reference"], Cents(2_00), PAYER)))

    partly = ok(await child.parent.get(f"/v1/invoices/{invoice['id']}"))
    assert (partly["status"], partly["paid_cents"]) == ("partially_paid", 2_00)
    pay = ok(await child.parent.get(f"/v1/invoices/{invoice['id']}/payment"))
    assert pay["amount_cents"] == 4_00

    await school.post_coda(school.coda(payment(invoice["reference"], Cents(4_00), PAYER)))

    paid = ok(await child.parent.get(f"/v1/invoices/{invoice['id']}"))
    assert (paid["status"], paid["remaining_cents"]) == ("paid", 0)
    problem(await child.parent.get(f"/v1/invoices/{invoice['id']}/payment"), 409, "nothing-to-pay")


async def test_an_invoice_of_nothing_is_paid_at_once(school: School) -> None:
    child = await school.child()
    made = await draft(school, child, 0)
    issued = ok(await school.manager.post(f"/v1/invoices/{made['id']}/issue", json={}))
    assert issued["status"] == "paid"
    await books_are_clean(school)


async def test_lists_are_filtered(school: School) -> None:
    child = await school.child()
    sibling = await school.sibling(child)
    paid = await school.invoice(child, 1_00)
    mixed = await school.invoice(child, 2_00, 3_00, students=[child.student_id, sibling.student_id])
    open_ = await school.invoice(child, 4_00)
    made = await draft(school, child, 5_00)
    await school.post_coda(
        school.coda(
            payment(paid["reference"], Cents(1_00), PAYER),
            payment(mixed["reference"], Cents(1_00), PAYER),
        )
    )

    async def found(**params: Any) -> list[str]:
        page = ok(await school.manager.get("/v1/invoices", params=params))
        return [each["id"] for each in page["items"]]

    assert await found() == [made["id"], open_["id"], mixed["id"], paid["id"]]
    assert await found(status="paid") == [paid["id"]]
    assert await found(status=["draft", "partially_paid"]) == [made["id"], mixed["id"]]
    assert await found(status="issued") == [open_["id"]]
    assert await found(student=sibling.student_id) == [mixed["id"]]
    assert await found(school_year=paid["school_year_id"]) == await found()
    assert await found(school_year=child.student_id) == []
    assert await found(overdue="true") == []
    problem(
        await school.manager.get("/v1/invoices", params={"status": "lost"}),
        422,
        "validation-failed",
    )


async def test_you_have_two_invoices_to_pay(school: School) -> None:
    child, stranger = await school.child(), await school.child()
    await school.invoice(child, 6_00, due_on=TODAY + timedelta(days=9))
    await school.invoice(child, 2_77, due_on=TODAY + timedelta(days=5))
    await school.invoice(stranger, 9_99)

    mine = ok(await child.parent.get("/v1/invoices/summary"))
    everything = ok(await school.manager.get("/v1/invoices/summary"))

    assert mine == {
        "count": 2,
        "remaining_cents": 8_77,
        "next_due_on": (TODAY + timedelta(days=5)).isoformat(),
        "overdue_count": 0,
    }
    assert (everything["count"], everything["remaining_cents"]) == (3, 18_76)


async def test_a_wallet_pays_what_remains(school: School) -> None:
    child = await school.child()
    invoice = await school.invoice(child, 6_00)
    await school.post_coda(
        school.coda(
            payment(child.reference, Cents(10_00), PAYER),
            payment(invoice["reference"], Cents(1_00), PAYER),
        )
    )

    paid = ok(await pay(child, invoice), 201)

    assert (paid["status"], paid["paid_cents"]) == ("paid", 6_00)
    wallet = ok(await child.parent.get(f"/v1/wallets/{child.wallet_id}"))
    assert wallet["balance_cents"] == 5_00
    problem(await pay(child, invoice), 409, "nothing-to-pay")
    await books_are_clean(school)


async def test_a_wallet_payment_that_cannot_be_is_refused(
    school: School, other_school: School
) -> None:
    child, stranger, elsewhere = (
        await school.child(),
        await school.child(),
        await other_school.child(),
    )
    invoice = await school.invoice(child, 6_00)
    theirs = await school.invoice(stranger, 6_00)
    await school.post_coda(school.coda(payment(child.reference, Cents(8_00), PAYER)))

    problem(await pay(child, invoice, 6_01), 409, "more-than-due")
    problem(await pay(stranger, theirs, 1), 409, "insufficient-funds")
    problem(await pay(child, theirs, 1), 404, "invoice-not-found")
    for hidden in (stranger, elsewhere):
        answer = await child.parent.post(
            f"/v1/invoices/{invoice['id']}/payments",
            json={"wallet_id": hidden.wallet_id},
            headers=once(),
        )
        problem(answer, 404, "wallet-not-found")
    answer = await child.parent.post(
        f"/v1/invoices/{invoice['id']}/payments", json={"wallet_id": child.wallet_id}
    )
    problem(answer, 422, "validation-failed")


async def test_a_payment_sent_a_hundred_times_with_one_key_is_one(school: School) -> None:
    """REL-10."""
    child = await school.child()
    invoice = await school.invoice(child, 50_00)
    await school.post_coda(school.coda(payment(child.reference, Cents(40_00), PAYER)))
    headers = once()
    form = {"wallet_id": child.wallet_id, "amount_cents": 1_00}

    answers = await asyncio.gather(
        *(
            child.parent.post(f"/v1/invoices/{invoice['id']}/payments", json=form, headers=headers)
            for _ in range(100)
        )
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    wallet = ok(await child.parent.get(f"/v1/wallets/{child.wallet_id}"))
    assert wallet["balance_cents"] == 39_00


async def test_a_refusal_keeps_no_key(school: School) -> None:
    child = await school.child()
    invoice = await school.invoice(child, 5_00)
    headers = once()
    form = {"wallet_id": child.wallet_id, "amount_cents": 5_00}
    url = f"/v1/invoices/{invoice['id']}/payments"
    problem(await child.parent.post(url, json=form, headers=headers), 409, "insufficient-funds")

    await school.post_coda(school.coda(payment(child.reference, Cents(5_00), PAYER)))

    ok(await child.parent.post(url, json=form, headers=headers), 201)


async def pay(child: Child, invoice: Any, cents: int | None = None) -> Any:
    return await child.parent.post(
        f"/v1/invoices/{invoice['id']}/payments",
        json={"wallet_id": child.wallet_id, "amount_cents": cents},
        headers=once(),
    )


async def test_the_pdf_of_an_invoice_stays_the_same(school: School) -> None:
    """Byte for byte, whoever asks and whenever, until money comes."""
    child = await school.child()
    invoice = await school.invoice(child, 12_00)
    url = f"/v1/invoices/{invoice['id']}/pdf"

    first = await child.parent.get(url)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=5), tick=True):
        again = await school.manager.get(url)
        known = await child.parent.get(url, headers={"If-None-Match": first.headers["etag"]})

    assert again.content == first.content
    assert again.headers["etag"] == first.headers["etag"]
    assert known.status_code == 304


async def test_the_pdf_is_what_the_family_owes(school: School) -> None:
    child = await school.child(first_name="Noor")
    invoice = await school.invoice(child, 6_00, 2_77)

    answer = await child.parent.get(f"/v1/invoices/{invoice['id']}/pdf")

    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="{invoice["number"]}.pdf"'
    )
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.content)).pages)
    digits = invoice["reference"]
    for expected in (
        invoice["number"],
        "École de test",
        "Noor",
        "8,77",
        f"+++{digits[:3]}/{digits[3:7]}/{digits[7:]}+++",
    ):
        assert expected in text


async def test_only_families_who_pay_see_an_invoice(school: School, other_school: School) -> None:
    child, other = await school.child(), await school.child()
    invoice = await school.invoice(child, 1_00)
    teacher = await school.as_(Role.TEACHER)

    for path in ("", "/payment", "/pdf"):
        url = f"/v1/invoices/{invoice['id']}{path}"
        problem(await other.parent.get(url), 404, "invoice-not-found")
        problem(await other_school.manager.get(url), 404, "invoice-not-found")
        problem(await teacher.get(url), 403, "insufficient-scope")
    problem(
        await child.parent.post("/v1/invoices", json=new_invoice(child, 1)),
        403,
        "insufficient-scope",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"lines": []},
        {"label": ""},
        {"label": "x" * 121},
        {"series": "a-b"},
        {"number": 7},
        {"total_cents": 1},
        {"school_id": "0198c0de-0000-7000-8000-000000000000"},
    ],
)
async def test_a_malformed_invoice_is_refused(school: School, change: dict[str, Any]) -> None:
    child = await school.child()
    answer = await school.manager.post("/v1/invoices", json=new_invoice(child, 1, **change))
    problem(answer, 422, "validation-failed")


async def test_an_issued_invoice_names_whom_it_was_issued_to_whatever_they_are_called_later(
    school: School, owner: AsyncEngine
) -> None:
    child = await school.child(first_name="Noor", last_name="Peeters")
    issued = await school.invoice(child, 5_00)
    not_yet = await draft(school, child, 1)
    async with owner.begin() as connection:
        for change, whose in (
            ("UPDATE students SET last_name = 'Claes' WHERE id = :id", child.student_id),
            (
                "UPDATE families SET name = 'Famille Claes', street = 'Rue Neuve 1' WHERE id = :id",
                child.family_id,
            ),
        ):
            await connection.execute(text(change), {"id": whose})

    of_before = ok(await child.parent.get(f"/v1/invoices/{issued['id']}"))
    paper = await child.parent.get(f"/v1/invoices/{issued['id']}/pdf")
    of_today = ok(await school.manager.get(f"/v1/invoices/{not_yet['id']}"))

    assert of_before["family"]["name"] == "Famille Peeters"
    assert of_before["lines"][0]["student_name"] == "Noor Peeters"
    words = PdfReader(io.BytesIO(paper.content)).pages[0].extract_text()
    assert "Famille Peeters" in words
    assert "Claes" not in words
    assert "Rue Neuve" not in words
    assert of_today["family"]["name"] == "Famille Claes"
    assert of_today["lines"][0]["student_name"] == "Noor Claes"
