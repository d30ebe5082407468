"""Login tokens by e-mail: asked for, sent once, redeemed once (SEC-07 to SEC-10, SEC-13)."""

import asyncio
import email
import secrets
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api import clock
from itschool_api.auth import limits, login_tokens, tokens
from itschool_api.auth.caller import Role
from itschool_api.database import Sessions, enter_school
from itschool_api.families import invitations
from itschool_api.mail.delivery import SmtpDelivery
from tests.auth.ways_in import grant, log_in, me, redeem, refresh
from tests.kit import PASSWORD, School, client_of, ok, problem
from tests.mail.test_delivery import Inbox, serving
from tests.outbox.post import Mailbox, Post, plain, token_in

pytestmark = pytest.mark.anyio


async def person(
    school: School, owner: AsyncEngine, address: str | None = None
) -> tuple[UUID, str, str]:
    """Make a user; return id, user name, and e-mail address."""
    user_id, name, _ = await school.user(Role.GUARDIAN)
    address = address or f"{secrets.token_hex(8)}@example.org"
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE users SET email = :email WHERE id = :id"),
            {"email": address, "id": user_id},
        )
    return user_id, name, address


async def ask(app: FastAPI, address: str) -> Any:
    """Ask for a login token."""
    async with client_of(app) as client:
        return await client.post("/v1/auth/login-tokens", json={"email": address})


async def test_the_whole_way_in_from_the_invitation_to_the_next_login(
    app: FastAPI, school: School, post: Post
) -> None:
    """The manual's first page, through a real queue and a real mail server."""
    address = f"sophie.{secrets.token_hex(4)}@example.org"
    child = await school.child()
    guardian = ok(
        await school.manager.post(
            "/v1/guardians",
            json={"first_name": "Sophie", "last_name": "Lambert", "email": address.upper()},
        ),
        201,
    )
    ok(
        await school.manager.post(
            "/v1/guardianships",
            json={
                "guardian_id": guardian["id"],
                "student_id": child.student_id,
                "family_id": child.family_id,
            },
        ),
        201,
    )
    invited = ok(await school.manager.post(f"/v1/guardians/{guardian['id']}/invitations"), 202)
    assert invited["email"] == address
    assert invited["user_name"].startswith("sophie.lambert")

    inbox = Inbox()
    async with serving(inbox) as port:
        await post.collect(SmtpDelivery("127.0.0.1", port, tls="none"))
    (message,) = inbox.read()
    assert message["To"] == address
    assert invited["user_name"] in plain(message)
    typed = f"  {token_in(message).lower().replace('-', ' ')} "

    async with client_of(app) as anonymous:
        problem(await log_in(anonymous, invited["user_name"]), 400, "invalid-grant")
        pair = ok(await redeem(anonymous, typed))
    assert pair["refresh_token"] is None
    assert pair["scope"] == "password:write"
    async with client_of(app, pair["access_token"]) as restricted:
        for url in ("/v1/me", "/v1/wallets", "/v1/school-years", "/v1/dashboard"):
            problem(await restricted.get(url), 403, "password-not-set")
        fresh = ok(await restricted.put("/v1/me/password", json={"new_password": PASSWORD}))
        assert (
            await restricted.put("/v1/me/password", json={"new_password": "again again"})
        ).status_code == 401
    async with client_of(app, fresh["access_token"]) as parent:
        assert ok(await parent.get("/v1/me"))["user_name"] == invited["user_name"]
        (wallet,) = ok(await parent.get("/v1/wallets"))["items"]
        assert wallet["id"] == child.wallet_id
    async with client_of(app) as anonymous:
        later = ok(await log_in(anonymous, invited["user_name"]))
        problem(await redeem(anonymous, typed), 400, "invalid-login-token")
    assert (await me(app, later["access_token"])).status_code == 200


async def test_an_invited_guardian_keeps_their_user_and_only_the_newest_token_works(
    app: FastAPI, school: School, post: Post
) -> None:
    """SEC-09."""
    guardian = ok(
        await school.manager.post(
            "/v1/guardians",
            json={"first_name": "Jo", "last_name": "Bos", "email": "jo.bos@example.org"},
        ),
        201,
    )
    box = Mailbox()
    names = []
    for _ in range(2):
        invited = ok(await school.manager.post(f"/v1/guardians/{guardian['id']}/invitations"), 202)
        names.append(invited["user_name"])
        await post.collect(box)

    first, second = (token_in(message) for message in box.messages)
    async with client_of(app) as anonymous:
        problem(await redeem(anonymous, first), 400, "invalid-login-token")
        assert (await redeem(anonymous, second)).status_code == 200
    assert names[0] == names[1]


