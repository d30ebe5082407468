"""Notices to people of what became of their way in; the worker makes e-mails of them.

Mails are a school's, and stand above this package: here only a job is asked for, in the
transaction of the change: `await notices.notify(session, Notice.PASSWORD_CHANGED, school, user)`.
"""

from enum import StrEnum
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import jobs
from itschool_api.database import new_id


class Notice(StrEnum):
    """What there is to tell; the name of its job."""

    PASSWORD_CHANGED = "password-changed-notice"  # noqa: S105 - a job's name
    SECOND_FACTOR_CHANGED = "second-factor-changed-notice"
    RECOVERY_CODE_USED = "recovery-code-used-notice"


async def notify(session: AsyncSession, notice: Notice, school_id: UUID, user_id: UUID) -> None:
    """Tell a user, in the name of the school where it happened; without an address, nobody."""
    # The mail's id is given here, so that the job makes one mail however often it is done.
    await jobs.enqueue(session, notice, {"school": school_id, "user": user_id, "mail": new_id()})
