"""How a person logs in: who may change it, and that a change ends what it must."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api.auth.caller import Role
from itschool_api.auth.repository import Users
from tests.auth.authenticator import Watch, protected
from tests.auth.ways_in import begun_anew, grant, log_in, redeem, refresh
from tests.kit import ANY_STATE, PASSWORD, Child, School, client_of, ok, problem
from tests.outbox.post import Mailbox, Post, plain, token_in

pytestmark = pytest.mark.anyio


@dataclass
class Parent:
    """A parent of the school, their guardian, and their login."""

    school: School
    child: Child
    url: str
    login: Any

    async def change(self, client: AsyncClient | None = None, **changes: str) -> Response:
        """Change the login, as the office or as somebody else."""
        form = {key: self.login[key] for key in ("user_name", "email", "language")}
        return await (client or self.school.manager).put(self.url, json=form | changes)


@pytest.fixture
async def parent(school: School) -> Parent:
    child = await school.child()
    url = f"/v1/guardians/{child.guardian_id}/login"
    return Parent(school, child, url, ok(await school.manager.get(url)))


def name() -> str:
    return f"name-{secrets.token_hex(6)}"


def address() -> str:
    return f"{secrets.token_hex(6)}@example.org"


async def test_the_office_sees_and_changes_a_parents_user_name(
    app: FastAPI, parent: Parent, post: Post
) -> None:
    login = parent.login
    assert login["user_name"] == parent.child.user_name
    assert (login["disabled"], login["language"]) == (False, "fr")
    wanted = name()

    changed = ok(await parent.change(user_name=wanted.upper(), language="nl"))

    assert (changed["user_name"], changed["language"]) == (wanted, "nl")
    async with client_of(app) as client:
        ok(await log_in(client, wanted))
        problem(await log_in(client, login["user_name"]), 400, "invalid-grant")
    ok(await parent.child.parent.get("/v1/me"))  # they are logged in still
    mailbox = Mailbox()
    await post.collect(mailbox)
    (message,) = mailbox.to(login["email"])
    assert wanted in plain(message)


async def test_with_another_address_a_login_begins_anew(
    app: FastAPI, parent: Parent, post: Post
) -> None:
    """SEC-18: whoever the mistyped address belonged to may have set a password meanwhile."""
    login, new = parent.login, address()
    token = await grant(app, login["user_id"])
    async with client_of(app) as client:
        ok(await parent.change(email=new))

        assert (await parent.child.parent.get("/v1/me")).status_code == 401
        problem(await redeem(client, token), 400, "invalid-login-token")
        problem(await log_in(client, login["user_name"]), 400, "invalid-grant")
        mailbox = Mailbox()
        await post.collect(mailbox)
        (told,) = mailbox.to(login["email"])
        assert "modifi" in plain(told)
        (invited,) = mailbox.to(new)
        restricted = ok(await redeem(client, token_in(invited)))
    async with client_of(app, restricted["access_token"]) as client:
        ok(await client.put("/v1/me/password", json={"new_password": PASSWORD}))
    async with client_of(app) as client:
        ok(await log_in(client, login["user_name"]))


async def test_nobodys_mailbox_is_filled_by_turning_a_login_to_and_fro(parent: Parent) -> None:
    """SEC-13."""
    one, other = address(), address()
    for _ in range(3):
        ok(await parent.change(email=one))
        ok(await parent.change(email=other))

    problem(await parent.change(email=one), 429, "too-often")
    assert ok(await parent.school.manager.get(parent.url))["email"] == other


async def test_no_school_gets_past_a_second_factor(
    app: FastAPI, school: School, post: Post, watch: Watch
) -> None:
    """Whoever decides where a login's mail goes gets in by it, if a mailbox is all it takes."""
    person = await protected(school, watch, Role.TEACHER)
    admin = await school.as_(Role.ADMIN)
    await post.collect(Mailbox())  # what was told before
    new, mailbox = address(), Mailbox()
    form = {"user_name": person.name, "email": new, "language": "fr"}
    ok(await admin.put(f"/v1/members/{person.id}/login", json=form))
    await post.collect(mailbox)
    async with client_of(app) as client:
        pair = ok(await redeem(client, token_in(mailbox.to(new)[0])))
    async with client_of(app, pair["access_token"]) as client:
        answer = await client.put("/v1/me/password", json={"new_password": PASSWORD})
        problem(answer, 400, "second-factor-required")


