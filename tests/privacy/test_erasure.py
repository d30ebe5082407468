"""Erasure over HTTP: nothing of a person is left where the law does not ask for it (SEC-35)."""

import asyncio
import io
import json
import zipfile
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api import clock
from itschool_api.auth.caller import Role
from itschool_api.banking.coda.builders import payment, transfer
from itschool_api.database import create_sessions, school_transaction
from itschool_api.money import Cents
from itschool_api.privacy import bookkeeping, making
from itschool_api.privacy.inventory import TABLES, Fate
from itschool_api.settings import Settings
from tests.auth.ways_in import log_in
from tests.kit import ANY_STATE, PAYER, Child, School, books_are_clean, client_of, ok, once, problem
from tests.outbox.post import Mailbox, Post
from tests.privacy.scene import ROWS, Scene, build, exported

pytestmark = pytest.mark.anyio


async def in_tables(owner: AsyncEngine, spellings: Iterable[str]) -> dict[str, int]:
    """Search every column of every table, the queue's too, in text and in bytes; count by column."""
    found: dict[str, int] = {}
    words = "|".join([*spellings, *(each.encode().hex() for each in spellings)])
    columns = text(
        "SELECT table_name, array_agg(column_name::text) FROM information_schema.columns"
        " WHERE table_schema = 'public' GROUP BY table_name"
    )
    async with owner.connect() as connection:
        for table, names in (await connection.execute(columns)).all():
            counts = ", ".join(
                f'count(*) FILTER (WHERE "{name}"::text ~ :words) AS "{name}"' for name in names
            )
            query = text(f"SELECT {counts} FROM {table}")  # noqa: S608
            row = (await connection.execute(query, {"words": words})).mappings().one()
            found |= {f"{table}.{name}": count for name, count in row.items() if count}
    return found


def in_files(folder: Path, spellings: Iterable[str]) -> set[str]:
    """Search every file below the data folder, those within archives too."""
    marks = [each.encode() for each in spellings]
    found = set()
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        contents = [path.read_bytes()]
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                contents += [archive.read(name) for name in archive.namelist()]
        if any(mark in content for mark in marks for content in contents):
            found.add(f"{path.parent.name}/{path.suffix}")
    return found


async def erase(scene: Scene, kind: str, name: str) -> Any:
    """Erase a person of the scene."""
    return await scene.admin.post(
        f"/v1/{kind}s/{scene.ids[kind]}/erasure", json={"confirmed_name": name}
    )


async def totals(owner: AsyncEngine, school: School) -> list[Any]:
    """Return what the school's books add up to, and every movement, invoice and payment."""
    queries = ["SELECT sum(balance_cents), sum(entries) FROM accounts WHERE school_id = :id"]
    queries += [
        f"SELECT * FROM {table} WHERE school_id = :id ORDER BY id"  # noqa: S608
        for table in ("transfers", "invoices", "invoice_lines", "bank_transactions")
    ]
    async with owner.connect() as connection:
        return [
            list((await connection.execute(text(query), {"id": school.id})).all())
            for query in queries
        ]


async def not_gone(scene: Scene, owner: AsyncEngine) -> list[str]:
    """Return what an erasure should have deleted: numbers, days and languages hold no canary."""
    return [
        f"{table}.{column}"
        for table in ROWS.keys() - {"login_token_requests"}  # found by an address that is gone
        for row in await scene.values(owner, table, "student")
        for column, classified in TABLES[table].personal.items()
        # What cannot be empty is the school's own language.
        if classified.fate is Fate.GONE and row[column] not in {None, "fr"}
    ]


KEPT = {
    f"{name}.{column}"
    for name, table in TABLES.items()
    for column, classified in table.personal.items()
    if classified.fate is Fate.BOOKS
}


