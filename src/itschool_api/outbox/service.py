"""A school's mails: asked for in the transaction of what they tell, and what became of each.

To send one, and to send to a whole school at once (one INSERT and one job statement for all)::

    from itschool_api.outbox import service as outbox

    await outbox.send(session, school_id, outbox.Kind.INVITATION, user)
    await outbox.send_many(session, school_id, outbox.Kind.OFFER, [(user, offer.id), …])

The transaction must be within the school. It leaves a row in `mails`, *queued*, and a job that
carries the ids alone; both are there if, and only if, it commits. The worker (`outbox.sending`)
makes the words, and the login token of an invitation follows from the mail's id, so that every
try is the same message. Who has no e-mail address or is disabled is written to no more: `send`
returns None. `auth`, which stands below, asks through `auth.notices`.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, jobs, pagination, trail
from itschool_api.auth import login_tokens
from itschool_api.auth import service as auth
from itschool_api.auth.models import User
from itschool_api.database import enter_school, insert_many, new_id
from itschool_api.mail import messages
from itschool_api.outbox import models
from itschool_api.outbox.repository import Mails
from itschool_api.outbox.schemas import Mail, MailPage, MailSort, MailStatus
from itschool_api.pagination import Slice

MAIL_JOB: Final = "mail"
Kind = messages.Kind
TOKEN_LIVES: Final = {
    Kind.INVITATION: login_tokens.INVITATION_LIFE,
    Kind.LOGIN_TOKEN: login_tokens.RESET_LIFE,
    Kind.EMAIL_CONFIRMATION: login_tokens.RESET_LIFE,
}
_ORDERS: Final = pagination.orders({"id": (models.Mail.id,)})
# By then the worker has surely taken a job that is there.
_LATE = timedelta(minutes=10)


class MailNotFound(errors.NotFound):
    """There is no such mail."""


class MailNotFailed(errors.Conflict):
    """This mail has left, or is still being tried."""


class MailOutdated(errors.Conflict):
    """The login token in this mail has ended: send a new one."""


async def send(
    session: AsyncSession,
    school_id: UUID,
    kind: messages.Kind,
    user: User,
    *,
    about_id: UUID | None = None,
) -> UUID | None:
    """Send a user a mail in the school's name; return its id, or None without an address.

    `about_id` is what it tells of, such as an offer or an export.
    """
    return (await send_many(session, school_id, kind, [(user, about_id)])).get(user.id)


async def send_to(
    session: AsyncSession, school_id: UUID, kind: messages.Kind, user: User, address: str
) -> None:
    """Send a user a mail to an address that need not be theirs yet."""
    row = _row(school_id, new_id(), kind, user, address, clock.now(), None)
    await _queue(session, school_id, [row])


async def newest(
    session: AsyncSession, school_id: UUID, kind: messages.Kind, user_id: UUID
) -> models.Mail | None:
    """Return the newest mail of a kind to a user."""
    query = Mails(session, school_id).selected(kind=kind, user_id=user_id)
    return (
        await session.execute(query.order_by(models.Mail.id.desc()).limit(1))
    ).scalar_one_or_none()


async def send_many(
    session: AsyncSession,
    school_id: UUID,
    kind: messages.Kind,
    addressees: Sequence[tuple[User, UUID | None]],
) -> dict[UUID, UUID]:
    """Send each user a mail about something; return the mails' ids by user.

    Whoever has no address is left out. A user is addressed once.
    """
    now = clock.now()
    queued = {
        user.id: _row(school_id, new_id(), kind, user, user.email, now, about_id)
        for user, about_id in addressees
        if user.email is not None and user.disabled_at is None
    }
    await _queue(session, school_id, [*queued.values()])
    return {user_id: row["id"] for user_id, row in queued.items()}


async def list_mails(
    session: AsyncSession,
    school_id: UUID,
    *,
    status: MailStatus | None,
    kind: messages.Kind | None,
    user_id: UUID | None,
    user_name: str | None,
    sort: MailSort,
    wanted: Slice,
) -> MailPage:
    """Return the school's mails.

    Its offers are not among them, nor found otherwise: they would tell whether their person exists.
    """
    query = Mails(session, school_id).selected(
        status=status, kind=kind, user_id=user_id, user_name=user_name
    )
    rows, following = await pagination.rows(session, query, _ORDERS[sort], wanted)
    return MailPage(items=[Mail.model_validate(row[0]) for row in rows], next=following)


async def mail(session: AsyncSession, school_id: UUID, mail_id: UUID) -> models.Mail:
    """Return a mail; raises `MailNotFound`."""
    found = await Mails(session, school_id).get(mail_id)
    if found is None or found.kind == Kind.OFFER:
        raise MailNotFound
    return found


async def retry(session: AsyncSession, school_id: UUID, mail_id: UUID) -> models.Mail:
    """Queue a failed mail again: the same message, with the same token.

    Raises `MailNotFound`, `MailNotFailed`, `MailOutdated`.
    """
    found = await Mails(session, school_id).locked(mail_id)
    if found is None or found.kind == Kind.OFFER:
        raise MailNotFound
    if found.status != MailStatus.FAILED:
        raise MailNotFailed
    ends_at = outdated_at(found)
    if ends_at is not None and ends_at <= clock.now():
        raise MailOutdated
    found.status = MailStatus.QUEUED
    await session.flush()
    await _enqueue(session, school_id, [mail_id])
    return found


def outdated_at(mail: models.Mail) -> datetime | None:
    """Return from when a mail's login token works no more; None for a mail that has none."""
    life = TOKEN_LIVES.get(Kind(mail.kind))
    return mail.queued_at + life if life is not None else None


