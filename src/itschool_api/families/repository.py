"""Rows of people: SQL, and no decisions. Visibility is a condition that others join too."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    bindparam,
    false,
    func,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import pagination
from itschool_api.auth.models import User
from itschool_api.database import Selection
from itschool_api.families.models import (
    ClassGroup,
    Enrolment,
    Family,
    FamilyStudent,
    Guardian,
    Guardianship,
    Student,
)

_STUDENT_NAME: Final = (Student.last_name, Student.first_name, Student.id)
STUDENT_ORDERS: Final = pagination.orders(
    {
        "last_name": _STUDENT_NAME,
        "first_name": (Student.first_name, Student.last_name, Student.id),
        # Who is in no class comes after all who are.
        "class_group": (
            ClassGroup.name.is_(None),
            func.coalesce(ClassGroup.name, ""),
            *_STUDENT_NAME,
        ),
        "id": (Student.id,),
    }
)
GUARDIAN_ORDERS: Final = pagination.orders(
    {
        "last_name": (Guardian.last_name, Guardian.first_name, Guardian.id),
        "first_name": (Guardian.first_name, Guardian.last_name, Guardian.id),
        "id": (Guardian.id,),
    }
)
FAMILY_ORDERS: Final = pagination.orders({"name": (Family.name, Family.id), "id": (Family.id,)})


def matches(search: str, *columns: Any) -> ColumnElement[bool]:
    """Every word of `search` begins a word of one of the columns, whatever the case."""
    words = search.split()
    return and_(
        *(
            or_(
                *(
                    or_(
                        column.istartswith(word, autoescape=True),
                        column.icontains(f" {word}", autoescape=True),
                    )
                    for column in columns
                )
            )
            for word in words
        )
    )


def counting(today: ColumnElement[date]) -> ColumnElement[bool]:
    """Return the condition that a guardianship counts today."""
    return and_(
        Guardianship.starts_on <= today,
        or_(Guardianship.ends_on.is_(None), Guardianship.ends_on >= today),
    )


def guardianships_of(
    school_id: UUID, user_id: UUID | None, today: ColumnElement[date]
) -> Selection:
    """Select the guardianships of a user that count today; whoever is no user has none."""
    # Compared with None, the column would match the guardians who cannot log in yet.
    theirs = false() if user_id is None else Guardian.user_id == user_id
    return (
        select(Guardianship)
        .join(
            Guardian,
            (Guardian.school_id == Guardianship.school_id)
            & (Guardian.id == Guardianship.guardian_id),
        )
        .where(Guardianship.school_id == school_id, theirs, counting(today))
    )


def present(today: ColumnElement[date]) -> ColumnElement[bool]:
    """Return the condition that a student is at the school: the last day still counts."""
    return or_(Student.left_on.is_(None), Student.left_on >= today)


def class_groups_of(school_id: UUID, students: Selection) -> Selection:
    """Select the ids of the class groups that any of `students` is or was enrolled in."""
    return select(Enrolment.class_group_id).where(
        Enrolment.school_id == school_id, Enrolment.student_id.in_(students)
    )


def members_of(school_id: UUID, class_group_id: UUID) -> Selection:
    """Select the ids of the students that a class group has or had."""
    return select(Enrolment.student_id).where(
        Enrolment.school_id == school_id, Enrolment.class_group_id == class_group_id
    )


class People:
    """Students, class groups, guardians, families."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def class_groups(self, school_id: UUID, year_id: UUID | None, search: str) -> Selection:
        """Select class groups, by year and by name."""
        query = select(ClassGroup).where(ClassGroup.school_id == school_id)
        if year_id:
            query = query.where(ClassGroup.school_year_id == year_id)
        return query.where(matches(search, ClassGroup.name)) if search else query

    def students(
        self,
        school_id: UUID,
        year_id: UUID | None,
        *,
        search: str = "",
        class_group_id: UUID | None = None,
        condition: ColumnElement[bool] | None = None,
        among: Selection | None = None,
    ) -> Selection:
        """Select students with the name of their class in a year.

        They may be told by a class group of any year.
        """
        query = (
            select(Student, ClassGroup.name)
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
            .where(Student.school_id == school_id)
        )
        if search:
            query = query.where(
                or_(
                    matches(search, Student.first_name, Student.last_name),
                    Student.external_key == search,
                )
            )
        if class_group_id:
            query = query.where(Student.id.in_(members_of(school_id, class_group_id)))
        if condition is not None:
            query = query.where(condition)
        return query if among is None else query.where(Student.id.in_(among))

    def guardians(
        self,
        school_id: UUID,
        *,
        search: str = "",
        class_group_id: UUID | None = None,
        has_logged_in: bool | None = None,
    ) -> Selection:
        """Select guardians by name or e-mail, with what is known of their logins."""
        query = (
            select(Guardian, User.user_name, User.last_login_at)
            .outerjoin(User, User.id == Guardian.user_id)
            .where(Guardian.school_id == school_id)
        )
        if class_group_id is not None:
            children = select(Guardianship.guardian_id).where(
                Guardianship.school_id == school_id,
                Guardianship.student_id.in_(members_of(school_id, class_group_id)),
            )
            query = query.where(Guardian.id.in_(children))
        if has_logged_in is not None:
            never = User.last_login_at.is_(None)
            query = query.where(not_(never) if has_logged_in else never)
        if search:
            query = query.where(
                or_(
                    matches(search, Guardian.first_name, Guardian.last_name),
                    Guardian.email == search.lower(),
                )
            )
        return query

    async def guardians_there(
        self, school_id: UUID, today: ColumnElement[date], class_group_id: UUID | None
    ) -> Sequence[UUID]:
        """Return the guardians of students who are there, in a class group if one is named."""
        query = (
            select(Guardianship.guardian_id)
            .join(
                Student,
                (Student.school_id == Guardianship.school_id)
                & (Student.id == Guardianship.student_id),
            )
            .where(Guardianship.school_id == school_id, counting(today), present(today))
            .distinct()
        )
        if class_group_id is not None:
            query = query.where(Student.id.in_(members_of(school_id, class_group_id)))
        return (await self._session.execute(query)).scalars().all()

    async def locked_guardians(self, school_id: UUID, ids: Collection[UUID]) -> Sequence[Guardian]:
        """Return those of `ids` who are not erased, locked, in the order of their ids."""
        query = (
            select(Guardian)
            .where(
                Guardian.school_id == school_id,
                Guardian.id == func.any(list(ids)),
                Guardian.erased_at.is_(None),
            )
            .order_by(Guardian.id)
            .with_for_update(key_share=True)
        )
        return (await self._session.execute(query)).scalars().all()

    async def note_invitations(
        self, school_id: UUID, users: Mapping[UUID, UUID], invited_at: datetime
    ) -> None:
        """Note that guardians were sent the way in, and which user each of them is."""
        if not users:
            return
        await self._session.execute(
            update(cast("Table", Guardian.__table__))
            .where(Guardian.school_id == school_id, Guardian.id == bindparam("guardian"))
            .values(user_id=bindparam("user"), invited_at=invited_at),
            [{"guardian": guardian, "user": user} for guardian, user in sorted(users.items())],
        )

    def families(self, school_id: UUID, search: str) -> Selection:
        """Select families by name."""
        query = select(Family).where(Family.school_id == school_id)
        return query.where(matches(search, Family.name)) if search else query

    def guardianships(
        self, school_id: UUID, guardian_id: UUID | None, student_id: UUID | None
    ) -> Selection:
        """Select guardianships of a guardian or of a student."""
        query = select(Guardianship).where(Guardianship.school_id == school_id)
        if guardian_id:
            query = query.where(Guardianship.guardian_id == guardian_id)
        return query.where(Guardianship.student_id == student_id) if student_id else query

    async def members(
        self, school_id: UUID, family_ids: Sequence[UUID]
    ) -> dict[UUID, list[FamilyStudent]]:
        """Return the students of families."""
        query = (
            select(FamilyStudent)
            .where(
                FamilyStudent.school_id == school_id,
                FamilyStudent.family_id == func.any(list(family_ids)),
            )
            .order_by(FamilyStudent.id)
        )
        members: dict[UUID, list[FamilyStudent]] = {family_id: [] for family_id in family_ids}
        for member in (await self._session.execute(query)).scalars():
            members[member.family_id].append(member)
        return members

    async def known_students(self, school_id: UUID, ids: Iterable[UUID]) -> dict[UUID, Student]:
        """Return those of `ids` that are students of the school."""
        query = select(Student).where(
            Student.school_id == school_id, Student.id == func.any(list(ids))
        )
        return {student.id: student for student in (await self._session.execute(query)).scalars()}

    async def known_families(self, school_id: UUID, ids: Iterable[UUID]) -> dict[UUID, Family]:
        """Return those of `ids` that are families of the school."""
        query = select(Family).where(
            Family.school_id == school_id, Family.id == func.any(list(ids))
        )
        return {family.id: family for family in (await self._session.execute(query)).scalars()}

    async def any_erased(
        self,
        model: type[Student] | type[Guardian] | type[Family],
        school_id: UUID,
        ids: Collection[UUID],
    ) -> bool:
        """Tell whether one of `ids` is erased; until the transaction ends, no other will be."""
        query = (
            select(model.erased_at)
            .where(model.school_id == school_id, model.id == func.any(list(ids)))
            .order_by(model.id)
            .with_for_update(read=True)
        )
        return any((await self._session.execute(query)).scalars())

    async def are_members(
        self, school_id: UUID, family_id: UUID, student_ids: Iterable[UUID]
    ) -> bool:
        """Tell whether all of these students are in a family."""
        wanted = set(student_ids)
        query = select(func.count()).where(
            FamilyStudent.school_id == school_id,
            FamilyStudent.family_id == family_id,
            FamilyStudent.student_id == func.any(list(wanted)),
        )
        return (await self._session.execute(query)).scalar_one() == len(wanted)
