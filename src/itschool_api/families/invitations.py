"""Ways in for guardians: users are made for those who have none, and whom to write to is decided.

An invitation goes by e-mail; `letters` prints the same for those who have no address. A school
never sends or prints the way into a login that is more than a guardian's of its own, except to
where its user is reached: that of a user who belongs to another school too, or who works here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, trail
from itschool_api.auth import limits
from itschool_api.auth import service as auth
from itschool_api.auth.caller import Role
from itschool_api.auth.models import User
from itschool_api.auth.service import NewPerson
from itschool_api.families import models, service
from itschool_api.families.guardians import GuardianNotFound
from itschool_api.families.repository import People
from itschool_api.families.schemas import Invitation, InvitationReport, Invited, NewInvitations
from itschool_api.outbox import service as outbox
from itschool_api.schools import service as schools

# Who invites a class twice, or at the same time as somebody else, sends one mail.
_SPACING: Final = timedelta(minutes=15)


class GuardianHasNoEmail(errors.Unprocessable):
    """An invitation goes by e-mail, and this guardian has no address."""


class LoginDisabled(errors.Conflict):
    """This guardian's login is disabled."""


@dataclass(slots=True)
class Invitee:
    """A guardian, locked, and their user if they have one."""

    guardian: models.Guardian
    user: User | None
    is_entangled: bool
    """Whether the user is more than a guardian of this school."""

    @property
    def email(self) -> str | None:
        """Where the way in goes: to the user's own address, once there is a user who has one."""
        if self.user is None:
            return self.guardian.email
        if self.user.email is None and not self.is_entangled:
            return self.guardian.email
        return self.user.email

    @property
    def is_disabled(self) -> bool:
        """Tell whether they were locked out."""
        return self.user is not None and self.user.disabled_at is not None

    @property
    def has_logged_in(self) -> bool:
        """Tell whether they ever were in."""
        return self.user is not None and self.user.last_login_at is not None


class _Fate(Enum):
    """What becomes of one guardian when many are invited."""

    INVITED = auto()
    WITHOUT_EMAIL = auto()
    LOGGED_IN = auto()
    INVITED_BEFORE = auto()
    JUST_INVITED = auto()
    DISABLED = auto()


async def invite_guardian(session: AsyncSession, school_id: UUID, guardian_id: UUID) -> Invitation:
    """Make a user for a guardian, unless there is one, and send the way in by e-mail.

    Raises `GuardianNotFound`, `GuardianHasNoEmail`, `LoginDisabled`, `limits.TooOften`.
    """
    found = await invitees(session, school_id, [guardian_id])
    if not found:
        raise GuardianNotFound
    if found[0].is_disabled:
        raise LoginDisabled
    email = found[0].email
    if email is None:
        raise GuardianHasNoEmail
    await limits.count_mail(session, email)
    (user,) = await _invite(session, school_id, found)
    return Invitation(user_name=user.user_name, email=email)


async def invite_guardians(
    session: AsyncSession, school_id: UUID, form: NewInvitations
) -> InvitationReport:
    """Invite the guardians of a class group or of the whole school, as far as they need it.

    However many they are, by the same few statements. Raises `families.ClassGroupNotFound`.
    """
    found = await invitees_there(session, school_id, form.class_group_id)
    latest = clock.now() - _SPACING
    fates: dict[_Fate, list[Invitee]] = {fate: [] for fate in _Fate}
    for each in found:
        fates[_fate(each, form.only, latest)].append(each)
    invited = fates[_Fate.INVITED]
    without_user = sum(each.user is None for each in invited)
    await _invite(session, school_id, invited)
    trail.note(session, invited=len(invited))
    return InvitationReport(
        guardians=len(found),
        invited=len(invited),
        users_made=without_user,
        without_email=len(fates[_Fate.WITHOUT_EMAIL]),
        logged_in=len(fates[_Fate.LOGGED_IN]),
        invited_before=len(fates[_Fate.INVITED_BEFORE]),
        just_invited=len(fates[_Fate.JUST_INVITED]),
        disabled=len(fates[_Fate.DISABLED]),
    )


async def invitees_there(
    session: AsyncSession, school_id: UUID, class_group_id: UUID | None
) -> list[Invitee]:
    """Return the guardians, locked, of the students of a class group, or of the school.

    Those whose guardianship counts today, of students who are there. Raises
    `families.ClassGroupNotFound`.
    """
    if class_group_id is not None:
        await service.class_group(session, school_id, class_group_id)
    ids = await People(session).guardians_there(
        school_id, schools.today_there(school_id), class_group_id
    )
    return await invitees(session, school_id, ids)


async def invitees(
    session: AsyncSession, school_id: UUID, guardian_ids: Collection[UUID]
) -> list[Invitee]:
    """Return those of the guardians who are of the school and not erased, locked."""
    # Their users are read afterwards: who waited for the lock must see who was made meanwhile.
    guardians = await People(session).locked_guardians(school_id, guardian_ids)
    user_ids = [each.user_id for each in guardians if each.user_id is not None]
    users = await auth.locked_users(session, user_ids)
    entangled = await auth.more_than(session, user_ids, school_id, Role.GUARDIAN)
    return [
        Invitee(
            guardian=each,
            user=users[each.user_id] if each.user_id is not None else None,
            is_entangled=each.user_id in entangled,
        )
        for each in guardians
    ]


async def let_in(session: AsyncSession, school_id: UUID, found: Sequence[Invitee]) -> list[User]:
    """Return the user of each guardian, making those who are missing; they count as invited.

    A user without an address gets the guardian's, unless the login is somebody else's business.
    """
    lacking = [each for each in found if each.user is None]
    made = await auth.create_users(
        session,
        school_id,
        [Role.GUARDIAN],
        [
            NewPerson(
                first_name=each.guardian.first_name,
                last_name=each.guardian.last_name,
                email=each.guardian.email,
                language=each.guardian.language,
            )
            for each in lacking
        ],
    )
    for each, user in zip(lacking, made, strict=True):
        each.user = user
    users = [(each, each.user) for each in found if each.user is not None]
    await auth.give_addresses(
        session,
        [
            (user, each.email)
            for each, user in users
            if user.email is None and each.email is not None
        ],
    )
    await People(session).note_invitations(
        school_id, {each.guardian.id: user.id for each, user in users}, clock.now()
    )
    trail.about(session, guardian=[each.guardian.id for each in found])
    return [user for _, user in users]


async def _invite(session: AsyncSession, school_id: UUID, found: Sequence[Invitee]) -> list[User]:
    users = await let_in(session, school_id, found)
    kind = outbox.Kind.INVITATION
    await outbox.send_many(session, school_id, kind, [(user, None) for user in users])
    return users


def _fate(each: Invitee, only: Invited, latest: datetime) -> _Fate:
    """Decide whether to invite somebody; `latest` is when another invitation may have gone out."""
    invited_at = each.guardian.invited_at
    if each.is_disabled:
        return _Fate.DISABLED
    if only is not Invited.ALL and each.has_logged_in:
        return _Fate.LOGGED_IN
    if only is Invited.NEVER_INVITED and (each.user is not None or invited_at is not None):
        return _Fate.INVITED_BEFORE
    if each.email is None:
        return _Fate.WITHOUT_EMAIL
    if invited_at is not None and invited_at > latest:
        return _Fate.JUST_INVITED
    return _Fate.INVITED
