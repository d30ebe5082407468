"""Members over HTTP: who they are, what they may from the next request on, and the end of it."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api.auth.caller import Role
from itschool_api.auth.repository import Users
from tests.auth.ways_in import begun_anew, grant, log_in, me, redeem, refresh
from tests.kit import School, client_of, counted_statements, ok, problem
from tests.outbox.post import Mailbox, Post, token_in

pytestmark = pytest.mark.anyio


@dataclass
class Office:
    """A school with an admin."""

    school: School
    admin: AsyncClient
    admin_id: UUID

    async def roles(self, user_id: UUID | str, *roles: str) -> Any:
        """Say what a member is."""
        return await self.admin.put(f"/v1/members/{user_id}/roles", json={"roles": roles})

    async def member(self, user_id: UUID | str) -> Any:
        """Read a member."""
        return ok(await self.admin.get(f"/v1/members/{user_id}"))


@pytest.fixture
async def office(school: School) -> Office:
    admin_id, _, admin = await school.user(Role.ADMIN, last_name="Admin")
    return Office(school, admin, admin_id)


def form(*roles: str, **more: Any) -> dict[str, Any]:
    """Return a new member's form."""
    address = f"{secrets.token_hex(6)}@example.org"
    return {"first_name": "Jef", "last_name": "Claes", "email": address, "roles": roles, **more}


async def test_a_new_member_gets_a_user_name_and_an_invitation(office: Office) -> None:
    made = ok(
        await office.admin.post("/v1/members", json=form("teacher", "manager", language="nl")), 201
    )

    assert made["user_name"].startswith("jef.claes")
    assert made["roles"] == ["manager", "teacher"]
    assert (made["disabled"], made["last_login_at"], made["has_second_factor"]) == (
        False,
        None,
        False,
    )
    assert await office.member(made["user_id"]) == made
    ok(await office.admin.post(f"/v1/members/{made['user_id']}/invitations"), 202)
    mails = ok(await office.admin.get("/v1/mails", params={"user": made["user_id"]}))["items"]
    assert [(mail["kind"], mail["recipient"], mail["language"]) for mail in mails] == [
        ("invitation", made["email"], "nl")
    ] * 2


async def test_nobodys_mailbox_is_filled_with_invitations(office: Office) -> None:
    """SEC-13."""
    made = ok(await office.admin.post("/v1/members", json=form("teacher")), 201)
    for _ in range(3):
        ok(await office.admin.post(f"/v1/members/{made['user_id']}/invitations"), 202)

    answer = await office.admin.post(f"/v1/members/{made['user_id']}/invitations")
    problem(answer, 429, "too-often")


async def test_members_made_at_once_get_different_user_names(office: Office) -> None:
    """Nobody is refused for a user name that nobody chose."""
    answers = await asyncio.gather(
        *(
            office.admin.post("/v1/members", json=form("teacher", last_name="Tegelijk"))
            for _ in range(8)
        )
    )

    assert len({ok(answer, 201)["user_name"] for answer in answers}) == 8


async def test_members_are_found_by_name_address_and_role(office: Office) -> None:
    child = await office.school.child(last_name="Ouders")
    made = ok(await office.admin.post("/v1/members", json=form("teacher")), 201)

    async def found(**params: str) -> list[str]:
        page = ok(await office.admin.get("/v1/members", params=params))
        return [member["last_name"] for member in page["items"]]

    assert await found() == ["Admin", "Claes", "Ouders", "Person"]
    assert await found(search="jef cla") == ["Claes"]
    assert await found(search=made["user_name"]) == ["Claes"]
    assert await found(search=made["email"].upper()) == ["Claes"]
    assert await found(search=child.user_name) == ["Ouders"]
    assert await found(role="guardian") == ["Ouders"]
    assert await found(role="manager") == ["Person"]
    assert await found(has_second_factor="true") == []
    assert await found(has_second_factor="false", search="jef cla") == ["Claes"]
    first = ok(await office.admin.get("/v1/members", params={"limit": "3"}))
    assert len(first["items"]) == 3
    assert await found(limit="3", cursor=first["next"]) == ["Person"]