async def test_a_changed_guardian_row_sends_no_login_elsewhere(
    school: School, post: Post, owner: AsyncEngine
) -> None:
    """A school edits its own contact row, never where a person's login goes."""
    guardian = ok(
        await school.manager.post(
            "/v1/guardians",
            json={"first_name": "Jo", "last_name": "Bos", "email": "jo.own@example.org"},
        ),
        201,
    )
    url = f"/v1/guardians/{guardian['id']}/invitations"
    ok(await school.manager.post(url), 202)
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE guardians SET email = 'thief@example.org' WHERE id = :id"),
            {"id": guardian["id"]},
        )
    ok(await school.manager.post(url), 202)
    box = Mailbox()
    await post.collect(box)

    assert {message["To"] for message in box.messages} == {"jo.own@example.org"}


async def test_the_answer_does_not_tell_whether_an_address_is_known(
    app: FastAPI, school: School, owner: AsyncEngine, post: Post
) -> None:
    """SEC-11: neither the answer nor the work before it; only the worker looks."""
    _, _, known = await person(school, owner)
    answers = [await ask(app, known), await ask(app, f"{secrets.token_hex(8)}@example.org")]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].content == answers[1].content
    async with owner.connect() as connection:
        jobs = (await connection.execute(text("SELECT entrypoint, payload FROM pgqueuer"))).all()
    assert len(jobs) == 2
    assert {job.entrypoint for job in jobs} == {login_tokens.LOGIN_TOKEN_JOB}
    # A job carries ids, and no address.
    assert all(b"@" not in job.payload for job in jobs)
    box = Mailbox()
    await post.collect(box)
    assert [message["To"] for message in box.messages] == [known]


async def test_a_forgotten_password_is_replaced_by_mail(
    app: FastAPI, school: School, owner: AsyncEngine, post: Post
) -> None:
    """SEC-18: and all sessions end."""
    _, name, address = await person(school, owner)
    async with client_of(app) as client:
        before = ok(await log_in(client, name))
        assert (await ask(app, f" {address.upper()} ")).status_code == 202
        box = Mailbox()
        await post.collect(box)
        pair = ok(await redeem(client, token_in(box.messages[0])))
        async with client_of(app, pair["access_token"]) as restricted:
            ok(await restricted.put("/v1/me/password", json={"new_password": "sept petits lapins"}))

        assert (await me(app, before["access_token"])).status_code == 401
        problem(await refresh(client, before["refresh_token"]), 400, "invalid-grant")
        problem(await log_in(client, name), 400, "invalid-grant")
        assert (await log_in(client, name, "sept petits lapins")).status_code == 200


async def test_a_couple_with_one_address_is_offered_both_user_names(
    app: FastAPI, school: School, owner: AsyncEngine, post: Post
) -> None:
    _, first, address = await person(school, owner)
    _, second, _ = await person(school, owner, address)
    await ask(app, address)
    box = Mailbox()
    await post.collect(box)

    (message,) = box.messages
    assert first in plain(message)
    assert second in plain(message)


async def test_an_address_gets_three_mails_in_a_quarter_of_an_hour(
    app: FastAPI, school: School, owner: AsyncEngine, post: Post
) -> None:
    """SEC-13: however many hands ask, and however the address is written."""
    _, _, address = await person(school, owner)
    began = limits.window_at(clock.now())
    answers = [await ask(app, address if place % 2 else address.upper()) for place in range(6)]
    async with owner.connect() as connection:
        query = text("SELECT count(*) FROM login_token_requests WHERE email = :address")
        asked = await connection.scalar(query, {"address": address})
    # Where a quarter of an hour ended meanwhile, the count began anew.
    assert asked == 3 or limits.window_at(clock.now()) != began
    box = Mailbox()
    await post.collect(box)

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert len(box.to(address)) <= 3


async def test_whoever_shares_an_address_with_a_leaver_still_gets_a_mail(
    app: FastAPI, school: School, owner: AsyncEngine, post: Post
) -> None:
    leaver, _, address = await person(school, owner)
    _, name, _ = await person(school, owner, address)
    async with owner.begin() as connection:
        await connection.execute(
            text("DELETE FROM memberships WHERE user_id = :user"), {"user": leaver}
        )
    await ask(app, address)
    box = Mailbox()
    await post.collect(box)

    (message,) = box.messages
    assert name in plain(message)


