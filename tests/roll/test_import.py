"""Bringing the school in: what a roll makes, changes, tells and leaves alone."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api import clock
from itschool_api.auth import service as auth
from itschool_api.auth.caller import Role, Scope
from itschool_api.auth.models import Membership
from itschool_api.database import school_transaction
from itschool_api.families.models import ClassGroup, Guardian, Student
from itschool_api.families.population import Population
from itschool_api.roll import endpoints
from tests.kit import (
    PASSWORD,
    School,
    books_are_clean,
    counted_statements,
    logged_in,
    ok,
    open_school,
    problem,
)
from tests.roll.files import (
    CSV,
    INVOICE,
    LARS,
    NOOR,
    SEPARATED,
    TOM,
    codes,
    csv,
    everything,
    families,
    guardians,
    links,
    many,
    refused,
    send,
    students,
    take,
    xlsx,
)

pytestmark = pytest.mark.anyio
_OTHER = {**LARS, "student_key": "S9", "guardian_key": "G9", "family_key": "F9", "email": ""}
TODAY = clock.today("Europe/Brussels")


def tally(new: int = 0, changed: int = 0, unchanged: int = 0) -> dict[str, int]:
    return {"new": new, "changed": changed, "unchanged": unchanged}


async def log_in(school: School, first_name: str) -> AsyncClient:
    """Give a guardian a user, as after an invitation."""
    guardian_id = (await guardians(school))[first_name]["id"]
    async with school_transaction(school.sessions, school.id) as session:
        guardian = await session.get_one(Guardian, (school.id, UUID(guardian_id)))
        user = await auth.create_user(
            session,
            school.id,
            [Role.GUARDIAN],
            first_name=first_name,
            last_name=guardian.last_name,
            email=guardian.email,
            language="fr",
            password=PASSWORD,
        )
        guardian.user_id = user.id
    return await logged_in(school.app, user.user_name)


# --- what a roll makes ---------------------------------------------------------------------------


async def test_a_roll_makes_everybody_with_classes_and_wallets(school: School) -> None:
    report = await take(school, csv(NOOR, LARS))

    assert report["students"] == tally(new=2)
    assert report["enrolments"] == tally(new=2)
    assert report["guardians"] == report["families"] == tally(new=1)
    assert report["memberships"] == tally(new=2)
    assert report["guardianships"] == tally(new=2) | {"ended": 0}
    assert (report["class_groups"], report["rows"], report["changes"]) == (2, 2, True)
    assert report["findings"] == []
    found = await students(school)
    assert found["S1"]["birth_date"] == "2017-05-12"
    assert found["S2"]["birth_date"] == "2019-04-03"
    assert (found["S1"]["class_group"], found["S2"]["class_group"]) == ("3B", "1A")
    an = (await guardians(school))["An"]
    assert (an["email"], an["phone"], an["language"]) == ("an@example.org", NOOR["phone"], "nl")
    assert not an["can_log_in"]
    family = (await families(school))["Famille Peeters"]
    assert (family["postal_code"], family["language"]) == ("1000", "nl")
    assert {each["share_bp"] for each in family["students"]} == {10_000}
    (link,) = await links(school, found["S1"]["id"])
    assert (link["sees_money"], link["starts_on"]) == (True, TODAY.isoformat())
    wallets = ok(await school.manager.get("/v1/wallets"))["items"]
    assert {each["student"]["first_name"] for each in wallets} == {"Noor", "Lars"}
    for wallet in wallets:
        ok(await school.manager.get(f"/v1/wallets/{wallet['id']}/top-up"))


async def test_the_same_file_again_changes_nothing(school: School) -> None:
    data = csv(*SEPARATED, LARS)
    await take(school, data)
    before = await everything(school)

    report = await take(school, data, status=200)

    assert not report["changes"]
    assert report["students"] == tally(unchanged=2)
    assert report["guardianships"] == tally(unchanged=3) | {"ended": 0}
    assert await everything(school) == before


async def test_a_changed_row_changes_what_differs_and_makes_nobody_new(school: School) -> None:
    await take(school, csv(NOOR))
    before = await everything(school)
    moved = {
        **NOOR,
        "student_last_name": "Peters",
        "class_group": "4A",
        "phone": "",
        "street": "Grote Markt 5",
        "family_name": "Gezin Peeters",
        "sees_money": "non",
    }

    report = await take(school, csv(moved))

    assert report["students"] == report["guardians"] == report["families"] == tally(changed=1)
    assert report["enrolments"] == tally(changed=1)
    assert report["guardianships"] == tally(changed=1) | {"ended": 0}
    assert codes(report) == ["renamed"]
    after = await everything(school)
    assert after[0]["S1"]["id"] == before[0]["S1"]["id"]
    assert (after[0]["S1"]["last_name"], after[0]["S1"]["class_group"]) == ("Peters", "4A")
    assert after[1]["An"] == {**before[1]["An"], "phone": None}
    assert after[2]["Gezin Peeters"]["street"] == "Grote Markt 5"
    assert not after[3][0]["sees_money"]
    assert len(after[3]) == len(after[4]) == 1


async def test_what_the_file_has_no_column_for_stays(school: School) -> None:
    await take(school, csv({**NOOR, "sees_money": "no", "share": "100"}))
    before = await everything(school)

    bare = {key: NOOR[key] for key in ("student_key", "class_group")}
    report = await take(school, csv({**bare, "class_group": "4A"}))

    assert (report["students"], report["enrolments"]) == (tally(unchanged=1), tally(changed=1))
    assert report["findings"] == []
    after = await everything(school)
    assert after[0]["S1"] == {**before[0]["S1"], "class_group": "4A"}
    assert after[1:] == before[1:]


async def test_classes_are_those_of_the_year_that_is_asked_for(school: School) -> None:
    year = ok(await school.manager.get("/v1/school-years"))["items"][0]

    report = await take(school, csv(NOOR), school_year=year["id"])

    assert report["school_year_id"] == year["id"]
    again = await take(school, csv({**NOOR, "class_group": "3b"}), status=200)
    assert (again["class_groups"], again["enrolments"]) == (0, tally(unchanged=1))
    problem(
        await send(school.manager, csv(NOOR), school_year=uuid4()), 404, "school-year-not-found"
    )


async def test_a_guardian_without_a_key_is_known_by_the_address(school: School) -> None:
    keyless = {key: value for key, value in NOOR.items() if key != "guardian_key"}
    await take(school, csv(keyless))

    report = await take(school, csv({**keyless, "guardian_last_name": "Pieters"}))

    assert report["guardians"] == tally(changed=1)
    assert codes(report) == ["renamed"]


async def test_a_guardian_who_is_known_without_a_key_gets_it(school: School) -> None:
    """Entered by hand before, or by a file that had only addresses: never twice."""
    form = {"first_name": "An", "last_name": "Peeters", "email": "an@example.org"}
    by_hand = ok(await school.manager.post("/v1/guardians", json=form), 201)
    keyless = {key: value for key, value in NOOR.items() if key != "guardian_key"}

    first = await take(school, csv(keyless))
    second = await take(school, csv(NOOR))
    third = await take(school, csv(keyless), status=200)

    assert [each["guardians"]["new"] for each in (first, second, third)] == [0, 0, 0]
    assert (await guardians(school))["An"]["id"] == by_hand["id"]


async def test_a_couple_with_one_address_are_two(school: School) -> None:
    form = {"first_name": "Jan", "last_name": "Peeters", "email": "an@example.org"}
    ok(await school.manager.post("/v1/guardians", json=form), 201)

    report = await take(school, csv(NOOR))

    assert report["guardians"] == tally(new=1)


async def test_whoever_has_no_key_is_known_by_our_id(school: School) -> None:
    child = await school.child()
    row = {"student_key": child.student_id, "student_first_name": "Nora"}

    report = await take(school, csv(row))

    assert report["students"] == tally(changed=1)
    assert codes(report) == ["renamed"]
    found = ok(await school.manager.get(f"/v1/students/{child.student_id}"))
    assert (found["first_name"], found["external_key"]) == ("Nora", None)


async def test_a_family_without_a_name_is_named_after_its_guardians(school: School) -> None:
    rows = [
        {**NOOR, "family_name": ""},
        {**TOM, "family_key": "F1", "family_name": "", "street": "", "postal_code": "", "city": ""},
    ]
    await take(school, csv(*rows))

    assert [*await families(school)] == ["Peeters - Claes"]


# --- separated parents ---------------------------------------------------------------------------


async def test_separated_parents_see_their_child_and_nothing_of_each_other(school: School) -> None:
    """SEC-01."""
    await take(school, csv(*SEPARATED))
    an, tom = await log_in(school, "An"), await log_in(school, "Tom")
    homes = await families(school)
    child = (await students(school))["S1"]["id"]
    shares = {name: family["students"][0]["share_bp"] for name, family in homes.items()}
    assert shares == {"Famille Peeters": 6000, "Famille Claes": 4000}
    invoices = {}
    for name, family in homes.items():
        line = {"student_id": child, "label": "Garderie", "unit_cents": 10_00}
        form = {"family_id": family["id"], "label": "Garderie", "lines": [line]}
        draft = ok(await school.manager.post("/v1/invoices", json=form), 201)
        invoices[name] = ok(await school.manager.post(f"/v1/invoices/{draft['id']}/issue", json={}))

    for parent, mine, theirs in (
        (an, "Famille Peeters", "Famille Claes"),
        (tom, "Famille Claes", "Famille Peeters"),
    ):
        seen = ok(await parent.get("/v1/students"))["items"]
        assert [each["first_name"] for each in seen] == ["Noor"]
        assert len(ok(await parent.get("/v1/wallets"))["items"]) == 1
        listed = ok(await parent.get("/v1/invoices"))["items"]
        assert [each["id"] for each in listed] == [invoices[mine]["id"]]
        hidden = await parent.get(f"/v1/invoices/{invoices[theirs]['id']}")
        problem(hidden, 404, "invoice-not-found")
        problem(await parent.get("/v1/families"), 403, "insufficient-scope")
        problem(await parent.get("/v1/roll"), 403, "insufficient-scope")
        whole = str([(await parent.get(url)).text for url in ("/v1/dashboard", "/v1/invoices")])
        for secret in (homes[theirs]["id"], homes[theirs]["street"], theirs):
            assert secret not in whole


async def test_a_guardian_who_is_gone_from_the_file_is_told_and_stays(school: School) -> None:
    await take(school, csv(*SEPARATED))
    tom = await log_in(school, "Tom")

    report = await take(school, csv(SEPARATED[0]), status=200)

    assert codes(report) == ["guardianship-not-in-file", "family-not-in-file"]
    assert len(ok(await tom.get("/v1/students"))["items"]) == 1


async def test_a_guardian_who_is_gone_loses_access_at_once_where_that_is_asked_for(
    school: School,
) -> None:
    """SEC-06."""
    await take(school, csv(*SEPARATED))
    tom = await log_in(school, "Tom")

    report = await take(school, csv({**NOOR, "share": "100"}), end_missing=True)

    assert codes(report) == ["guardianship-ends", "family-left"]
    assert report["guardianships"]["ended"] == 1
    assert ok(await tom.get("/v1/students"))["items"] == []
    assert (await families(school))["Famille Claes"]["students"] == []
    # What ended is not begun again by a file that still names it.
    report = await take(school, csv(*SEPARATED), status=201)
    assert codes(report) == ["guardianship-over"]
    assert ok(await tom.get("/v1/students"))["items"] == []


async def test_a_student_never_loses_the_last_guardian_by_a_file(school: School) -> None:
    await take(school, csv(NOOR, LARS))
    alone = {key: NOOR[key] for key in ("student_key", "birth_date", "class_group")}

    report = await take(
        school, csv({**alone, "family_key": ""}, LARS), status=200, end_missing=True
    )

    assert codes(report) == ["no-guardian"]
    (link,) = await links(school, (await students(school))["S1"]["id"])
    assert link["ends_on"] is None


async def test_a_family_replaces_another_where_the_old_one_is_left(school: School) -> None:
    await take(school, csv(NOOR))
    moved = {**TOM, "share": ""}

    assert {*(await refused(school, csv(moved)))} == {"missing-value", "shares-over-100"}
    await take(school, csv(moved), end_missing=True)

    (link,) = [
        each
        for each in await links(school, (await students(school))["S1"]["id"])
        if each["ends_on"] is None
    ]
    assert link["family_id"] == (await families(school))["Famille Claes"]["id"]


# --- who is not in the file ----------------------------------------------------------------------


async def test_students_that_the_file_does_not_name_are_told_and_stay(school: School) -> None:
    await take(school, csv(NOOR, LARS))

    report = await take(school, csv(NOOR), status=200)

    (finding,) = report["findings"]
    assert finding["code"] == "student-not-in-file"
    assert finding["values"] == {
        "class_group": "1A",
        "count": 1,
        "names": "Lars Peeters (S2)",
    }
    assert finding["message"] == (
        "Not in the file, and staying: 1 of class “1A”, Lars Peeters (S2)."
    )
    assert finding["row"] is None
    assert len(await students(school)) == 2


async def test_a_file_of_one_class_is_told_how_many_of_the_others_it_leaves_out(
    school: School,
) -> None:
    await take(school, csv(*many(1100)))

    report = await take(
        school, csv({**NOOR, "student_key": "S0", "guardian_key": "G0"}), preview=1, status=200
    )

    absent = [each for each in report["findings"] if each["code"] == "student-not-in-file"]
    assert sum(each["values"]["count"] for each in absent) == 1099
    assert [each["values"]["class_group"] for each in absent] == sorted(
        f"{place}A" for place in range(12)
    )
    assert len(report["findings"]) == report["warnings"] + report["errors"]


async def test_a_leaver_is_told_and_stays_one(school: School) -> None:
    await take(school, csv(NOOR))
    student_id = (await students(school))["S1"]["id"]
    form = {"left_on": "2026-01-31"}
    ok(await school.manager.put(f"/v1/students/{student_id}/departure", json=form))

    report = await take(school, csv({**NOOR, "student_first_name": "NOOR"}))

    assert codes(report) == ["student-left"]
    found = ok(await school.manager.get(f"/v1/students/{student_id}"))
    assert (found["first_name"], found["left_on"]) == ("NOOR", "2026-01-31")


async def test_whoever_was_erased_is_not_filled_in_again(school: School) -> None:
    """SEC-35: not by the id that they had, nor by a file that was read a moment before."""
    await take(school, csv(NOOR))
    people = await everything(school)
    ids = {
        "student_key": people[0]["S1"]["id"],
        "guardian_key": people[1]["An"]["id"],
        "family_key": people[2]["Famille Peeters"]["id"],
    }
    for table in ("students", "guardians", "families"):
        async with school_transaction(school.sessions, school.id) as session:
            await session.execute(
                text(f"UPDATE {table} SET erased_at = now(), external_key = NULL")  # noqa: S608
            )

    document = problem(await send(school.manager, csv({**NOOR, **ids})), 422, "roll-has-errors")

    assert [each["code"] for each in document["errors"]] == ["erased"] * 3
    owing = {**INVOICE, "student_key": ids["student_key"], "family_key": ids["family_key"]}
    document = problem(await send(school.manager, csv(owing)), 422, "roll-has-errors")
    assert [each["code"] for each in document["errors"]] == ["erased"] * 2
    row = {"id": UUID(ids["student_key"]), "first_name": "Noor", "last_name": "Again"}
    async with school_transaction(school.sessions, school.id) as session:
        await Population(session, school.id).change(Student, [row])
        kept = await session.get_one(Student, (school.id, row["id"]))
        assert kept.last_name == "Peeters"


# --- what is told --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code", "column"),
    [
        ({"student_key": ""}, "missing-value", "student_key"),
        ({"student_key": "x" * 65}, "invalid-key", "student_key"),
        ({"student_first_name": ""}, "missing-value", "student_first_name"),
        ({"student_last_name": "x" * 121}, "invalid-text", "student_last_name"),
        ({"birth_date": "31/02/2017"}, "invalid-date", "birth_date"),
        ({"birth_date": "12/05/17"}, "invalid-date", "birth_date"),
        ({"birth_date": "1899-12-31"}, "invalid-date", "birth_date"),
        (
            {"birth_date": (TODAY + timedelta(days=1)).isoformat()},
            "date-in-future",
            "birth_date",
        ),
        ({"guardian_key": "", "email": ""}, "missing-value", "guardian_key"),
        ({"guardian_last_name": ""}, "missing-value", "guardian_last_name"),
        ({"email": "an@example"}, "invalid-email", "email"),
        ({"email": "an.example.org"}, "invalid-email", "email"),
        ({"phone": "3,24772E+10"}, "invalid-phone", "phone"),
        ({"language": "klingon"}, "invalid-language", "language"),
        ({"sees_money": "perhaps"}, "not-yes-or-no", "sees_money"),
        ({"family_key": ""}, "missing-value", "family_key"),
        ({"share": "100,01"}, "invalid-share", "share"),
        ({"share": "half"}, "invalid-share", "share"),
    ],
)
async def test_each_error_says_where_it_is_and_what_is_expected(
    school: School, changes: dict[str, str], code: str, column: str
) -> None:
    row = {"sees_money": "yes", "share": "100", **NOOR, **changes}

    document = problem(await send(school.manager, csv(_OTHER, row)), 422, "roll-has-errors")

    assert [(each["code"], each["pointer"]) for each in document["errors"]] == [
        (code, f"/3/{column}")
    ]
    assert document["errors"][0]["detail"].endswith((".", "?"))
    assert await students(school) == {}


async def test_rows_of_one_person_must_agree(school: School) -> None:
    twice = {
        **NOOR,
        "student_first_name": "Nora",
        "street": "Elsewhere 3",
        "email": "b@example.org",
    }

    document = problem(
        await send(school.manager, csv(NOOR, {**twice, "guardian_key": "G1"})),
        422,
        "roll-has-errors",
    )

    assert [each["pointer"] for each in document["errors"]] == [
        "/3/student_first_name",
        "/3/email",
        "/3/street",
    ]
    assert {each["code"] for each in document["errors"]} == {"contradiction"}
    assert "“Noor” in row 2" in document["errors"][0]["detail"]


async def test_shares_make_a_hundred_per_cent(school: School) -> None:
    too_much = [{**NOOR, "share": "60"}, {**TOM, "share": "40,01"}]
    assert {*(await refused(school, csv(*too_much)))} == {"shares-over-100"}
    unsaid = [{**NOOR, "share": ""}, {**TOM, "share": "40"}]
    assert {*(await refused(school, csv(*unsaid)))} >= {"missing-value"}

    await take(school, csv(*SEPARATED))
    report = await take(school, csv({**NOOR, "share": "33,33"}, {**TOM, "share": "66.66 %"}))

    assert report["memberships"] == tally(changed=2)

    assert codes(report) == ["shares-below-100"]
    assert "99,99 %" in report["findings"][0]["message"]


async def test_what_is_unusual_is_told_and_taken(school: School) -> None:
    rows = [
        {**NOOR, "email": "an@gmial.com", "class_group": "", "shoe size": "33", "Emial": ""},
        {
            **LARS,
            "student_key": "S3",
            "family_key": "F9",
            "street": "Elsewhere 1",
            "class_group": "1A",
            "email": "",
        },
        {
            "student_key": "S4",
            "student_first_name": "Jef",
            "student_last_name": "Maes",
            "class_group": "1A",
        },
    ]

    report = await take(school, csv(*rows, rows[0]))

    assert sorted(codes(report)) == [
        "duplicate-row",
        "email-typo",
        "no-class",
        "no-guardian",
        "two-addresses",
        "unknown-column",
        "unknown-column",
    ]
    told = {each["column"]: each for each in report["findings"] if each["code"] == "unknown-column"}
    assert "“email”" in told["Emial"]["message"]
    assert told["shoe size"]["row"] == 1


async def test_a_child_entered_by_hand_before_is_pointed_at(school: School) -> None:
    child = await school.child(first_name="Noor", last_name="Peeters")

    report = await take(school, csv(NOOR), preview=True, status=200)

    told = next(each for each in report["findings"] if each["code"] == "may-be-known")
    assert child.student_id in told["message"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"nothing;of;use\r\n1;2;3\r\n", "no-roll"),
        (b"student_key;matricule\r\n1;1\r\n", "duplicate-column"),
        (b"student_key;prenom;nom\r\nS1;An;Claes;;more\r\n", "too-many-cells"),
        (b"amount;reference\r\n1;2\r\n", "missing-column"),
    ],
)
async def test_a_file_with_other_headings_is_refused(
    school: School, data: bytes, code: str
) -> None:
    assert code in await refused(school, data)


async def test_one_person_under_two_keys_is_refused(school: School) -> None:
    child = await school.child()
    names = {"student_first_name": "Noor", "student_last_name": "Peeters"}
    await take(school, csv({"student_key": "S1", **names}))
    known = (await students(school))["S1"]["id"]

    by_id = csv({"student_key": "S1"}, {"student_key": known}, {"student_key": child.student_id})
    assert {*(await refused(school, by_id))} == {"two-keys"}
    keyed_and_not = csv(NOOR, {**LARS, "guardian_key": ""})
    assert {*(await refused(school, keyed_and_not))} == {"two-keys"}


# --- all or nothing ------------------------------------------------------------------------------


async def test_a_preview_tells_everything_and_writes_nothing(school: School) -> None:
    data = csv(*SEPARATED, {**LARS, "birth_date": "yesterday"})
    before = await everything(school)

    preview = await take(school, data, status=200, preview=True)

    assert preview["preview"]
    assert (preview["errors"], preview["students"]) == (1, tally(new=2))
    assert codes(preview, "error") == ["invalid-date"]
    assert await everything(school) == before
    sound = csv(*SEPARATED, LARS)
    preview = await take(school, sound, status=200, preview=True)
    assert preview | {"preview": False} == await take(school, sound)


async def test_one_wrong_row_leaves_nothing_behind(school: School) -> None:
    before = await everything(school)

    await refused(school, csv(*many(50), {**LARS, "student_key": "S99", "email": "nobody"}))

    assert await everything(school) == before


async def test_the_keys_of_another_school_are_other_keys(
    school: School, other_school: School
) -> None:
    """SEC-02."""
    await take(school, csv(NOOR))
    before = await everything(school)
    theirs = {**NOOR, "student_first_name": "Emma", "guardian_first_name": "Els"}

    report = await take(other_school, csv(theirs))

    assert report["students"] == report["guardians"] == report["families"] == tally(new=1)
    assert await everything(school) == before
    foreign = csv({"student_key": before[0]["S1"]["id"], "student_first_name": "Mine"})
    assert {*(await refused(other_school, foreign))} == {"missing-value"}


# --- who may, and in which form ------------------------------------------------------------------


async def test_the_body_is_a_file_of_a_known_kind_and_size(app: FastAPI, school: School) -> None:
    """SEC-23."""
    post = school.manager.post
    json = await post("/v1/roll", json={})
    problem(json, 415, "not-a-roll")
    empty = await post("/v1/roll", content=b"", headers={"Content-Type": CSV})
    problem(empty, 400, "empty-roll")
    most = app.state.settings.roll_max_bytes
    large = await post("/v1/roll", content=b"x" * (most + 1), headers={"Content-Type": CSV})
    problem(large, 413, "too-large")
    largest = await post(
        "/v1/roll",
        content=b"x" * (endpoints.LARGEST_FILE_BYTES + 1),
        headers={"Content-Type": CSV},
    )
    assert largest.status_code == 413
    long = csv(*({"student_key": str(place)} for place in range(10_001)))
    problem(await send(school.manager, long), 413, "roll-too-long")


async def test_a_import_is_in_the_audit_trail_and_a_preview_is_not(school: School) -> None:
    """SEC-34."""
    await take(school, csv(*SEPARATED), preview=True, status=200)
    await take(school, csv(*SEPARATED))
    await take(school, csv(*SEPARATED), status=200)
    await take(school, csv({**NOOR, "share": "100"}), end_missing=True)
    async with school_transaction(school.sessions, school.id) as session:
        found = await session.execute(
            text("SELECT subjects FROM audit_events WHERE action = 'import_roll' ORDER BY at")
        )
        subjects = [row.subjects for row in found]
    link = next(
        each
        for each in await links(school, (await students(school))["S1"]["id"])
        if each["ends_on"]
    )

    (made, ended) = subjects
    student = (await students(school))["S1"]["id"]
    assert made["student"] == [student]
    assert made.keys() == {"family", "student", "guardian", "school_year"}
    assert (ended.keys(), ended["guardianship"]) == ({"guardianship", "school_year"}, [link["id"]])


# --- cost and concurrency ------------------------------------------------------------------------


async def test_the_number_of_statements_does_not_grow_with_the_rows(
    app: FastAPI, school: School, other_school: School
) -> None:
    counts = []
    for each, size in ((school, 10), (other_school, 300)):
        rows = many(size)
        kinds = {}
        changed = [
            {**row, "street": "Elsewhere 1", "phone": "", "class_group": "9Z", "sees_money": "no"}
            for row in rows
        ]
        for name, data in (("new", csv(*rows)), ("changed", csv(*changed))):
            with counted_statements(app) as statements:
                await take(each, data)
            kinds[name] = len(statements)
        counts.append(kinds)
    assert counts[0] == counts[1]
    assert max(counts[0].values()) < 50
    await books_are_clean(other_school)


async def test_of_two_imports_at_once_the_second_finds_what_the_first_made(
    school: School, settings: Any, database_url: str
) -> None:
    """Two processes, so that it is the database's lock that holds."""
    from itschool_api.app import create_app  # noqa: PLC0415 - a second process's application

    data = csv(*many(120))
    second = create_app(settings, database_url)
    async with second.router.lifespan_context(second):
        key = await school.api_key(Scope.PEOPLE_WRITE)
        token = key.headers["authorization"]
        there = School(second, school.id, school.iban, school.manager)
        other = await there.api_key(Scope.PEOPLE_WRITE)
        assert token != other.headers["authorization"]
        answers = await asyncio.gather(*(send(client, data) for client in (key, other, key, other)))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len(await students(school)) == 120


