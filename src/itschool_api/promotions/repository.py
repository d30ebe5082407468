"""Rows of students between two school years: SQL, and no decisions."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from itschool_api.database import insert_many, new_id
from itschool_api.families.models import ClassGroup, Enrolment, Student
from itschool_api.schools.models import SchoolYear


class Promotions:
    """Students, and their classes in two years."""

    def __init__(self, session: AsyncSession, school_id: UUID) -> None:
        self._session = session
        self._school_id = school_id

    async def lock(self, year_id: UUID) -> None:
        """Let one call at a time fill a year."""
        await self._session.execute(
            select(SchoolYear.id)
            .where(SchoolYear.school_id == self._school_id, SchoolYear.id == year_id)
            .with_for_update(key_share=True)
        )

    async def class_groups(self, year_ids: Sequence[UUID]) -> Sequence[ClassGroup]:
        """Return the class groups of years."""
        query = select(ClassGroup).where(
            ClassGroup.school_id == self._school_id,
            ClassGroup.school_year_id == func.any(list(year_ids)),
        )
        return (await self._session.execute(query)).scalars().all()

    async def students(
        self, old_year_id: UUID, new_year_id: UUID, named: Sequence[UUID]
    ) -> Sequence[Any]:
        """Return the students of the old year and those named, with their class in either year."""
        old, new = aliased(Enrolment), aliased(Enrolment)
        query = (
            select(
                Student.id,
                Student.first_name,
                Student.last_name,
                Student.left_on,
                old.class_group_id.label("old_class_id"),
                new.class_group_id.label("new_class_id"),
            )
            .outerjoin(
                old,
                (old.school_id == Student.school_id)
                & (old.student_id == Student.id)
                & (old.school_year_id == old_year_id),
            )
            .outerjoin(
                new,
                (new.school_id == Student.school_id)
                & (new.student_id == Student.id)
                & (new.school_year_id == new_year_id),
            )
            .where(
                Student.school_id == self._school_id,
                or_(old.id.is_not(None), Student.id == func.any(list(named))),
            )
            .order_by(Student.last_name, Student.first_name, Student.id)
        )
        return (await self._session.execute(query)).all()

    async def make_class_groups(self, year_id: UUID, names: Sequence[str]) -> dict[str, UUID]:
        """Add class groups to a year, and return their ids by name."""
        ids = {name: new_id() for name in names}
        await insert_many(
            self._session,
            ClassGroup,
            [
                {
                    "school_id": self._school_id,
                    "id": group_id,
                    "school_year_id": year_id,
                    "name": name,
                }
                for name, group_id in ids.items()
            ],
        )
        return ids

    async def enrol(self, year_id: UUID, classes: Mapping[UUID, UUID]) -> None:
        """Put students into classes of a year, in place of another class there."""
        rows = [
            {
                "school_id": self._school_id,
                "id": new_id(),
                "student_id": student_id,
                "school_year_id": year_id,
                "class_group_id": class_group_id,
            }
            # In one order everywhere, so that two transactions never wait for each other.
            for student_id, class_group_id in sorted(classes.items())
        ]
        if rows:
            added = insert(cast("Table", Enrolment.__table__))
            await self._session.execute(
                added.on_conflict_do_update(
                    index_elements=["school_id", "student_id", "school_year_id"],
                    set_={"class_group_id": added.excluded.class_group_id},
                ),
                rows,
            )

    async def withdraw(self, year_id: UUID, student_ids: Sequence[UUID]) -> None:
        """Take students out of a year."""
        await self._session.execute(
            delete(Enrolment).where(
                Enrolment.school_id == self._school_id,
                Enrolment.school_year_id == year_id,
                Enrolment.student_id == func.any(list(student_ids)),
            )
        )

    async def mark_left(self, student_ids: Sequence[UUID], left_on: date) -> None:
        """Note the last day of students."""
        await self._session.execute(
            update(Student)
            .where(Student.school_id == self._school_id, Student.id == func.any(list(student_ids)))
            .values(left_on=left_on)
        )
