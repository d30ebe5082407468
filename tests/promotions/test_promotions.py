"""Into the next school year: whole classes, exceptions, leavers; the money stays where it is."""

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from httpx2 import Response

from itschool_api import clock
from itschool_api.banking.coda.builders import payment
from itschool_api.database import school_transaction
from itschool_api.money import Cents
from itschool_api.promotions import service
from itschool_api.promotions.schemas import NewPromotions
from tests.kit import PAYER, School, books_are_clean, counted_statements, ok, problem

pytestmark = pytest.mark.anyio

BRUSSELS = "Europe/Brussels"


@dataclass
class Year:
    """A school with classes and students, and the year that comes next."""

    school: School
    old: str
    new: str
    last_day: str
    """A day at the end of the old year's lessons."""
    groups: dict[str, str]

    async def student(self, name: str, group: str | None) -> str:
        """Enrol a student in a class."""
        form = {
            "first_name": name,
            "last_name": "Maes",
            "class_group_id": self.groups[group] if group else None,
        }
        return str(ok(await self.school.manager.post("/v1/students", json=form), 201)["id"])

    async def group(self, name: str, year: str) -> str:
        """Make a class group."""
        form = {"name": name, "school_year_id": year}
        return str(ok(await self.school.manager.post("/v1/class-groups", json=form), 201)["id"])

    async def post(self, *, preview: bool = False, **form: Any) -> Response:
        """Ask for promotions."""
        return await self.school.manager.post(
            "/v1/promotions",
            json={"school_year_id": self.new} | form,
            params={"preview": "true"} if preview else {},
        )

    async def classes(self) -> dict[str, list[str]]:
        """Return the first names in each class of the new year, whether they left or not."""
        manager = self.school.manager
        page = ok(await manager.get("/v1/class-groups", params={"school_year": self.new}))
        found = {}
        for group in page["items"]:
            names = []
            for left in ("false", "true"):
                params = {"class_group": group["id"], "left": left}
                students = ok(await manager.get("/v1/students", params=params))["items"]
                names += [student["first_name"] for student in students]
            found[group["name"]] = sorted(names)
        return found

    async def left_on(self, student: str) -> str | None:
        """Return a student's last day."""
        read = ok(await self.school.manager.get(f"/v1/students/{student}"))
        return str(read["left_on"]) if read["left_on"] else None


@pytest.fixture
async def year(school: School) -> Year:
    """Three classes: 3B moves on, 6A is the last one."""
    new = ok(await school.manager.post("/v1/school-years", json={}), 201)
    newest, old = ok(await school.manager.get("/v1/school-years"))["items"]
    assert newest == new
    last_day = date.fromisoformat(new["begins_on"]) - timedelta(days=32)
    made = Year(school, old["id"], new["id"], last_day.isoformat(), {})
    for name in ("3B", "6A"):
        made.groups[name] = await made.group(name, made.old)
    return made


def to(year: Year, old: str, **where: Any) -> dict[str, Any]:
    return {"from_class_group_id": year.groups[old], **where}


def counts(report: Any) -> tuple[int, int, int, int]:
    """Return moved, left, unchanged, unnamed, which must make all."""
    four = tuple(int(report[name]) for name in ("moved", "left", "unchanged", "unnamed"))
    assert sum(four) == report["students"]
    return four  # type: ignore[return-value]  # there are four


async def test_the_next_school_year_is_added_once(school: School) -> None:
    (present,) = ok(await school.manager.get("/v1/school-years"))["items"]
    first = int(present["name"].split("-")[0]) + 1

    made = ok(await school.manager.post("/v1/school-years", json={}), 201)

    assert made | {"id": ""} == {
        "id": "",
        "name": f"{first}-{first + 1}",
        "begins_on": f"{first}-08-01",
        "ends_on": f"{first + 1}-07-31",
    }
    for form in ({}, {"first_year": first}):
        problem(await school.manager.post("/v1/school-years", json=form), 409, "school-year-exists")
    ok(await school.manager.post("/v1/school-years", json={"first_year": first + 1}), 201)
    for wrong in (1999, 2101, "2030", 2030.5, True):
        problem(
            await school.manager.post("/v1/school-years", json={"first_year": wrong}),
            422,
            "validation-failed",
        )


