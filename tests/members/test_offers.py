"""A person of one school who becomes a guardian at another: only by their own word."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api.auth.caller import Role
from tests.auth.ways_in import log_in, me, refresh
from tests.kit import Child, School, client_of, ok, problem
from tests.outbox.post import Mailbox, Post, plain

pytestmark = pytest.mark.anyio


@dataclass
class Two:
    """A parent at one school, and a guardian at another who is the same person."""

    here: School
    there: School
    child: Child
    parent: AsyncClient
    address: str
    there_child: Child
    guardian_id: str

    @property
    def manager(self) -> AsyncClient:
        """The manager of the school that asks."""
        return self.there.manager

    async def offer(self, user_name: str | None = None, guardian_id: str | None = None) -> Response:
        """Offer the guardian there to the parent, or to somebody else."""
        return await self.manager.post(
            f"/v1/guardians/{guardian_id or self.guardian_id}/offers",
            json={"user_name": user_name or self.child.user_name},
        )

    async def offers(self) -> list[Any]:
        """Return what waits for the parent's answer."""
        items: list[Any] = ok(await self.parent.get("/v1/me/offers"))["items"]
        return items

    async def seen(self) -> list[Any]:
        """Return the offers as the school there sees them."""
        answer = await self.manager.get(f"/v1/guardians/{self.guardian_id}/offers")
        items: list[Any] = ok(answer)["items"]
        return items

    async def accept(self, offer: Any) -> Response:
        """Say yes."""
        return await self.parent.post(f"/v1/me/offers/{offer['id']}/accept")


async def guardian(school: School, child: Child, **form: Any) -> str:
    """Add a guardian of a child, who cannot log in."""
    made = ok(await school.manager.post("/v1/guardians", json=form), 201)
    ok(
        await school.manager.post(
            "/v1/guardianships",
            json={
                "guardian_id": made["id"],
                "student_id": child.student_id,
                "family_id": child.family_id,
            },
        ),
        201,
    )
    return str(made["id"])


@pytest.fixture
async def two(school: School, other_school: School) -> Two:
    child = await school.child(last_name=f"Dubois{secrets.token_hex(3)}")
    there_child = await other_school.child(first_name="Lotte")
    profile = ok(await child.parent.get("/v1/me"))
    guardian_id = await guardian(
        other_school,
        there_child,
        first_name="Sophie",
        last_name=f"van der {profile['last_name'].upper()}",
        email="sophie@elsewhere.example",
    )
    return Two(
        school, other_school, child, child.parent, profile["email"], there_child, guardian_id
    )


async def test_a_parent_accepts_and_switches_between_their_schools(
    app: FastAPI, two: Two, post: Post
) -> None:
    """SEC-02: a token for one school shows nothing of the other, before and after."""
    async with client_of(app) as client:
        pair = ok(await log_in(client, two.child.user_name))
        refused = await refresh(client, pair["refresh_token"], school_id=str(two.there.id))
        problem(refused, 400, "invalid-grant")
        made = ok(await two.offer(), 202)
        mailbox = Mailbox()
        await post.collect(mailbox)
        (message,) = mailbox.to(two.address)
        assert f"#offer={made['id']}" in plain(message)
        (waiting,) = await two.offers()
        assert waiting["id"] == made["id"]
        assert (waiting["school_id"], waiting["school_name"]) == (
            str(two.there.id),
            "École de test",
        )

        assert ok(await two.accept(waiting))["status"] == "accepted"

        assert await two.offers() == []
        own = {each["id"] for each in ok(await two.parent.get("/v1/students"))["items"]}
        assert own == {two.child.student_id}
        for url in (
            f"/v1/students/{two.there_child.student_id}",
            f"/v1/wallets/{two.there_child.wallet_id}",
        ):
            assert (await two.parent.get(url)).status_code == 404
        pair = ok(await log_in(client, two.child.user_name, school_id=str(two.here.id)))
        switched = ok(await refresh(client, pair["refresh_token"], school_id=str(two.there.id)))
        mine = ok(await me(app, switched["access_token"]))
        assert {each["id"]: each["roles"] for each in mine["schools"]} == {
            str(two.here.id): ["guardian"],
            str(two.there.id): ["guardian"],
        }
    async with client_of(app, switched["access_token"]) as elsewhere:
        own = {each["id"] for each in ok(await elsewhere.get("/v1/students"))["items"]}
        assert own == {two.there_child.student_id}
        for url in (f"/v1/students/{two.child.student_id}", f"/v1/wallets/{two.child.wallet_id}"):
            assert (await elsewhere.get(url)).status_code == 404