async def test_one_sender_cannot_fill_the_queue(app: FastAPI, owner: AsyncEngine) -> None:
    """SEC-13: beyond a hundred in a quarter of an hour, the answer is the same and no job is."""

    async def jobs() -> int:
        async with owner.connect() as connection:
            found = await connection.execute(
                text("SELECT count(*) FROM login_token_requests WHERE email LIKE 'flood-%'")
            )
            return int(found.scalar_one())

    began = limits.window_at(clock.now())
    async with client_of(app) as sender:
        answers = [
            await sender.post("/v1/auth/login-tokens", json={"email": f"flood-{place}@example.org"})
            for place in range(103)
        ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b"")}
    # Where a quarter of an hour ended meanwhile, the count began anew.
    assert await jobs() == (100 if limits.window_at(clock.now()) == began else 103)


async def test_a_new_password_ends_the_tokens_that_were_not_used(
    app: FastAPI, school: School, owner: AsyncEngine
) -> None:
    """SEC-18: who set a password has no use for an older way in, others might."""
    user_id, name, _ = await person(school, owner)
    async with client_of(app) as client:
        pair = ok(await log_in(client, name))
        token = await grant(app, user_id)
        async with client_of(app, pair["access_token"]) as known:
            ok(
                await known.put(
                    "/v1/me/password",
                    json={"current_password": PASSWORD, "new_password": "sept petits lapins"},
                )
            )
        problem(await redeem(client, token), 400, "invalid-login-token")


async def test_a_token_is_redeemed_once_of_fifty_times_at_once(
    app: FastAPI, school: School, owner: AsyncEngine
) -> None:
    """SEC-08: and the forty-nine refusals starve no pool."""
    user_id, _, _ = await person(school, owner)
    token = await grant(app, user_id)
    clients = [client_of(app) for _ in range(50)]
    answers = await asyncio.gather(*(redeem(client, token) for client in clients))
    for client in clients:
        await client.aclose()

    statuses = [int(answer.status_code) for answer in answers]
    assert (statuses.count(200), statuses.count(400)) == (1, 49)


async def test_a_newer_token_ends_the_older(
    app: FastAPI, school: School, owner: AsyncEngine
) -> None:
    """SEC-09."""
    user_id, _, _ = await person(school, owner)
    older, newer = await grant(app, user_id), await grant(app, user_id)
    async with client_of(app) as client:
        problem(await redeem(client, older), 400, "invalid-login-token")
        assert (await redeem(client, newer)).status_code == 200


async def test_the_late_job_of_an_older_token_ends_no_newer_one(
    app: FastAPI, school: School, owner: AsyncEngine, post: Post
) -> None:
    """SEC-09: and sends no mail with a token that does not work."""
    _, _, address = await person(school, owner)
    await ask(app, address)
    async with owner.begin() as connection:
        late = (await connection.execute(text("DELETE FROM pgqueuer RETURNING *"))).one()
    await ask(app, address)
    box = Mailbox()
    await post.collect(box)
    newest = token_in(box.messages[0])
    async with owner.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO pgqueuer (priority, created, status, entrypoint, payload)"
                " VALUES (0, :created, 'queued', :entrypoint, :payload)"
            ),
            dict(late._mapping),  # noqa: SLF001  (a row's own way to become a dictionary)
        )
    await post.collect(box)

    assert len(box.messages) == 1
    async with client_of(app) as client:
        assert (await redeem(client, newest)).status_code == 200


async def test_a_job_that_is_tried_again_sends_the_same_token_and_message(
    app: FastAPI, school: School, owner: AsyncEngine, post: Post
) -> None:
    """REL-20: mail leaves at least once, and a repeated one is known by its Message-ID."""
    _, _, address = await person(school, owner)
    await ask(app, address)
    box = Mailbox(refusals=1)
    await post.collect(box)

    assert len(box.tried) == 2
    assert len({message["Message-ID"] for message in box.tried}) == 1
    assert len({token_in(message) for message in box.tried}) == 1
    assert len({message.as_bytes(policy=policy.SMTP) for message in box.tried}) == 1
    async with client_of(app) as client:
        assert (await redeem(client, token_in(box.messages[0]))).status_code == 200


