"""People over HTTP: adding and finding them."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.kit import ANY_STATE, Child, School, ok, problem

pytestmark = pytest.mark.anyio


async def post(school: School, path: str, form: dict[str, Any], status: int = 201) -> Any:
    return ok(await school.manager.post(f"/v1/{path}", json=form), status)


async def test_a_class_with_a_student_is_found_by_name_and_class(school: School) -> None:
    group = await post(school, "class-groups", {"name": "3B"})
    student = await post(
        school,
        "students",
        {
            "first_name": "Noor",
            "last_name": "Van Damme",
            "external_key": "2026-0815",
            "birth_date": "2017-05-12",
            "class_group_id": group["id"],
        },
    )
    await post(school, "students", {"first_name": "Tom", "last_name": "Dupont"})
    assert student["class_group"] == "3B"

    async def found(**params: str) -> list[str]:
        page = ok(await school.manager.get("/v1/students", params=params))
        return [each["last_name"] for each in page["items"]]

    assert await found() == ["Dupont", "Van Damme"]
    assert await found(class_group=group["id"]) == ["Van Damme"]
    assert await found(search="noo dam") == ["Van Damme"]
    assert await found(search="2026-0815") == ["Van Damme"]
    assert await found(search="100%") == []
    assert ok(await school.manager.get(f"/v1/students/{student['id']}")) == student
    groups = ok(await school.manager.get("/v1/class-groups", params={"search": "3"}))["items"]
    assert groups == [group]


async def test_names_and_keys_that_are_taken_are_refused(school: School) -> None:
    await post(school, "class-groups", {"name": "3B"})
    problem(
        await school.manager.post("/v1/class-groups", json={"name": "3B"}),
        409,
        "class-group-name-taken",
    )
    form = {"first_name": "Noor", "last_name": "Peeters", "external_key": "7"}
    await post(school, "students", form)
    problem(await school.manager.post("/v1/students", json=form), 409, "student-key-taken")


async def test_a_wallet_opens_for_each_compartment_of_a_new_student(school: School) -> None:
    student = await post(school, "students", {"first_name": "Noor", "last_name": "Peeters"})
    wallets = ok(await school.manager.get("/v1/wallets", params={"student": student["id"]}))
    assert [each["compartment"]["name"] for each in wallets["items"]] == ["Compartiment général"]


async def test_a_family_gathers_students_and_guardians(school: School) -> None:
    child = await school.child(last_name="Peeters")
    sibling = await school.sibling(child)
    page = ok(await school.manager.get("/v1/families", params={"search": "peet"}))
    assert [each["students"] for each in page["items"]] == [
        [
            {"student_id": child.student_id, "share_bp": 10_000},
            {"student_id": sibling.student_id, "share_bp": 10_000},
        ]
    ]
    problem(
        await school.manager.post(
            f"/v1/families/{child.family_id}/students", json={"student_id": child.student_id}
        ),
        409,
        "student-in-family",
    )
    links = ok(await school.manager.get("/v1/guardianships", params={"student": child.student_id}))[
        "items"
    ]
    assert [(each["guardian_id"], each["sees_money"]) for each in links] == [
        (child.guardian_id, True)
    ]
    guardians = ok(await school.manager.get("/v1/guardians", params={"search": "an peet"}))
    assert [each["id"] for each in guardians["items"]] == [child.guardian_id]


async def test_a_guardianship_asks_for_a_family_of_the_student(school: School) -> None:
    child, other = await school.child(), await school.child()
    form = {
        "guardian_id": child.guardian_id,
        "student_id": other.student_id,
        "family_id": child.family_id,
    }
    problem(await school.manager.post("/v1/guardianships", json=form), 422, "student-not-in-family")
    form = {**form, "student_id": child.student_id}
    problem(await school.manager.post("/v1/guardianships", json=form), 409, "guardianship-exists")
    problem(
        await school.manager.post(
            "/v1/guardianships",
            json={**form, "starts_on": "2026-09-01", "ends_on": "2026-08-31"},
        ),
        422,
        "validation-failed",
    )


async def test_lists_of_people_come_in_pages(school: School) -> None:
    for place in range(5):
        await post(school, "guardians", {"first_name": "An", "last_name": f"Same{place % 2}"})
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        page = ok(await school.manager.get("/v1/guardians", params={"limit": "2", **cursor}))
        seen += [each["id"] for each in page["items"]]
        cursor = {"cursor": page["next"] or ""}
    assert page["next"] is None
    assert len(set(seen)) == 5


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("families", {"name": "Famille\nPeeters"}),
        ("families", {"name": "   "}),
        ("families", {"name": "Peeters", "city": "Bruxelles\t1000"}),
        ("guardians", {"first_name": "An", "last_name": "Peeters", "email": "an@@example.org"}),
        ("guardians", {"first_name": "An", "last_name": "Peeters", "language": "es"}),
        ("students", {"first_name": "Noor", "last_name": "P", "birth_date": "0001-01-01"}),
        ("students", {"first_name": "Noor\u0000", "last_name": "P"}),
    ],
)
async def test_what_would_spoil_a_letter_is_refused(
    school: School, path: str, form: dict[str, Any]
) -> None:
    answer = await school.manager.post(f"/v1/{path}", json=form)
    problem(answer, 422, "validation-failed")


async def test_a_guardianship_that_is_over_may_be_written_down(school: School) -> None:
    """Its beginning is not told, and cannot be today."""
    child = await school.child()
    guardian = ok(
        await school.manager.post("/v1/guardians", json={"first_name": "Jo", "last_name": "Bos"}),
        201,
    )
    link = ok(
        await school.manager.post(
            "/v1/guardianships",
            json={
                "guardian_id": guardian["id"],
                "student_id": child.student_id,
                "family_id": child.family_id,
                "ends_on": "2020-06-30",
            },
        ),
        201,
    )

    assert (link["starts_on"], link["ends_on"]) == ("2020-06-30", "2020-06-30")


CORRECTED = {
    "students": {
        "first_name": "Nour",
        "last_name": "De Smet",
        "external_key": "N-7",
        "birth_date": "2018-01-31",
    },
    "guardians": {
        "first_name": "Anne",
        "last_name": "De Smet",
        "email": "anne@example.org",
        "phone": "+32 2 555 01 23",
        "language": "de",
    },
    "families": {
        "name": "Familie De Smet",
        "language": "nl",
        "street": "Wetstraat 1",
        "postal_code": "1000",
        "city": "Brussel",
    },
}


def ids_of(child: Child) -> dict[str, str]:
    return {
        "students": child.student_id,
        "guardians": child.guardian_id,
        "families": child.family_id,
    }


@pytest.mark.parametrize("kind", [*CORRECTED])
async def test_the_office_corrects_what_it_knows_of_people(school: School, kind: str) -> None:
    child, other = await school.child(), await school.child()
    url = f"/v1/{kind}/{ids_of(child)[kind]}"
    before = ok(await school.manager.get(url))
    others = ok(await school.manager.get(f"/v1/{kind}/{ids_of(other)[kind]}"))

    changed = ok(await school.manager.patch(url, json=CORRECTED[kind], headers=ANY_STATE))

    assert changed == before | CORRECTED[kind]
    assert ok(await school.manager.get(url)) == changed
    assert ok(await school.manager.get(f"/v1/{kind}/{ids_of(other)[kind]}")) == others
    for name in CORRECTED[kind]:
        alone = {name: before[name]}
        restored = ok(await school.manager.patch(url, json=alone, headers=ANY_STATE))
        assert restored == (changed := changed | alone)
    assert changed == before


@pytest.mark.parametrize("kind", [*CORRECTED])
async def test_nobody_corrects_the_people_of_another_school(
    school: School, other_school: School, kind: str
) -> None:
    """SEC-02."""
    child = await school.child()
    url = f"/v1/{kind}/{ids_of(child)[kind]}"
    code = {"students": "student", "guardians": "guardian", "families": "family"}[kind]

    problem(
        await other_school.manager.patch(url, json=CORRECTED[kind], headers=ANY_STATE),
        404,
        f"{code}-not-found",
    )
    problem(await other_school.manager.get(url), 404, f"{code}-not-found")


@pytest.mark.parametrize("kind", [*CORRECTED])
async def test_whoever_was_erased_stays_so(school: School, owner: AsyncEngine, kind: str) -> None:
    """SEC-35."""
    child = await school.child()
    url = f"/v1/{kind}/{ids_of(child)[kind]}"
    async with owner.begin() as connection:
        await connection.execute(
            text(f"UPDATE {kind} SET erased_at = now() WHERE id = :id"),  # noqa: S608
            {"id": ids_of(child)[kind]},
        )

    problem(
        await school.manager.patch(url, json=CORRECTED[kind], headers=ANY_STATE),
        409,
        "person-erased",
    )


async def test_an_external_key_is_one_students_after_a_correction_too(school: School) -> None:
    one, two = await school.child(), await school.child()
    form = CORRECTED["students"]
    ok(await school.manager.patch(f"/v1/students/{one.student_id}", json=form, headers=ANY_STATE))

    answer = await school.manager.patch(
        f"/v1/students/{two.student_id}", json=form, headers=ANY_STATE
    )
    problem(answer, 409, "student-key-taken")
    ok(await school.manager.patch(f"/v1/students/{one.student_id}", json=form, headers=ANY_STATE))
