"""The way in on paper: for whom, that it works, and that nobody else learns of it."""

import asyncio
import io
import re
import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx2 import Response
from pypdf import PdfReader
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api import clock
from itschool_api.auth.caller import Role
from itschool_api.database import school_transaction
from itschool_api.families import invitations
from itschool_api.letters import document
from tests.auth.ways_in import log_in, redeem
from tests.kit import PASSWORD, School, client_of, counted_statements, ok, problem
from tests.outbox.post import Mailbox, Post, token_in

pytestmark = pytest.mark.anyio

_TOKEN = re.compile(r"(?:[A-Z2-7]{4}\s+){7}[A-Z2-7]{4}")


async def made(school: School, path: str, form: dict[str, Any]) -> Any:
    return ok(await school.manager.post(f"/v1/{path}", json=form), 201)


async def guardian(
    school: School,
    last_name: str,
    *,
    email: str | None = None,
    group: str | None = None,
    child: str = "Noor",
    student: str | None = None,
    **address: str,
) -> Any:
    """Add a guardian of a student, by default without an e-mail address."""
    if student is None:
        form = {"first_name": child, "last_name": last_name, "class_group_id": group}
        student = str((await made(school, "students", form))["id"])
    family = await made(
        school,
        "families",
        {"name": f"Famille {last_name}", "students": [{"student_id": student}], **address},
    )
    added = await made(
        school, "guardians", {"first_name": "An", "last_name": last_name, "email": email}
    )
    link = {"guardian_id": added["id"], "student_id": student, "family_id": family["id"]}
    await made(school, "guardianships", link)
    return added | {"student": student}


async def ask(school: School, **form: Any) -> Response:
    """Ask for letters, by default for the whole school."""
    if not form.keys() & {"class_group_id", "guardian_ids", "whole_school"}:
        form["whole_school"] = True
    return await school.manager.post("/v1/login-letters", json={"both_sides": False} | form)


def letters(answer: Response) -> list[str]:
    """Return the words of each letter."""
    assert answer.status_code == 200, answer.text
    pages = [
        re.sub(r"\s+", " ", page.extract_text().replace("\u200b", ""))
        for page in PdfReader(io.BytesIO(answer.content)).pages
    ]
    assert answer.headers["letters-printed"] == str(len(pages))
    return pages


def token_on(letter: str) -> str:
    """Return the token of a letter, as a parent types it."""
    found = _TOKEN.search(letter)
    assert found
    return found[0].lower()


async def user_name_of(school: School, guardian_id: str) -> str:
    page = ok(await school.manager.get("/v1/guardians", params={"limit": "200"}))
    return str(next(each["user_name"] for each in page["items"] if each["id"] == guardian_id))


async def test_who_has_no_address_gets_in_by_letter(app: FastAPI, school: School) -> None:
    """DOMAIN rule 30, from paper to the first page."""
    added = await guardian(school, "Maes", street="Rue Haute 1", postal_code="1000", city="Ixelles")
    await guardian(school, "Claes", email=f"{secrets.token_hex(6)}@example.org")

    answer = await ask(school)

    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["cache-control"] == "no-store"
    today = clock.today("Europe/Brussels").isoformat()
    disposition = f'attachment; filename="login-letters-{today}.pdf"'
    assert answer.headers["content-disposition"] == disposition
    assert answer.headers["letters-left-out"] == "0"
    (letter,) = letters(answer)
    user_name = await user_name_of(school, added["id"])
    for words in ("An Maes Rue Haute 1 1000 Ixelles", "Élève Noor Maes", user_name):
        assert words in letter
    async with client_of(app) as anonymous:
        pair = ok(await redeem(anonymous, token_on(letter)))
        async with client_of(app, pair["access_token"]) as restricted:
            ok(await restricted.put("/v1/me/password", json={"new_password": PASSWORD}))
        problem(await redeem(anonymous, token_on(letter)), 400, "invalid-login-token")
        ok(await log_in(anonymous, user_name))
    # Who got in needs no letter any more, unless somebody asks for it by name.
    problem(await ask(school), 422, "nobody-to-write-to")
    assert len(letters(await ask(school, guardian_ids=[added["id"]]))) == 1


async def test_letters_are_handed_out_class_by_class(school: School) -> None:
    """And a class's letters are its own."""
    groups = {
        name: (await made(school, "class-groups", {"name": name}))["id"] for name in ("1A", "2A")
    }
    for last_name, group in (("Zoé", "1A"), ("Bos", "2A"), ("Aerts", "1A")):
        await guardian(school, last_name, group=groups[group])
    await guardian(school, "Nobody")

    found = [re.search(r"Élève (.+?) Votre accès", each) for each in letters(await ask(school))]
    assert [each and each[1] for each in found] == [
        "Noor Aerts, 1A",
        "Noor Zoé, 1A",
        "Noor Bos, 2A",
        "Noor Nobody",
    ]
    (letter,) = letters(await ask(school, class_group_id=groups["2A"]))
    assert "Noor Bos, 2A" in letter


