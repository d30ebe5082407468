"""Handing a message over: to a real mail server on this machine, and to a folder."""

import asyncio
import email
import ssl
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from itschool_api.mail.delivery import (
    FolderDelivery,
    Misconfigured,
    NotDelivered,
    Postponed,
    SmtpDelivery,
    Undeliverable,
)

pytestmark = pytest.mark.anyio


def message(*, recipient: str = "sophie@example.org", key: str = "token.1") -> EmailMessage:
    written = EmailMessage()
    written["From"] = "École <no-reply@itschool.example>"
    written["To"] = recipient
    written["Subject"] = "Jeton de connexion"
    written["Message-ID"] = f"<{key}@itschool.example>"
    written.set_content("Élève et café\n")
    return written


class Inbox:
    """A server's hooks, which answer as a test asks and keep what they accept."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = answers
        self.received: list[Envelope] = []

    def _answer(self, command: str) -> str:
        planned = self.answers.get(command)
        return planned.pop(0) if planned else "250 OK"

    async def handle_MAIL(  # noqa: N802  (the name is the server's)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self._answer("MAIL")

    async def handle_RCPT(  # noqa: N802
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self._answer("RCPT")

    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        answer = self._answer("DATA")
        if answer.startswith("250"):
            self.received.append(envelope)
        return answer

    def read(self) -> list[EmailMessage]:
        return [
            email.message_from_bytes(envelope.content, policy=policy.default)
            for envelope in self.received
            if isinstance(envelope.content, bytes)
        ]


@asynccontextmanager
async def serving(
    inbox: Inbox, *, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[int]:
    """Run a mail server for the duration, and give its port."""
    loop = asyncio.get_running_loop()
    sessions: list[SMTP] = []

    def session() -> SMTP:
        sessions.append(SMTP(inbox, hostname="localhost", loop=loop, **options))
        return sessions[-1]

    server = await loop.create_server(session, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for each in sessions:
            if each.transport is not None:
                each.transport.close()


async def test_a_message_arrives_whole() -> None:
    inbox = Inbox()
    async with serving(inbox) as port:
        await SmtpDelivery("127.0.0.1", port, tls="none").send(message())
    (envelope,) = inbox.received
    assert envelope.mail_from == "no-reply@itschool.example"
    assert envelope.rcpt_tos == ["sophie@example.org"]
    (arrived,) = inbox.read()
    assert arrived["From"] == "École <no-reply@itschool.example>"
    assert arrived.get_content().split() == ["Élève", "et", "café"]


async def test_a_retry_carries_the_same_message_id() -> None:
    inbox = Inbox(DATA=["451 try again later"])
    once = message()
    async with serving(inbox) as port:
        delivery = SmtpDelivery("127.0.0.1", port, tls="none")
        with pytest.raises(Postponed, match="451 try again later"):
            await delivery.send(once)
        await delivery.send(once)
        await delivery.send(once)
    assert [arrived["Message-ID"] for arrived in inbox.read()] == ["<token.1@itschool.example>"] * 2


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"RCPT": ["550 no such user"]}, Undeliverable),
        ({"RCPT": ["450 greylisted"]}, Postponed),
        ({"DATA": ["554 looks like spam"]}, Undeliverable),
        ({"DATA": ["452 disk is full"]}, Postponed),
        ({"MAIL": ["550 not your sender"]}, Misconfigured),
        ({"MAIL": ["421 too many connections"]}, Postponed),
    ],
)
async def test_a_refusal_says_why_and_whether_to_try_again(
    answers: dict[str, list[str]], kind: type[NotDelivered]
) -> None:
    (words,) = answers.values()
    expected = words[0]
    async with serving(Inbox(**answers)) as port:
        with pytest.raises(NotDelivered, match=expected) as refused:
            await SmtpDelivery("127.0.0.1", port, tls="none").send(message())
    assert refused.type is kind
    assert f"127.0.0.1:{port}" in str(refused.value)


async def test_an_address_that_the_server_cannot_write_is_undeliverable() -> None:
    async with serving(Inbox()) as port:
        with pytest.raises(Undeliverable, match="SMTPUTF8"):
            await SmtpDelivery("127.0.0.1", port, tls="none").send(
                message(recipient="zoé@example.org")
            )


async def test_a_server_that_is_not_there_is_worth_another_try() -> None:
    async with serving(Inbox()) as port:
        pass
    with pytest.raises(Postponed, match="cannot be reached") as refused:
        await SmtpDelivery("127.0.0.1", port, tls="none").send(message())
    assert refused.type is Postponed


async def test_a_server_that_keeps_silent_is_given_up() -> None:
    gone = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        gone.set()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Postponed, match="cannot be reached"):
            await SmtpDelivery("127.0.0.1", port, tls="none", timeout=0.1).send(message())
        await gone.wait()


def only(username: str, password: str) -> Callable[..., AuthResult]:
    def check(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: LoginPassword
    ) -> AuthResult:
        right = given == LoginPassword(username.encode(), password.encode())
        return AuthResult(success=right, handled=False)

    return check


async def test_starttls_and_login_are_used(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    inbox = Inbox()
    async with serving(
        inbox, tls_context=server_tls, require_starttls=True, authenticator=only("u", "secret")
    ) as port:
        right, wrong = (
            SmtpDelivery("127.0.0.1", port, username="u", password=password, tls_context=client_tls)
            for password in ("secret", "wrong")
        )
        await right.send(message())
        with pytest.raises(Misconfigured, match="535") as refused:
            await wrong.send(message())
    assert len(inbox.received) == 1
    assert "wrong" not in str(refused.value)


async def test_tls_from_the_first_byte_is_used(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    inbox = Inbox()
    async with serving(inbox, tls=server_tls) as port:
        await SmtpDelivery("127.0.0.1", port, tls="tls", tls_context=client_tls).send(message())
    assert len(inbox.received) == 1


async def test_a_server_that_offers_no_tls_gets_no_message() -> None:
    inbox = Inbox()
    async with serving(inbox) as port:
        with pytest.raises(Misconfigured, match="STARTTLS"):
            await SmtpDelivery("127.0.0.1", port, tls="starttls").send(message())
    assert inbox.received == []


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_server_whose_certificate_nobody_signed_gets_no_message(
    server_tls: ssl.SSLContext, tls: Any
) -> None:
    inbox = Inbox()
    implicit = {"tls": server_tls} if tls == "tls" else {"tls_context": server_tls}
    async with serving(inbox, **implicit) as port:
        with pytest.raises(Misconfigured, match="cannot be trusted"):
            await SmtpDelivery("127.0.0.1", port, tls=tls).send(message())
    assert inbox.received == []


def everything_below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


async def test_a_folder_keeps_each_message_under_its_id(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "mail"
    delivery = FolderDelivery(folder)
    await delivery.send(message(key="token.1"))
    await delivery.send(message(key="token.2"))
    await delivery.send(message(key="token.2"))
    names = [path.name for path in everything_below(folder)]
    assert names == ["token.1@itschool.example.eml", "token.2@itschool.example.eml"]
    kept = email.message_from_bytes((folder / names[0]).read_bytes(), policy=policy.default)
    assert isinstance(kept, EmailMessage)
    assert kept["Subject"] == "Jeton de connexion"
    assert kept.get_content().split() == ["Élève", "et", "café"]


async def test_only_the_owner_reads_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    await FolderDelivery(folder).send(message())
    (kept,) = everything_below(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.parametrize("key", ["../../etc/x", "a/b", "..", "c:\\x", "a\0b"])
async def test_no_id_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    folder = tmp_path / "mail"
    await FolderDelivery(folder).send(message(key=key))
    files = [path for path in everything_below(tmp_path) if path != folder]
    assert len(files) == 1
    assert files[0].parent == folder
    assert files[0].suffix == ".eml"


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("not a folder")
    with pytest.raises(Postponed, match="cannot be written"):
        await FolderDelivery(tmp_path / "mail").send(message())


async def test_a_message_without_an_id_has_no_file_name(tmp_path: Path) -> None:
    nameless = message()
    del nameless["Message-ID"]
    with pytest.raises(ValueError, match="no Message-ID"):
        await FolderDelivery(tmp_path).send(nameless)
