"""Exports over HTTP: complete, nobody else's, fetched by the right ones, gone in time (SEC-35)."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from pypdf import PdfReader
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api.auth.caller import Role
from itschool_api.database import school_transaction
from itschool_api.languages import LANGUAGES, Language
from itschool_api.privacy import erasure, making, traces
from itschool_api.privacy.archive import is_payer
from itschool_api.privacy.circle import Circle, SubjectKind, around
from itschool_api.privacy.inventory import TABLES, About
from itschool_api.privacy.retention import Sweeper
from itschool_api.privacy.words import words
from itschool_api.settings import Settings
from tests.kit import School, ok, problem
from tests.outbox.post import Mailbox, Post
from tests.privacy.scene import (
    PAYER_ACCOUNT,
    ROWS,
    Scene,
    build,
    columns_of,
    document,
    exported,
    in_json,
)

pytestmark = pytest.mark.anyio

# The scene's people read German.
WITHHELD = words("de").withheld
# A guardian's export does not hold what is the child's: that has an export of its own.
_OF_THE_CHILD = {"students", "family_students", "events"}
_OF_THE_GUARDIAN = {"users", "memberships", "membership_offers", "sessions", "refresh_tokens"} | {
    "login_tokens",
    "login_token_requests",
    "known_origins",
    "second_factors",
    "recovery_codes",
    "mails",
}
# What a child's export may say of others: who they are, and not where to find them.
# An export that is being made is not ready yet; the other side's balance is not the child's.
_OF_ITS_MOMENT = {"status", "ready_at", "expires_at"} | {
    "source_balance_cents",
    "target_balance_cents",
}
_CHILD_SEES = {
    "guardians": {"first_name", "last_name"},
    "families": {"name", "language"},
    "exports": {"subject_kind", "requested_at"},
    "guardianships": {"sees_money", "starts_on", "ends_on"},
}


_SECRETS = (
    ("users", "password_hash"),
    ("refresh_tokens", "token_sha256"),
    ("login_tokens", "token_sha256"),
    ("known_origins", "origin_sha256"),
    ("second_factors", "encrypted_secret"),
    ("recovery_codes", "code_sha256"),
    ("exports", "file_key"),
)


def _hidden_of_child(table: str) -> set[str]:
    """Return the columns that a child's export withholds."""
    withheld = {
        name
        for name, column in columns_of(table).items()
        if column.about in {About.GUARDIAN, About.USER, About.PAYER}
    }
    if table == "families":
        withheld = {"external_key", "street", "postal_code", "city", "erased_at"}
    if table == "invoices":
        withheld = {"total_cents", "issued_to"}
    return withheld - _CHILD_SEES.get(table, set()) - {"at", "action"}


async def _missing(
    scene: Scene, owner: AsyncEngine, told: Any, subject: str, tables: set[str]
) -> list[str]:
    """Return what the database holds of the subject and the export does not."""
    missing = []
    for table in sorted(tables):
        rows = await scene.values(owner, table, subject)
        assert rows, f"the scene has nothing in {table}"
        sections = told["data"].get(table, {"rows": []})["rows"]
        for column in columns_of(table).keys() - _OF_ITS_MOMENT:
            values = [in_json(row[column]) for row in rows if row[column] is not None]
            shown = [each.get(column) for each in sections]
            hidden = subject == "student" and column in _hidden_of_child(table)
            expected = [WITHHELD if hidden and value != "" else value for value in values]
            missing += [f"{table}.{column}" for value in expected if value not in shown]
    return missing


async def test_a_childs_export_holds_every_personal_column_that_is_about_the_child(
    scene: Scene, post: Post, owner: AsyncEngine
) -> None:
    """SEC-35."""
    files = await exported(scene, post, student_id=scene.ids["student"])
    told = document(files)

    tables = {name for name in TABLES if columns_of(name)} - _OF_THE_GUARDIAN
    assert tables <= set(ROWS)
    assert await _missing(scene, owner, told, "student", tables - {"audit_events"}) == []
    assert told["about"]["first_name"] + " " + told["about"]["last_name"] == scene.name
    assert {act["action"] for act in told["data"]["audit_events"]["rows"]} >= {
        "enrol_student",
        "create_export",
    }
    moved = [row["source_balance_cents"] for row in told["data"]["transfers"]["rows"]]
    assert sorted(moved, key=str) == [0, None]
    assert told["data"]["enrolments"]["rows"][0]["class_group"]
    (account,) = told["data"]["accounts"]["rows"]
    assert account["wallet"].startswith(f"{scene.name}: ")