async def send_notice(
    session: AsyncSession,
    school_id: UUID,
    mail_id: UUID,
    kind: messages.Kind,
    user_id: UUID,
    happened_at: datetime,
    *,
    about_id: UUID | None = None,
) -> None:
    """Send what `auth.notices` and offers ask for; the second time it is there already."""
    user = await auth.user(session, user_id)
    if user.email is None or await Mails(session, school_id).get(mail_id) is not None:
        return
    row = _row(school_id, mail_id, kind, user, user.email, happened_at, about_id)
    await _queue(session, school_id, [row])


async def send_requested_tokens(session: AsyncSession, request_id: UUID) -> None:
    """Turn a request for a login token into a mail in each school of the address's users.

    An address that nobody has leads to nothing. Of people who share one, those of one school get
    one mail together, which that school's office can see.
    """
    wish = await login_tokens.take_request(session, request_id)
    if wish is None:
        return
    first: dict[UUID, User] = {}
    for user in await auth.users_at(session, wish.email):
        for school_id in (await auth.schools_of(session, user.id))[-1:]:
            first.setdefault(school_id, user)
    for school_id, user in first.items():
        await enter_school(session, school_id)
        trail.begin(session, school_id, actor=trail.WORKER, action="send_login_token")
        trail.about(session, user=user.id)
        row = _row(school_id, new_id(), Kind.LOGIN_TOKEN, user, wish.email, wish.created_at, None)
        await _queue(session, school_id, [row])
        await trail.leave(session)


async def revive(session: AsyncSession, school_id: UUID, living: Collection[UUID]) -> int:
    """Ask anew for each mail that waits although no job of `living` is for it; return how many.

    A mail and its job are of one transaction, and a job ends after its mail's row says what
    became of it, so there is none; but jobs are also cleared by hand, or lost with a worker that
    is stopped in the middle.
    """
    waiting = await Mails(session, school_id).queued_before(clock.now() - _LATE)
    lost = [mail_id for mail_id in waiting if mail_id not in living]
    await _enqueue(session, school_id, lost)
    return len(lost)


def _row(
    school_id: UUID,
    mail_id: UUID,
    kind: messages.Kind,
    user: User,
    recipient: str,
    queued_at: datetime,
    about_id: UUID | None,
) -> dict[str, Any]:
    return {
        "school_id": school_id,
        "id": mail_id,
        "kind": kind.value,
        "user_id": user.id,
        "about_id": about_id,
        "recipient": recipient,
        "language": user.language,
        "status": MailStatus.QUEUED,
        "attempts": 0,
        "queued_at": queued_at,
    }


async def _queue(session: AsyncSession, school_id: UUID, rows: Sequence[Mapping[str, Any]]) -> None:
    trail.about(session, mail=[row["id"] for row in rows])
    await insert_many(session, models.Mail, rows)
    await _enqueue(session, school_id, [row["id"] for row in rows])


async def _enqueue(session: AsyncSession, school_id: UUID, mail_ids: Sequence[UUID]) -> None:
    if mail_ids:
        await jobs.enqueue(
            session, MAIL_JOB, *({"school": school_id, "mail": mail_id} for mail_id in mail_ids)
        )