async def test_a_page_of_members_is_two_statements(app: FastAPI, office: Office) -> None:
    for _ in range(5):
        ok(await office.admin.post("/v1/members", json=form("teacher")), 201)
    with counted_statements(app) as statements:
        ok(await office.admin.get("/v1/members"))

    assert len(statements) == 2


async def test_roles_count_from_the_next_request_on(office: Office) -> None:
    """SEC-06."""
    user_id, _, person = await office.school.user(Role.TEACHER)
    assert (await person.get("/v1/families")).status_code == 403

    assert ok(await office.roles(user_id, "accountant", "teacher"))["roles"] == [
        "accountant",
        "teacher",
    ]
    ok(await person.get("/v1/families"))
    problem(await person.post("/v1/families", json={"name": "F"}), 403, "insufficient-scope")
    ok(await office.roles(user_id, "manager"))
    ok(await person.post("/v1/families", json={"name": "F"}), 201)
    problem(await person.get("/v1/members"), 403, "insufficient-scope")
    ok(await office.roles(user_id, "admin"))
    ok(await person.get("/v1/members"))
    ok(await office.roles(user_id, "teacher"))
    problem(await person.get("/v1/families"), 403, "insufficient-scope")


async def test_a_parent_who_works_at_the_school_stays_a_parent(
    app: FastAPI, office: Office
) -> None:
    child = await office.school.child()
    user_id = ok(await child.parent.get("/v1/me"))["user_id"]

    both = ok(await office.roles(user_id, "teacher"))
    assert both["roles"] == ["guardian", "teacher"]
    pair = await begun_anew(app, user_id)
    async with client_of(app, pair["access_token"]) as parent:
        assert len(ok(await parent.get("/v1/wallets"))["items"]) == 1
        assert ok(await office.roles(user_id))["roles"] == ["guardian"]
        assert len(ok(await parent.get("/v1/wallets"))["items"]) == 1


async def test_a_parents_login_that_becomes_staffs_begins_anew(
    app: FastAPI, office: Office, post: Post, owner: AsyncEngine
) -> None:
    """SEC-18: the office may have printed its way in, and set the password in the parent's place."""
    child = await office.school.child()
    own = ok(await child.parent.get("/v1/me"))
    email = text("UPDATE users SET email = :email WHERE id = :id")
    async with owner.begin() as connection:
        await connection.execute(email, {"email": None, "id": own["user_id"]})
    problem(await office.roles(own["user_id"], "admin"), 409, "member-not-reachable")
    assert (await office.member(own["user_id"]))["roles"] == ["guardian"]
    async with owner.begin() as connection:
        await connection.execute(email, {"email": own["email"], "id": own["user_id"]})

    ok(await office.roles(own["user_id"], "admin"))

    assert (await child.parent.get("/v1/me")).status_code == 401
    mailbox = Mailbox()
    await post.collect(mailbox)
    async with client_of(app) as client:
        problem(await log_in(client, child.user_name), 400, "invalid-grant")
        ok(await redeem(client, token_in(mailbox.to(own["email"])[-1])))


async def test_whoever_redeemed_a_parents_token_does_not_get_in_as_an_admin(
    app: FastAPI, office: Office
) -> None:
    """SEC-03: the session of a login token that an office printed ends as the token would."""
    user_id, _, _ = await office.school.user(Role.GUARDIAN)
    async with client_of(app) as anonymous:
        redeemed = ok(await redeem(anonymous, await grant(app, user_id)))
    ok(await office.roles(user_id, "admin"))

    async with client_of(app, redeemed["access_token"]) as late:
        answer = await late.put("/v1/me/password", json={"new_password": "trois petits chats"})
        problem(answer, 401, "invalid-access-token")


async def test_nobody_is_left_without_a_role(office: Office) -> None:
    user_id, _, _ = await office.school.user(Role.TEACHER)

    problem(await office.roles(user_id), 409, "no-role-left")
    problem(await office.roles(user_id, "guardian"), 422, "validation-failed")
    problem(await office.admin.post("/v1/members", json=form("guardian")), 422, "validation-failed")
    problem(await office.admin.post("/v1/members", json=form()), 422, "validation-failed")
    assert (await office.member(user_id))["roles"] == ["teacher"]


