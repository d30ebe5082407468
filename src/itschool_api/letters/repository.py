"""Rows that a letter is addressed by: SQL, and no decisions."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.families.models import ClassGroup, Enrolment, Family, Guardianship, Student
from itschool_api.families.repository import counting, present


class Addresses:
    """Where guardians live, and through which child they are reached."""

    def __init__(self, session: AsyncSession, school_id: UUID) -> None:
        self._session = session
        self._school_id = school_id

    async def of(
        self, guardian_ids: Sequence[UUID], year_id: UUID | None, today: ColumnElement[date]
    ) -> Sequence[Any]:
        """Return each child of each guardian, with the class in a year and the family's address.

        In the order in which letters are handed out: by class, then by child.
        """
        query = (
            select(
                Guardianship.guardian_id,
                Student.id.label("student_id"),
                Student.first_name,
                Student.last_name,
                present(today).label("is_there"),
                ClassGroup.name.label("class_group"),
                Family.street,
                Family.postal_code,
                Family.city,
            )
            .join(
                Student,
                (Student.school_id == Guardianship.school_id)
                & (Student.id == Guardianship.student_id),
            )
            .join(
                Family,
                (Family.school_id == Guardianship.school_id)
                & (Family.id == Guardianship.family_id),
            )
            .outerjoin(
                Enrolment,
                (Enrolment.school_id == Student.school_id)
                & (Enrolment.student_id == Student.id)
                & (Enrolment.school_year_id == year_id),
            )
            .outerjoin(
                ClassGroup,
                (ClassGroup.school_id == Enrolment.school_id)
                & (ClassGroup.id == Enrolment.class_group_id),
            )
            .where(
                Guardianship.school_id == self._school_id,
                Guardianship.guardian_id == func.any(list(guardian_ids)),
                counting(today),
            )
            .order_by(
                ClassGroup.name.nulls_last(),
                Student.last_name,
                Student.first_name,
                Student.id,
                Guardianship.id,
            )
        )
        return (await self._session.execute(query)).all()