async def test_classes_move_on_with_exceptions_and_the_oldest_leave(year: Year) -> None:
    noor = await year.student("Noor", "3B")
    repeats = await year.student("Lars", "3B")
    skips = await year.student("Ada", "3B")
    goes = await year.student("Jef", "3B")
    oldest = await year.student("Mia", "6A")
    stays = await year.student("Tom", "6A")
    beside = await year.student("Eva", None)
    fourth_a = await year.group("4A", year.new)
    form: dict[str, Any] = {
        "class_groups": [to(year, "3B", to_name="4B"), to(year, "6A", leaves=True)],
        "students": [
            {"student_id": repeats, "to_name": "3B"},
            {"student_id": skips, "to_class_group_id": fourth_a},
            {"student_id": goes, "leaves": True},
            {"student_id": stays, "to_name": "6A"},
            {"student_id": beside, "to_name": "4B"},
        ],
        "left_on": year.last_day,
    }

    foretold = ok(await year.post(preview=True, **form))
    assert await year.classes() == {"4A": []}
    report = ok(await year.post(**form))

    assert foretold == report | {"preview": True}
    assert counts(report) == (5, 2, 0, 0)
    assert report["class_groups"] == [
        {"name": "3B", "made": True, "students": 1},
        {"name": "4A", "made": False, "students": 1},
        {"name": "4B", "made": True, "students": 2},
        {"name": "6A", "made": True, "students": 1},
    ]
    assert report["findings"] == []
    assert await year.classes() == {
        "3B": ["Lars"],
        "4A": ["Ada"],
        "4B": ["Eva", "Noor"],
        "6A": ["Tom"],
    }
    assert [await year.left_on(each) for each in (goes, oldest, noor)] == [
        year.last_day,
        year.last_day,
        None,
    ]


async def test_the_same_again_changes_nothing(year: Year) -> None:
    await year.student("Noor", "3B")
    await year.student("Mia", "6A")
    form: dict[str, Any] = {
        "class_groups": [to(year, "3B", to_name="4B"), to(year, "6A", leaves=True)]
    }
    assert counts(ok(await year.post(**form))) == (1, 1, 0, 0)
    before = await year.classes()

    again = ok(await year.post(**form))

    assert counts(again) == (0, 0, 2, 0)
    assert again["class_groups"] == []
    assert await year.classes() == before


async def test_whom_nothing_names_is_told(year: Year) -> None:
    forgotten = await year.student("Noor", "3B")
    placed = await year.student("Ada", "3B")
    ok(await year.post(students=[{"student_id": placed, "to_name": "4A"}]))

    report = ok(await year.post(preview=True, class_groups=[to(year, "6A", leaves=True)]))

    assert counts(report) == (0, 0, 1, 1)
    assert report["findings"] == [
        {
            "kind": "student_unnamed",
            "student_id": forgotten,
            "name": "Noor Maes",
            "class_group": "3B",
            "students": 1,
        },
        {
            "kind": "class_empty",
            "student_id": None,
            "name": None,
            "class_group": "6A",
            "students": 0,
        },
    ]


async def test_what_was_decided_for_one_student_is_not_undone_by_their_class(year: Year) -> None:
    ada = await year.student("Ada", "3B")
    await year.student("Noor", "3B")
    ok(await year.post(students=[{"student_id": ada, "to_name": "4A"}]))

    report = ok(await year.post(class_groups=[to(year, "3B", to_name="4B")]))

    assert counts(report) == (1, 0, 1, 0)
    assert [(each["kind"], each["name"]) for each in report["findings"]] == [
        ("other_class", "Ada Maes")
    ]
    assert await year.classes() == {"4A": ["Ada"], "4B": ["Noor"]}
    ok(await year.post(students=[{"student_id": ada, "to_name": "4B"}]))
    assert await year.classes() == {"4A": [], "4B": ["Ada", "Noor"]}


async def test_who_leaves_after_all_is_in_no_class_of_the_new_year(year: Year) -> None:
    noor = await year.student("Noor", "3B")
    ok(await year.post(class_groups=[to(year, "3B", to_name="4B")]))

    report = ok(await year.post(students=[{"student_id": noor, "leaves": True}]))

    assert counts(report) == (0, 1, 0, 0)
    assert await year.classes() == {"4B": []}
    old = ok(await year.school.manager.get("/v1/school-years"))["items"][1]
    assert await year.left_on(noor) == old["ends_on"]


async def test_who_left_in_the_middle_of_the_year_does_not_move(year: Year) -> None:
    noor = await year.student("Noor", "3B")
    gone = clock.today(BRUSSELS) - timedelta(days=3)
    url = f"/v1/students/{noor}/departure"
    ok(await year.school.manager.put(url, json={"left_on": gone.isoformat()}))

    assert counts(ok(await year.post(class_groups=[to(year, "3B", to_name="4B")]))) == (0, 0, 1, 0)
    assert counts(ok(await year.post(class_groups=[to(year, "3B", leaves=True)]))) == (0, 0, 1, 0)
    assert await year.left_on(noor) == gone.isoformat()
    refused = problem(
        await year.post(students=[{"student_id": noor, "to_name": "4B"}]),
        422,
        "impossible-promotions",
    )
    assert [each["code"] for each in refused["errors"]] == ["student_left"]