async def test_the_school_learns_nothing_about_user_names(
    two: Two, post: Post, other_school: School
) -> None:
    """A user name that is nobody's, or somebody else's, looks like one that is right."""
    stranger = await two.here.child(last_name="Vermeulen")
    seen, answers = [], []
    mailbox = Mailbox()
    for user_name in ("nobody.at.all", stranger.user_name, two.child.user_name):
        answer = await two.offer(user_name)
        made = ok(answer, 202)
        await post.collect(mailbox)
        answers.append({**made, "id": "", "offered_at": "", "expires_at": ""})
        listed = await two.seen()
        seen.append([(each["status"], each["answered_at"]) for each in listed[:1]])
        mails = await two.manager.get("/v1/mails", params={"status": "sent"})
        assert ok(mails)["items"] == []
        admin = await other_school.as_(Role.ADMIN)
        events = ok(await admin.get("/v1/audit-events", params={"action": "offer_membership"}))
        assert {*events["items"][0]["subjects"]} == {"guardian", "offer"}
        for mail_id in (made["id"],):
            problem(await two.manager.get(f"/v1/mails/{mail_id}"), 404, "mail-not-found")
    assert answers[0] == answers[1] == answers[2]
    assert seen[0] == seen[1] == seen[2] == [("waiting", None)]
    assert [message["To"] for message in mailbox.messages] == [two.address]
    assert ok(await stranger.parent.get("/v1/me/offers"))["items"] == []


async def test_no_mail_of_an_offer_is_among_the_schools_mails(
    two: Two, post: Post, owner: AsyncEngine
) -> None:
    """Its recipient and its existence would tell what the answer does not."""
    ok(await two.offer(), 202)
    await post.collect(Mailbox())
    async with owner.connect() as connection:
        mail_id = await connection.scalar(
            text("SELECT id FROM mails WHERE school_id = :school AND kind = 'offer'"),
            {"school": two.there.id},
        )

    assert mail_id is not None
    assert ok(await two.manager.get("/v1/mails"))["items"] == []
    problem(await two.manager.get(f"/v1/mails/{mail_id}"), 404, "mail-not-found")
    problem(await two.manager.post(f"/v1/mails/{mail_id}/retries"), 404, "mail-not-found")


async def test_a_mail_is_sent_once_however_often_its_job_is_done(two: Two, post: Post) -> None:
    ok(await two.offer(), 202)
    async with post.connection() as connection:
        await connection.execute(
            "INSERT INTO pgqueuer (priority, entrypoint, payload, status)"
            " SELECT priority, entrypoint, payload, status FROM pgqueuer"
            " WHERE entrypoint = 'membership-offer'"
        )
    mailbox = Mailbox()
    await post.collect(mailbox)

    assert len(mailbox.to(two.address)) == 1


async def test_an_offer_is_for_whom_it_was_made(two: Two) -> None:
    """SEC-01."""
    ok(await two.offer(), 202)
    (waiting,) = await two.offers()
    other = await two.here.as_(Role.GUARDIAN)

    for answer in ("accept", "decline"):
        problem(await other.post(f"/v1/me/offers/{waiting['id']}/{answer}"), 404, "offer-not-found")
    assert ok(await other.get("/v1/me/offers"))["items"] == []


async def test_a_declined_offer_changes_nothing_and_is_answered(two: Two) -> None:
    ok(await two.offer(), 202)
    (waiting,) = await two.offers()

    declined = ok(await two.parent.post(f"/v1/me/offers/{waiting['id']}/decline"))
    assert declined["status"] == "declined"
    problem(await two.accept(waiting), 404, "offer-not-found")
    assert [each["status"] for each in await two.seen()] == ["declined"]
    for school in (two.here, two.there):
        admin = await school.as_(Role.ADMIN)
        events = await admin.get("/v1/audit-events", params={"action": "decline_offer"})
        assert ok(events)["items"] == []
    assert len(ok(await two.parent.get("/v1/me"))["schools"]) == 1


async def test_a_newer_offer_and_a_withdrawal_end_the_one_before(two: Two) -> None:
    ok(await two.offer(), 202)
    (first,) = await two.offers()
    ok(await two.offer("nobody.at.all"), 202)
    problem(await two.accept(first), 404, "offer-not-found")
    ok(await two.offer(), 202)
    (second,) = await two.offers()
    ok(await two.manager.delete(f"/v1/guardians/{two.guardian_id}/offers"), 204)
    problem(await two.accept(second), 404, "offer-not-found")

    assert [each["status"] for each in await two.seen()] == ["withdrawn"] * 3
    assert await two.offers() == []


async def test_an_offer_ends_after_thirty_days(two: Two, owner: AsyncEngine) -> None:
    ok(await two.offer(), 202)
    (waiting,) = await two.offers()
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE membership_offers SET offered_at = :then WHERE id = :id"),
            {"then": datetime.now(UTC) - timedelta(days=30), "id": waiting["id"]},
        )

    assert await two.offers() == []
    problem(await two.accept(waiting), 404, "offer-not-found")
    assert [each["status"] for each in await two.seen()] == ["expired"]


