"""Sending a queued mail: its words are made, it is handed over, and its row says what came of it.

Twice two steps, each a transaction: first the login tokens are made, so that they work before
anybody can read them; then the message is handed over while its row is locked, so that no other
worker sends it at the same time. Whoever stops between the handing over and the commit sends it
again, with the same Message-ID and the same token.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final, cast
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock
from itschool_api.auth import credentials, login_tokens
from itschool_api.auth import service as auth
from itschool_api.auth.models import User
from itschool_api.database import Sessions, school_transaction
from itschool_api.languages import Language
from itschool_api.mail import messages
from itschool_api.mail.delivery import Delivery, Misconfigured, NotDelivered, Postponed
from itschool_api.mail.messages import InvalidMail, Kind, Login
from itschool_api.outbox.models import Mail
from itschool_api.outbox.repository import Mails
from itschool_api.outbox.schemas import MailStatus
from itschool_api.outbox.service import TOKEN_LIVES, outdated_at
from itschool_api.schools import service as schools

_LONGEST_REASON: Final = 300
# Nothing else is written in this alphabet, at this length.
_TOKEN: Final = re.compile(r"[A-Z2-7]{8}(?:-[A-Z2-7]{8}){3}", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"[^\s<>@:;,\"'()]+@[^\s<>@:;,\"'()]+")
_log = structlog.get_logger(__name__)


class TryAgain(Exception):
    """The mail waits still: try again later."""


class _Hopeless(Exception):
    """The mail cannot be sent, now or later; says why, for the school's office."""


class _Superseded(Exception):
    """The mail would tell what a newer one tells: nothing went wrong."""


@dataclass(frozen=True, slots=True)
class PostOffice:
    """What sending takes."""

    sessions: Sessions
    login_token_key: bytes
    delivery: Delivery
    mail_from: str
    web_app_url: str


async def send(office: PostOffice, school_id: UUID, mail_id: UUID, *, is_last_try: bool) -> None:
    """Send a mail that is queued; raises `TryAgain`, unless it is the last try.

    One that is sent, given up or removed meanwhile is left as it is.
    """
    async with school_transaction(office.sessions, school_id) as session:
        mail = await _mine(session, school_id, mail_id)
        if mail is None:
            return
        try:
            message = await _written(session, office, mail)
        except _Superseded:
            mail.status = MailStatus.SUPERSEDED
            mail.reason = "A newer login token was made meanwhile; this one would not work."
            _log.info("mail.superseded", mail=str(mail.id), kind=mail.kind)
            return
        except (_Hopeless, InvalidMail) as reason:
            words = reason if isinstance(reason, _Hopeless) else "The address is not valid."
            _give_up(mail, str(words))
            return
    async with school_transaction(office.sessions, school_id) as session:
        mail = await _mine(session, school_id, mail_id)
        if mail is None:
            return
        failure = await _hand_over(office.delivery, mail, message)
        if failure is not None and (is_last_try or not isinstance(failure, Postponed)):
            mail.status = MailStatus.FAILED
        waits = mail.status == MailStatus.QUEUED
    if waits:
        raise TryAgain


async def give_up(office: PostOffice, school_id: UUID, mail_id: UUID) -> None:
    """Note that a mail will not be sent, for a reason that only the operator can know."""
    async with school_transaction(office.sessions, school_id) as session:
        mail = await _mine(session, school_id, mail_id)
        if mail is not None:
            _give_up(mail, "Something went wrong on our side.")


async def _mine(session: AsyncSession, school_id: UUID, mail_id: UUID) -> Mail | None:
    """Return a mail that waits, locked; raises `TryAgain` where another worker has it."""
    mails = Mails(session, school_id)
    mail = await mails.locked(mail_id, skip_locked=True)
    if mail is None and await mails.get(mail_id) is not None:
        raise TryAgain
    return mail if mail is not None and mail.status == MailStatus.QUEUED else None