@pytest.mark.usefixtures("post")
async def test_a_request_that_is_rolled_back_leaves_no_job(
    school: School, sessions: Sessions, owner: AsyncEngine
) -> None:
    """REL-20: mail belongs to the transaction that asked for it."""
    guardian = ok(
        await school.manager.post(
            "/v1/guardians",
            json={"first_name": "Jo", "last_name": "Bos", "email": "jo.bos@example.org"},
        ),
        201,
    )

    async def fail_after_inviting() -> None:
        async with sessions.begin() as session:
            await enter_school(session, school.id)
            await invitations.invite_guardian(session, school.id, UUID(guardian["id"]))
            await login_tokens.request_login_token(session, "jo.bos@example.org", "192.0.2.1")
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="full"):
        await fail_after_inviting()

    async with owner.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM pgqueuer")) == 0
        assert not await connection.scalar(
            text("SELECT user_id FROM guardians WHERE id = :id"), {"id": guardian["id"]}
        )


async def test_a_token_ends_after_its_time(
    app: FastAPI, school: School, owner: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-07: an hour for a reset, a fortnight for an invitation."""
    user_id, _, _ = await person(school, owner)
    assert (timedelta(hours=1), timedelta(days=14)) == (
        login_tokens.RESET_LIFE,
        login_tokens.INVITATION_LIFE,
    )
    token = await grant(app, user_id, life=timedelta(hours=1))
    now = datetime.now(UTC)
    async with client_of(app) as client:
        monkeypatch.setattr(clock, "now", lambda: now + timedelta(hours=1, seconds=1))
        problem(await redeem(client, token), 400, "invalid-login-token")
        monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=59))
        assert (await redeem(client, token)).status_code == 200


async def test_a_disabled_users_token_opens_nothing(
    app: FastAPI, school: School, owner: AsyncEngine, post: Post
) -> None:
    """SEC-18: nor is another sent."""
    user_id, _, address = await person(school, owner)
    token = await grant(app, user_id)
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE users SET disabled_at = now() WHERE id = :id"), {"id": user_id}
        )
    async with client_of(app) as client:
        problem(await redeem(client, token), 400, "invalid-login-token")
    await ask(app, address)
    box = Mailbox()
    await post.collect(box)
    assert box.messages == []


async def test_the_database_holds_only_a_tokens_hash(
    app: FastAPI, school: School, owner: AsyncEngine
) -> None:
    """SEC-07: 160 bits, stored as a hash."""
    user_id, _, _ = await person(school, owner)
    token = await grant(app, user_id)
    assert len(token.replace("-", "")) * 5 == 160
    async with owner.connect() as connection:
        row = await connection.scalar(
            text("SELECT login_tokens::text FROM login_tokens WHERE user_id = :id"),
            {"id": user_id},
        )
        kept = await connection.scalar(
            text("SELECT token_sha256 FROM login_tokens WHERE user_id = :id"), {"id": user_id}
        )

    assert token not in row
    assert kept == tokens.sha256(token)


async def test_reading_an_address_redeems_nothing(app: FastAPI) -> None:
    """SEC-10: what a mail scanner opens consumes no token, and no query takes one."""
    async with client_of(app) as client:
        for url in ("/v1/auth/login-tokens/redeem", "/v1/auth/login-tokens"):
            assert (await client.get(url, params={"token": "ABCDEFGH"})).status_code == 405
    for path, methods in app.openapi()["paths"].items():
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                secret = any(word in parameter["name"] for word in ("token", "password", "secret"))
                assert not secret, path


@pytest.mark.parametrize("typed", ["short", "x" * 101, "ABCDEFGH-" * 4, "--------", "é" * 32])
async def test_what_is_no_login_token_opens_nothing(app: FastAPI, typed: str) -> None:
    async with client_of(app) as client:
        assert (await redeem(client, typed)).status_code in {400, 422}


async def test_a_message_on_the_wire_is_what_was_written() -> None:
    """The helper above reads what a server received."""
    message = EmailMessage()
    message.set_content("ABCDEFGH-ABCDEFGH-ABCDEFGH-ABCDEFGH")
    again = email.message_from_bytes(message.as_bytes(), policy=policy.default)
    assert isinstance(again, EmailMessage)
    assert token_in(again) == "ABCDEFGH-ABCDEFGH-ABCDEFGH-ABCDEFGH"