async def test_a_guardians_export_holds_every_personal_column_that_is_about_the_guardian(
    scene: Scene, post: Post, owner: AsyncEngine
) -> None:
    """SEC-35."""
    files = await exported(scene, post, guardian_id=scene.ids["guardian"])
    told = document(files)

    tables = {name for name in TABLES if columns_of(name)} - _OF_THE_CHILD
    assert await _missing(scene, owner, told, "guardian", tables) == []
    assert WITHHELD not in str(told["data"])
    assert told["language"] == "de"
    assert told["data"]["guardians"]["what"].startswith("Eltern")
    assert WITHHELD in told["explanations"]["withheld"]
    assert scene.name in {row["student"] for row in told["data"]["guardianships"]["rows"]}
    (paper,) = [content for name, content in files.items() if name.endswith(".pdf")]
    printed = PdfReader(io.BytesIO(paper)).pages[0].extract_text()
    assert f"Rue {scene.mark} 1" in printed
    assert f"Garderie de {scene.mark}" in printed


async def test_a_childs_export_tells_nobody_where_a_parent_is(scene: Scene, post: Post) -> None:
    """GDPR art. 15(4): whoever gets it may be the parent who must not know."""
    files = await exported(scene, post, student_id=scene.ids["student"])

    (paper,) = [content for name, content in files.items() if name.endswith(".pdf")]
    printed = PdfReader(io.BytesIO(paper)).pages[0].extract_text()
    assert f"Garderie de {scene.mark}" in printed
    everything = files["data.json"].decode() + printed
    for found in (
        f"Rue {scene.mark}",
        f"Ville {scene.mark}",
        f"sophie@{scene.mark}",
        "555 01 99",
        PAYER_ACCOUNT,
        f"Merci de {scene.mark}",
        scene.mark.upper(),
    ):
        assert found not in everything, found


async def test_a_child_of_families_in_two_languages_is_told_in_the_schools(
    school: School, owner: AsyncEngine
) -> None:
    child = await school.child()
    student = UUID(child.student_id)
    home = {"name": "H", "language": "nl", "students": [{"student_id": child.student_id}]}
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE school_profiles SET language = 'en' WHERE school_id = :id"),
            {"id": school.id},
        )

    async def language() -> str:
        async with school_transaction(school.sessions, school.id) as session:
            circle = await around(session, school.id, SubjectKind.STUDENT, student)
            assert circle
            return circle.language

    assert await language() == "fr"
    ok(await school.manager.post("/v1/families", json=home), 201)
    assert await language() == "en"


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_says_what_each_table_holds(language: Language) -> None:
    said = words(language)

    assert set(said.tables) == {model.__tablename__ for model in traces.ROWS}
    assert set(said.explanations) == {"money", "withheld", "rights"}
    assert said.withheld in said.explanations["withheld"]


async def test_no_secret_and_nobody_else_is_in_an_export(
    scene: Scene, post: Post, owner: AsyncEngine
) -> None:
    """SEC-35: neither hashes nor keys, nor anything of the neighbours."""
    other = await build(scene.school, post, owner)

    for subject in ("student", "guardian"):
        files = await exported(scene, post, **{f"{subject}_id": scene.ids[subject]})
        everything = b"".join(files.values()).lower()
        for spelling in other.spellings:
            assert spelling.lower().encode() not in everything
        for name, value in other.ids.items():
            if name != "school":
                assert str(value).encode() not in everything, name
        for table, column in _SECRETS:
            assert TABLES[table].personal[column].secret
            for row in await scene.values(owner, table, subject):
                assert row[column]
                value = row[column].encode() if isinstance(row[column], str) else row[column]
                assert value.lower() not in everything, column
                assert value.hex().encode() not in everything, column