async def test_after_an_erasure_no_trace_is_left_but_what_the_law_keeps(
    scene: Scene,
    post: Post,
    owner: AsyncEngine,
    settings: Settings,
    app: FastAPI,
    log: io.StringIO,
) -> None:
    """SEC-35: 0 canary bytes in database, files and logs; ledger totals unchanged."""
    neighbours = await build(scene.school, post, owner)
    for subject in ("student", "guardian"):
        await exported(scene, post, **{f"{subject}_id": scene.ids[subject]})
    before_neighbours = await in_tables(owner, neighbours.spellings)
    planted = await in_tables(owner, scene.spellings)
    assert len(planted) > 30
    assert {"exports/.zip", "mails/.eml", "bank-files/.cod"} <= in_files(
        settings.data_dir, scene.spellings
    )
    await scene.settle()
    before = await totals(owner, scene.school)

    child = ok(await erase(scene, "student", scene.name))
    # The parent's export named the child.
    assert "exports/.zip" not in in_files(settings.data_dir, scene.spellings)
    parent = ok(await erase(scene, "guardian", scene.guardian_name))

    assert (child["families"], parent["families"], parent["login"]) == (1, 0, True)
    left = await in_tables(owner, scene.spellings)
    assert set(left) <= KEPT, left
    assert await not_gone(scene, owner) == []
    assert set(left) >= {"invoices.issued_to", "invoice_lines.label", "bank_transactions.raw"}
    assert in_files(settings.data_dir, scene.spellings) == {"bank-files/.cod"}
    logged = log.getvalue()
    assert "person.erased" in logged
    assert [each for each in scene.spellings if each in logged] == []
    assert await totals(owner, scene.school) == before
    await books_are_clean(scene.school)
    # Of others, nothing is gone: but an export that may have named the erased.
    assert await in_tables(owner, neighbours.spellings) == before_neighbours

    await _end_retention(owner, app, scene.school, clock.today("Europe/Brussels"))

    assert await in_tables(owner, scene.spellings) == {}
    assert in_files(settings.data_dir, scene.spellings) == set()
    await books_are_clean(scene.school)
    shown = ok(await scene.admin.get(f"/v1/invoices/{scene.ids['invoice']}"))
    assert (shown["total_cents"], shown["status"], shown["label"]) == (20_00, "paid", "—")
    assert shown["family"]["name"].startswith("Famille ")
    assert shown["lines"][0]["student_name"] == child["pseudonym"]
    paper = await scene.admin.get(f"/v1/invoices/{scene.ids['invoice']}/pdf")
    assert paper.content.startswith(b"%PDF")


async def _end_retention(
    owner: AsyncEngine, app: FastAPI, school: School, day: date
) -> bookkeeping.Ended:
    async with school_transaction(create_sessions(owner), school.id) as session:
        return await bookkeeping.end_retention(session, app.state.storage, school.id, day)


async def test_the_end_of_retention_spares_what_is_younger_or_still_open(
    app: FastAPI, school: School, owner: AsyncEngine
) -> None:
    child = await school.child()
    open_one = await school.invoice(child, 5_00)
    paid = await school.invoice(child, 7_00)
    await school.post_coda(
        school.coda(payment(paid["reference"], Cents(7_00), PAYER), transfer("?", Cents(1), PAYER))
    )
    day = clock.today("Europe/Brussels")
    yesterday = await _end_retention(owner, app, school, date(2001, 12, 31))
    assert (yesterday.invoices, yesterday.payments, yesterday.files) == (0, 0, 0)

    ended = await _end_retention(owner, app, school, day)

    # The file holds a payment that waits still.
    assert (ended.invoices, ended.payments, ended.files) == (1, 1, 0)
    still = ok(await school.manager.get(f"/v1/invoices/{open_one['id']}"))
    assert still["label"] == "Garderie"
    waiting = ok(await school.manager.get("/v1/bank-transactions", params={"state": "suspense"}))
    assert waiting["items"][0]["counterparty_name"] == PAYER.name
    again = await _end_retention(owner, app, school, day)
    assert (again.invoices, again.payments, again.files) == (0, 0, 0)
    await books_are_clean(school)


async def test_the_programs_role_cannot_end_retention(app: FastAPI, school: School) -> None:
    """An issued invoice never changes, whatever the program does."""
    child = await school.child()
    invoice = await school.invoice(child, 5_00)
    await school.post_coda(school.coda(payment(invoice["reference"], Cents(5_00), PAYER)))
    with pytest.raises(Exception, match="permission denied"):
        async with school_transaction(school.sessions, school.id) as session:
            await bookkeeping.end_retention(session, app.state.storage, school.id, date(2100, 1, 1))


