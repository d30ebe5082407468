"""The people of a school by the thousand: SQL for whole rolls, and no decisions.

The number of statements is the same for ten people and for ten thousand.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, cast, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import errors
from itschool_api.database import Base, Selection, insert_many, refusing, update_many
from itschool_api.families.models import (
    ClassGroup,
    Enrolment,
    Family,
    FamilyStudent,
    Guardian,
    Guardianship,
    Student,
)

Rows = Sequence[Mapping[str, Any]]


class PeopleChangedMeanwhile(errors.Conflict):
    """Somebody changed the same people at the same moment: send it again."""


_UNIQUE = (
    "uq_class_groups_school_id_school_year_id_name",
    "uq_students_school_id_external_key",
    "uq_enrolments_school_id_student_id_school_year_id",
    "uq_guardians_school_id_external_key",
    "uq_families_school_id_external_key",
    "uq_family_students_school_id_family_id_student_id",
    "uq_guardianships_school_id_guardian_id_student_id_family_id",
)


@contextmanager
def unchanged_meanwhile() -> Iterator[None]:
    """Raise `PeopleChangedMeanwhile` where what was read before is not so any more."""
    with ExitStack() as stack:
        for constraint in _UNIQUE:
            stack.enter_context(refusing(constraint, PeopleChangedMeanwhile()))
        yield


class Population:
    """Students, guardians and families of one school."""

    def __init__(self, session: AsyncSession, school_id: UUID) -> None:
        self._session = session
        self._school_id = school_id

    async def add(self, model: type[Base], rows: Rows) -> None:
        """Insert rows of one table in one batch."""
        await insert_many(
            self._session, model, [{"school_id": self._school_id, **row} for row in rows]
        )

    async def change(self, model: type[Base], rows: Rows) -> None:
        """Change rows of one table by their ids in one statement.

        Whoever was erased since they were read stays so.
        """
        erased_at = getattr(model, "erased_at", None)
        unerased = () if erased_at is None else (erased_at.is_(None),)
        await update_many(self._session, model, self._school_id, rows, *unerased)

    async def end_guardianships(self, ids: Collection[UUID], last_day: date) -> None:
        """Let guardianships count until `last_day`, or never where they began after it."""
        await self._session.execute(
            update(Guardianship)
            .where(
                Guardianship.school_id == self._school_id, Guardianship.id == func.any(list(ids))
            )
            .values(
                starts_on=func.least(Guardianship.starts_on, last_day),
                ends_on=last_day,
            )
            .execution_options(synchronize_session=False)
        )

    async def remove_memberships(self, ids: Collection[UUID]) -> None:
        """Take students out of families."""
        await self._session.execute(
            delete(FamilyStudent)
            .where(
                FamilyStudent.school_id == self._school_id,
                FamilyStudent.id == func.any(list(ids)),
            )
            .execution_options(synchronize_session=False)
        )

    async def students(self, keys: Collection[str], ids: Collection[UUID]) -> Sequence[Student]:
        """Return students by key or id, and all who have no key."""
        query = select(Student).where(
            Student.school_id == self._school_id,
            or_(
                Student.external_key == func.any(list(keys)),
                Student.id == func.any(list(ids)),
                Student.external_key.is_(None),
            ),
        )
        return (await self._session.execute(query)).scalars().all()

    async def absent(
        self, year_id: UUID, keys: Collection[str], ids: Collection[UUID]
    ) -> Sequence[Any]:
        """Return the active students beside these by class of a year: how many, and the first."""
        conditions = (
            Student.school_id == self._school_id,
            Student.left_on.is_(None),
            Student.erased_at.is_(None),
            or_(Student.external_key.is_(None), Student.external_key != func.all(list(keys))),
            Student.id != func.all(list(ids)),
        )
        key = func.coalesce(Student.external_key, cast(Student.id, Text))
        called = func.concat(Student.first_name, " ", Student.last_name, " (", key, ")")
        names: ColumnElement[Any] = func.array_agg(
            aggregate_order_by(called, Student.last_name, Student.first_name, Student.id),
            type_=ARRAY(Text),
        )
        query = (
            select(ClassGroup.name, func.count().label("count"), names[1:3].label("first"))
            .select_from(Student)
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
            .where(*conditions)
            .group_by(ClassGroup.id, ClassGroup.name)
            .order_by(ClassGroup.name.nulls_last())
        )
        return (await self._session.execute(query)).all()

    async def guardians(
        self, keys: Collection[str], ids: Collection[UUID], emails: Collection[str]
    ) -> Sequence[Guardian]:
        """Return guardians by key, id or e-mail address."""
        query = select(Guardian).where(
            Guardian.school_id == self._school_id,
            or_(
                Guardian.external_key == func.any(list(keys)),
                Guardian.id == func.any(list(ids)),
                Guardian.email == func.any(list(emails)),
            ),
        )
        return (await self._session.execute(query.order_by(Guardian.id))).scalars().all()

    async def families(self, keys: Collection[str], ids: Collection[UUID]) -> Sequence[Family]:
        """Return families by key or id."""
        query = select(Family).where(
            Family.school_id == self._school_id,
            or_(Family.external_key == func.any(list(keys)), Family.id == func.any(list(ids))),
        )
        return (await self._session.execute(query)).scalars().all()

    async def class_groups(self, year_id: UUID) -> dict[str, UUID]:
        """Return the class groups of a year by name."""
        query = select(ClassGroup.name, ClassGroup.id).where(
            ClassGroup.school_id == self._school_id, ClassGroup.school_year_id == year_id
        )
        return {row.name: row.id for row in await self._session.execute(query)}

    async def enrolments(self, year_id: UUID, student_ids: Collection[UUID]) -> Sequence[Enrolment]:
        """Return students' enrolments in a year."""
        query = select(Enrolment).where(
            Enrolment.school_id == self._school_id,
            Enrolment.school_year_id == year_id,
            Enrolment.student_id == func.any(list(student_ids)),
        )
        return (await self._session.execute(query)).scalars().all()

    async def memberships(self, student_ids: Collection[UUID]) -> Sequence[Any]:
        """Return students' places in families with the families' names."""
        query = (
            select(
                FamilyStudent.id,
                FamilyStudent.student_id,
                FamilyStudent.family_id,
                FamilyStudent.share_bp,
                Family.name.label("family_name"),
            )
            .join(
                Family,
                (Family.school_id == FamilyStudent.school_id)
                & (Family.id == FamilyStudent.family_id),
            )
            .where(
                FamilyStudent.school_id == self._school_id,
                FamilyStudent.student_id == func.any(list(student_ids)),
            )
            .order_by(FamilyStudent.id)
        )
        return (await self._session.execute(query)).all()

    async def guardianships(self, student_ids: Collection[UUID]) -> Sequence[Any]:
        """Return students' guardianships, those that ended too, with the names of both sides."""
        query = (
            select(
                Guardianship.id,
                Guardianship.student_id,
                Guardianship.guardian_id,
                Guardianship.family_id,
                Guardianship.sees_money,
                Guardianship.starts_on,
                Guardianship.ends_on,
                Guardian.first_name,
                Guardian.last_name,
                Family.name.label("family_name"),
            )
            .join(
                Guardian,
                (Guardian.school_id == Guardianship.school_id)
                & (Guardian.id == Guardianship.guardian_id),
            )
            .join(
                Family,
                (Family.school_id == Guardianship.school_id)
                & (Family.id == Guardianship.family_id),
            )
            .where(
                Guardianship.school_id == self._school_id,
                Guardianship.student_id == func.any(list(student_ids)),
            )
            .order_by(Guardianship.id)
        )
        return (await self._session.execute(query)).all()

    def roll(self, year_id: UUID | None, today: date) -> Selection:
        """Select the whole roll: each active student with each family and guardian of today."""
        counts = or_(Guardianship.ends_on.is_(None), Guardianship.ends_on >= today)
        return (
            select(Student, ClassGroup.name, FamilyStudent.share_bp, Family, Guardianship, Guardian)
            .outerjoin(
                Enrolment,
                _same(Enrolment, Student)
                & (Enrolment.student_id == Student.id)
                & (Enrolment.school_year_id == year_id),
            )
            .outerjoin(
                ClassGroup,
                _same(ClassGroup, Student) & (ClassGroup.id == Enrolment.class_group_id),
            )
            .outerjoin(
                FamilyStudent,
                _same(FamilyStudent, Student) & (FamilyStudent.student_id == Student.id),
            )
            .outerjoin(Family, _same(Family, Student) & (Family.id == FamilyStudent.family_id))
            .outerjoin(
                Guardianship,
                _same(Guardianship, Student)
                & (
                    tuple_(Guardianship.student_id, Guardianship.family_id)
                    == tuple_(Student.id, FamilyStudent.family_id)
                )
                & counts,
            )
            .outerjoin(
                Guardian, _same(Guardian, Student) & (Guardian.id == Guardianship.guardian_id)
            )
            .where(
                Student.school_id == self._school_id,
                Student.erased_at.is_(None),
                or_(Student.left_on.is_(None), Student.left_on >= today),
            )
            .order_by(
                Student.last_name,
                Student.first_name,
                Student.id,
                FamilyStudent.id,
                Guardianship.id,
            )
        )


def _same(one: Any, other: Any) -> ColumnElement[bool]:
    """Within one school: no join crosses schools."""
    joined: ColumnElement[bool] = one.school_id == other.school_id
    return joined
