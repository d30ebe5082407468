"""The worker: takes jobs from PostgreSQL and does what their ids say.

A job is tried again with growing patience until it is done or hopeless. What it sends is the same
each time: tokens and Message-IDs follow from the ids. A job may be done twice, so each is written
to find what it did before.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NoReturn

import asyncpg
import structlog
from pgqueuer import DatabaseRetryEntrypointExecutor, Job, PgQueuer
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Schedule
from pgqueuer.types import QueueExecutionMode
from sqlalchemy.engine import make_url

from itschool_api import clock, jobs, logs
from itschool_api.auth.login_tokens import LOGIN_TOKEN_JOB
from itschool_api.auth.notices import Notice
from itschool_api.auth.service import Authority
from itschool_api.database import Sessions, school_transaction
from itschool_api.mail.delivery import Delivery, FolderDelivery, SmtpDelivery
from itschool_api.members import offers
from itschool_api.outbox import sending
from itschool_api.outbox import service as outbox
from itschool_api.outbox.sending import PostOffice, TryAgain
from itschool_api.privacy import erasure, exports, making, retention
from itschool_api.schools import service as schools
from itschool_api.settings import Settings
from itschool_api.storage import Storage
from itschool_api.webhooks import deliveries as webhooks
from itschool_api.webhooks import sending as webhooks_sending
from itschool_api.webhooks import service as webhooks_service
from itschool_api.webhooks import telling
from itschool_api.webhooks.telling import WEBHOOK_JOB

_MOST_ATTEMPTS: Final = 12
# With the waits between them, two days: a mail server may be down over a week-end's night.
_MOST_MAIL_ATTEMPTS: Final = 54
_LONGEST_WAIT: Final = timedelta(hours=1)
# Mails hold a connection to the database while they are handed over; the pool has ten.
_BATCH: Final = 4
_AT_ONCE: Final = 8
# Receivers may be slow; a half of the worker is for everything else. (Of all workers together.)
_WEBHOOKS_AT_ONCE: Final = 4
_NOTICES: Final = {
    Notice.PASSWORD_CHANGED: outbox.Kind.PASSWORD_CHANGED,
    Notice.SECOND_FACTOR_CHANGED: outbox.Kind.SECOND_FACTOR_CHANGED,
    Notice.RECOVERY_CODE_USED: outbox.Kind.RECOVERY_CODE_USED,
}
_log = structlog.get_logger(__name__)


class JobFailed(Exception):
    """A job could not be done; names the kind of error, for its words may name people."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What the jobs need."""

    settings: Settings
    sessions: Sessions
    authority: Authority
    delivery: Delivery

    async def send_mail(self, job: Job) -> None:
        """Send a mail of the outbox; its row says what became of it before the job ends."""
        ids = jobs.ids(job)
        office = PostOffice(
            self.sessions,
            self.authority.login_token_key,
            self.delivery,
            self.settings.mail_from,
            self.settings.web_app_url,
        )
        is_last_try = job.attempts + 1 >= _MOST_MAIL_ATTEMPTS
        try:
            await sending.send(office, ids["school"], ids["mail"], is_last_try=is_last_try)
        except TryAgain:
            _try_again(job)
        except Exception as error:
            _log.error(
                "mail.crashed",
                mail=str(ids["mail"]),
                error=type(error).__name__,
                traceback=logs.places(error),
            )
            if not is_last_try:
                _try_again(job)
            await sending.give_up(office, ids["school"], ids["mail"])
            raise

    async def deliver_webhooks(self, job: Job) -> None:
        """Send what is due at a school's endpoint, and come back when more is."""
        ids = jobs.ids(job)
        sealing = webhooks_service.sealing_of(self.settings)
        try:
            due_at = await webhooks_sending.deliver(
                self.sessions, sealing, ids["school"], ids["endpoint"], job_id=job.id
            )
            if due_at is not None and due_at <= clock.now():
                # By a new job: the oldest goes first, so this one would leave others no turn.
                async with school_transaction(self.sessions, ids["school"]) as session:
                    await telling.enqueue(session, ids["school"], [ids["endpoint"]])
                return
        except Exception as error:  # noqa: BLE001 - what waits goes on waiting
            _log.error(
                "webhooks.crashed",
                endpoint=str(ids["endpoint"]),
                error=type(error).__name__,
                traceback=logs.places(error),
            )
            _try_again(job)
        if due_at is not None:
            raise RetryRequested(max(due_at - clock.now(), timedelta(0)))

    async def send_requested_tokens(self, job: Job) -> None:
        """Make mails of a request for a login token; an unknown address gets none."""
        async with self.sessions.begin() as session:
            await outbox.send_requested_tokens(session, jobs.ids(job)["request"])

    async def send_notice(self, job: Job) -> None:
        """Make a mail that tells a user what became of their way in."""
        ids = jobs.ids(job)
        kind = _NOTICES[Notice(job.entrypoint)]
        async with school_transaction(self.sessions, ids["school"]) as session:
            await outbox.send_notice(
                session, ids["school"], ids["mail"], kind, ids["user"], job.created
            )

    async def send_offer(self, job: Job) -> None:
        """Make a mail of an offer of membership; a user name that nobody has gets none."""
        ids = jobs.ids(job)
        async with school_transaction(self.sessions, ids["school"]) as session:
            await offers.send_offer(session, ids["offer"])

    async def make_export(self, job: Job) -> None:
        """Make the file of an export, and tell who asked for it."""
        ids = jobs.ids(job)
        life = timedelta(days=self.settings.retention_export_days)
        await making.make(self.sessions, self._storage(), life, ids["school"], ids["export"])

    async def sweep(self, _: Schedule) -> None:
        """Remove what is not kept any more."""
        office = erasure.office_of(self.settings, self._storage())
        await retention.Sweeper(self.settings, self.sessions, office).sweep()

    def _storage(self) -> Storage:
        return Storage(self.settings.data_dir / "files")

    async def revive(self, _: Schedule) -> None:
        """See that every mail and every webhook which waits has a job."""
        async with self.sessions.begin() as session:
            mails = {each["mail"] for each in await jobs.living(session, outbox.MAIL_JOB)}
            told = {each["endpoint"] for each in await jobs.living(session, WEBHOOK_JOB)}
            everywhere = [school.id for school in await schools.all_schools(session)]
        for school_id in everywhere:
            async with school_transaction(self.sessions, school_id) as session:
                if revived := await outbox.revive(session, school_id, mails):
                    _log.warning("mails.revived", school=str(school_id), count=revived)
                if revived := await webhooks.revive(session, school_id, told):
                    _log.warning("webhooks.revived", school=str(school_id), count=revived)


