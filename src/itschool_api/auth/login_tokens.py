"""Login tokens: asked for by e-mail, made once, redeemed once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, jobs
from itschool_api.auth import credentials, limits, sessions, tokens
from itschool_api.auth.models import LoginToken, LoginTokenRequest, User, UserSession
from itschool_api.auth.repository import LoginTokenRequests, LoginTokens, RateCounters, Users
from itschool_api.auth.schemas import TokenPair
from itschool_api.auth.service import Authority
from itschool_api.database import new_id

RESET_LIFE = timedelta(hours=1)
INVITATION_LIFE = timedelta(days=14)
# Paper travels slower, by school bag, and over a week or two of holidays.
LETTER_LIFE = timedelta(days=30)
_RESTRICTED_LIFE = timedelta(minutes=30)
# A whole school may sit behind one address; who asks more often fills our queue.
_REQUESTS_PER_SENDER = 100
_log = structlog.get_logger(__name__)
LOGIN_TOKEN_JOB = "login-token-mail"  # noqa: S105 - a job's name


class InvalidLoginToken(errors.BadRequest):
    """This login token is not valid: it was used, is too old, or a newer one was sent."""


@dataclass(frozen=True, slots=True)
class Grantee:
    """A user's freshly made login token, in clear: for mail and paper, never for a log."""

    user: User
    token: str
    expires_at: datetime
    is_newest: bool
    """Whether no newer one was made meanwhile: an older one works no more."""


async def request_login_token(session: AsyncSession, email: str, sender: str) -> None:
    """Ask for a login token by e-mail: the same work whether the address is known or not.

    At most three are sent to an address in a quarter of an hour, and a hundred for one sender
    (the network address that asks); beyond, nothing is sent and nothing is told.
    """
    now = clock.now()
    wanted = limits.hashed_key("login-token-mail", email)
    asked = limits.hashed_key("login-token-from", sender)
    window = limits.window_at(now)
    hits = await RateCounters(session).hit({wanted: window, asked: window})
    if hits[wanted] > limits.MAILS_PER_ADDRESS or hits[asked] > _REQUESTS_PER_SENDER:
        return
    wish = LoginTokenRequest(id=new_id(), email=email, created_at=now)
    session.add(wish)
    await session.flush()
    await jobs.enqueue(session, LOGIN_TOKEN_JOB, {"request": wish.id})


async def take_request(session: AsyncSession, request_id: UUID) -> LoginTokenRequest | None:
    """Take a request out, or None: it was taken before.

    What was asked for is then a mail, if anybody has that address; else nothing of it is kept.
    """
    return await LoginTokenRequests(session).take(request_id)


async def grant_login_token(
    session: AsyncSession,
    key: bytes,
    user: User,
    token_id: UUID,
    created_at: datetime,
    life: timedelta,
) -> Grantee:
    """Make the user's one valid login token; it follows from its id."""
    token = credentials.login_token(key, token_id)
    row = LoginToken(
        id=token_id,
        user_id=user.id,
        token_sha256=tokens.sha256(token),
        created_at=created_at,
        expires_at=created_at + life,
    )
    await Users(session).locked(user.id)  # of two grants at once, one is the newest
    is_newest = await LoginTokens(session).replace(row)
    return Grantee(user, token, row.expires_at, is_newest)


async def grant_login_tokens(
    session: AsyncSession,
    key: bytes,
    users: Sequence[User],
    created_at: datetime,
    expires_at: datetime,
) -> list[Grantee]:
    """Make every user's one valid login token, all by the same few statements.

    The users must be locked, or made in this transaction: of two grants, one is the newest.
    For what is handed over at once and made anew when it is lost, such as paper: no job will ask
    for these tokens again. All older ones end, those whose mail is still on its way too.
    """
    rows = [
        LoginToken(
            id=token_id,
            user_id=user.id,
            token_sha256=tokens.sha256(credentials.login_token(key, token_id)),
            created_at=created_at,
            expires_at=expires_at,
        )
        for user, token_id in ((user, new_id()) for user in users)
    ]
    await LoginTokens(session).replace_all(rows, created_at)
    return [
        Grantee(user, credentials.login_token(key, row.id), expires_at, is_newest=True)
        for user, row in zip(users, rows, strict=True)
    ]


async def redeem_login_token(
    session: AsyncSession, authority: Authority, typed: str, address: str
) -> TokenPair:
    """Open a session that may only set the password.

    Raises `InvalidLoginToken`, `limits.TooManyAttempts`.
    """
    token = credentials.normalised_login_token(typed)
    await limits.refuse_guessing(session, None, address)
    now = clock.now()
    user_id = await LoginTokens(session).redeem(tokens.sha256(token), now)
    schools = await Users(session).schools_of(user_id) if user_id else []
    if user_id is None or not schools:
        _log.warning("login_token.refused")
        await limits.count_failure(session, None, address)
        raise InvalidLoginToken
    login = UserSession(
        id=new_id(),
        user_id=user_id,
        school_id=schools[-1],
        restricted=True,
        in_cookie=False,
        last_used_at=now,
        created_at=now,
        expires_at=now + _RESTRICTED_LIFE,
    )
    session.add(login)
    await session.flush()
    _log.info("login_token.redeemed", user=str(user_id), session=str(login.id))
    return await sessions.token_pair(session, authority, login, None)
