"""Wallets over HTTP: who sees which, how to top up, what happened, and that none is overspent."""

import asyncio
import os
from typing import Any

import pytest

from itschool_api.auth.caller import Role
from itschool_api.banking.coda.builders import payment
from itschool_api.money import Cents
from tests.kit import PAYER, Child, School, books_are_clean, client_of, ok, once, problem

pytestmark = pytest.mark.anyio
ROUNDS = 100 if os.environ.get("ITSCHOOL_LONG") else 2


async def test_a_parent_sees_all_their_childrens_wallets_and_no_others(
    school: School, other_school: School
) -> None:
    child = await school.child(last_name="Zola")
    sibling = await school.sibling(child, "Albert")
    stranger = await school.child()
    elsewhere = await other_school.child()

    wallets = ok(await child.parent.get("/v1/wallets"))["items"]

    assert {each["id"] for each in wallets} == {child.wallet_id, sibling.wallet_id}
    for hidden in (stranger, elsewhere):
        for path in ("", "/operations", "/top-up"):
            answer = await child.parent.get(f"/v1/wallets/{hidden.wallet_id}{path}")
            problem(answer, 404, "wallet-not-found")


async def test_the_office_searches_the_schools_wallets(school: School) -> None:
    for first_name, last_name in (("Noor", "Van Damme"), ("Léa", "Dupont"), ("Tom", "Vandenberg")):
        await school.child(first_name=first_name, last_name=last_name)

    async def found(search: str) -> list[str]:
        page = ok(await school.manager.get("/v1/wallets", params={"search": search}))
        return [each["student"]["last_name"] for each in page["items"]]

    assert await found("") == ["Dupont", "Van Damme", "Vandenberg"]
    assert await found("van") == ["Van Damme", "Vandenberg"]
    assert await found("damme noor") == ["Van Damme"]
    assert await found("éa") == []
    assert await found("%") == []


async def test_wallets_come_in_pages(school: School) -> None:
    for _ in range(5):
        await school.child()
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = ok(await school.manager.get("/v1/wallets", params={"limit": 2, **cursor}))
        seen += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    whole = ok(await school.manager.get("/v1/wallets"))["items"]
    assert seen == [each["id"] for each in whole]
    assert len(set(seen)) == 5


@pytest.mark.parametrize("cursor", ["x", "bm8", "W10", "WzEsMiwzLDRd", "ey", "!!!!"])
async def test_a_cursor_of_ones_own_making_is_refused(school: School, cursor: str) -> None:
    answer = await school.manager.get("/v1/wallets", params={"cursor": cursor})
    problem(answer, 400, "invalid-cursor")


async def test_a_wallet_is_topped_up_with_its_own_reference_for_ever(school: School) -> None:
    child = await school.child()

    details = ok(await child.parent.get(f"/v1/wallets/{child.wallet_id}/top-up"))

    assert details["iban"] == school.iban
    assert details["bic"] == "GKCCBEBB"
    assert details["beneficiary"] == "Ecole de test"
    digits = details["reference"]
    assert len(digits) == 12
    assert details["reference_display"] == f"+++{digits[:3]}/{digits[3:7]}/{digits[7:]}+++"
    assert details["amount_cents"] is None
    assert details["epc_payload"].splitlines()[-1] == digits
    await school.post_coda(school.coda(payment(digits, Cents(5_00), PAYER)))
    later = ok(await child.parent.get(f"/v1/wallets/{child.wallet_id}/top-up"))
    assert later == details | {"imported_until": "2026-11-20"}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("image/svg+xml", "image/svg+xml"),
        ("image/png", "image/png"),
        ("image/*", "image/svg+xml"),
        ("application/json;q=0.5, image/png", "image/png"),
        ("*/*", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("image/svg+xml;q=0, */*", "application/json"),
    ],
)
async def test_the_code_to_scan_comes_by_accept(school: School, accept: str, kind: str) -> None:
    child = await school.child()
    answer = await child.parent.get(
        f"/v1/wallets/{child.wallet_id}/top-up", headers={"Accept": accept}
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind
    assert "Accept" in answer.headers["vary"]


async def test_what_cannot_be_made_is_refused(school: School) -> None:
    child = await school.child()
    answer = await child.parent.get(
        f"/v1/wallets/{child.wallet_id}/top-up", headers={"Accept": "text/html"}
    )
    problem(answer, 406, "not-acceptable")


async def test_operations_come_newest_first_with_the_balance_after_each(school: School) -> None:
    child = await school.child()
    await school.post_coda(
        school.coda(*(payment(child.reference, Cents(cents), PAYER) for cents in (100, 20, 3)))
    )
    invoice = await school.invoice(child, 50)
    await pay(child, invoice, 50)

    first = ok(
        await child.parent.get(f"/v1/wallets/{child.wallet_id}/operations", params={"limit": 3})
    )
    rest = ok(
        await child.parent.get(
            f"/v1/wallets/{child.wallet_id}/operations", params={"cursor": first["next"]}
        )
    )

    shown = [
        (each["kind"], each["amount_cents"], each["balance_cents"])
        for each in first["items"] + rest["items"]
    ]
    assert shown == [
        ("payment", -50, 73),
        ("top_up", 3, 123),
        ("top_up", 20, 120),
        ("top_up", 100, 100),
    ]
    assert rest["next"] is None


async def pay(child: Child, invoice: Any, cents: int | None = None) -> Any:
    return await child.parent.post(
        f"/v1/invoices/{invoice['id']}/payments",
        json={"wallet_id": child.wallet_id, "amount_cents": cents},
        headers=once(),
    )


async def test_two_hundred_spends_of_ten_on_a_hundred_are_exactly_ten(school: School) -> None:
    """REL-05."""
    for _ in range(ROUNDS):
        child = await school.child()
        invoice = await school.invoice(child, 5000_00)
        await school.post_coda(school.coda(payment(child.reference, Cents(100_00), PAYER)))

        answers = await asyncio.gather(*(pay(child, invoice, 10_00) for _ in range(200)))

        statuses = [answer.status_code for answer in answers]
        assert statuses.count(201) == 10
        assert statuses.count(409) == 190
        refused = next(answer for answer in answers if answer.status_code == 409)
        problem(refused, 409, "insufficient-funds")
        wallet = ok(await child.parent.get(f"/v1/wallets/{child.wallet_id}"))
        assert wallet["balance_cents"] == 0
    await books_are_clean(school)


async def test_a_teacher_and_a_stranger_see_no_wallet(school: School) -> None:
    child = await school.child()
    teacher = await school.as_(Role.TEACHER)
    for path in ("", f"/{child.wallet_id}", f"/{child.wallet_id}/operations"):
        problem(await teacher.get(f"/v1/wallets{path}"), 403, "insufficient-scope")
        async with client_of(school.app) as stranger:
            answer = await stranger.get(f"/v1/wallets{path}")
        problem(answer, 401, "unauthenticated")