async def test_a_guardian_who_has_gone_gets_neither_the_new_address_nor_later_invoices(
    scene: Scene, post: Post, owner: AsyncEngine
) -> None:
    """GDPR art. 15(4)."""
    async with owner.begin() as connection:
        await connection.execute(
            text(
                "UPDATE guardianships SET starts_on = '2020-01-01', ends_on = '2020-12-31'"
                " WHERE guardian_id = :id"
            ),
            {"id": scene.ids["guardian"]},
        )
    files = await exported(scene, post, guardian_id=scene.ids["guardian"])

    told = document(files)["data"]
    # Nor what is in the child's wallet today, and who paid into it since.
    for table in ("invoices", "accounts", "payment_references", "transfers", "bank_transactions"):
        assert table not in told
    assert [name for name in files if name.endswith(".pdf")] == []
    (family,) = told["families"]["rows"]
    assert family["street"] == family["city"] == family["postal_code"] == WITHHELD


async def test_a_guardian_who_has_gone_gets_what_they_paid_until_then(
    scene: Scene, post: Post, owner: AsyncEngine
) -> None:
    """GDPR art. 15: their own payments stay theirs; today's balance is not."""
    async with owner.begin() as connection:
        await connection.execute(
            text(
                "UPDATE guardianships SET ends_on = (SELECT max(booked_on) FROM bank_transactions"
                " WHERE counterparty_name LIKE '%' || upper(:mark) || '%')"
                " WHERE guardian_id = :id"
            ),
            {"id": scene.ids["guardian"], "mark": scene.mark},
        )
    files = await exported(scene, post, guardian_id=scene.ids["guardian"])

    told = document(files)["data"]
    (paid,) = told["bank_transactions"]["rows"]
    assert paid["counterparty_account"] == PAYER_ACCOUNT
    # The top-up; the invoice was paid from the wallet later.
    assert [row["target_balance_cents"] for row in told["transfers"]["rows"]] == [20_00]
    assert "accounts" not in told
    assert "payment_references" not in told


async def test_a_payment_by_somebody_else_does_not_tell_a_guardian_who_paid(
    scene: Scene, post: Post, owner: AsyncEngine
) -> None:
    """GDPR art. 15(4): a grandparent, or the other parent."""
    async with owner.begin() as connection:
        await connection.execute(
            text(
                "UPDATE bank_transactions SET counterparty_name = 'GRANDPERE VAN ' || upper(:mark)"
                " WHERE counterparty_name LIKE '%' || upper(:mark) || '%'"
            ),
            {"mark": scene.mark},
        )
    files = await exported(scene, post, guardian_id=scene.ids["guardian"])

    (paid,) = document(files)["data"]["bank_transactions"]["rows"]
    assert paid["amount_cents"] == 20_00
    for column in ("counterparty_name", "counterparty_account", "communication", "raw"):
        assert paid[column] == WITHHELD
    assert PAYER_ACCOUNT not in files["data.json"].decode()


@pytest.mark.parametrize(
    ("names", "sender", "is_theirs"),
    [
        (("Zoé", "Müller-D'Hondt"), "D HONDT MULLER ZOE OU JAN", True),
        (("Søren", "Łuczak"), "SØREN ŁUCZAK", True),
        (("Zoé", "Müller"), "JAN MULLER", False),
        (("小龙", "李"), "AN PEETERS", False),
        (("小龙", "Peeters"), "AN PEETERS", False),
        (("Ø", "Peeters"), "AN PEETERS", False),
        (("-", "Peeters"), "AN PEETERS", False),
    ],
)
def test_a_payment_is_ones_own_where_all_names_stand_in_its_senders(
    names: tuple[str, str], sender: str, is_theirs: bool
) -> None:
    """GDPR art. 15(4): also of names that a bank writes in other letters."""
    circle = Circle(
        school_id=uuid4(), kind=SubjectKind.GUARDIAN, subject_id=uuid4(), names=names, language="fr"
    )

    assert is_payer(circle, sender) is is_theirs


async def test_whoever_asked_is_told_by_mail_and_the_trail_knows_who_fetched_it(
    school: School, post: Post
) -> None:
    child = await school.child()
    user_id, _, admin = await school.user(Role.ADMIN)
    address = ok(await admin.get("/v1/me"))["email"]
    asked = ok(await admin.post("/v1/exports", json={"student_id": child.student_id}), 202)
    again = ok(await admin.post("/v1/exports", json={"student_id": child.student_id}), 202)
    assert (asked["status"], again["id"]) == ("queued", asked["id"])
    problem(await admin.get(f"/v1/exports/{asked['id']}/file"), 409, "export-not-ready")

    box = Mailbox()
    await post.collect(box)

    (message,) = box.to(address)
    assert asked["id"] in str(message.get_body(("plain",)))
    ready = ok(await admin.get(f"/v1/exports/{asked['id']}"))
    assert ready["status"] == "ready"
    assert ok(await admin.get("/v1/exports"))["items"] == [ready]
    answer = await admin.get(f"/v1/exports/{asked['id']}/file")
    assert len(answer.content) == ready["size_bytes"]
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="export-')
    assert "Peeters" not in disposition
    events = ok(await admin.get("/v1/audit-events", params={"action": "read_export_file"}))
    (event,) = events["items"]
    assert event["actor"]["id"] == str(user_id)
    assert child.student_id in str(event)