async def test_an_address_is_asked_for_with_the_second_factor_too(
    school: School, watch: Watch
) -> None:
    person = await protected(school, watch, Role.TEACHER)
    form = {"email": address(), "current_password": PASSWORD}

    problem(await person.client.post("/v1/me/email", json=form), 400, "second-factor-required")
    wrong = await person.client.post("/v1/me/email", json=form | {"otp": "000000"})
    problem(wrong, 400, "wrong-code")


async def test_contact_data_are_the_schools_and_touch_no_login(parent: Parent) -> None:
    contact = {"first_name": "An", "last_name": "Peeters", "phone": "+32 2 555 01 23"}
    changed = ok(
        await parent.school.manager.patch(
            f"/v1/guardians/{parent.child.guardian_id}",
            headers=ANY_STATE,
            json=contact | {"email": "contact@example.org", "language": "de"},
        )
    )

    assert changed["email"] == "contact@example.org"
    assert ok(await parent.school.manager.get(parent.url)) == parent.login


async def test_the_office_changes_no_login_of_staff(parent: Parent) -> None:
    """SEC-03: a manager who decides where an admin's mail goes would become one."""
    admin = await parent.school.as_(Role.ADMIN)
    user_id = parent.login["user_id"]
    ok(await admin.put(f"/v1/members/{user_id}/roles", json={"roles": ["admin"]}))

    problem(await parent.change(email=address()), 409, "staff-login")
    problem(await parent.change(admin, email=address()), 409, "staff-login")
    form = {"user_name": name(), "email": address(), "language": "fr"}
    ok(await admin.put(f"/v1/members/{user_id}/login", json=form))
    assert ok(await parent.school.manager.get(parent.url))["email"] == form["email"]


async def test_no_school_changes_a_login_that_another_uses(
    parent: Parent, other_school: School
) -> None:
    user_id = parent.login["user_id"]
    async with other_school.sessions.begin() as session:
        await Users(session).join([user_id], other_school.id, [Role.TEACHER])
    admin = await parent.school.as_(Role.ADMIN)
    form = {"user_name": name(), "email": address(), "language": "fr"}

    problem(await parent.change(email=address()), 409, "member-elsewhere")
    problem(await parent.change(user_name=name()), 409, "member-elsewhere")
    problem(await admin.put(f"/v1/members/{user_id}/login", json=form), 409, "member-elsewhere")
    assert ok(await parent.school.manager.get(parent.url)) == parent.login
    ok(await parent.child.parent.patch("/v1/me", json={"user_name": form["user_name"]}))


async def test_an_admin_changes_their_own_login_in_their_profile(school: School) -> None:
    """A session alone must not suffice to send one's mail elsewhere."""
    user_id, _, admin = await school.user(Role.ADMIN)
    form = {"user_name": name(), "email": address(), "language": "fr"}

    problem(await admin.put(f"/v1/members/{user_id}/login", json=form), 409, "own-login")


async def test_whoever_changes_an_address_ends_the_offers_that_wait_for_it(
    parent: Parent, other_school: School
) -> None:
    """Or the school would answer what another school asks its parent."""
    profile = ok(await parent.child.parent.get("/v1/me"))
    guardian = ok(
        await other_school.manager.post(
            "/v1/guardians", json={"first_name": "An", "last_name": profile["last_name"]}
        ),
        201,
    )
    url = f"/v1/guardians/{guardian['id']}/offers"
    user_name = {"user_name": parent.child.user_name}
    ok(await other_school.manager.post(url, json=user_name), 202)

    ok(await parent.change(email=address()))
    (offer,) = ok(await other_school.manager.get(url))["items"]
    assert offer["status"] == "withdrawn"