async def test_an_import_beside_people_added_by_hand_is_whole_or_refused(
    school: School,
) -> None:
    async def by_hand(place: int) -> int:
        form = {"first_name": "X", "last_name": "Y", "external_key": f"S{place}"}
        return (await school.manager.post("/v1/students", json=form)).status_code

    data = csv(*many(60))
    answer, statuses = await asyncio.gather(
        send(school.manager, data),
        asyncio.gather(*(by_hand(place) for place in range(0, 60, 6))),
    )

    assert set(statuses) <= {201, 409}
    ok(answer, 201)
    assert len(await students(school)) == 60


async def test_what_somebody_adds_at_the_same_moment_is_a_conflict(
    school: School, owner: AsyncEngine
) -> None:
    """A class of that name is made, and not committed before the import wants it."""
    # Of this database alone: other tests wait for locks at the same moment.
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    year = UUID(ok(await school.manager.get("/v1/school-years"))["items"][0]["id"])
    async with school_transaction(school.sessions, school.id) as session:
        session.add(ClassGroup(school_id=school.id, school_year_id=year, name="3B"))
        await session.flush()
        sending = asyncio.create_task(send(school.manager, csv(NOOR)))
        async with owner.connect() as connection:
            while not (await connection.execute(waiting)).scalar_one():  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    problem(await sending, 409, "people-changed-meanwhile")
    assert await students(school) == {}
    await take(school, csv(NOOR))


async def test_a_workbook_is_taken_as_well(school: School) -> None:
    report = await take(school, xlsx(Élèves=[NOOR, LARS], Notes=[{"a": 1}]))

    assert report["students"] == tally(new=2)
    assert [(each["code"], each["sheet"]) for each in report["findings"]] == [
        ("unknown-sheet", "Notes")
    ]


async def test_no_user_is_made(app: FastAPI) -> None:
    school = await open_school(app)
    async with school.sessions.begin() as session:
        query = text("SELECT count(*) FROM memberships WHERE school_id = :school")
        before = (await session.execute(query, {"school": school.id})).scalar_one()
    await take(school, csv(*SEPARATED))
    async with school.sessions.begin() as session:
        after = (await session.execute(query, {"school": school.id})).scalar_one()

    assert before == after
    assert Membership.__tablename__ == "memberships"
