"""Mails of a school: each has a row that says what became of it (REL-20)."""

import asyncio
import io
import os
import secrets
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api import clock, worker
from itschool_api.auth import service as auth
from itschool_api.auth.caller import Role
from itschool_api.auth.service import NewPerson
from itschool_api.database import Sessions, school_transaction
from itschool_api.mail.delivery import SmtpDelivery
from itschool_api.outbox import service as outbox
from tests.auth.ways_in import redeem
from tests.kit import PASSWORD, School, client_of, counted_statements, ok, problem
from tests.mail.test_delivery import Inbox, serving
from tests.outbox.post import Mailbox, Post, plain, token_in

pytestmark = pytest.mark.anyio

PERSON = NewPerson(first_name="Jo", last_name="Bos", email="jo@example.org", language="nl")


async def invite(school: School, address: str | None = None) -> str:
    """Invite a new guardian, and return the e-mail address."""
    address = address or f"{secrets.token_hex(6)}@example.org"
    guardian = ok(
        await school.manager.post(
            "/v1/guardians",
            json={"first_name": "Jo", "last_name": "Bos", "email": address, "language": "fr"},
        ),
        201,
    )
    ok(await school.manager.post(f"/v1/guardians/{guardian['id']}/invitations"), 202)
    return address


async def mails(school: School, **filters: Any) -> list[Any]:
    """Return the school's mails, newest first."""
    found: list[Any] = ok(await school.manager.get("/v1/mails", params=filters))["items"]
    return found


async def only_mail(school: School) -> Any:
    (mail,) = await mails(school)
    return mail


def smtp(port: int) -> SmtpDelivery:
    return SmtpDelivery("127.0.0.1", port, tls="none", timeout=5)


async def test_a_mail_is_queued_in_its_transaction_and_sent_with_its_id(
    school: School, post: Post
) -> None:
    address = await invite(school)
    queued = await only_mail(school)
    assert (queued["status"], queued["attempts"], queued["sent_at"]) == ("queued", 0, None)
    assert (queued["kind"], queued["recipient"]) == ("invitation", address)

    inbox = Inbox()
    async with serving(inbox) as port:
        await post.collect(smtp(port))

    sent = await only_mail(school)
    assert (sent["status"], sent["attempts"], sent["reason"]) == ("sent", 1, None)
    assert queued["queued_at"] < sent["sent_at"] == sent["attempted_at"]
    (message,) = inbox.read()
    assert message["To"] == address
    assert message["Message-ID"].startswith(f"<invitation.{sent['id']}@")
    assert ok(await school.manager.get(f"/v1/mails/{sent['id']}")) == sent


async def test_a_recipient_that_is_refused_fails_and_may_be_tried_again(
    app: FastAPI, school: School, post: Post
) -> None:
    """REL-20: the same mail, with the same token."""
    await invite(school)
    inbox = Inbox(RCPT=["550 5.1.1 no such user here"])
    async with serving(inbox) as port:
        await post.collect(smtp(port))
        failed = await only_mail(school)
        assert (failed["status"], failed["attempts"]) == ("failed", 1)
        assert failed["reason"] == "550 5.1.1 no such user here"
        assert inbox.received == []

        url = f"/v1/mails/{failed['id']}/retries"
        again = ok(await school.manager.post(url), 202)
        assert again["status"] == "queued"
        problem(await school.manager.post(url), 409, "mail-not-failed")
        await post.collect(smtp(port))

    sent = await only_mail(school)
    assert (sent["id"], sent["status"], sent["attempts"]) == (failed["id"], "sent", 2)
    problem(await school.manager.post(url), 409, "mail-not-failed")
    (message,) = inbox.read()
    async with client_of(app) as anonymous:
        assert (await redeem(anonymous, token_in(message))).status_code == 200


async def test_who_is_asked_to_wait_tries_again_until_it_is_sent(
    school: School, post: Post
) -> None:
    await invite(school)
    inbox = Inbox(RCPT=["450 4.2.0 greylisted, come back"])
    async with serving(inbox) as port:
        await post.collect(smtp(port))

    sent = await only_mail(school)
    assert (sent["status"], sent["attempts"], sent["reason"]) == ("sent", 2, None)
    assert len(inbox.received) == 1