def test_years_are_kept_from_the_first_day_of_the_next() -> None:
    """CDE III.88, CIR 92 art. 315: from 1 January of the year that follows."""
    issued = date(2026, 3, 15)
    assert bookkeeping.kept_until(issued, 10) == date(2036, 12, 31)
    assert bookkeeping.last_day(date(2036, 12, 31), 10) < issued
    assert bookkeeping.last_day(date(2037, 1, 1), 10) >= date(2026, 12, 31)


async def test_erasing_a_child_leaves_the_parent_and_the_sibling_as_they_were(
    school: School, owner: AsyncEngine
) -> None:
    admin = await school.as_(Role.ADMIN)
    child = await school.child(first_name="Noor", last_name="Peeters")
    sibling = await school.sibling(child)
    ok(await school.manager.put(f"/v1/students/{child.student_id}/departure", json={}))

    erased = ok(
        await admin.post(
            f"/v1/students/{child.student_id}/erasure", json={"confirmed_name": " noor  PEETERS "}
        )
    )

    assert erased["families"] == 0
    assert erased["pseudonym"] == f"Élève {UUID(child.student_id).hex[-8:]}"
    mine = ok(await child.parent.get("/v1/students"))["items"]
    assert [each["id"] for each in mine] == [sibling.student_id]
    assert (await child.parent.get(f"/v1/students/{child.student_id}")).status_code == 404
    async with owner.connect() as connection:
        name = await connection.scalar(
            text("SELECT name FROM families WHERE id = :id"), {"id": child.family_id}
        )
    assert name == "Famille Peeters"
    # A payment that still comes reaches nobody else: it waits.
    report = await school.post_coda(school.coda(payment(child.reference, Cents(3_00), PAYER)))
    assert report["suspense"]["by_cause"][0]["cause"] == "closed_account"
    await books_are_clean(school)


