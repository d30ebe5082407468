"""The worker: takes jobs from PostgreSQL and does what their ids say.

A job is tried again with growing patience until it is done or hopeless. What it sends is the same
each time: tokens and Message-IDs follow from the job's ids.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import cast
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import structlog
from pgqueuer import DatabaseRetryEntrypointExecutor, Job, PgQueuer
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.auth import login_tokens
from itschool_api.auth import service as auth
from itschool_api.auth.login_tokens import Grantee
from itschool_api.auth.models import User
from itschool_api.auth.service import Authority
from itschool_api.database import Sessions
from itschool_api.families import guardians
from itschool_api.mail import messages
from itschool_api.mail.delivery import Delivery, FolderDelivery, SmtpDelivery, Undeliverable
from itschool_api.schools import service as schools
from itschool_api.schools.models import School
from itschool_api.settings import Settings

_MOST_ATTEMPTS = 12
_LONGEST_WAIT = timedelta(minutes=30)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Worker:
    """What the jobs need."""

    settings: Settings
    sessions: Sessions
    authority: Authority
    delivery: Delivery

    async def send_requested_tokens(self, job: Job) -> None:
        """Send the login tokens that somebody asked for; an unknown address gets nothing."""
        ids = _ids(job)
        async with self.sessions.begin() as session:
            granted = await login_tokens.grant_requested_tokens(
                session, self.authority, ids["request"]
            )
            if granted is None:
                return
            email, grantees = granted
            # Of people who share an address, one may have no school any more.
            schools_of = [await self._school_of(session, grantee.user) for grantee in grantees]
        able = [pair for pair in zip(grantees, schools_of, strict=True) if pair[1] is not None]
        if able:
            key = f"login-token.{ids['request']}"
            school = cast("School", able[0][1])
            await self._send(key, school, email, [grantee for grantee, _ in able], job.created)

    async def send_invitation(self, job: Job) -> None:
        """Send a guardian their user name and a login token, to the user's own address."""
        ids = _ids(job)
        async with self.sessions.begin() as session:
            user = await auth.user(session, ids["user"])
            if user.disabled_at is not None or user.email is None:
                return
            school = await schools.school(session, ids["school"])
            grantee = await login_tokens.grant_login_token(
                session,
                self.authority.login_token_key,
                user,
                ids["token"],
                job.created,
                login_tokens.INVITATION_LIFE,
            )
            if not grantee.is_newest:
                return
        await self._send(
            f"invitation.{ids['token']}", school, user.email, [grantee], job.created, invited=True
        )

    async def _school_of(self, session: AsyncSession, user: User) -> School | None:
        found = await auth.schools_of(session, user.id)
        return await schools.school(session, found[-1]) if found else None

    async def _send(
        self,
        key: str,
        school: School,
        email: str,
        grantees: Sequence[Grantee],
        sent_at: datetime,
        *,
        invited: bool = False,
    ) -> None:
        occasion = messages.Occasion(
            key=key,
            language=cast("messages.Language", grantees[0].user.language),
            school=school.name,
            time_zone=ZoneInfo(school.time_zone),
            sender=self.settings.mail_from,
            recipient=email,
            web_app_url=self.settings.web_app_url,
            sent_at=sent_at,
        )
        logins = tuple(
            messages.Login(
                name=grantee.user.first_name,
                user_name=grantee.user.user_name,
                token=grantee.token,
            )
            for grantee in grantees
        )
        write = messages.invitation if invited else messages.login_token
        message = write(occasion, logins, valid_until=grantees[0].expires_at)
        await self._deliver(message)

    async def _deliver(self, message: EmailMessage) -> None:
        try:
            await self.delivery.send(message)
        except Undeliverable:
            # Trying again would not help; the person can ask for another.
            _log.warning("mail.undeliverable", message_id=message["Message-ID"])
            return
        _log.info("mail.sent", message_id=message["Message-ID"])


def delivery_of(settings: Settings) -> Delivery:
    """Return the mail server of the settings, or the folder that stands in for it."""
    if settings.smtp_host is None:
        return FolderDelivery(settings.data_dir / "mails")
    password = settings.smtp_password
    return SmtpDelivery(
        settings.smtp_host,
        settings.smtp_port,
        username=settings.smtp_username,
        password=password.get_secret_value() if password else None,
        tls=settings.smtp_tls,
    )


async def run(worker: Worker, database_url: str) -> None:
    """Do jobs until the task is cancelled; what is under way is finished first."""
    connection = await connected(database_url)
    queue = queue_of(worker, connection)
    _log.info("worker.ready")
    try:
        await queue.run(dequeue_timeout=timedelta(seconds=5))
    finally:
        queue.shutdown.set()
        await connection.close()
        _log.info("worker.stopped")


async def connected(database_url: str) -> asyncpg.Connection:
    """Connect for the queue, which listens on a connection of its own.

    Through the dialect, so that `?ssl=…` means here what it means everywhere else.
    """
    url = make_url(database_url)
    _, options = url.get_dialect()().create_connect_args(url)
    return await asyncpg.connect(**options)


def queue_of(worker: Worker, connection: asyncpg.Connection) -> PgQueuer:
    """Return the queue with a function for each kind of job."""
    queue = PgQueuer.from_asyncpg_connection(connection)
    for name, function in (
        (login_tokens.LOGIN_TOKEN_JOB, worker.send_requested_tokens),
        (guardians.INVITATION_JOB, worker.send_invitation),
    ):
        queue.entrypoint(
            name,
            on_failure="hold",
            executor_factory=lambda parameters: DatabaseRetryEntrypointExecutor(
                parameters, max_attempts=_MOST_ATTEMPTS, max_delay=_LONGEST_WAIT
            ),
        )(function)
    return queue


def _ids(job: Job) -> dict[str, UUID]:
    return {name: UUID(value) for name, value in json.loads(job.payload or b"{}").items()}