async def test_a_guardian_of_two_families_gets_one_letter(school: School) -> None:
    first = await guardian(school, "Maes", child="Lars")
    form = {"first_name": "Eva", "last_name": "Maes"}
    second = await made(school, "students", form)
    family = await made(
        school,
        "families",
        {
            "name": "Famille Dubois",
            "street": "Rue Basse 2",
            "postal_code": "4000",
            "city": "Liège",
            "students": [{"student_id": second["id"]}],
        },
    )
    link = {"student_id": second["id"], "family_id": family["id"], "guardian_id": first["id"]}
    await made(school, "guardianships", link)

    (letter,) = letters(await ask(school))

    assert "An Maes Rue Basse 2 4000 Liège" in letter
    assert "Eva Maes Lars Maes" in letter


async def test_two_guardians_of_a_family_get_a_letter_each(app: FastAPI, school: School) -> None:
    mother = await guardian(school, "Maes")
    father = await guardian(school, "Dubois", student=mother["student"])

    printed = letters(await ask(school))

    names = [await user_name_of(school, each["id"]) for each in (mother, father)]
    assert [name in letter for name, letter in zip(names, printed, strict=True)] == [True, True]
    async with client_of(app) as anonymous:
        for letter in printed:
            ok(await redeem(anonymous, token_on(letter)))


async def test_the_newest_of_letters_and_mails_is_the_one_that_works(
    app: FastAPI, school: School, post: Post
) -> None:
    """SEC-09: whatever came before it, and a mail that is still on its way."""
    address = f"{secrets.token_hex(6)}@example.org"
    added = await guardian(school, "Maes", email=address)
    invite = f"/v1/guardians/{added['id']}/invitations"
    box = Mailbox()

    async def printed() -> str:
        return token_on(letters(await ask(school, guardian_ids=[added["id"]]))[0])

    async def works(token: str) -> bool:
        async with client_of(app) as anonymous:
            return (await redeem(anonymous, token)).status_code == 200

    ok(await school.manager.post(invite), 202)
    await post.collect(box)
    mailed = token_in(box.messages[0])
    first, second = await printed(), await printed()
    assert [await works(each) for each in (mailed, first, second)] == [False, False, True]
    third = await printed()
    ok(await school.manager.post(invite), 202)
    await post.collect(box)
    assert [await works(each) for each in (third, token_in(box.messages[1]))] == [False, True]
    ok(await school.manager.post(invite), 202)
    last = await printed()
    await post.collect(box)
    assert len(box.messages) == 2
    assert await works(last)


async def test_a_token_on_paper_works_for_thirty_days(
    app: FastAPI, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-07: all of the day that is printed, and not the next."""
    for last_name in ("Maes", "Claes"):
        await guardian(school, last_name)
    today = clock.today("Europe/Brussels")
    tokens = [token_on(each) for each in letters(await ask(school))]
    end = clock.day_begins(today + timedelta(days=31), "Europe/Brussels")
    async with client_of(app) as anonymous:
        monkeypatch.setattr(clock, "now", lambda: end + timedelta(seconds=1))
        problem(await redeem(anonymous, tokens[0]), 400, "invalid-login-token")
        monkeypatch.setattr(clock, "now", lambda: end - timedelta(minutes=1))
        assert (await redeem(anonymous, tokens[0])).status_code == 200


@pytest.mark.parametrize("where", ["works here", "belongs to another school"])
async def test_no_letter_shows_the_way_into_a_login_that_is_more_than_a_guardians(
    school: School, other_school: School, owner: AsyncEngine, where: str
) -> None:
    """SEC-03: else a manager could print an administrator's, or another school's parent's."""
    child = await school.child()
    plain = await guardian(school, "Maes")
    async with owner.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO memberships (user_id, school_id, role)"
                " SELECT id, :school, :role FROM users WHERE user_name = :name"
            ),
            {
                "name": child.user_name,
                "school": school.id if where == "works here" else other_school.id,
                "role": Role.ADMIN if where == "works here" else Role.GUARDIAN,
            },
        )

    refused = problem(
        await ask(school, guardian_ids=[plain["id"], child.guardian_id]), 422, "no-letter-for-them"
    )
    assert [(each["pointer"], each["code"]) for each in refused["errors"]] == [
        ("/guardian_ids/1", "not_only_a_guardian")
    ]
    answer = await ask(school, only="all")
    assert child.user_name not in letters(answer)[0]
    assert answer.headers["letters-left-out"] == "1"


