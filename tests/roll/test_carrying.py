"""Coming from another system: references, balances and open invoices (rule 27)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from itschool_api import opening, references
from itschool_api.auth.caller import Scope
from itschool_api.banking.coda.builders import payment
from itschool_api.database import school_transaction
from itschool_api.money import Cents
from itschool_api.wallets import service as wallets
from tests.kit import PAYER, School, books_are_clean, counted_statements, ok, problem
from tests.roll.files import (
    INVOICE,
    LARS,
    NOOR,
    SEPARATED,
    TOM,
    Row,
    codes,
    csv,
    everything,
    families,
    many,
    refused,
    send,
    students,
    take,
    xlsx,
)

pytestmark = pytest.mark.anyio
OLD = "+++010/8068/17183+++"
OLDER = "+++085/9501/81645+++"


def other(number: int) -> str:
    """Return a reference that a former system may have issued."""
    return references.formatted(references.issue(number))


async def balances(school: School) -> dict[tuple[str, str], int]:
    """Return balances by first name and compartment."""
    wallets = ok(await school.manager.get("/v1/wallets", params={"limit": 200}))["items"]
    return {
        (each["student"]["first_name"], each["compartment"]["name"]): each["balance_cents"]
        for each in wallets
    }


async def invoices(school: School) -> list[Any]:
    listed: list[Any] = ok(await school.manager.get("/v1/invoices"))["items"]
    return listed


async def canteen(school: School, floor_cents: int = 0) -> None:
    async with school_transaction(school.sessions, school.id) as session:
        await opening.add_compartment(session, school.id, "Cantine", Cents(floor_cents))


async def pay(school: School, reference: str, cents: int) -> Any:
    """Let a parent pay by a reference, as the bank tells it."""
    bare = references.normalise(reference)
    return await school.post_coda(school.coda(payment(bare, Cents(cents), PAYER)))


# --- wallets -------------------------------------------------------------------------------------


async def test_an_old_reference_goes_on_paying_the_wallet(school: School) -> None:
    await canteen(school)
    row = {**NOOR, "reference": OLD, "Communication structurée[cantine]": OLDER}

    report = await take(school, csv(row))

    assert report["references"] == {"new": 2, "unchanged": 0}
    paid = await pay(school, OLD, 20_00)
    assert paid["paid"] == {"count": 1, "cents": 20_00}
    await pay(school, OLDER, 7_00)
    assert await balances(school) == {
        ("Noor", "Compartiment général"): 20_00,
        ("Noor", "Cantine"): 7_00,
    }
    wallet = ok(await school.manager.get("/v1/wallets"))["items"][0]
    shown = ok(await school.manager.get(f"/v1/wallets/{wallet['id']}/top-up"))["reference"]
    assert shown not in {references.normalise(OLD), references.normalise(OLDER)}
    await pay(school, shown, 1_00)
    again = await take(school, csv(row), status=200)
    assert again["references"] == {"new": 0, "unchanged": 2}
    await books_are_clean(school)


async def test_each_parent_of_a_child_may_bring_a_reference(school: School) -> None:
    an, tom = SEPARATED
    await take(school, csv({**an, "reference": OLD}, {**tom, "reference": OLDER}))

    await pay(school, OLD, 1_00)
    await pay(school, OLDER, 2_00)

    assert [*(await balances(school)).values()] == [3_00]


async def test_opening_balances_are_booked_once(school: School) -> None:
    await canteen(school, -10_00)
    data = csv({**NOOR, "opening_balance": "1.234,50 €", "opening_balance[Cantine]": "-10,00"})

    report = await take(school, data)

    assert report["opening_balances"] == {"new": 2, "unchanged": 0, "new_cents": 1_224_50}
    assert [*(await balances(school)).values()] == [1_234_50, -10_00]
    again = await take(school, data, status=200)
    assert again["opening_balances"] == {"new": 0, "unchanged": 2, "new_cents": 0}
    wallet = ok(await school.manager.get("/v1/wallets"))["items"][0]
    operations = ok(await school.manager.get(f"/v1/wallets/{wallet['id']}/operations"))["items"]
    assert [each["kind"] for each in operations] == ["opening"]
    await books_are_clean(school)


async def test_a_balance_that_was_booked_stays(school: School) -> None:
    """REL-03: the books are only ever added to."""
    await take(school, csv({**NOOR, "opening_balance": "5"}))

    for changed in ("6", "-5", "0"):
        found = await refused(school, csv({**NOOR, "opening_balance": changed}))
        assert {*found} == {"opening-balance-changed"}
        assert "5.00 €" in found["opening-balance-changed"]["detail"]

    assert not (await take(school, csv({**NOOR, "opening_balance": ""}), status=200))["changes"]
    assert [*(await balances(school)).values()] == [5_00]


async def test_a_balance_may_be_brought_to_a_wallet_that_is_in_use(school: School) -> None:
    await take(school, csv({**NOOR, "reference": OLD}))
    await pay(school, OLD, 20_00)

    assert {*(await refused(school, csv({**NOOR, "opening_balance": "-20,01"})))} == {"below-floor"}
    await take(school, csv({**NOOR, "opening_balance": "-20"}))

    assert [*(await balances(school)).values()] == [0]
    await books_are_clean(school)


@pytest.mark.parametrize(
    ("row", "code", "pointer"),
    [
        ({"reference": "+++010/8068/17184+++"}, "invalid-reference", "/2/reference"),
        ({"reference": "12345"}, "invalid-reference", "/2/reference"),
        ({"reference[Piscine]": OLD}, "unknown-compartment", "/reference[Piscine]"),
        ({"opening_balance": "-0,01"}, "below-floor", "/2/opening_balance"),
        ({"opening_balance": "1,234"}, "invalid-amount", "/2/opening_balance"),
        ({"opening_balance": "lots"}, "invalid-amount", "/2/opening_balance"),
        (
            {"solde": "1", "solde[Compartiment général]": "2"},
            "duplicate-column",
            "/solde[Compartiment général]",
        ),
    ],
)
async def test_what_cannot_be_carried_over_says_why(
    school: School, row: Mapping[str, str], code: str, pointer: str
) -> None:
    document = problem(await send(school.manager, csv({**NOOR, **row})), 422, "roll-has-errors")

    assert [(each["code"], each["pointer"]) for each in document["errors"]] == [(code, pointer)]
    assert await balances(school) == {}


async def test_a_reference_pays_one_thing_only(school: School, other_school: School) -> None:
    child = await school.child()
    await take(school, csv({**NOOR, "reference": OLD}))

    mine = csv({**LARS, "reference": child.reference})
    assert {*(await refused(school, mine))} == {"reference-taken"}
    taken = csv({**LARS, "reference": OLD})
    assert {*(await refused(school, taken))} == {"reference-taken"}
    twice = csv({**NOOR, "reference": OLDER}, {**LARS, "reference": OLDER})
    assert {*(await refused(school, twice))} == {"reference-twice"}
    invoice = xlsx(
        roll=[{**NOOR, "reference": OLDER}], open_invoices=[{**INVOICE, "reference": OLDER}]
    )
    assert {*(await refused(school, invoice))} == {"reference-twice"}
    # Another school's references are no concern of this one.
    await take(other_school, csv({**NOOR, "reference": OLD}))


async def test_the_references_that_come_along_are_not_issued_to_others(school: School) -> None:
    """What this school would issue next is what the former system had issued to somebody."""
    child = await school.child()
    following = [other(int(child.reference[:10]) + place) for place in range(1, 9)]
    rows = [{**row, "reference": following[7 - place]} for place, row in enumerate(many(8))]

    await take(school, csv(*rows))

    for place in range(8):
        await pay(school, following[7 - place], place + 1)
    found = await balances(school)
    assert [found[f"Noor{place}", "Compartiment général"] for place in range(8)] == [*range(1, 9)]
    await books_are_clean(school)


async def test_a_closed_wallet_takes_nothing(school: School) -> None:
    await take(school, csv(NOOR))
    async with school_transaction(school.sessions, school.id) as session:
        await wallets.close(session, school.id, UUID((await students(school))["S1"]["id"]))

    data = csv({**NOOR, "reference": OLD, "opening_balance": "1"})
    document = problem(await send(school.manager, data), 422, "roll-has-errors")

    assert [each["code"] for each in document["errors"]] == ["wallet-closed"] * 2


# --- open invoices -------------------------------------------------------------------------------


async def test_open_invoices_are_owed_here_and_paid_by_their_old_reference(
    school: School,
) -> None:
    data = xlsx(roll=[NOOR, LARS], open_invoices=[INVOICE])

    report = await take(school, data)

    assert report["open_invoices"] == {"new": 1, "unchanged": 0, "new_cents": 34_50}
    (invoice,) = await invoices(school)
    assert (invoice["status"], invoice["remaining_cents"]) == ("issued", 34_50)
    assert (invoice["issued_on"], invoice["due_on"]) == ("2025-10-31", "2025-11-30")
    assert invoice["label"] == "Garderie octobre (202303)"
    assert invoice["number"].startswith("OLD-")
    again = await take(school, data, status=200)
    assert again["open_invoices"] == {"new": 0, "unchanged": 1, "new_cents": 0}
    await pay(school, str(INVOICE["reference"]), 30_00)
    await pay(school, str(INVOICE["reference"]), 10_00)
    (invoice,) = await invoices(school)
    assert invoice["status"] == "paid"
    assert (await balances(school))["Noor", "Compartiment général"] == 5_50
    assert not (await take(school, data, status=200))["changes"]
    await books_are_clean(school)


async def test_open_invoices_may_come_by_themselves_and_for_several_children(
    school: School,
) -> None:
    await take(school, csv(NOOR, LARS))
    lars = {**INVOICE, "student_key": "S2", "label": "Étude", "amount": "5"}

    report = await take(school, csv(INVOICE, lars, lars))

    assert codes(report) == ["duplicate-row"]
    (invoice,) = await invoices(school)
    lines = ok(await school.manager.get(f"/v1/invoices/{invoice['id']}"))["lines"]
    assert [(each["label"], each["amount_cents"]) for each in lines] == [
        ("Garderie octobre", 34_50),
        ("Étude", 5_00),
    ]
    await books_are_clean(school)


async def test_the_schools_own_invoices_begin_at_number_one(school: School) -> None:
    await take(school, xlsx(roll=[NOOR], open_invoices=[INVOICE]))
    family = (await families(school))["Famille Peeters"]["id"]
    line = {"student_id": (await students(school))["S1"]["id"], "label": "Repas", "unit_cents": 1}
    form = {"family_id": family, "label": "Repas", "lines": [line]}
    draft = ok(await school.manager.post("/v1/invoices", json=form), 201)

    issued = ok(await school.manager.post(f"/v1/invoices/{draft['id']}/issue", json={}))

    assert issued["number"].endswith("-00001")
    assert issued["number"].startswith("F-")


@pytest.mark.parametrize(
    ("changes", "code", "column"),
    [
        ({"family_key": "F8"}, "unknown-family", "family_key"),
        ({"family_key": "F2"}, "student-not-in-family", "student_key"),
        ({"student_key": "S8"}, "unknown-student", "student_key"),
        ({"student_key": ""}, "missing-value", "student_key"),
        ({"label": ""}, "missing-value", "label"),
        ({"label": "x" * 118}, "invalid-text", "label"),
        ({"issued_on": "2199-01-01", "due_on": "2199-01-01"}, "date-in-future", "issued_on"),
        ({"due_on": "2025-10-30"}, "due-before-issue", "due_on"),
        ({"due_on": "soon"}, "invalid-date", "due_on"),
        ({"amount": "0"}, "invalid-amount", "amount"),
        ({"amount": "-3"}, "invalid-amount", "amount"),
        ({"amount": "200000000"}, "invalid-amount", "amount"),
        ({"reference": ""}, "missing-value", "reference"),
        ({"reference": "+++000/0000/00000+++"}, "invalid-reference", "reference"),
    ],
)
async def test_an_invoice_that_cannot_be_says_why(
    school: School, changes: Row, code: str, column: str
) -> None:
    data = xlsx(
        roll=[NOOR, {**LARS, **TOM, "student_key": "S2"}], open_invoices=[{**INVOICE, **changes}]
    )

    document = problem(await send(school.manager, data), 422, "roll-has-errors")

    assert [(each["code"], each["pointer"]) for each in document["errors"]] == [
        (code, f"/open_invoices/2/{column}")
    ]


async def test_an_invoice_that_is_there_stays_as_it_is(school: School) -> None:
    data = [{**NOOR, "share": "100"}, {**TOM, "share": "0"}]
    await take(school, xlsx(roll=data, open_invoices=[INVOICE]))

    for changes in ({"amount": "34,51"}, {"family_key": "F2"}):
        found = await refused(school, csv({**INVOICE, **changes}))
        assert {*found} == {"open-invoice-changed"}
    mixed = csv(INVOICE, {**INVOICE, "number": "202304", "amount": "1"})
    assert {*(await refused(school, mixed))} == {"contradiction"}
    wallet = csv({**NOOR, "reference": INVOICE["reference"]})
    assert {*(await refused(school, wallet))} == {"reference-taken"}


async def test_carrying_money_over_needs_the_right_to_it(school: School) -> None:
    """SEC-03."""
    office = await school.api_key(Scope.PEOPLE_WRITE)
    accountant = await school.api_key(Scope.PEOPLE_WRITE, Scope.INVOICES_WRITE)
    before = await everything(school)
    for data in (
        csv({**NOOR, "reference": OLD}),
        csv({**NOOR, "opening_balance": ""}),
        csv(INVOICE),
        xlsx(roll=[NOOR], open_invoices=[INVOICE]),
    ):
        for preview in (True, False):
            answer = await send(office, data, preview=preview)
            problem(answer, 403, "insufficient-scope")
    assert await everything(school) == before

    ok(await send(accountant, xlsx(roll=[NOOR], open_invoices=[INVOICE])), 201)


async def test_a_preview_of_money_books_nothing(school: School) -> None:
    data = xlsx(roll=[{**NOOR, "reference": OLDER, "opening_balance": 5}], open_invoices=[INVOICE])

    report = await take(school, data, preview=True, status=200)

    assert report["opening_balances"]["new_cents"] == 5_00
    assert (await balances(school), await invoices(school)) == ({}, [])
    await take(school, data)
    assert [*(await balances(school)).values()] == [5_00]


async def test_the_number_of_statements_does_not_grow_with_what_is_carried_over(
    app: FastAPI, school: School, other_school: School
) -> None:
    counts = []
    # In each case whole statements of 64 rows, and one by one what is left.
    for each, size in ((school, 70), (other_school, 200)):
        await canteen(each)
        rows = [
            {**row, "reference": other(place), "opening_balance[Cantine]": f"{place},50"}
            for place, row in enumerate(many(size))
        ]
        owed = [
            {
                **INVOICE,
                "student_key": row["student_key"],
                "family_key": row["family_key"],
                "reference": other(5_000 + place),
            }
            for place, row in enumerate(rows)
        ]
        data = xlsx(roll=rows, open_invoices=owed)
        with counted_statements(app) as statements:
            await take(each, data)
        counts.append(len(statements))
    assert counts[0] == counts[1] < 90
    await books_are_clean(other_school)
