"""One's own login: its user name, its language, its address.

A new address counts once a code has come from it, so that neither a typing mistake nor a stolen
session sends a person's mail to somebody else; and the former address is told.
"""

import hmac

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, trail
from itschool_api.auth import credentials, limits, logins, proofs
from itschool_api.auth.caller import Caller
from itschool_api.auth.models import User
from itschool_api.auth.proofs import Door
from itschool_api.auth.repository import Users
from itschool_api.auth.service import Authority
from itschool_api.members.schemas import MyChanges, NewAddress
from itschool_api.outbox import service as outbox
from itschool_api.schools import service as schools
from itschool_api.schools.schemas import Me


class InvalidAddressCode(errors.BadRequest):
    """This code is not valid: it is too old, or a newer one was sent."""


async def change_me(session: AsyncSession, caller: Caller, changes: MyChanges) -> Me:
    """Change the caller's user name and language, where they are given.

    Raises `auth.UserNameTaken`, `limits.TooOften`.
    """
    user = await _locked(session, caller)
    former = user.user_name
    if changes.user_name is not None:
        await logins.rename(session, user, changes.user_name, by=caller.name)
    if changes.language is not None:
        user.language = changes.language
        await session.flush()
    if user.user_name != former:
        await outbox.send(session, caller.school_id, outbox.Kind.LOGIN_CHANGED, user)
    trail.about(session, user=user.id)
    return await schools.me(session, caller)


async def ask_for_address(
    session: AsyncSession, authority: Authority, caller: Caller, form: NewAddress, origin: str
) -> None:
    """Send a code to the address that the caller wants.

    Raises `limits.TooOften`, and what the proofs raise.
    """
    user = await proofs.prove_password(session, caller, form.current_password, origin)
    await proofs.prove_second_factor(
        session, authority.second_factor_key, user, form.otp, origin, Door.SESSION
    )
    await limits.count_mail(session, form.email)
    await outbox.send_to(
        session, caller.school_id, outbox.Kind.EMAIL_CONFIRMATION, user, form.email
    )
    trail.about(session, user=user.id)


async def confirm_address(
    session: AsyncSession, authority: Authority, caller: Caller, typed: str
) -> Me:
    """Give the caller's login the address that the newest code was sent to.

    Raises `InvalidAddressCode`.
    """
    user = await _locked(session, caller)
    mail = await outbox.newest(session, caller.school_id, outbox.Kind.EMAIL_CONFIRMATION, user.id)
    ends_at = outbox.outdated_at(mail) if mail else None
    if mail is None or ends_at is None or ends_at <= clock.now():
        raise InvalidAddressCode
    code = credentials.address_code(authority.login_token_key, mail.id, mail.recipient)
    if not hmac.compare_digest(code, credentials.normalised_login_token(typed)):
        raise InvalidAddressCode
    if user.email != mail.recipient:
        await outbox.send(session, caller.school_id, outbox.Kind.LOGIN_CHANGED, user)
        user.email = mail.recipient
        # What was sent to the former address opens nothing any more.
        await logins.end_ways_in(session, user.id)
        await session.flush()
    trail.about(session, user=user.id)
    return await schools.me(session, caller)


async def _locked(session: AsyncSession, caller: Caller) -> User:
    user = await Users(session).locked(caller.user_id) if caller.user_id else None
    if user is None:
        raise errors.Unauthenticated
    return user