async def test_a_letter_ends_when_its_login_opens_more(
    app: FastAPI, school: School, other_school: School
) -> None:
    """SEC-03: one that was printed before somebody began to work here, or to belong elsewhere too."""
    admin = await school.as_(Role.ADMIN)
    works, belongs = await school.child(), await school.child()
    tokens = [
        token_on(letters(await ask(school, guardian_ids=[child.guardian_id]))[0])
        for child in (works, belongs)
    ]
    me = ok(await works.parent.get("/v1/me"))
    ok(await admin.put(f"/v1/members/{me['user_id']}/roles", json={"roles": ["admin"]}))
    last_name = ok(await belongs.parent.get("/v1/me"))["last_name"]
    form = {"first_name": "An", "last_name": last_name}
    there = await made(other_school, "guardians", form)
    offers = f"/v1/guardians/{there['id']}/offers"
    ok(await other_school.manager.post(offers, json={"user_name": belongs.user_name}), 202)
    (offer,) = ok(await belongs.parent.get("/v1/me/offers"))["items"]
    ok(await belongs.parent.post(f"/v1/me/offers/{offer['id']}/accept"))

    async with client_of(app) as anonymous:
        for token in tokens:
            problem(await redeem(anonymous, token), 400, "invalid-login-token")


async def test_nobody_begins_to_work_here_while_their_letter_is_being_written(
    school: School,
) -> None:
    """SEC-03: the role waits for the letter, and then ends its token."""
    admin = await school.as_(Role.ADMIN)
    child = await school.child()
    user_id = ok(await child.parent.get("/v1/me"))["user_id"]
    async with school_transaction(school.sessions, school.id) as session:
        found = await invitations.invitees(session, school.id, [UUID(child.guardian_id)])
        assert not found[0].is_entangled
        roles = asyncio.create_task(
            admin.put(f"/v1/members/{user_id}/roles", json={"roles": ["admin"]})
        )
        await asyncio.sleep(0.3)
        assert not roles.done()

    ok(await roles)


async def test_a_disabled_login_gets_no_letter(school: School, owner: AsyncEngine) -> None:
    """SEC-18."""
    child = await school.child()
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE users SET disabled_at = now() WHERE user_name = :name"),
            {"name": child.user_name},
        )

    refused = problem(
        await ask(school, guardian_ids=[child.guardian_id]), 422, "no-letter-for-them"
    )
    assert [each["code"] for each in refused["errors"]] == ["login_disabled"]
    problem(await ask(school, only="all"), 422, "nobody-to-write-to")


async def test_a_token_on_paper_is_nowhere_else(
    school: School, owner: AsyncEngine, log: io.StringIO
) -> None:
    """SEC-07, SEC-10, SEC-34: neither in the log, nor in the database, nor in the trail."""
    await guardian(school, "Maes")
    token = token_on(letters(await ask(school))[0]).upper().replace(" ", "")
    written = (token, "-".join(token[place : place + 8] for place in range(0, 32, 8)))

    async with owner.connect() as connection:
        kept = [
            str(row)
            for table in ("login_tokens", "audit_events", "mails", "users", "guardians")
            for row in await connection.execute(text(f"SELECT {table}::text FROM {table}"))  # noqa: S608
        ]
    assert kept
    for canary in written:
        assert canary not in log.getvalue()
        assert not [row for row in kept if canary in row]


async def test_letters_are_set_after_the_transaction_has_ended(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that nobody waits for paper; and where setting fails, the answer says no more than that."""
    child = await school.child()
    asked: list[object] = []

    def fail(letters: object) -> bytes:
        asked.append(letters)
        raise RuntimeError("out of ink")

    monkeypatch.setattr(document, "render", fail)
    refused = problem(await ask(school, guardian_ids=[child.guardian_id]), 500, "internal-error")

    assert len(asked) == 1
    assert "ink" not in str(refused)
    page = ok(await school.manager.get("/v1/guardians"))
    assert page["items"][0]["invited_at"] is not None


async def test_statements_do_not_grow_with_the_letters(app: FastAPI, school: School) -> None:
    numbers = []
    for count in (2, 20):
        group = (await made(school, "class-groups", {"name": f"{count}"}))["id"]
        for place in range(count):
            await guardian(school, f"Maes{place}", group=group)
        with counted_statements(app) as statements:
            assert len(letters(await ask(school, class_group_id=group))) == count
        numbers.append(len(statements))

    assert numbers[0] == numbers[1] <= 20


async def test_who_is_named_must_be_of_the_school(school: School, other_school: School) -> None:
    """SEC-02."""
    theirs = await guardian(other_school, "Maes")
    refused = problem(await ask(school, guardian_ids=[theirs["id"]]), 422, "no-letter-for-them")
    assert [(each["pointer"], each["code"]) for each in refused["errors"]] == [
        ("/guardian_ids/0", "not_found")
    ]
    unclear: list[dict[str, Any]] = [
        {},
        {"guardian_ids": []},
        {"whole_school": True, "guardian_ids": [theirs["id"]]},
    ]
    for form in unclear:
        answer = await school.manager.post("/v1/login-letters", json=form)
        problem(answer, 422, "validation-failed")