async def test_all_that_is_wrong_is_told_by_its_place_and_nothing_is_done(year: Year) -> None:
    noor = await year.student("Noor", "3B")
    new = await year.group("4A", year.new)
    begins_on = ok(await year.school.manager.get("/v1/school-years"))["items"][0]["begins_on"]
    form: dict[str, Any] = {
        "class_groups": [
            to(year, "3B", to_name="4B"),
            to(year, "3B", to_name="4A"),
            {"from_class_group_id": new, "to_name": "5A"},
            to(year, "6A", to_class_group_id=year.groups["3B"]),
        ],
        "students": [
            {"student_id": noor, "to_name": "4C"},
            {"student_id": noor, "leaves": True},
            {"student_id": year.new, "to_name": "4C"},
        ],
        "left_on": begins_on,
    }

    for preview in (True, False):
        refused = problem(await year.post(preview=preview, **form), 422, "impossible-promotions")
        assert {(each["pointer"], each["code"]) for each in refused["errors"]} == {
            ("/class_groups/1/from_class_group_id", "named_twice"),
            ("/class_groups/2/from_class_group_id", "not_found"),
            ("/class_groups/3/to_class_group_id", "not_found"),
            ("/students/1/student_id", "named_twice"),
            ("/students/2/student_id", "not_found"),
            ("/left_on", "not_before_new_year"),
        }
    assert await year.classes() == {"4A": []}


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"to_name": "4B", "leaves": True},
        {"to_name": " "},
        {"to_name": "4B", "to_class_group_id": "00000000-0000-7000-8000-000000000000"},
    ],
)
async def test_a_class_goes_to_one_place(year: Year, where: dict[str, Any]) -> None:
    problem(await year.post(class_groups=[to(year, "3B", **where)]), 422, "validation-failed")


async def test_nobody_moves_back_in_time(year: Year) -> None:
    backwards: list[dict[str, Any]] = [
        {"school_year_id": year.old},
        {"school_year_id": year.old, "from_school_year_id": year.new},
        {"school_year_id": year.new, "from_school_year_id": year.new},
    ]
    for form in backwards:
        problem(await year.post(**form), 422, "school-years-out-of-order")


async def test_money_and_references_of_whoever_moves_or_leaves_stay_the_same(year: Year) -> None:
    school = year.school
    moves, leaves = await school.child(), await school.child()
    invoice = await school.invoice(leaves, 20_00)

    async def reference(wallet: str) -> str:
        return str(ok(await school.manager.get(f"/v1/wallets/{wallet}/top-up"))["reference"])

    gone = clock.today(BRUSSELS) - timedelta(days=1)
    ok(
        await year.post(
            students=[
                {"student_id": moves.student_id, "to_name": "4B"},
                {"student_id": leaves.student_id, "leaves": True},
            ],
            left_on=gone.isoformat(),
        )
    )

    for child in (moves, leaves):
        assert await reference(child.wallet_id) == child.reference
    await school.post_coda(
        school.coda(
            payment(moves.reference, Cents(50_00), PAYER),
            payment(leaves.reference, Cents(30_00), PAYER),
            payment(invoice["reference"], Cents(20_00), PAYER),
        )
    )
    for child, cents in ((moves, 50_00), (leaves, 30_00)):
        (wallet,) = ok(await child.parent.get("/v1/wallets"))["items"]
        assert (wallet["balance_cents"], wallet["closed"]) == (cents, False)
    assert ok(await leaves.parent.get(f"/v1/invoices/{invoice['id']}"))["status"] == "paid"
    await books_are_clean(school)


async def test_statements_do_not_grow_with_the_students(year: Year) -> None:
    numbers = []
    for count in (2, 30):
        group = await year.group(f"3-{count}", year.old)
        year.groups[f"3-{count}"] = group
        for place in range(count):
            await year.student(f"Noor {place}", f"3-{count}")
        with counted_statements(year.school.app) as statements:
            form: dict[str, Any] = {"class_groups": [to(year, f"3-{count}", to_name=f"4-{count}")]}
            assert ok(await year.post(**form))["moved"] == count
        numbers.append(len(statements))

    assert numbers[0] == numbers[1] <= 9


