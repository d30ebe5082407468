"""The parents' journey of the manual, as one test: real HTTP, a real mail server, a real worker.

The school invites, the parent gets in by the mail, sets a password, sees a wallet, forgets the
password, and gets in again.
"""

import asyncio
import re
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from ssl import SSLContext
from typing import Any

import pytest
import uvicorn
from httpx2 import AsyncClient
from pydantic import SecretStr

from itschool_api import clock, worker
from itschool_api.app import create_app
from itschool_api.settings import Settings
from tests.auth.ways_in import log_in, redeem, refresh
from tests.kit import PASSWORD, School, ok, problem
from tests.mail.test_delivery import Inbox, only, serving
from tests.outbox.post import plain

pytestmark = pytest.mark.anyio

NEW_PASSWORD = "sept petits lapins"


@asynccontextmanager
async def house(
    settings: Settings, database_url: str, listener: socket.socket
) -> AsyncIterator[None]:
    """Serve the API over HTTP and do its jobs, as its two processes do."""
    app = create_app(settings, database_url)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    answering = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
    sessions, authority = app.state.sessions, app.state.authority
    prepared = worker.Worker(settings, sessions, authority, worker.delivery_of(settings))
    working = asyncio.create_task(worker.run(prepared, database_url))
    try:
        yield
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        server.should_exit = True
        await answering


class Letterbox:
    """Letterboxes: each mail is taken out once, when it has come.

    The worker also sends what other tests left, once it is late by the clock of this one.
    """

    def __init__(self) -> None:
        self.inbox = Inbox()
        self._taken = 0

    async def next(self, address: str) -> EmailMessage:
        """Wait for the next mail to an address."""
        async with asyncio.timeout(30):
            while len(came := self._to(address)) <= self._taken:  # noqa: ASYNC110 - as people do
                await asyncio.sleep(0.02)
        self._taken += 1
        return came[self._taken - 1]

    def _to(self, address: str) -> list[EmailMessage]:
        return [each for each in self.inbox.read() if each["To"] == address]


def typed(message: EmailMessage) -> tuple[str, str]:
    """Return user name and login token, as a parent reads them in the plain words."""
    words = plain(message)
    name = re.search(r"Nom d\u2019utilisateur\s*: (\S+)", words)
    token = re.search(r"Jeton de connexion\s*: (\S+)", words)
    assert name
    assert token
    return name[1], token[1]


def clicked(message: EmailMessage) -> str:
    """Return the link of the button."""
    part = message.get_body(("html",))
    assert part is not None
    link = re.search(r'<a href="([^"]+)"', str(part.get_content()))
    assert link
    return link[1]