async def test_a_server_that_is_down_is_tried_until_it_is_up(school: School, post: Post) -> None:
    await invite(school)
    inbox = Inbox()
    seen: list[Any] = []

    class Mended:
        """The second try finds a server."""

        async def send(self, message: EmailMessage) -> None:
            if not seen:
                async with serving(inbox) as closed:
                    pass
                seen.append(message)
                await smtp(closed).send(message)
            seen.append(await only_mail(school))
            async with serving(inbox) as port:
                await smtp(port).send(message)

    await post.collect(Mended())

    waiting, sent = seen[1], await only_mail(school)
    assert (waiting["status"], waiting["attempts"]) == ("queued", 1)
    assert waiting["reason"] == "The mail server cannot be reached."
    assert (sent["status"], sent["attempts"], sent["reason"]) == ("sent", 2, None)


async def test_what_is_hopeless_is_given_up(
    school: School, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_MOST_MAIL_ATTEMPTS", 2)
    await invite(school)
    box = Mailbox(refusals=5)
    await post.collect(box)

    failed = await only_mail(school)
    assert (failed["status"], failed["attempts"]) == ("failed", 2)
    assert len(box.tried) == 2
    assert await waiting_jobs(post) == 0


async def test_a_mail_that_crashes_its_worker_is_given_up_too(
    school: School, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row never says `queued` when nobody tries any more."""

    class Broken:
        async def send(self, message: EmailMessage) -> None:
            raise RuntimeError(message["Message-ID"])

    monkeypatch.setattr(worker, "_MOST_MAIL_ATTEMPTS", 2)
    await invite(school)
    await post.collect(Broken())

    failed = await only_mail(school)
    assert (failed["status"], failed["reason"]) == ("failed", "Something went wrong on our side.")


async def waiting_jobs(post: Post, school: School | None = None) -> int:
    async with post.connection() as connection:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM pgqueuer WHERE status IN ('queued', 'picked')"
                " AND position($1 IN convert_from(payload, 'UTF8')) > 0",
                str(school.id) if school else "",
            )
        )


async def test_a_connection_lost_after_the_handing_over_sends_the_same_again(
    school: School, post: Post, owner: AsyncEngine
) -> None:
    """REL-20: at least once; whoever receives it twice knows it by its Message-ID."""

    class Losing(Mailbox):
        """Take the message, then cut the worker's transaction off: once."""

        async def send(self, message: EmailMessage) -> None:
            await super().send(message)
            if len(self.messages) == 1:
                async with owner.begin() as connection:
                    await connection.execute(
                        text(
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
                            " current_database() AND state = 'idle in transaction'"
                        )
                    )

    await invite(school)
    box = Losing()
    await post.collect(box)

    first, second = box.messages
    assert first["Message-ID"] == second["Message-ID"]
    assert first.as_bytes() == second.as_bytes()
    sent = await only_mail(school)
    assert sent["status"] == "sent"


class Killing(Inbox):
    """A mail server that accepts a message, and kills whoever brought it."""

    def __init__(self) -> None:
        super().__init__()
        self.victim: subprocess.Popen[str] | None = None

    async def handle_DATA(  # noqa: N802  (the name is the server's)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        if self.victim is not None:
            self.victim.kill()
            self.victim = None
        return answer


@contextmanager
def working(post: Post, folder: Path, port: int, secret: str) -> Iterator[subprocess.Popen[str]]:
    """Run `itschool worker` as a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from itschool_api.cli import app; app()", "worker"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": post.database_url,
            "ITSCHOOL_SECRET_KEY": secret,
            "ITSCHOOL_SMTP_HOST": "127.0.0.1",
            "ITSCHOOL_SMTP_PORT": str(port),
            "ITSCHOOL_SMTP_TLS": "none",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what another process does."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - it tells us nothing by itself
            await asyncio.sleep(0.05)


async def test_a_worker_killed_after_the_handing_over_sends_the_same_again(
    school: School, post: Post, owner: AsyncEngine, tmp_path: Path
) -> None:
    """REL-20: kill -9 between the mail server's 250 and the commit; the next worker goes on."""
    await invite(school)
    inbox = Killing()
    secret = post.settings.secret_key.get_secret_value()
    async with serving(inbox) as port:
        with working(post, tmp_path, port, secret) as first:
            inbox.victim = first
            await asyncio.to_thread(first.wait)
        assert len(inbox.received) == 1
        assert (await only_mail(school))["status"] == "queued"
        async with owner.begin() as connection:
            # Its heart stopped; half a minute later another worker would take its job.
            await connection.execute(
                text("UPDATE pgqueuer SET heartbeat = heartbeat - interval '1 minute'")
            )
        with working(post, tmp_path, port, secret):

            async def done() -> bool:
                return await waiting_jobs(post) == 0

            await until(done)
    assert (await only_mail(school))["status"] == "sent"
    first_message, second_message = inbox.read()
    assert first_message["Message-ID"] == second_message["Message-ID"]
    assert token_in(first_message) == token_in(second_message)


@dataclass
class Slow(Mailbox):
    """A delivery that takes its time, and counts who is in it at once."""

    inside: list[str] = field(default_factory=list)
    together: int = 0

    async def send(self, message: EmailMessage) -> None:
        self.inside.append(message["Message-ID"])
        self.together = max(self.together, self.inside.count(message["Message-ID"]))
        await asyncio.sleep(0.5)
        self.inside.remove(message["Message-ID"])
        await super().send(message)


async def test_two_workers_never_send_one_mail_at_the_same_time(school: School, post: Post) -> None:
    """REL-20: not even where it has two jobs."""
    await invite(school)
    async with post.connection() as connection:
        await connection.execute(
            "INSERT INTO pgqueuer (priority, status, entrypoint, payload)"
            " SELECT priority, status, entrypoint, payload FROM pgqueuer"
        )
    box = Slow()
    await asyncio.gather(post.collect(box), post.collect(box))

    assert (box.together, len(box.messages)) == (1, 1)
    sent = await only_mail(school)
    assert (sent["status"], sent["attempts"]) == ("sent", 1)


async def test_a_mail_whose_job_is_lost_is_asked_for_anew(
    school: School, post: Post, owner: AsyncEngine
) -> None:
    """A row that stays `queued` for ever: not even after jobs were cleared by hand."""
    await invite(school)
    lost = await only_mail(school)
    async with owner.begin() as connection:
        await connection.execute(text("TRUNCATE pgqueuer"))
        await connection.execute(
            text("UPDATE mails SET queued_at = queued_at - interval '11 minutes' WHERE id = :id"),
            {"id": lost["id"]},
        )
    await invite(school)
    box = Mailbox()
    for jobs in (2, 2):  # The second time it has a job, as the younger mail has.
        await post.worker(box).revive(None)  # type: ignore[arg-type]  # it asks no schedule
        # Its own only: in a long run the mails of other tests are late by now, too.
        assert await waiting_jobs(post, school) == jobs
    await post.collect(box)
    assert [mail["status"] for mail in await mails(school)] == ["sent", "sent"]


async def test_what_is_rolled_back_leaves_neither_row_nor_job(school: School, post: Post) -> None:
    async def fail() -> None:
        async with school_transaction(school.sessions, school.id) as session:
            users = await auth.create_users(session, school.id, [Role.GUARDIAN], [PERSON])
            assert await outbox.send(session, school.id, outbox.Kind.INVITATION, users[0])
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="full"):
        await fail()
    assert await mails(school) == []
    assert await waiting_jobs(post) == 0


async def test_eight_hundred_are_asked_for_by_two_statements(school: School, post: Post) -> None:
    people = [
        replace(PERSON, email=f"jo{place}@example.org" if place else None) for place in range(801)
    ]
    async with school_transaction(school.sessions, school.id) as session:
        users = await auth.create_users(session, school.id, [Role.GUARDIAN], people)
        await session.flush()
        with counted_statements(school.app) as statements:
            queued = await outbox.send_many(
                session, school.id, outbox.Kind.INVITATION, [(user, None) for user in users]
            )
    assert len(queued) == 800
    assert await waiting_jobs(post) == 800
    # The INSERT of all rows; the jobs' own statement goes past the adapter that counts.
    assert len(statements) == 1
    async with asyncio.timeout(60):
        page = ok(await school.manager.get("/v1/mails", params={"limit": 200}))
    assert len(page["items"]) == 200
    assert page["next"]


async def test_managers_find_a_mail_by_state_kind_and_user(school: School, post: Post) -> None:
    await invite(school)
    await post.collect(Mailbox())
    await invite(school)
    newest, oldest = await mails(school)
    guardians = ok(await school.manager.get("/v1/guardians"))["items"]
    (guardian,) = [each for each in guardians if each["email"] == newest["recipient"]]
    assert newest["queued_at"] > oldest["queued_at"]
    for filters, expected in (
        ({"status": "sent"}, [oldest["id"]]),
        ({"status": "queued"}, [newest["id"]]),
        ({"status": "failed"}, []),
        ({"kind": "offer"}, []),
        ({"kind": "invitation", "status": "sent"}, [oldest["id"]]),
        ({"user": newest["user_id"]}, [newest["id"]]),
        ({"user_name": f" {guardian['user_name'].upper()}"}, [newest["id"]]),
        ({"user_name": "nobody.at.all"}, []),
    ):
        assert [mail["id"] for mail in await mails(school, **filters)] == expected
    problem(
        await school.manager.get("/v1/mails", params={"kind": "spam"}), 422, "validation-failed"
    )


async def test_an_invitation_that_came_too_late_says_so(
    school: School, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await invite(school)
    later = datetime.now(UTC) + timedelta(days=14, seconds=1)
    with monkeypatch.context() as patched:
        patched.setattr(clock, "now", lambda: later)
        await post.collect(box := Mailbox())
    failed = await only_mail(school)
    assert box.tried == []
    assert (failed["status"], failed["attempts"]) == ("failed", 0)
    assert failed["reason"] == "Its login token has ended before it could be sent."
    with monkeypatch.context() as patched:
        patched.setattr(clock, "now", lambda: later)
        async with school_transaction(school.sessions, school.id) as session:
            with pytest.raises(outbox.MailOutdated):
                await outbox.retry(session, school.id, UUID(failed["id"]))


async def test_a_token_works_before_anybody_can_read_it(
    app: FastAPI, school: School, post: Post
) -> None:
    """Who opens the mail at once is let in, though its row is not written yet."""

    class Eager(Mailbox):
        opened: int = 0

        async def send(self, message: EmailMessage) -> None:
            async with client_of(app) as anonymous:
                self.opened = (await redeem(anonymous, token_in(message))).status_code
            await super().send(message)

    await invite(school)
    await post.collect(box := Eager())
    assert box.opened == 200


async def test_of_two_invitations_the_older_is_not_sent_after_the_newer(
    school: School, post: Post
) -> None:
    """SEC-09: its token would not work."""
    guardian = ok(
        await school.manager.post(
            "/v1/guardians",
            json={"first_name": "Jo", "last_name": "Bos", "email": "jo.two@example.org"},
        ),
        201,
    )
    url = f"/v1/guardians/{guardian['id']}/invitations"
    for _ in range(2):
        ok(await school.manager.post(url), 202)
    async with post.connection() as connection:
        # The newer one's job comes first.
        await connection.execute(
            "UPDATE pgqueuer SET priority = 1 WHERE id = (SELECT max(id) FROM pgqueuer);"
            "UPDATE pgqueuer SET execute_after = now() + interval '4 seconds'"
            " WHERE id = (SELECT min(id) FROM pgqueuer)"
        )
    await post.collect(box := Mailbox())
    newer, older = await mails(school)
    assert len(box.messages) == 1
    assert newer["status"] == "sent"
    assert older["status"] == "superseded"
    assert older["reason"].startswith("A newer login token was made")
    failed = ok(await school.manager.get("/v1/mails", params={"status": "failed"}))
    assert failed["items"] == []


async def test_an_invitation_goes_to_the_address_of_today(
    school: School, post: Post, owner: AsyncEngine
) -> None:
    """A corrected address counts for the next try; the wrong one is not written to again."""
    wrong = await invite(school)
    await post.collect(SomebodyElse())
    failed = await only_mail(school)
    right = f"right.{wrong}"
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE users SET email = :email WHERE id = :id"),
            {"email": right, "id": failed["user_id"]},
        )
    ok(await school.manager.post(f"/v1/mails/{failed['id']}/retries"), 202)
    await post.collect(box := Mailbox())
    assert [message["To"] for message in box.tried] == [right]
    assert (await only_mail(school))["recipient"] == right


class SomebodyElse:
    """A mail server that knows nobody, and talks too much."""

    async def send(self, message: EmailMessage) -> None:
        async with serving(
            Inbox(
                RCPT=[
                    f"550 <{message['To']}> is not here, ask root@mx.internal.example about "
                    + token_in(message).lower()
                ]
            )
        ) as port:
            await smtp(port).send(message)


async def test_a_reason_tells_neither_tokens_nor_other_addresses(
    school: School, post: Post, log: io.StringIO, owner: AsyncEngine
) -> None:
    """SEC-34: nor does the log, nor the job's own history."""
    address = await invite(school)
    await post.collect(SomebodyElse())
    failed = await only_mail(school)
    assert failed["reason"] == f"550 <{address}> is not here, ask … about …"
    async with owner.connect() as connection:
        history = await connection.scalar(
            text(
                "SELECT coalesce(string_agg(pgqueuer_log::text, ''), '') ||"
                " (SELECT coalesce(string_agg(pgqueuer::text, ''), '') FROM pgqueuer)"
                " FROM pgqueuer_log"
            )
        )
    for secret in (address, "root@mx"):
        assert secret not in log.getvalue()
        assert secret not in history
    assert "mail.not_delivered" in log.getvalue()


async def test_the_office_does_not_hear_of_the_operators_set_up(
    school: School, post: Post, log: io.StringIO
) -> None:
    """What is wrong with our login is the operator's to know, and in the log."""
    await invite(school)

    class Refused:
        tries = 0

        async def send(self, message: EmailMessage) -> None:
            async with serving(Inbox(MAIL=["550 relay user smtp-login not allowed"])) as port:
                if self.tries:
                    return
                self.tries += 1
                await smtp(port).send(message)

    seen: list[Any] = []

    class Watching(Refused):
        async def send(self, message: EmailMessage) -> None:
            if self.tries:
                seen.append(await only_mail(school))
            await super().send(message)

    await post.collect(Watching())
    assert seen[0]["reason"] == "The mail server takes nothing from us: tell the operator."
    assert "smtp-login not allowed" in log.getvalue()


async def test_a_requested_token_shows_in_its_users_school(
    app: FastAPI, school: School, other_school: School, post: Post, owner: AsyncEngine
) -> None:
    """Of two who share an address, each school sees, and names, its own only."""
    address = f"{secrets.token_hex(6)}@example.org"
    here, here_name, _ = await school.user(Role.GUARDIAN)
    also, also_name, _ = await school.user(Role.GUARDIAN)
    there, there_name, _ = await other_school.user(Role.GUARDIAN)
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE users SET email = :email WHERE id = ANY(:ids)"),
            {"email": address, "ids": [here, also, there]},
        )
    async with client_of(app) as anonymous:
        for wish in (address, "nobody@nowhere.example"):
            await anonymous.post("/v1/auth/login-tokens", json={"email": wish})
    await post.collect(box := Mailbox())

    assert len(box.messages) == 2
    ours, theirs = await only_mail(school), await only_mail(other_school)
    assert {ours["kind"], theirs["kind"]} == {"login_token"}
    assert {ours["recipient"], theirs["recipient"]} == {address}
    by_id = {message["Message-ID"].split("@")[0]: plain(message) for message in box.messages}
    mine, others = by_id[f"<login_token.{ours['id']}"], by_id[f"<login_token.{theirs['id']}"]
    assert (here_name in mine, also_name in mine, there_name in mine) == (True, True, False)
    assert (here_name in others, also_name in others, there_name in others) == (False, False, True)
    async with owner.connect() as connection:
        kept = await connection.scalar(
            text("SELECT count(*) FROM login_token_requests WHERE email IN (:a, :b)"),
            {"a": address, "b": "nobody@nowhere.example"},
        )
    assert kept == 0


async def test_whoever_changes_a_password_is_told(
    school: School, post: Post, owner: AsyncEngine
) -> None:
    """SEC-18: its owner hears of it, in their language, and is led nowhere by the message."""
    user_id, name, client = await school.user(Role.GUARDIAN)
    async with owner.connect() as connection:
        address = await connection.scalar(
            text("SELECT email FROM users WHERE id = :id"), {"id": user_id}
        )
    ok(
        await client.put(
            "/v1/me/password",
            json={"current_password": PASSWORD, "new_password": "sept petits lapins"},
        )
    )
    await post.collect(box := Mailbox())
    (message,) = box.to(str(address))
    assert "mot de passe de votre compte a été modifié" in plain(message)
    assert name in plain(message)
    assert "http" not in plain(message)
    assert [mail["kind"] for mail in await mails(school, user=user_id)] == ["password_changed"]


async def test_a_notice_is_one_mail_however_often_its_job_is_done(
    school: School, post: Post, sessions: Sessions
) -> None:
    user_id, _, _ = await school.user(Role.GUARDIAN)
    mail_id = UUID(int=secrets.randbits(128))
    for _ in range(2):
        async with school_transaction(sessions, school.id) as session:
            await outbox.send_notice(
                session,
                school.id,
                mail_id,
                outbox.Kind.SECOND_FACTOR_CHANGED,
                user_id,
                clock.now(),
            )
    await post.collect(box := Mailbox())
    assert len(box.messages) == 1
    assert (await only_mail(school))["id"] == str(mail_id)


async def test_who_is_disabled_or_has_no_address_is_not_written_to(
    school: School, post: Post, owner: AsyncEngine
) -> None:
    await invite(school)
    queued = await only_mail(school)
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE users SET disabled_at = now() WHERE id = :id"), {"id": queued["user_id"]}
        )
    await post.collect(box := Mailbox())
    assert box.tried == []
    assert (await only_mail(school))["reason"] == "This user is disabled."
    async with school_transaction(school.sessions, school.id) as session:
        user = await auth.user(session, UUID(queued["user_id"]))
        assert await outbox.send(session, school.id, outbox.Kind.OFFER, user) is None