async def test_an_admin_takes_nothing_from_themselves(office: Office) -> None:
    own = office.admin_id
    await office.school.user(Role.ADMIN)  # the school would have another

    problem(await office.roles(own, "manager"), 409, "own-membership")
    problem(await office.admin.delete(f"/v1/members/{own}"), 409, "own-membership")
    problem(await office.admin.post(f"/v1/members/{own}/disable"), 409, "own-membership")
    assert ok(await office.roles(own, "admin", "accountant"))["roles"] == ["accountant", "admin"]


@pytest.mark.parametrize("way", ["roles", "delete", "disable"])
async def test_two_admins_who_remove_each_other_leave_one(office: Office, way: str) -> None:
    """Whatever comes at the same moment, a school keeps an admin who can log in."""
    other_id, _, other = await office.school.user(Role.ADMIN)

    async def remove(client: AsyncClient, user_id: UUID) -> int:
        if way == "roles":
            answer = await client.put(f"/v1/members/{user_id}/roles", json={"roles": ["teacher"]})
        elif way == "delete":
            answer = await client.delete(f"/v1/members/{user_id}")
        else:
            answer = await client.post(f"/v1/members/{user_id}/disable")
        return answer.status_code

    statuses = await asyncio.gather(remove(office.admin, other_id), remove(other, office.admin_id))

    assert sum(status < 300 for status in statuses) == 1, statuses
    left = [client for client in (office.admin, other) if await alive(client)]
    assert len(left) == 1


async def alive(admin: AsyncClient) -> bool:
    return (await admin.get("/v1/members")).status_code == 200


async def test_another_schools_admin_finds_nobody(office: Office, other_school: School) -> None:
    """SEC-02."""
    user_id, _, _ = await office.school.user(Role.TEACHER)
    stranger = await other_school.as_(Role.ADMIN)

    for method, rest, body in (
        ("GET", "", None),
        ("PUT", "/roles", {"roles": ["teacher"]}),
        ("DELETE", "", None),
        ("POST", "/invitations", None),
        ("POST", "/disable", None),
        ("POST", "/enable", None),
        ("PUT", "/login", {"user_name": "abc", "email": "a@example.org", "language": "fr"}),
    ):
        answer = await stranger.request(method, f"/v1/members/{user_id}{rest}", json=body)
        problem(answer, 404, "member-not-found")
    page = ok(await stranger.get("/v1/members"))
    assert str(user_id) not in {member["user_id"] for member in page["items"]}
    assert (await office.member(user_id))["roles"] == ["teacher"]


async def test_an_ended_membership_lets_nobody_in_here_and_touches_no_other_school(
    app: FastAPI, office: Office, other_school: School
) -> None:
    """SEC-06, SEC-18: ending what somebody is at one school ends their sessions there alone."""
    child = await office.school.child()
    user_id = UUID(ok(await child.parent.get("/v1/me"))["user_id"])
    async with other_school.sessions.begin() as session:
        await Users(session).join([user_id], other_school.id, [Role.TEACHER])
    async with client_of(app) as client:
        here = ok(await log_in(client, child.user_name, school_id=str(office.school.id)))
        there = ok(await log_in(client, child.user_name, school_id=str(other_school.id)))
        ok(await office.admin.delete(f"/v1/members/{user_id}"), 204)

        assert (await child.parent.get("/v1/wallets")).status_code == 401
        assert (await me(app, here["access_token"])).status_code == 401
        problem(await refresh(client, here["refresh_token"]), 400, "invalid-grant")
        refused = await log_in(client, child.user_name, school_id=str(office.school.id))
        problem(refused, 400, "invalid-grant")
        mine = ok(await me(app, there["access_token"]))
        assert [each["id"] for each in mine["schools"]] == [str(other_school.id)]
        back = await refresh(client, there["refresh_token"], school_id=str(office.school.id))
        problem(back, 400, "invalid-grant")
        ok(await refresh(client, there["refresh_token"]))
    problem(await office.admin.get(f"/v1/members/{user_id}"), 404, "member-not-found")
    guardian = ok(await office.admin.get(f"/v1/guardians/{child.guardian_id}"))
    assert guardian["can_log_in"] is False