async def test_a_login_with_another_role_or_school_stays(
    school: School, other_school: School, owner: AsyncEngine, app: FastAPI
) -> None:
    admin = await school.as_(Role.ADMIN)
    elsewhere = await school.child()
    teacher = await school.child()
    async with owner.begin() as connection:
        query = text(
            "INSERT INTO memberships (user_id, school_id, role)"
            " SELECT user_id, :school, :role FROM guardians WHERE id = :guardian"
        )
        for school_id, role, child in (
            (other_school.id, "guardian", elsewhere),
            (school.id, "teacher", teacher),
        ):
            await connection.execute(
                query, {"school": school_id, "role": role, "guardian": child.guardian_id}
            )
    for child in (elsewhere, teacher):
        ok(await school.manager.put(f"/v1/students/{child.student_id}/departure", json={}))
        preview = ok(await admin.get(f"/v1/guardians/{child.guardian_id}/erasure"))
        done = await admin.post(
            f"/v1/guardians/{child.guardian_id}/erasure",
            json={"confirmed_name": preview["name"]},
        )
        assert ok(done)["login"] is False
    # Here they are nobody any more; there, and as a teacher, they are who they were.
    async with client_of(app) as anonymous:
        answers = [await log_in(anonymous, child.user_name) for child in (elsewhere, teacher)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (await elsewhere.parent.get("/v1/me")).status_code == 401
    assert (await teacher.parent.get("/v1/events")).status_code == 200
    assert (await teacher.parent.get("/v1/wallets")).status_code == 403


async def test_a_person_is_not_erased_while_money_binds_them(
    school: School,
) -> None:
    """The leaver is refunded first, and owes nothing."""
    admin = await school.as_(Role.ADMIN)
    child = await school.child(first_name="Noor", last_name="Peeters")
    url = f"/v1/students/{child.student_id}/erasure"
    invoice = await school.invoice(child, 5_00)
    await school.post_coda(school.coda(payment(child.reference, Cents(12_50), PAYER)))
    # From the same account, but with no reference: it may be theirs.
    await school.post_coda(school.coda(transfer("bonjour", Cents(1_00), PAYER)))
    form = {"family_id": child.family_id, "label": "x"}
    line = {"student_id": child.student_id, "label": "x", "unit_cents": 1}
    draft = ok(await school.manager.post("/v1/invoices", json=form | {"lines": [line]}), 201)

    async def codes(place: str = url) -> list[str]:
        return [each["code"] for each in ok(await admin.get(place))["obstacles"]]

    assert await codes() == [
        "still-at-school",
        "wallet-not-empty",
        "open-invoices",
        "draft-invoices",
        "payment-in-suspense",
    ]
    parents = f"/v1/guardians/{child.guardian_id}/erasure"
    # The family would go with its last guardian, so its drafts count too.
    assert await codes(parents) == [
        "open-invoices",
        "draft-invoices",
        "payment-in-suspense",
        "last-guardian",
    ]
    for place, name in ((url, "Noor Peeters"), (parents, "An Peeters")):
        refused = await admin.post(place, json={"confirmed_name": name})
        detail = problem(refused, 409, "erasure-impeded")["detail"]
        assert "open-invoices" in detail

    ok(await school.manager.put(f"/v1/students/{child.student_id}/departure", json={}))
    ok(await school.manager.delete(f"/v1/invoices/{draft['id']}"), 204)
    ok(
        await school.manager.post(
            f"/v1/invoices/{invoice['id']}/payments",
            json={"wallet_id": child.wallet_id},
            headers=once(),
        ),
        201,
    )
    assert await codes() == ["wallet-not-empty", "payment-in-suspense"]
    assert ok(await school.manager.get(f"/v1/students/{child.student_id}"))["first_name"] == "Noor"


async def test_an_erasure_wants_the_persons_name_and_happens_once(school: School) -> None:
    admin = await school.as_(Role.ADMIN)
    child = await school.child(first_name="Noor", last_name="Peeters")
    ok(await school.manager.put(f"/v1/students/{child.student_id}/departure", json={}))
    url = f"/v1/students/{child.student_id}/erasure"
    for form, status, code in (
        ({}, 422, "validation-failed"),
        ({"confirmed_name": "Lars Peeters"}, 422, "confirmation-differs"),
    ):
        problem(await admin.post(url, json=form), status, code)

    ok(await admin.post(url, json={"confirmed_name": "Noor Peeters"}))

    problem(await admin.post(url, json={"confirmed_name": "Noor Peeters"}), 409, "already-erased")
    problem(await admin.get(url), 409, "already-erased")
    student = ok(await admin.get(f"/v1/students/{child.student_id}"))
    assert student["erased_at"] is not None
    departure = f"/v1/students/{child.student_id}/departure"
    problem(await admin.delete(departure), 409, "person-erased")
    problem(await admin.put(departure, json={}), 409, "person-erased")
    (event,) = ok(await admin.get("/v1/audit-events", params={"action": "erase_student"}))["items"]
    assert child.student_id in str(event)
    assert "Noor" not in str(event)


async def test_nobody_who_was_erased_is_linked_or_told_of_again(school: School) -> None:
    """SEC-35: each way to link people, and to tell something new of them."""
    admin, manager = await school.as_(Role.ADMIN), school.manager
    noor = await school.child(first_name="Noor", last_name="Peeters")
    lars, tom = await school.sibling(noor), await school.child()
    event = {"title": "x", "begins_on": "2031-05-01", "ends_on": "2031-05-01"}
    everybody = event | {"audience": {"whole_school": True}}
    event_id = ok(await manager.post("/v1/events", json=everybody), 201)["id"]
    listed = await manager.get("/v1/guardianships", params={"student": lars.student_id})
    (link,) = ok(listed)["items"]
    for child in (noor, lars):
        ok(await manager.put(f"/v1/students/{child.student_id}/departure", json={}))
    for place, name in (
        (f"students/{noor.student_id}", "Noor Peeters"),
        (f"guardians/{noor.guardian_id}", "An Peeters"),
    ):
        ok(await admin.post(f"/v1/{place}/erasure", json={"confirmed_name": name}))

    def member(child: Child) -> dict[str, str]:
        return {"student_id": child.student_id}

    def guardianship(guardian: Child, student: Child, family: Child) -> dict[str, str]:
        ids = {"guardian_id": guardian.guardian_id, "family_id": family.family_id}
        return ids | member(student)

    line = member(lars) | {"label": "x", "unit_cents": 1}
    bill = {"family_id": lars.family_id, "label": "x", "lines": [line]}
    for_noor = event | {"audience": {"student_ids": [noor.student_id]}}
    # Lars left, and is not erased; his family and his parent are.
    wanted: list[tuple[str, str, Any]] = [
        ("POST", "families", {"name": "x", "students": [member(noor)]}),
        ("POST", f"families/{noor.family_id}/students", member(tom)),
        ("POST", f"families/{tom.family_id}/students", member(noor)),
        ("POST", "guardianships", guardianship(noor, tom, tom)),
        ("POST", "guardianships", guardianship(tom, noor, tom)),
        ("POST", "guardianships", guardianship(tom, lars, lars)),
        ("PATCH", f"guardianships/{link['id']}", {"ends_on": None}),
        ("POST", "invoices", bill),
        ("POST", "events", for_noor),
        ("PATCH", f"events/{event_id}", {"audience": for_noor["audience"]}),
    ]
    taken = []
    for method, place, form in wanted:
        url, headers = f"/v1/{place}", ANY_STATE if method == "PATCH" else {}
        answer = await manager.request(method, url, json=form, headers=headers)
        if (answer.status_code, answer.json().get("type")) != (409, "/problems/person-erased"):
            taken.append((method, place, form, answer.text))
    assert taken == []


async def test_the_preview_says_what_stays_by_which_law_and_until_when(
    scene: Scene, settings: Settings
) -> None:
    preview = ok(await scene.admin.get(f"/v1/students/{scene.ids['student']}/erasure"))

    invoices, payments, *rest = preview["kept"]
    year = clock.today("Europe/Brussels").year + settings.retention_accounting_years
    assert invoices["until"] == f"{year}-12-31"
    assert "CIR 92, art. 315" in invoices["why"]
    assert payments["until"] == "2036-12-31"
    assert rest
    assert preview["name"] == scene.name
    assert ok(await scene.admin.get(f"/v1/students/{scene.ids['student']}"))["last_name"]


async def test_an_export_that_is_asked_for_before_and_made_after_holds_pseudonyms(
    scene: Scene, post: Post
) -> None:
    await scene.settle()
    form = {"student_id": str(scene.ids["student"])}
    ok(await scene.admin.post("/v1/exports", json=form), 202)
    ok(await erase(scene, "student", scene.name))

    await post.collect(Mailbox())

    (export,) = ok(await scene.admin.get("/v1/exports"))["items"]
    answer = await scene.admin.get(f"/v1/exports/{export['id']}/file")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        told = json.loads(archive.read("data.json"))
    (student,) = told["data"]["students"]["rows"]
    assert student["first_name"] == "Élève"
    assert student["birth_date"] is student["external_key"] is None


async def test_an_erasure_waits_for_an_export_that_is_being_made_and_takes_its_file(
    scene: Scene, app: FastAPI, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-35: otherwise a file full of names would appear after the erasure."""
    await scene.settle()
    form = {"student_id": str(scene.ids["student"])}
    export = ok(await scene.admin.post("/v1/exports", json=form), 202)
    storage, school = app.state.storage, scene.school
    keep, packed, go_on = storage.keep, asyncio.Event(), asyncio.Event()

    async def slowly(school_id: UUID, name: str, content: bytes) -> str:
        key: str = await keep(school_id, name, content)
        packed.set()
        await go_on.wait()
        return key

    monkeypatch.setattr(storage, "keep", slowly)
    week = timedelta(days=7)
    making_it = asyncio.create_task(
        making.make(school.sessions, storage, week, school.id, UUID(export["id"]))
    )
    await packed.wait()
    erasing = asyncio.create_task(erase(scene, "student", scene.name))
    await asyncio.sleep(0.5)
    assert not erasing.done()
    go_on.set()
    await making_it

    ok(await erasing)

    assert ok(await scene.admin.get(f"/v1/exports/{export['id']}"))["status"] == "expired"
    assert await storage.names(school.id, "exports") == []
    assert in_files(settings.data_dir / "files" / str(school.id) / "exports", [scene.mark]) == set()