async def test_an_unlinked_guardian_leads_to_nobody(app: FastAPI, parent: Parent) -> None:
    """SEC-06: such as after the wrong person was invited."""
    async with client_of(app) as client:
        pair = ok(await log_in(client, parent.child.user_name))
        ok(await parent.school.manager.delete(parent.url), 204)

        assert (await parent.child.parent.get("/v1/wallets")).status_code == 401
        problem(await refresh(client, pair["refresh_token"]), 400, "invalid-grant")
        problem(await log_in(client, parent.child.user_name), 400, "invalid-grant")
    problem(await parent.school.manager.get(parent.url), 404, "guardian-has-no-login")
    problem(await parent.school.manager.delete(parent.url), 404, "guardian-has-no-login")
    problem(await parent.change(), 404, "guardian-has-no-login")


async def test_an_unlinked_guardian_who_works_here_goes_on_working(
    app: FastAPI, parent: Parent
) -> None:
    admin = await parent.school.as_(Role.ADMIN)
    user_id = parent.login["user_id"]
    ok(await admin.put(f"/v1/members/{user_id}/roles", json={"roles": ["teacher"]}))
    pair = await begun_anew(app, user_id)
    ok(await parent.school.manager.delete(parent.url), 204)

    async with client_of(app, pair["access_token"]) as person:
        ok(await person.get("/v1/events"))
        problem(await person.get("/v1/wallets"), 403, "insufficient-scope")
    assert ok(await admin.get(f"/v1/members/{user_id}"))["roles"] == ["teacher"]


async def test_a_user_name_is_its_owners_to_change(app: FastAPI, school: School) -> None:
    _, former, person = await school.user(Role.GUARDIAN)
    _, taken, _ = await school.user(Role.GUARDIAN)
    wanted = name()

    problem(await person.patch("/v1/me", json={"user_name": taken.upper()}), 409, "user-name-taken")
    problem(
        await person.patch("/v1/me", json={"user_name": "a@example.org"}), 422, "validation-failed"
    )
    changed = ok(await person.patch("/v1/me", json={"user_name": wanted.upper()}))
    assert changed["user_name"] == wanted
    assert ok(await person.patch("/v1/me", json={"language": "de"}))["language"] == "de"
    assert ok(await person.get("/v1/me"))["user_name"] == wanted
    async with client_of(app) as client:
        ok(await log_in(client, wanted.upper()))
        problem(await log_in(client, former), 400, "invalid-grant")


async def test_nobody_learns_many_user_names_by_asking_for_them(school: School) -> None:
    """SEC-12: names that are taken are counted, whoever owns them."""
    _, own, person = await school.user(Role.GUARDIAN)
    _, taken, _ = await school.user(Role.GUARDIAN)
    for _ in range(20):
        problem(await person.patch("/v1/me", json={"user_name": taken}), 409, "user-name-taken")

    problem(await person.patch("/v1/me", json={"user_name": taken}), 429, "too-often")
    problem(await person.patch("/v1/me", json={"user_name": name()}), 429, "too-often")
    assert ok(await person.patch("/v1/me", json={"user_name": own}))["user_name"] == own


