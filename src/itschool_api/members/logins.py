"""Logins that a school cares for: those of its members who belong to no other school.

An admin cares for anybody's, the office for those of guardians who do not work at the school:
whoever decides where a login's mail goes could get in by it.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, trail
from itschool_api.auth import limits, logins
from itschool_api.auth import service as auth
from itschool_api.auth.caller import Caller, Role
from itschool_api.auth.models import User
from itschool_api.families import links
from itschool_api.members.repository import Members, Offers
from itschool_api.members.schemas import Login, LoginChanges
from itschool_api.members.service import MemberNotFound
from itschool_api.outbox import service as outbox


class GuardianHasNoLogin(errors.NotFound):
    """This guardian has no login yet: invite them, or offer them membership."""


class StaffLogin(errors.Conflict):
    """They work at the school: an admin changes their login."""


class OwnLogin(errors.Conflict):
    """Your own login is changed in your profile."""


async def read_guardian_login(session: AsyncSession, school_id: UUID, guardian_id: UUID) -> Login:
    """Return how a guardian logs in; raises `guardians.GuardianNotFound`, `GuardianHasNoLogin`."""
    guardian = await links.guardian(session, school_id, guardian_id)
    if guardian.user_id is None:
        raise GuardianHasNoLogin
    return _login(await auth.user(session, guardian.user_id))


async def change_guardian_login(
    session: AsyncSession, caller: Caller, guardian_id: UUID, changes: LoginChanges
) -> Login:
    """Change the login of a guardian who neither works here nor belongs elsewhere.

    Raises `guardians.GuardianNotFound`, `GuardianHasNoLogin`, and what `change_member_login` does.
    """
    members = Members(session, caller.school_id)
    await members.lock_roles()
    guardian = await links.locked(session, caller.school_id, guardian_id)
    if guardian.user_id is None:
        raise GuardianHasNoLogin
    if await members.roles_of(guardian.user_id) - {Role.GUARDIAN}:
        raise StaffLogin
    return await _change(session, caller, guardian.user_id, changes)


async def change_member_login(
    session: AsyncSession, caller: Caller, user_id: UUID, changes: LoginChanges
) -> Login:
    """Change the login of a member who belongs to no other school.

    Raises `MemberNotFound`, `OwnLogin`, `logins.MemberElsewhere`, `auth.UserNameTaken`,
    `limits.TooOften`.
    """
    if not await Members(session, caller.school_id).roles_of(user_id):
        raise MemberNotFound
    return await _change(session, caller, user_id, changes)


async def unlink_guardian_login(session: AsyncSession, caller: Caller, guardian_id: UUID) -> None:
    """Let a guardian lead to no login; what the person is here besides, they stay.

    Raises `guardians.GuardianNotFound`, `GuardianHasNoLogin`.
    """
    members = Members(session, caller.school_id)
    await members.lock_roles()
    guardian = await links.locked(session, caller.school_id, guardian_id)
    user_id = guardian.user_id
    if user_id is None:
        raise GuardianHasNoLogin
    guardian.user_id = None
    await session.flush()
    await members.take(user_id, [Role.GUARDIAN])
    if not await members.roles_of(user_id):
        await logins.leave(session, user_id, caller.school_id)
    trail.about(session, user=user_id)


async def _change(
    session: AsyncSession, caller: Caller, user_id: UUID, changes: LoginChanges
) -> Login:
    """Change a login, and tell its person; with another address it begins anew."""
    if user_id == caller.user_id:
        raise OwnLogin
    user = await logins.of_school(session, user_id, caller.school_id)
    trail.about(session, user=user.id)
    former_name, former_address = user.user_name, user.email
    before = {"user_name": former_name, "email": former_address, "language": user.language}
    trail.note(
        session, changed=[name for name, was in before.items() if getattr(changes, name) != was]
    )
    await logins.rename(session, user, changes.user_name, by=caller.name)
    user.language = changes.language
    if changes.email != former_address:
        # Whoever reads the new address's mail has not agreed to anything yet.
        await Offers(session).withdraw_to_user(user.id, clock.now())
        if former_address is not None:
            await _tell(session, caller.school_id, user)
        await limits.count_mail(session, changes.email)
        await logins.begin_anew(session, user, changes.email)
        await outbox.send(session, caller.school_id, outbox.Kind.INVITATION, user)
    elif user.user_name != former_name:
        await _tell(session, caller.school_id, user)
    await session.flush()
    return _login(user)


async def _tell(session: AsyncSession, school_id: UUID, user: User) -> None:
    await outbox.send(session, school_id, outbox.Kind.LOGIN_CHANGED, user)


def _login(user: User) -> Login:
    return Login(
        user_id=user.id,
        user_name=user.user_name,
        email=user.email,
        language=user.language,
        disabled=user.disabled_at is not None,
        last_login_at=user.last_login_at,
    )