def _wordless(function: Callable[[Job], Awaitable[None]]) -> Callable[[Job], Awaitable[None]]:
    """Let a job's failure say where it was and of what kind, and no more.

    The queue keeps what failures say, in its tables and in the log, and they may name people.
    """

    async def do(job: Job) -> None:
        try:
            await function(job)
        except RetryRequested:
            raise
        except Exception as error:  # noqa: BLE001 - its place is logged, its words are not
            _log.error(
                "job.crashed",
                entrypoint=job.entrypoint,
                job=job.id,
                error=type(error).__name__,
                traceback=logs.places(error),
            )
            raise JobFailed(type(error).__name__) from None

    return do


def _try_again(job: Job) -> NoReturn:
    """Put a job back for later; without its error, which may name people."""
    # The power is bounded too: a timedelta would overflow.
    wait = min(timedelta(seconds=4 ** min(job.attempts, 10)), _LONGEST_WAIT)
    raise RetryRequested(wait) from None


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
        await work(queue)
    finally:
        queue.shutdown.set()
        await connection.close()
        _log.info("worker.stopped")


async def work(
    queue: PgQueuer,
    mode: QueueExecutionMode = QueueExecutionMode.continuous,
    pause: timedelta = timedelta(seconds=5),
) -> None:
    """Do the jobs of a queue, and go on for ever or until none is left.

    It hears of new jobs at once; after a `pause` it looks for what it may not have heard of.
    """
    await queue.run(
        dequeue_timeout=pause, batch_size=_BATCH, max_concurrent_tasks=_AT_ONCE, mode=mode
    )


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
    queue.entrypoint(outbox.MAIL_JOB, on_failure="hold")(_wordless(worker.send_mail))
    queue.entrypoint(WEBHOOK_JOB, on_failure="hold", concurrency_limit=_WEBHOOKS_AT_ONCE)(
        _wordless(worker.deliver_webhooks)
    )
    others: dict[str, Callable[[Job], Awaitable[None]]] = {
        LOGIN_TOKEN_JOB: worker.send_requested_tokens,
        offers.OFFER_JOB: worker.send_offer,
        **dict.fromkeys(Notice, worker.send_notice),
        exports.EXPORT_JOB: worker.make_export,
    }
    for name, function in others.items():
        queue.entrypoint(
            name,
            on_failure="hold",
            executor_factory=lambda parameters: DatabaseRetryEntrypointExecutor(
                parameters, max_attempts=_MOST_ATTEMPTS, max_delay=_LONGEST_WAIT
            ),
        )(_wordless(function))
    queue.schedule("revive-mails", "*/10 * * * *")(worker.revive)
    queue.schedule(retention.SWEEP, retention.NIGHTLY)(worker.sweep)
    return queue
