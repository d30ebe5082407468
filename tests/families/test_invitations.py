"""Invitations for many: who gets one, who does not, and that nobody gets two."""

import asyncio
import secrets
from datetime import timedelta
from typing import Any

import pytest
from babel.dates import format_date
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api import clock
from itschool_api.auth.caller import Role
from itschool_api.database import school_transaction
from itschool_api.families import invitations
from itschool_api.families.schemas import NewInvitations
from tests.auth.ways_in import redeem
from tests.kit import (
    ANY_STATE,
    PASSWORD,
    School,
    client_of,
    counted_statements,
    logged_in,
    ok,
    problem,
)
from tests.outbox.post import Mailbox, Post, plain, token_in

pytestmark = pytest.mark.anyio

NOBODY = dict.fromkeys(
    (
        "guardians",
        "invited",
        "users_made",
        "without_email",
        "logged_in",
        "invited_before",
        "just_invited",
        "disabled",
    ),
    0,
)


async def made(school: School, path: str, form: dict[str, Any]) -> Any:
    return ok(await school.manager.post(f"/v1/{path}", json=form), 201)


async def guardian(
    school: School,
    *,
    email: str | None = "",
    group: str | None = None,
    language: str = "fr",
    first_name: str = "An",
    student: str | None = None,
) -> Any:
    """Add a guardian of a student, who has an address of their own unless told otherwise."""
    if student is None:
        form = {"first_name": "Noor", "last_name": "Maes", "class_group_id": group}
        student = str((await made(school, "students", form))["id"])
    family = await made(
        school, "families", {"name": "Famille Maes", "students": [{"student_id": student}]}
    )
    added = await made(
        school,
        "guardians",
        {
            "first_name": first_name,
            "last_name": "Maes",
            "email": f"{secrets.token_hex(6)}@example.org" if email == "" else email,
            "language": language,
        },
    )
    link = {"guardian_id": added["id"], "student_id": student, "family_id": family["id"]}
    await made(school, "guardianships", link)
    return added | {"student": student}


async def invite(school: School, **form: Any) -> Any:
    """Invite many, by default of the whole school."""
    if "class_group_id" not in form:
        form["whole_school"] = True
    report = ok(await school.manager.post("/v1/invitations", json=form), 202)
    others = [report[name] for name in NOBODY if name not in {"guardians", "users_made"}]
    assert sum(others) == report["guardians"]
    return {name: count for name, count in report.items() if count}


async def invited_long_ago(owner: AsyncEngine, school: School) -> None:
    """Let all invitations of a school lie behind."""
    async with owner.begin() as connection:
        await connection.execute(
            text(
                "UPDATE guardians SET invited_at = now() - interval '1 day' WHERE school_id = :id"
            ),
            {"id": school.id},
        )


async def listed(school: School, **params: str) -> dict[str, Any]:
    """Return the school's guardians by id."""
    page = ok(await school.manager.get("/v1/guardians", params=params | {"limit": "200"}))
    return {each["id"]: each for each in page["items"]}


async def first_login(app: FastAPI, token: str) -> None:
    """Do what an invited guardian does."""
    async with client_of(app) as anonymous:
        pair = ok(await redeem(anonymous, token))
    async with client_of(app, pair["access_token"]) as restricted:
        ok(await restricted.put("/v1/me/password", json={"new_password": PASSWORD}))


async def test_a_school_invites_whoever_never_got_in(
    app: FastAPI, school: School, post: Post, owner: AsyncEngine
) -> None:
    """And whoever did is left alone from then on."""
    first = await guardian(school, language="nl")
    await guardian(school, email=None)
    second = await guardian(school)
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE school_profiles SET email = 'bureau@example.org' WHERE school_id = :id"),
            {"id": school.id},
        )
    box = Mailbox()

    assert await invite(school) == {
        "guardians": 3,
        "invited": 2,
        "users_made": 2,
        "without_email": 1,
    }
    await post.collect(box)
    (dutch,) = box.to(first["email"])
    assert dutch["Reply-To"] == "École de test <bureau@example.org>"
    day = clock.today("Europe/Brussels") + timedelta(days=14)
    assert format_date(day, "long", locale="nl_BE") in plain(dutch)
    assert f"#token={token_in(dutch)}" in plain(dutch)
    (french,) = box.to(second["email"])
    assert "Aanmeldcode" in plain(dutch)
    assert "Jeton de connexion" in plain(french)
    user_name = (await listed(school))[first["id"]]["user_name"]
    assert user_name in plain(dutch)
    await first_login(app, token_in(dutch))
    await logged_in(app, user_name)

    await invited_long_ago(owner, school)
    assert await invite(school) == {
        "guardians": 3,
        "invited": 1,
        "without_email": 1,
        "logged_in": 1,
    }
    assert await invite(school, only="all") == {
        "guardians": 3,
        "invited": 1,
        "without_email": 1,
        "just_invited": 1,
    }