async def _written(session: AsyncSession, office: PostOffice, mail: Mail) -> EmailMessage:
    """Return the message of a mail, making the login tokens that it tells.

    Raises `_Hopeless`, `_Superseded`.
    """
    kind = Kind(mail.kind)
    user = await auth.user(session, mail.user_id)
    if user.disabled_at is not None:
        raise _Hopeless("This user is disabled.")
    until = outdated_at(mail)
    if until is not None and until <= clock.now():
        raise _Hopeless("Its login token has ended before it could be sent.")
    if kind is Kind.INVITATION:
        # A way in goes to where its user is reached now, and nowhere else.
        if user.email is None:
            raise _Hopeless("This user has no e-mail address any more.")
        mail.recipient = user.email
        logins = await _with_tokens(session, office, mail, [(user, mail.id)])
    elif kind is Kind.LOGIN_TOKEN:
        users = await auth.users_at(session, mail.recipient)
        here = [
            (each, uuid5(mail.id, str(each.id)))
            for each in users
            if (await auth.schools_of(session, each.id))[-1:] == [mail.school_id]
        ]
        logins = await _with_tokens(session, office, mail, here)
    else:
        code = None
        if kind is Kind.EMAIL_CONFIRMATION:
            code = credentials.address_code(office.login_token_key, mail.id, mail.recipient)
        logins = (Login(name=user.first_name, user_name=user.user_name, token=code),)
    school, profile = await schools.profile(session, mail.school_id)
    return messages.write(
        kind,
        messages.Occasion(
            key=f"{mail.kind}.{mail.id}",
            language=cast("Language", mail.language),
            school=school.name,
            time_zone=ZoneInfo(school.time_zone),
            sender=office.mail_from,
            recipient=mail.recipient,
            reply_to=profile.email,
            web_app_url=office.web_app_url,
            sent_at=mail.queued_at,
        ),
        logins,
        at=until or mail.queued_at,
        about=str(mail.about_id) if mail.about_id else None,
    )


async def _with_tokens(
    session: AsyncSession, office: PostOffice, mail: Mail, whose: Sequence[tuple[User, UUID]]
) -> tuple[Login, ...]:
    life = TOKEN_LIVES[Kind(mail.kind)]
    granted = [
        await login_tokens.grant_login_token(
            session, office.login_token_key, user, token_id, mail.queued_at, life
        )
        for user, token_id in whose
    ]
    logins = tuple(
        Login(
            name=grantee.user.first_name,
            user_name=grantee.user.user_name,
            token=grantee.token,
        )
        for grantee in granted
        if grantee.is_newest
    )
    if not logins:
        raise _Superseded
    return logins


async def _hand_over(delivery: Delivery, mail: Mail, message: EmailMessage) -> NotDelivered | None:
    """Try once, and note in the row what came of it."""
    failure = None
    try:
        await delivery.send(message)
    except NotDelivered as error:
        failure = error
    mail.attempts += 1
    mail.attempted_at = clock.now()
    if failure is None:
        mail.status, mail.sent_at, mail.reason = MailStatus.SENT, mail.attempted_at, None
        _log.info("mail.sent", mail=str(mail.id), kind=mail.kind)
        return None
    mail.reason = _for_the_office(failure, mail.recipient)
    # The log is for the operator and names nobody.
    _log.warning(
        "mail.not_delivered",
        mail=str(mail.id),
        kind=mail.kind,
        failure=type(failure).__name__,
        reason=_ADDRESS.sub("…", _plain(str(failure))),
    )
    return failure


def _give_up(mail: Mail, reason: str) -> None:
    mail.status, mail.reason = MailStatus.FAILED, reason
    _log.warning("mail.given_up", mail=str(mail.id), kind=mail.kind, reason=reason)


def _for_the_office(failure: NotDelivered, recipient: str) -> str:
    """Say why a mail did not leave: what its server said of it, and nothing of our own set-up."""
    if failure.reply is None:
        if isinstance(failure, Misconfigured):
            return "The mail server takes nothing from us: tell the operator."
        return "The mail server cannot be reached."
    return _ADDRESS.sub(
        lambda found: found[0] if found[0].lower() == recipient.lower() else "…",
        _plain(failure.reply),
    )


def _plain(words: str) -> str:
    """Return a server's words on one line, without the token that it may quote."""
    line = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    return _TOKEN.sub("…", line)[:_LONGEST_REASON]
