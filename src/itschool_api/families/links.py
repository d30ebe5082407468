"""A guardian's link with a login: `guardians.user_id`, which goes with the role of a guardian."""

from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.database import held
from itschool_api.families.guardians import GuardianNotFound
from itschool_api.families.models import Guardian


async def guardian(session: AsyncSession, school_id: UUID, guardian_id: UUID) -> Guardian:
    """Return a guardian; raises `GuardianNotFound`."""
    found = await session.get(Guardian, (school_id, guardian_id))
    if found is None:
        raise GuardianNotFound
    return found


async def locked(session: AsyncSession, school_id: UUID, guardian_id: UUID) -> Guardian:
    """Return a guardian whose link nobody else changes meanwhile.

    Raises `GuardianNotFound`, also for one who was erased: there is nobody to link any more.
    """
    found = await held(session, Guardian, school_id, guardian_id)
    if found is None or found.erased_at is not None:
        raise GuardianNotFound
    return found


async def unlink(session: AsyncSession, school_id: UUID, user_id: UUID) -> None:
    """Let no guardian of a school lead to a user; contact data and guardianships stay."""
    await session.execute(
        update(Guardian)
        .where(Guardian.school_id == school_id, Guardian.user_id == user_id)
        .values(user_id=None)
    )
