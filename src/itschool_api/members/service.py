"""Members of a school: what they are there, and the end of it.

The guardian role comes and goes with `guardians.user_id`, never by itself: whoever has one has the
other. So roles of staff are given and taken here, beside it, and a parent who works at the school
has one login with both. The end of a membership ends everything at this school, and nothing
elsewhere.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import errors, pagination, trail
from itschool_api.auth import limits, logins
from itschool_api.auth import service as auth
from itschool_api.auth.caller import STAFF, Caller, Role
from itschool_api.auth.models import User
from itschool_api.auth.repository import Users
from itschool_api.families import links
from itschool_api.members.repository import Members
from itschool_api.members.schemas import Member, MemberPage, NewMember
from itschool_api.outbox import service as outbox
from itschool_api.pagination import Order, Slice


class MemberNotFound(errors.NotFound):
    """There is no such member of the school."""


class OwnMembership(errors.Conflict):
    """You cannot take this from yourself: another admin can."""


class NoAdminLeft(errors.Conflict):
    """The school would have no admin left."""


class NoRoleLeft(errors.Conflict):
    """They would be nothing at the school any more: end their membership instead."""


class MemberNotReachable(errors.Conflict):
    """Their login is disabled or has no e-mail address, so no invitation can reach them."""


async def list_members(
    session: AsyncSession,
    caller: Caller,
    *,
    search: str,
    role: Role | None,
    has_second_factor: bool | None,
    wanted: Slice,
) -> MemberPage:
    """Return members by name."""
    query = Members(session, caller.school_id).selected(
        search=search, role=role, has_second_factor=has_second_factor
    )
    order = Order((User.last_name, User.first_name, User.id))
    rows, following = await pagination.rows(session, query, order, wanted)
    return MemberPage(items=[_member(row) for row in rows], next=following)


async def read_member(session: AsyncSession, school_id: UUID, user_id: UUID) -> Member:
    """Return a member; raises `MemberNotFound`."""
    query = Members(session, school_id).selected().where(User.id == user_id)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise MemberNotFound
    return _member(row)


async def add_member(session: AsyncSession, school_id: UUID, form: NewMember) -> Member:
    """Make a person who works at the school, and send them their way in."""
    roles = sorted(set(form.roles))
    user = await auth.create_user(session, school_id, roles, **form.model_dump(exclude={"roles"}))
    await outbox.send(session, school_id, outbox.Kind.INVITATION, user)
    trail.about(session, user=user.id)
    return await read_member(session, school_id, user.id)


async def invite_member(session: AsyncSession, school_id: UUID, user_id: UUID) -> Member:
    """Send a member their way in again.

    Raises `MemberNotFound`, `MemberNotReachable`, `limits.TooOften`.
    """
    member = await read_member(session, school_id, user_id)
    user = await auth.user(session, user_id)
    if user.email is not None:
        await limits.count_mail(session, user.email)
    if await outbox.send(session, school_id, outbox.Kind.INVITATION, user) is None:
        raise MemberNotReachable
    return member


async def change_roles(
    session: AsyncSession, caller: Caller, user_id: UUID, roles: Collection[Role]
) -> Member:
    """Give and take roles of staff; they count from the member's next request on.

    A login that was a guardian's alone begins anew. Raises `MemberNotFound`, `MemberNotReachable`,
    `NoRoleLeft`, `OwnMembership`, `NoAdminLeft`.
    """
    members = Members(session, caller.school_id)
    held = await _held(members, user_id)
    wanted = set(roles) | (held & {Role.GUARDIAN})
    if not wanted:
        raise NoRoleLeft
    if Role.ADMIN in held - wanted:
        await _refuse_last_admin(members, caller, user_id)
    if held == wanted:
        trail.forget(session)
    await members.take(user_id, held - wanted)
    await Users(session).join([user_id], caller.school_id, sorted(wanted - held))
    trail.note(session, given=sorted(wanted - held), taken=sorted(held - wanted))
    if wanted - held:
        await logins.widened(session, user_id)
    if not STAFF.isdisjoint(wanted) and STAFF.isdisjoint(held):
        await _begin_as_staff(session, caller.school_id, user_id)
    return await read_member(session, caller.school_id, user_id)


async def end_membership(session: AsyncSession, caller: Caller, user_id: UUID) -> None:
    """End all that a user is at the school, from their next request on.

    Their guardian's contact data and guardianships stay, and lead to nobody's login.
    Raises `MemberNotFound`, `OwnMembership`, `NoAdminLeft`.
    """
    members = Members(session, caller.school_id)
    held = await _held(members, user_id)
    if Role.ADMIN in held:
        await _refuse_last_admin(members, caller, user_id)
    await links.unlink(session, caller.school_id, user_id)
    await members.take(user_id, held)
    await logins.leave(session, user_id, caller.school_id)


async def disable_member(session: AsyncSession, caller: Caller, user_id: UUID) -> Member:
    """Disable the login of a member who belongs to no other school.

    Raises `MemberNotFound`, `logins.MemberElsewhere`, `OwnMembership`, `NoAdminLeft`.
    """
    members = Members(session, caller.school_id)
    held = await _held(members, user_id)
    user = await logins.of_school(session, user_id, caller.school_id)
    if Role.ADMIN in held:
        await _refuse_last_admin(members, caller, user_id)
    await logins.disable(session, user)
    return await read_member(session, caller.school_id, user_id)


async def enable_member(session: AsyncSession, caller: Caller, user_id: UUID) -> Member:
    """Enable the login of a member who belongs to no other school.

    Raises `MemberNotFound`, `logins.MemberElsewhere`.
    """
    await read_member(session, caller.school_id, user_id)
    user = await logins.of_school(session, user_id, caller.school_id)
    await logins.enable(session, user)
    return await read_member(session, caller.school_id, user_id)


async def _held(members: Members, user_id: UUID) -> set[Role]:
    """Return a member's roles, which nobody else takes meanwhile; raises `MemberNotFound`."""
    await members.lock_roles()
    held = await members.roles_of(user_id)
    if not held:
        raise MemberNotFound
    return held


async def _begin_as_staff(session: AsyncSession, school_id: UUID, user_id: UUID) -> None:
    """Let only who reads the login's own mail go on with it: the office may have printed a way in.

    Raises `MemberNotReachable`.
    """
    user = await Users(session).locked(user_id)
    if user is None or user.email is None:
        raise MemberNotReachable
    await logins.begin_anew(session, user, user.email)
    await outbox.send(session, school_id, outbox.Kind.INVITATION, user)


async def _refuse_last_admin(members: Members, caller: Caller, user_id: UUID) -> None:
    if user_id == caller.user_id:
        raise OwnMembership
    # The caller may have been an admin when they asked, and be none now.
    if not await members.has_other_admin(user_id):
        raise NoAdminLeft


def _member(row: Any) -> Member:
    return Member(
        user_id=row.id,
        user_name=row.user_name,
        first_name=row.first_name,
        last_name=row.last_name,
        email=row.email,
        language=row.language,
        roles=sorted(row.roles),
        disabled=row.disabled_at is not None,
        last_login_at=row.last_login_at,
        has_second_factor=row.has_second_factor,
    )