async def test_only_those_are_invited_who_were_not_yet(
    school: School, post: Post, owner: AsyncEngine
) -> None:
    await guardian(school)
    await invite(school)
    await invited_long_ago(owner, school)
    await guardian(school)

    assert await invite(school, only="never_invited") == {
        "guardians": 2,
        "invited": 1,
        "users_made": 1,
        "invited_before": 1,
    }
    box = Mailbox()
    await post.collect(box)
    assert len(box.messages) == 2


async def test_a_class_is_invited_and_no_other(school: School, post: Post) -> None:
    groups = [(await made(school, "class-groups", {"name": name}))["id"] for name in ("3B", "4A")]
    ours = await guardian(school, group=groups[0])
    await guardian(school, group=groups[1])

    assert await invite(school, class_group_id=groups[0]) == {
        "guardians": 1,
        "invited": 1,
        "users_made": 1,
    }
    box = Mailbox()
    await post.collect(box)
    assert [message["To"] for message in box.messages] == [ours["email"]]
    assert [*await listed(school, class_group=groups[0])] == [ours["id"]]
    for nothing in ({}, {"whole_school": True, "class_group_id": groups[0]}):
        problem(
            await school.manager.post("/v1/invitations", json=nothing), 422, "validation-failed"
        )


async def test_a_guardian_of_two_children_is_invited_once(school: School, post: Post) -> None:
    child = await school.child(guardian_id=None)
    await school.sibling(child)
    box = Mailbox()

    assert (await invite(school, only="all"))["guardians"] == 1
    await post.collect(box)
    assert len(box.messages) == 1


async def test_who_sees_no_child_of_the_school_is_not_invited(school: School) -> None:
    """A guardianship that has ended, a child who left, a guardian of nobody."""
    today = clock.today("Europe/Brussels")
    yesterday = (today - timedelta(days=1)).isoformat()
    gone = await guardian(school)
    url = f"/v1/students/{gone['student']}/departure"
    ok(await school.manager.put(url, json={"left_on": yesterday}))
    ended = await guardian(school)
    (link,) = ok(await school.manager.get("/v1/guardianships", params={"guardian": ended["id"]}))[
        "items"
    ]
    form = {"sees_money": True, "ends_on": yesterday}
    ok(await school.manager.patch(f"/v1/guardianships/{link['id']}", json=form, headers=ANY_STATE))
    await made(
        school, "guardians", {"first_name": "Jo", "last_name": "Bos", "email": "jo@example.org"}
    )

    assert await invite(school) == {}


async def test_a_couple_with_one_address_gets_two_mails_and_two_names(
    school: School, post: Post
) -> None:
    address = f"{secrets.token_hex(6)}@example.org"
    mother = await guardian(school, email=address, first_name="An")
    father = await guardian(
        school, email=address, first_name="Tom", student=mother["student"], language="de"
    )
    box = Mailbox()

    assert (await invite(school))["invited"] == 2
    await post.collect(box)

    names = {
        each: (await listed(school))[each]["user_name"] for each in (mother["id"], father["id"])
    }
    assert len(set(names.values())) == 2
    assert len(box.to(address)) == 2
    french, german = sorted(box.to(address), key=lambda message: "Anmeldecode" in plain(message))
    assert names[mother["id"]] in plain(french)
    assert names[father["id"]] in plain(german)
    assert token_in(french) != token_in(german)


async def test_invited_again_a_guardian_keeps_the_name_and_only_the_newest_token_works(
    app: FastAPI, school: School, post: Post, owner: AsyncEngine
) -> None:
    """SEC-09."""
    added = await guardian(school)
    box = Mailbox()
    names = set()
    for _ in range(2):
        await invite(school)
        await invited_long_ago(owner, school)
        names.add((await listed(school))[added["id"]]["user_name"])
        await post.collect(box)

    older, newer = (token_in(message) for message in box.messages)
    assert len(names) == 1
    async with client_of(app) as anonymous:
        problem(await redeem(anonymous, older), 400, "invalid-login-token")
        assert (await redeem(anonymous, newer)).status_code == 200


async def test_two_who_invite_at_once_send_one_mail_and_make_one_user(
    school: School, post: Post, owner: AsyncEngine
) -> None:
    """The second waits for the first, then finds everybody just invited."""
    for _ in range(3):
        await guardian(school)
    async with school_transaction(school.sessions, school.id) as session:
        first = await invitations.invite_guardians(
            session, school.id, NewInvitations(whole_school=True)
        )
        second = asyncio.create_task(invite(school))
        await asyncio.sleep(0.3)
        assert not second.done()

    assert (first.invited, first.users_made) == (3, 3)
    assert await second == {"guardians": 3, "just_invited": 3}
    async with owner.connect() as connection:
        members = await connection.scalar(
            text("SELECT count(*) FROM memberships WHERE school_id = :id AND role = 'guardian'"),
            {"id": school.id},
        )
    assert members == 3
    box = Mailbox()
    await post.collect(box)
    assert len(box.messages) == 3