async def test_an_export_that_cannot_be_made_shows_as_failed_and_a_later_try_makes_it(
    app: FastAPI, school: School, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = await school.child()
    admin = await school.as_(Role.ADMIN)
    asked = ok(await admin.post("/v1/exports", json={"student_id": child.student_id}), 202)
    week = timedelta(days=7)
    job = (school.sessions, app.state.storage, week, school.id, UUID(asked["id"]))

    async def broken(*_: Any, **__: Any) -> bytes:
        raise OSError("the disk of Noor is full")

    with monkeypatch.context() as patched:
        patched.setattr(app.state.storage.__class__, "keep", broken)
        with pytest.raises(making.ExportFailed, match=r"^OSError$"):
            await making.make(*job)
    assert ok(await admin.get(f"/v1/exports/{asked['id']}"))["status"] == "failed"
    problem(await admin.get(f"/v1/exports/{asked['id']}/file"), 409, "export-not-ready")

    await making.make(*job)
    assert ok(await admin.get(f"/v1/exports/{asked['id']}"))["status"] == "ready"
    await post.collect(Mailbox())


async def test_an_export_expires_and_its_file_is_gone(
    scene: Scene, post: Post, settings: Settings, owner: AsyncEngine, app: FastAPI
) -> None:
    files = await exported(scene, post, student_id=scene.ids["student"])
    assert files
    (export,) = ok(await scene.admin.get("/v1/exports"))["items"]
    folder = settings.data_dir / "files" / str(scene.school.id) / "exports"
    (file,) = folder.iterdir()
    # Nobody could guess it, and nothing in the API tells it (SEC-27).
    assert len(file.stem) == 43
    assert file.stem not in str(export)
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE exports SET expires_at = now() WHERE id = :id"), {"id": export["id"]}
        )
    problem(await scene.admin.get(f"/v1/exports/{export['id']}/file"), 404, "export-expired")

    office = erasure.office_of(settings, app.state.storage)
    await Sweeper(settings, scene.school.sessions, office).sweep()

    assert not file.exists()
    assert ok(await scene.admin.get(f"/v1/exports/{export['id']}"))["status"] == "expired"
    problem(await scene.admin.get(f"/v1/exports/{export['id']}/file"), 404, "export-expired")


async def test_a_file_that_no_row_names_is_swept_away(
    school: School, settings: Settings, app: FastAPI
) -> None:
    """Such as of a database that was restored from before it."""
    storage = app.state.storage
    await storage.keep(school.id, "exports/lost.zip", b"x")
    await storage.keep(school.id, "bank-files/kept.cod", b"x")
    office = erasure.office_of(settings, storage)

    await Sweeper(settings, school.sessions, office).sweep()
    assert len(await storage.names(school.id, "exports")) == 1
    later = datetime.now(UTC) + timedelta(days=2)
    # This step alone: a whole sweep of another day would end the sessions of other tests.
    await Sweeper(settings, school.sessions, office).remove_orphans(school.id, later)

    assert await storage.names(school.id, "exports") == []
    assert len(await storage.names(school.id, "bank-files")) == 1


async def test_only_one_person_is_exported_at_once_and_only_who_is_there(school: School) -> None:
    admin = await school.as_(Role.ADMIN)
    both = {"student_id": str(uuid4()), "guardian_id": str(uuid4())}

    for form in ({}, both):
        problem(await admin.post("/v1/exports", json=form), 422, "validation-failed")
    for kind in ("student", "guardian"):
        answer = await admin.post("/v1/exports", json={f"{kind}_id": str(uuid4())})
        problem(answer, 404, f"{kind}-not-found")
    problem(await admin.get(f"/v1/exports/{uuid4()}"), 404, "export-not-found")