async def test_of_two_at_once_one_moves_them(year: Year) -> None:
    """The second waits for the first, and finds nothing left to do."""
    for name in ("Noor", "Ada", "Lars"):
        await year.student(name, "3B")
    await year.group("4B", year.new)
    form: dict[str, Any] = {"class_groups": [to(year, "3B", to_name="4B")]}
    async with school_transaction(year.school.sessions, year.school.id) as session:
        first = await service.promote(
            session,
            year.school.id,
            NewPromotions.model_validate({"school_year_id": year.new} | form),
            preview=False,
        )
        second = asyncio.create_task(year.post(**form))
        await asyncio.sleep(0.3)
        assert not second.done()
        foretold = ok(await year.post(preview=True, **form))

    assert (first.moved, foretold["moved"]) == (3, 3)
    assert ok(await second)["moved"] == 0
    assert await year.classes() == {"4B": ["Ada", "Lars", "Noor"]}


async def test_a_leaver_of_today_is_there_until_the_day_is_over(school: School) -> None:
    """Their last day counts; afterwards they are found among those who left."""
    child = await school.child()
    other = await school.child()
    today = clock.today(BRUSSELS)
    url = f"/v1/students/{child.student_id}/departure"

    async def listed(**params: str) -> list[str]:
        page = ok(await school.manager.get("/v1/students", params=params))
        return [each["id"] for each in page["items"]]

    async def shown(left_on: date | None) -> tuple[bool, bool]:
        form = {"left_on": left_on.isoformat() if left_on else None}
        read = ok(await school.manager.put(url, json=form))
        assert read["left_on"] == (left_on or today).isoformat()
        assert other.student_id in await listed()
        return child.student_id in await listed(), child.student_id in await listed(left="true")

    assert await shown(None) == (True, False)
    assert await shown(today + timedelta(days=30)) == (True, False)
    assert await shown(today - timedelta(days=1)) == (False, True)
    ok(await school.manager.delete(url))
    assert await listed(left="true") == []
    assert child.student_id in await listed()


async def test_a_leavers_parent_still_sees_the_money_and_no_more_events(school: School) -> None:
    child = await school.child()
    today = clock.today(BRUSSELS)
    for audience in ({"whole_school": True}, {"student_ids": [child.student_id]}):
        form = {
            "title": "Excursion",
            "begins_on": today.isoformat(),
            "ends_on": today.isoformat(),
            "audience": audience,
        }
        ok(await school.manager.post("/v1/events", json=form), 201)
    invoice = await school.invoice(child, 10_00)
    await school.post_coda(school.coda(payment(child.reference, Cents(5_00), PAYER)))
    assert len(ok(await child.parent.get("/v1/events"))["items"]) == 2
    url = f"/v1/students/{child.student_id}/departure"
    yesterday = (today - timedelta(days=1)).isoformat()
    ok(await school.manager.put(url, json={"left_on": yesterday}))

    assert ok(await child.parent.get("/v1/events"))["items"] == []
    dashboard = ok(await child.parent.get("/v1/dashboard"))
    assert dashboard["events"] == []
    assert [each["balance_cents"] for each in dashboard["wallets"]] == [5_00]
    assert dashboard["invoices"]["remaining_cents"] == 10_00
    assert ok(await child.parent.get(f"/v1/students/{child.student_id}"))["left_on"] == yesterday
    paid = await child.parent.post(
        f"/v1/invoices/{invoice['id']}/payments",
        json={"wallet_id": child.wallet_id, "amount_cents": 5_00},
        headers={"Idempotency-Key": "the-last-five-euros"},
    )
    ok(paid, 201)
    # An empty wallet of a leaver is no news any more; it can still be read.
    assert ok(await child.parent.get("/v1/dashboard"))["wallets"] == []
    assert len(ok(await child.parent.get("/v1/wallets"))["items"]) == 1

    ok(await school.manager.delete(url))
    assert len(ok(await child.parent.get("/v1/events"))["items"]) == 2
    assert len(ok(await child.parent.get("/v1/dashboard"))["wallets"]) == 1


async def test_the_class_of_a_leaver_hears_of_events_without_them(year: Year) -> None:
    """An event for a class is for the parents of those who are still in it."""
    school = year.school
    child = await school.child()
    ok(await year.post(students=[{"student_id": child.student_id, "to_name": "4B"}]))
    page = ok(await school.manager.get("/v1/class-groups", params={"school_year": year.new}))
    group = next(each["id"] for each in page["items"] if each["name"] == "4B")
    form = {
        "title": "Excursion",
        "begins_on": "2031-05-01",
        "ends_on": "2031-05-01",
        "audience": {"class_group_ids": [group]},
    }
    event = ok(await school.manager.post("/v1/events", json=form), 201)["id"]
    assert (await child.parent.get(f"/v1/events/{event}")).status_code == 200
    yesterday = (clock.today(BRUSSELS) - timedelta(days=1)).isoformat()
    url = f"/v1/students/{child.student_id}/departure"
    ok(await school.manager.put(url, json={"left_on": yesterday}))

    problem(await child.parent.get(f"/v1/events/{event}"), 404, "event-not-found")