async def test_of_answers_at_once_one_counts(two: Two) -> None:
    ok(await two.offer(), 202)
    (waiting,) = await two.offers()
    url = f"/v1/me/offers/{waiting['id']}"
    answers = await asyncio.gather(
        *(two.parent.post(f"{url}/{what}") for what in ("accept", "decline") * 5)
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [404] * 9


async def test_a_guardian_with_a_login_is_offered_none(two: Two) -> None:
    problem(await two.offer(guardian_id=two.there_child.guardian_id), 409, "guardian-has-login")
    ok(await two.offer(), 202)
    (waiting,) = await two.offers()
    ok(await two.manager.post(f"/v1/guardians/{two.guardian_id}/invitations"), 202)
    problem(await two.accept(waiting), 404, "offer-not-found")


async def test_one_person_is_one_guardian_at_a_school(two: Two) -> None:
    ok(await two.offer(), 202)
    (first,) = await two.offers()
    profile = ok(await two.parent.get("/v1/me"))
    second_id = await guardian(
        two.there, two.there_child, first_name="S.", last_name=profile["last_name"]
    )
    ok(await two.offer(guardian_id=second_id), 202)
    second = next(each for each in await two.offers() if each["id"] != first["id"])
    ok(await two.accept(first))

    problem(await two.accept(second), 409, "already-guardian")
    other = ok(await two.manager.get(f"/v1/guardians/{second_id}"))
    assert other["can_log_in"] is False


async def test_staff_who_are_parents_become_guardians_by_their_own_word(two: Two) -> None:
    """With one login: the role of a guardian beside what they are."""
    _, name, teacher = await two.there.user(Role.TEACHER, last_name="Leraar")
    guardian_id = await guardian(
        two.there, two.there_child, first_name="Jo", last_name="Leraar", email=None
    )
    ok(await two.offer(name, guardian_id), 202)
    (waiting,) = ok(await teacher.get("/v1/me/offers"))["items"]
    ok(await teacher.post(f"/v1/me/offers/{waiting['id']}/accept"))

    (school,) = ok(await teacher.get("/v1/me"))["schools"]
    assert school["roles"] == ["guardian", "teacher"]
    wallets = ok(await teacher.get("/v1/wallets"))["items"]
    assert [wallet["id"] for wallet in wallets] == [two.there_child.wallet_id]


async def test_the_answer_is_in_the_trail_of_the_school_that_asked(two: Two) -> None:
    ok(await two.offer(), 202)
    (waiting,) = await two.offers()
    ok(await two.accept(waiting))
    user_id = ok(await two.parent.get("/v1/me"))["user_id"]

    there = await two.there.as_(Role.ADMIN)
    (event,) = ok(await there.get("/v1/audit-events", params={"action": "accept_offer"}))["items"]
    assert event["actor"]["id"] == user_id
    assert event["subjects"] == {"offer": [waiting["id"]], "guardian": [two.guardian_id]}
    here = await two.here.as_(Role.ADMIN)
    assert ok(await here.get("/v1/audit-events", params={"action": "accept_offer"}))["items"] == []


@pytest.mark.parametrize("name", [str.lower, str.upper])
async def test_offers_are_limited_by_name_whether_it_exists_or_not(
    two: Two, name: Callable[[str], str]
) -> None:
    """SEC-13: nobody's mailbox is filled through a school."""
    for user_name in (name(two.child.user_name), name("nobody.at.all")):
        for _ in range(3):
            ok(await two.offer(user_name), 202)
        answer = await two.offer(user_name)
        problem(answer, 429, "too-often")
        assert 0 < int(answer.headers["retry-after"]) <= 900


async def test_what_ends_at_one_school_stays_at_the_other(two: Two, app: FastAPI) -> None:
    """SEC-06: the school that a parent came to later, and the one before."""
    ok(await two.offer(), 202)
    (waiting,) = await two.offers()
    ok(await two.accept(waiting))
    async with client_of(app) as client:
        there = ok(await log_in(client, two.child.user_name, school_id=str(two.there.id)))
        ok(await two.manager.delete(f"/v1/guardians/{two.guardian_id}/login"), 204)

        assert (await me(app, there["access_token"])).status_code == 401
        problem(await refresh(client, there["refresh_token"]), 400, "invalid-grant")
    assert len(ok(await two.parent.get("/v1/wallets"))["items"]) == 1
    (school,) = ok(await two.parent.get("/v1/me"))["schools"]
    assert school["id"] == str(two.here.id)
    ok(await two.offer(), 202)  # and it may be offered again