@dataclass
class Town:
    """Where all of this takes place."""

    url: str
    manager: AsyncClient
    letterbox: Letterbox

    def as_(self, token: str | None = None) -> AsyncClient:
        """Return somebody with an access token, or without."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return AsyncClient(base_url=self.url, headers=headers, timeout=30)


@pytest.fixture
async def town(
    settings: Settings,
    database_url: str,
    school: School,
    server_tls: SSLContext,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Town]:
    # The authority that the mail server's certificate is checked by.
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    letterbox = Letterbox()
    async with serving(
        letterbox.inbox,
        tls_context=server_tls,
        require_starttls=True,
        auth_required=True,
        authenticator=only("school", "mail-secret"),
    ) as port:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            ours = settings.model_copy(
                update={
                    "web_app_url": f"{url}/docs",
                    "smtp_host": "127.0.0.1",
                    "smtp_port": port,
                    "smtp_username": "school",
                    "smtp_password": SecretStr("mail-secret"),
                }
            )
            async with (
                house(ours, database_url, listener),
                AsyncClient(base_url=url, headers=school.manager.headers, timeout=30) as manager,
            ):
                yield Town(url, manager, letterbox)


async def enrol_and_invite(manager: AsyncClient) -> Any:
    """Enrol Noor, add her mother, and invite her; return the invitation."""

    async def make(path: str, **form: Any) -> Any:
        return ok(await manager.post(path, json=form), 201)

    student = await make("/v1/students", first_name="Noor", last_name="Lambert")
    family = await make("/v1/families", name="Lambert", students=[{"student_id": student["id"]}])
    guardian = await make(
        "/v1/guardians",
        first_name="Sophie",
        last_name="Lambert",
        email=f"Sophie.{secrets.token_hex(4)}@Example.org",
        language="fr",
    )
    await make(
        "/v1/guardianships",
        guardian_id=guardian["id"],
        student_id=student["id"],
        family_id=family["id"],
    )
    return ok(await manager.post(f"/v1/guardians/{guardian['id']}/invitations"), 202)


@pytest.mark.usefixtures("post")
async def test_a_parent_gets_in_by_mail_and_again_after_forgetting_the_password(  # noqa: PLR0915 - one journey
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-07 to SEC-10 and SEC-18, in the order in which a parent meets them."""
    invited = await enrol_and_invite(town.manager)
    address = invited["email"]

    # The mail arrives, in French, with the user name and the token.
    invitation = await town.letterbox.next(address)
    assert invitation["To"] == address
    assert "votre accès à la plateforme en ligne" in invitation["Subject"]
    user_name, token = typed(invitation)
    assert user_name == invited["user_name"]

    # The link carries the same token, and a scanner that opens it uses nothing up.
    link = clicked(invitation)
    assert link == f"{town.url}/docs#token={token}"
    async with town.as_() as scanner:
        assert (await scanner.get(link)).status_code == 200
        assert (await scanner.head(link)).status_code == 200
        opened = await scanner.get("/v1/auth/login-tokens/redeem", params={"token": token})
        assert opened.status_code == 405

    # The token opens a session that may set the password, and nothing else.
    async with town.as_() as anonymous:
        problem(await log_in(anonymous, user_name), 400, "invalid-grant")
        pair = ok(await redeem(anonymous, token))
        problem(await redeem(anonymous, token), 400, "invalid-login-token")
    assert (pair["scope"], pair["refresh_token"]) == ("password:write", None)
    async with town.as_(pair["access_token"]) as restricted:
        for path in ("/v1/me", "/v1/dashboard", "/v1/wallets", "/v1/students", "/v1/mails"):
            assert (await restricted.get(path)).status_code == 403
        at_once = ok(await restricted.put("/v1/me/password", json={"new_password": PASSWORD}))

    # Setting it logs in at once; later, user name and password do.
    async with town.as_(at_once["access_token"]) as parent:
        assert ok(await parent.get("/v1/me"))["user_name"] == user_name
    async with town.as_() as anonymous:
        later = ok(await log_in(anonymous, user_name))
    async with town.as_(later["access_token"]) as parent:
        dashboard = ok(await parent.get("/v1/dashboard"))
        (wallet,) = dashboard["wallets"]
        assert (wallet["student"]["first_name"], wallet["balance_cents"]) == ("Noor", 0)
        top_up = ok(await parent.get(f"/v1/wallets/{wallet['id']}/top-up"))
        assert top_up["reference_display"].startswith("+++")

    # Forgotten: the newest token of two works, for an hour.
    async with town.as_() as anonymous:
        forgotten = []
        for _ in range(2):
            wish = await anonymous.post("/v1/auth/login-tokens", json={"email": address.upper()})
            assert (wish.status_code, wish.content) == (202, b"")
            forgotten.append(await town.letterbox.next(address))
        assert all("votre jeton de connexion" in each["Subject"] for each in forgotten)
        (name, older), (_, newest) = (typed(each) for each in forgotten)
        assert name == user_name
        problem(await redeem(anonymous, older), 400, "invalid-login-token")
        now = datetime.now(UTC)
        with monkeypatch.context() as patched:
            patched.setattr(clock, "now", lambda: now + timedelta(minutes=61))
            problem(await redeem(anonymous, newest), 400, "invalid-login-token")
        pair = ok(await redeem(anonymous, newest))

    # The new password ends what was before, and its owner is told.
    async with town.as_(pair["access_token"]) as restricted:
        ok(await restricted.put("/v1/me/password", json={"new_password": NEW_PASSWORD}))
    notice = await town.letterbox.next(address)
    assert "votre mot de passe a été modifié" in notice["Subject"]
    async with town.as_(later["access_token"]) as before:
        assert (await before.get("/v1/me")).status_code == 401
    async with town.as_() as anonymous:
        problem(await refresh(anonymous, later["refresh_token"]), 400, "invalid-grant")
        problem(await log_in(anonymous, user_name), 400, "invalid-grant")
        again = ok(await log_in(anonymous, user_name, NEW_PASSWORD))
        assert (await anonymous.get("/demo/mails")).status_code == 404
    async with town.as_(again["access_token"]) as parent:
        assert ok(await parent.get("/v1/dashboard"))["wallets"][0]["id"] == wallet["id"]

    # The office sees what was written, and that it left.
    async with asyncio.timeout(10):
        queued = {"status": "queued"}  # for a moment after it was taken
        while ok(await town.manager.get("/v1/mails", params=queued))["items"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    sent = ok(await town.manager.get("/v1/mails"))["items"]
    assert [(mail["kind"], mail["status"], mail["recipient"]) for mail in sent] == [
        ("password_changed", "sent", address),
        ("login_token", "sent", address),
        ("login_token", "sent", address),
        ("invitation", "sent", address),
    ]