async def test_of_two_who_want_one_name_one_gets_it(school: School) -> None:
    wanted = name()
    people = [await school.as_(Role.GUARDIAN) for _ in range(4)]
    answers = await asyncio.gather(
        *(person.patch("/v1/me", json={"user_name": wanted}) for person in people)
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def asked(person: AsyncClient, email: str, password: str = PASSWORD) -> Response:
    """Ask for another address."""
    return await person.post("/v1/me/email", json={"email": email, "current_password": password})


async def test_a_new_address_counts_once_its_reader_says_so(
    app: FastAPI, school: School, post: Post
) -> None:
    _, user_name, person = await school.user(Role.GUARDIAN)
    former = ok(await person.get("/v1/me"))["email"]
    new, mailbox = address(), Mailbox()
    ok(await asked(person, new), 202)
    await post.collect(mailbox)
    (message,) = mailbox.to(new)
    code = token_in(message)
    assert f"#email={code}" in plain(message)
    assert ok(await person.get("/v1/me"))["email"] == former
    async with client_of(app) as client:
        problem(await redeem(client, code), 400, "invalid-login-token")  # it lets nobody in

    changed = ok(await person.put("/v1/me/email", json={"code": f" {code.lower()} "}))

    assert changed["email"] == new
    mailbox = Mailbox()
    await post.collect(mailbox)
    (told,) = mailbox.to(former)
    assert user_name in plain(told)
    assert mailbox.to(new) == []


async def test_a_code_is_for_the_one_who_asked_and_the_newest(school: School, post: Post) -> None:
    people = [(await school.user(Role.GUARDIAN))[2] for _ in range(2)]
    first, second = address(), address()
    mailbox = Mailbox()
    for new in (first, second):
        ok(await asked(people[0], new), 202)
    ok(await asked(people[1], first), 202)
    await post.collect(mailbox)
    codes = [token_in(message) for message in mailbox.to(first)]
    newest = token_in(mailbox.to(second)[0])
    assert len(codes) == 2

    for code in codes:
        problem(
            await people[0].put("/v1/me/email", json={"code": code}), 400, "invalid-address-code"
        )
    problem(await people[1].put("/v1/me/email", json={"code": newest}), 400, "invalid-address-code")
    assert ok(await people[0].put("/v1/me/email", json={"code": newest}))["email"] == second


async def test_a_code_is_valid_for_an_hour(school: School, post: Post, owner: AsyncEngine) -> None:
    user_id, _, person = await school.user(Role.GUARDIAN)
    new, mailbox = address(), Mailbox()
    ok(await asked(person, new), 202)
    await post.collect(mailbox)
    (message,) = mailbox.to(new)
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE mails SET queued_at = queued_at - interval '1 hour' WHERE user_id = :id"),
            {"id": user_id},
        )

    answer = await person.put("/v1/me/email", json={"code": token_in(message)})
    problem(answer, 400, "invalid-address-code")


async def test_an_address_is_asked_for_with_the_password(school: School) -> None:
    """A stolen session must not suffice to take a login over (SEC-12: nor may it guess)."""
    person = await school.as_(Role.GUARDIAN)
    for _ in range(10):
        problem(await asked(person, address(), "not the password"), 403, "wrong-password")

    problem(await asked(person, address()), 429, "too-many-attempts")


async def test_a_new_address_gets_three_mails_in_a_quarter_of_an_hour(school: School) -> None:
    """SEC-13: whoever asks for it."""
    new = address()
    people = [(await school.user(Role.GUARDIAN))[2] for _ in range(2)]
    for _ in range(3):
        ok(await asked(people[0], new), 202)

    problem(await asked(people[0], new), 429, "too-often")
    problem(await asked(people[1], new), 429, "too-often")


async def test_login_tokens_for_the_former_address_end_with_it(
    app: FastAPI, school: School, post: Post
) -> None:
    """SEC-09: and so does what somebody is doing who redeemed one already."""
    user_id, _, person = await school.user(Role.GUARDIAN)
    new, mailbox = address(), Mailbox()
    ok(await asked(person, new), 202)
    await post.collect(mailbox)
    redeemed = ok(await redeem(client_of(app), await grant(app, user_id)))
    token = await grant(app, user_id)
    ok(await person.put("/v1/me/email", json={"code": token_in(mailbox.to(new)[0])}))

    async with client_of(app) as client:
        problem(await redeem(client, token), 400, "invalid-login-token")
    async with client_of(app, redeemed["access_token"]) as late:
        answer = await late.put("/v1/me/password", json={"new_password": "trois petits chats"})
        problem(answer, 401, "invalid-access-token")
    assert (await person.get("/v1/me")).status_code == 200


@pytest.mark.parametrize("code", ["É" * 32, "²" * 32, "\u0661" * 32, "-" * 32, "文" * 32])
async def test_a_code_in_another_alphabet_is_just_wrong(
    school: School, post: Post, code: str
) -> None:
    """Comparing it in constant time takes ASCII alone."""
    _, _, person = await school.user(Role.GUARDIAN)
    ok(await asked(person, address()), 202)
    await post.collect(Mailbox())

    problem(await person.put("/v1/me/email", json={"code": code}), 400, "invalid-address-code")