async def test_whoever_belongs_nowhere_any_more_redeems_no_login_token(
    app: FastAPI, office: Office
) -> None:
    """SEC-18."""
    user_id, _, _ = await office.school.user(Role.TEACHER)
    token = await grant(app, user_id)
    ok(await office.admin.delete(f"/v1/members/{user_id}"), 204)

    async with client_of(app) as client:
        problem(await redeem(client, token), 400, "invalid-login-token")
        # Nor after they are taken on again.
        async with office.school.sessions.begin() as session:
            await Users(session).join([user_id], office.school.id, [Role.TEACHER])
        problem(await redeem(client, token), 400, "invalid-login-token")


async def test_a_disabled_login_opens_nothing_from_the_next_request_on(
    app: FastAPI, office: Office
) -> None:
    """SEC-18: access, refresh and login tokens, and the password."""
    user_id, name, person = await office.school.user(Role.TEACHER)
    async with client_of(app) as client:
        pair = ok(await log_in(client, name))
        token = await grant(app, user_id)
        disabled = ok(await office.admin.post(f"/v1/members/{user_id}/disable"))
        assert disabled["disabled"] is True

        assert (await person.get("/v1/me")).status_code == 401
        assert (await me(app, pair["access_token"])).status_code == 401
        problem(await refresh(client, pair["refresh_token"]), 400, "invalid-grant")
        problem(await redeem(client, token), 400, "invalid-login-token")
        problem(await log_in(client, name), 400, "invalid-grant")
        problem(
            await office.admin.post(f"/v1/members/{user_id}/invitations"),
            409,
            "member-not-reachable",
        )
        enabled = ok(await office.admin.post(f"/v1/members/{user_id}/enable"))
        assert enabled["disabled"] is False

        # What ended stays ended; only the password lets them in again.
        assert (await me(app, pair["access_token"])).status_code == 401
        problem(await refresh(client, pair["refresh_token"]), 400, "invalid-grant")
        problem(await redeem(client, token), 400, "invalid-login-token")
        ok(await log_in(client, name))


async def test_a_login_that_another_school_uses_is_not_disabled_here(
    office: Office, other_school: School
) -> None:
    user_id, _, person = await office.school.user(Role.TEACHER)
    async with other_school.sessions.begin() as session:
        await Users(session).join([user_id], other_school.id, [Role.TEACHER])

    for what in ("disable", "enable"):
        answer = await office.admin.post(f"/v1/members/{user_id}/{what}")
        problem(answer, 409, "member-elsewhere")
    ok(await person.get("/v1/me"))


async def test_a_request_that_asks_for_what_is_there_leaves_no_trace(office: Office) -> None:
    user_id, _, _ = await office.school.user(Role.TEACHER)
    ok(await office.roles(user_id, "teacher"))
    ok(await office.roles(user_id, "manager"))

    events = ok(await office.admin.get("/v1/audit-events", params={"subject": str(user_id)}))
    assert [event["action"] for event in events["items"]] == ["change_member_roles"]


async def test_no_admin_needs_a_second_look_at_who_has_a_second_factor(
    office: Office, owner: AsyncEngine
) -> None:
    """One that was begun and never confirmed is none."""
    user_id, _, _ = await office.school.user(Role.TEACHER)
    async with owner.begin() as connection:
        await connection.execute(
            text("INSERT INTO second_factors (user_id, created_at) VALUES (:id, now())"),
            {"id": user_id},
        )
    assert (await office.member(user_id))["has_second_factor"] is False
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE second_factors SET confirmed_at = now() WHERE user_id = :id"),
            {"id": user_id},
        )
    assert (await office.member(user_id))["has_second_factor"] is True
