"""What is not kept: swept away each night, a batch at a time.

Of two workers one sweeps; should both, the second finds nothing left. A step that fails is told and
leaves the others to be done. What law keeps longer is not the program's to remove: `bookkeeping`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

import structlog
from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    tuple_,
)

from itschool_api import clock, idempotency, logs
from itschool_api.auth.models import (
    KnownOrigin,
    LoginToken,
    LoginTokenRequest,
    MembershipOffer,
    RateCounter,
    RefreshToken,
    SigningKey,
    UserSession,
)
from itschool_api.database import Base, Sessions, school_transaction
from itschool_api.idempotency import StoredAnswer
from itschool_api.members import offers
from itschool_api.outbox.models import Mail
from itschool_api.privacy import exports
from itschool_api.privacy.erasure import Office
from itschool_api.privacy.leavers import erase_leavers
from itschool_api.privacy.models import Export
from itschool_api.privacy.schemas import ExportStatus
from itschool_api.schools import service as schools
from itschool_api.settings import Settings
from itschool_api.webhooks.models import WebhookDelivery, WebhookEvent

SWEEP: Final = "sweep"
NIGHTLY: Final = "17 2 * * *"  # UTC: night in Belgium, summer and winter
_BATCH: Final = 1000
_ONE_DAY: Final = timedelta(days=1)
# Signing keys verify for minutes after they retire.
_RETIRED: Final = timedelta(days=30)
# A file that no row names is one of a database that was restored from before it.
_ORPHAN: Final = timedelta(days=1)
# Failed jobs are held for the operator to look at.
_JOBS: Final = {
    "pgqueuer_log": "created < :before",
    "pgqueuer_statistics": "created < :before",
    "pgqueuer": "status = 'failed' AND updated < :before",
}
_log = structlog.get_logger(__name__)

Step = Callable[[], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Sweeper:
    """What a sweep takes."""

    settings: Settings
    sessions: Sessions
    office: Office

    async def sweep(self) -> dict[str, int]:
        """Remove what is not kept any more, everywhere; return how much of each."""
        now = clock.now()
        done = await self._all(self._global_steps(now))
        async with self.sessions.begin() as session:
            everywhere = [school.id for school in await schools.all_schools(session)]
        for school_id in everywhere:
            for name, count in (await self._all(self._steps_of(school_id, now))).items():
                done[name] = done.get(name, 0) + count
        _log.info("retention.swept", schools=len(everywhere), **done)
        return done

    async def _all(self, steps: Mapping[str, Step]) -> dict[str, int]:
        done = {}
        for name, step in steps.items():
            try:
                done[name] = await step()
            except Exception as error:  # noqa: BLE001 - whatever it was, the others go on
                _log.error(
                    "retention.failed",
                    step=name,
                    error=type(error).__name__,
                    traceback=logs.places(error),
                )
        return done

    def _global_steps(self, now: datetime) -> dict[str, Step]:
        ended = now - timedelta(days=self.settings.retention_session_days)
        over = or_(UserSession.revoked_at < ended, UserSession.expires_at < ended)
        rows: dict[type[Base], ColumnElement[bool]] = {
            LoginTokenRequest: LoginTokenRequest.created_at < now - _ONE_DAY,
            LoginToken: or_(LoginToken.used_at < ended, LoginToken.expires_at < ended),
            RefreshToken: exists().where(UserSession.id == RefreshToken.session_id, over),
            UserSession: and_(over, ~exists().where(RefreshToken.session_id == UserSession.id)),
            KnownOrigin: KnownOrigin.last_seen_at
            < now - timedelta(days=self.settings.retention_origin_days),
            MembershipOffer: or_(
                MembershipOffer.answered_at < ended,
                MembershipOffer.offered_at < ended - offers.LIFE,
            ),
            RateCounter: RateCounter.window_at < now - _ONE_DAY,
            SigningKey: SigningKey.retired_at < now - _RETIRED,
        }
        steps: dict[str, Step] = {
            model.__tablename__: self._removing(model, old) for model, old in rows.items()
        }
        steps["jobs"] = lambda: self._remove_jobs(now)
        return steps

    def _steps_of(self, school_id: UUID, now: datetime) -> dict[str, Step]:
        told = now - timedelta(days=self.settings.retention_webhook_days)
        undelivered = exists().where(
            WebhookDelivery.school_id == WebhookEvent.school_id,
            WebhookDelivery.event_id == WebhookEvent.id,
        )
        return {
            StoredAnswer.__tablename__: self._removing(
                StoredAnswer, StoredAnswer.stored_at < now - idempotency.LIFE, school_id
            ),
            Mail.__tablename__: lambda: self._remove_mails(school_id, now),
            WebhookDelivery.__tablename__: self._removing(
                WebhookDelivery, WebhookDelivery.created_at < told, school_id
            ),
            WebhookEvent.__tablename__: self._removing(
                WebhookEvent, and_(WebhookEvent.occurred_at < told, ~undelivered), school_id
            ),
            Export.__tablename__: lambda: self._remove_exports(school_id, now),
            "export_files": lambda: self.remove_orphans(school_id, now),
            "leavers": lambda: erase_leavers(
                self.sessions, self.office, school_id, self.settings.retention_leaver_months
            ),
        }

    def _removing(
        self, model: type[Base], old: ColumnElement[bool], school_id: UUID | None = None
    ) -> Step:
        """Return the step that deletes the old rows of a table, in batches of their own."""
        key = cast("Table", model.__table__).primary_key.columns
        some = select(*key).where(old).limit(_BATCH)
        batch = delete(model).where(tuple_(*key).in_(some))

        async def step() -> int:
            count, more = 0, True
            while more:
                async with self._transaction(school_id) as session:
                    found = await session.execute(
                        batch, execution_options={"synchronize_session": False}
                    )
                removed: int = found.rowcount
                count += removed
                more = removed == _BATCH
            return count

        return step

    def _transaction(self, school_id: UUID | None) -> Any:
        if school_id is None:
            return self.sessions.begin()
        return school_transaction(self.sessions, school_id)

    async def _remove_jobs(self, now: datetime) -> int:
        before = now - timedelta(days=self.settings.retention_job_days)
        count = 0
        for table, old in _JOBS.items():
            some = f"SELECT id FROM {table} WHERE {old} LIMIT {_BATCH}"  # noqa: S608 - constants
            statement = text(f"DELETE FROM {table} WHERE id IN ({some})")  # noqa: S608 - the same
            removed = _BATCH
            while removed == _BATCH:
                async with self.sessions.begin() as session:
                    found = await session.execute(statement, {"before": before})
                removed = found.rowcount  # type: ignore[attr-defined]
                count += removed
        return count

    async def _remove_mails(self, school_id: UUID, now: datetime) -> int:
        before = now - timedelta(days=self.settings.retention_mail_days)
        count, more = 0, True
        while more:
            async with school_transaction(self.sessions, school_id) as session:
                some = select(Mail.id).where(Mail.school_id == school_id, Mail.queued_at < before)
                gone = (
                    delete(Mail)
                    .where(Mail.school_id == school_id, Mail.id.in_(some.limit(_BATCH)))
                    .returning(Mail.id)
                    .execution_options(synchronize_session=False)
                )
                ids = (await session.execute(gone)).scalars().all()
                await self.office.mails.forget(ids)
            count += len(ids)
            more = len(ids) == _BATCH
        return count

    async def _remove_exports(self, school_id: UUID, now: datetime) -> int:
        """Let the files of exports expire, and of those that could not be made."""
        lost = now - timedelta(days=self.settings.retention_export_days)
        async with school_transaction(self.sessions, school_id) as session:
            query = (
                select(Export)
                .where(
                    Export.school_id == school_id,
                    Export.file_key.is_not(None),
                    or_(
                        Export.expires_at <= now,
                        (Export.status != ExportStatus.READY) & (Export.requested_at <= lost),
                    ),
                )
                .with_for_update(skip_locked=True)
            )
            found = (await session.execute(query)).scalars().all()
            for export in found:
                await exports.remove_file(self.office.storage, export)
        return len(found)

    async def remove_orphans(self, school_id: UUID, now: datetime) -> int:
        """Remove files of exports that no row names; return how many."""
        written = await self.office.storage.names(school_id, exports.FOLDER)
        old = {key for key, at in written if at < now - _ORPHAN}
        async with school_transaction(self.sessions, school_id) as session:
            query = select(Export.file_key).where(
                Export.school_id == school_id, Export.file_key == func.any(list(old))
            )
            known = set((await session.execute(query)).scalars())
        for key in old - known:
            await self.office.storage.remove(key)
        return len(old - known)