async def test_statements_do_not_grow_with_the_guardians(app: FastAPI, school: School) -> None:
    numbers = []
    for count in (2, 25):
        group = (await made(school, "class-groups", {"name": f"{count}"}))["id"]
        for _ in range(count):
            await guardian(school, group=group)
        with counted_statements(app) as statements:
            assert (await invite(school, class_group_id=group))["invited"] == count
        numbers.append(len(statements))

    assert numbers[0] == numbers[1] <= 14


async def test_whoever_never_got_in_is_listed(school: School) -> None:
    parent = await school.child()
    never = await guardian(school)

    assert [*await listed(school, logged_in="never")] == [never["id"]]
    ever = await listed(school, logged_in="ever")
    assert [*ever] == [parent.guardian_id]
    assert ever[parent.guardian_id]["user_name"] == parent.user_name
    assert ever[parent.guardian_id]["last_login_at"] is not None
    assert never["user_name"] is never["invited_at"] is never["last_login_at"] is None
    ok(await school.manager.post(f"/v1/guardians/{never['id']}/invitations"), 202)
    known = (await listed(school))[never["id"]]
    assert known["invited_at"] is not None
    assert known["last_login_at"] is None
    problem(
        await school.manager.get("/v1/guardians", params={"logged_in": "x"}),
        422,
        "validation-failed",
    )


async def test_another_school_learns_nothing(
    school: School, other_school: School, post: Post
) -> None:
    """SEC-02: neither who is invited there, nor by what name."""
    theirs = await guardian(other_school)
    await invite(other_school)

    assert await invite(school) == {}
    assert theirs["id"] not in await listed(school)
    box = Mailbox()
    await post.collect(box)
    assert len(box.messages) == 1


async def test_a_disabled_login_is_not_invited(school: School, owner: AsyncEngine) -> None:
    """SEC-18."""
    child = await school.child()
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE users SET disabled_at = now() WHERE user_name = :name"),
            {"name": child.user_name},
        )

    assert await invite(school, only="all") == {"guardians": 1, "disabled": 1}
    problem(
        await school.manager.post(f"/v1/guardians/{child.guardian_id}/invitations"),
        409,
        "login-disabled",
    )


async def test_nobodys_mailbox_is_filled_with_invitations(school: School) -> None:
    """SEC-13: whichever guardian's address it is."""
    address = f"{secrets.token_hex(6)}@example.org"
    urls = [
        f"/v1/guardians/{(await guardian(school, email=address))['id']}/invitations"
        for _ in range(2)
    ]
    for _ in range(3):
        ok(await school.manager.post(urls[0]), 202)

    for url in urls:
        problem(await school.manager.post(url), 429, "too-often")


async def _without_address(owner: AsyncEngine, guardian_id: str) -> None:
    """Let a guardian have an address, and their user none."""
    async with owner.begin() as connection:
        await connection.execute(
            text(
                "UPDATE users SET email = NULL FROM guardians"
                " WHERE guardians.user_id = users.id AND guardians.id = :id"
            ),
            {"id": guardian_id},
        )
        await connection.execute(
            text("UPDATE guardians SET email = :email WHERE id = :id"),
            {"id": guardian_id, "email": f"{secrets.token_hex(6)}@example.org"},
        )


async def test_an_address_that_comes_later_becomes_the_users(
    school: School, owner: AsyncEngine, post: Post
) -> None:
    """Whose login was made without one is invited by e-mail once there is one."""
    child = await school.child()
    await _without_address(owner, child.guardian_id)
    box = Mailbox()

    assert (await invite(school, only="all"))["invited"] == 1
    await post.collect(box)
    (message,) = box.messages
    assert message["To"] == (await listed(school))[child.guardian_id]["email"]
    assert child.user_name in plain(message)


@pytest.mark.parametrize("where", ["works here", "belongs to another school"])
async def test_no_school_sends_the_way_into_a_login_that_is_not_only_its_own(
    school: School, other_school: School, owner: AsyncEngine, post: Post, where: str
) -> None:
    """An address that a manager wrote must not lead into an administrator's or another's login."""
    child = await school.child()
    await _without_address(owner, child.guardian_id)
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

    assert await invite(school, only="all") == {"guardians": 1, "without_email": 1}
    problem(
        await school.manager.post(f"/v1/guardians/{child.guardian_id}/invitations"),
        422,
        "guardian-has-no-email",
    )
    box = Mailbox()
    await post.collect(box)
    assert box.messages == []
