"""Students, class groups and families, and the one answer to who may see whom."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import not_
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import errors, pagination, trail
from itschool_api.auth.caller import Caller, Scope
from itschool_api.database import Selection, new_id, refusing
from itschool_api.families import models
from itschool_api.families.models import Guardianship
from itschool_api.families.repository import (
    FAMILY_ORDERS,
    STUDENT_ORDERS,
    People,
    class_groups_of,
    guardianships_of,
    present,
)
from itschool_api.families.schemas import (
    ClassGroup,
    ClassGroupPage,
    Family,
    FamilyMember,
    FamilyPage,
    FamilySort,
    FamilyStudent,
    NewClassGroup,
    NewFamily,
    NewStudent,
    Student,
    StudentPage,
    StudentSort,
)
from itschool_api.pagination import Order, Slice
from itschool_api.schools import service as schools


class StudentNotFound(errors.NotFound):
    """There is no such student, or it is not yours to see."""


class StudentKeyTaken(errors.Conflict):
    """Another student has this external key."""


class ClassGroupNotFound(errors.NotFound):
    """There is no such class group."""


class ClassGroupNameTaken(errors.Conflict):
    """This school year has a class group of that name already."""


class FamilyNotFound(errors.NotFound):
    """There is no such family, or it is not yours to see."""


class StudentNotInFamily(errors.Unprocessable):
    """The student is not in that family."""


class StudentInFamily(errors.Conflict):
    """The student is in that family already."""


class PersonErased(errors.Conflict):
    """What was known of them was erased, and stays so."""


def visible_students(caller: Caller, *, money: bool) -> Selection:
    """Select the ids of the students that the caller's guardianships show today.

    With `money`, only where the guardianship says so. Those who left the school are among them,
    for their money is still their parents' to see. Staff ask `caller.sees_school` first.
    """
    links = _links(caller)
    if money:
        links = links.where(Guardianship.sees_money)
    return links.with_only_columns(Guardianship.student_id)


def visible_present_students(caller: Caller) -> Selection:
    """Select the ids of the visible students who are at the school: what happens concerns them."""
    return (
        _links(caller)
        .join(
            models.Student,
            (models.Student.school_id == Guardianship.school_id)
            & (models.Student.id == Guardianship.student_id),
        )
        .where(present(schools.today_there(caller.school_id)))
        .with_only_columns(Guardianship.student_id)
    )


def visible_class_groups(caller: Caller) -> Selection:
    """Select the ids of the class groups, of whatever year, of a visible child at the school."""
    return class_groups_of(caller.school_id, visible_present_students(caller))


def visible_families(caller: Caller) -> Selection:
    """Select the ids of the families whose invoices the caller's guardianships show today."""
    links = _links(caller).where(Guardianship.sees_money)
    return links.with_only_columns(Guardianship.family_id)


def _links(caller: Caller) -> Selection:
    today = schools.today_there(caller.school_id)
    return guardianships_of(caller.school_id, caller.user_id, today)


async def add_class_group(
    session: AsyncSession, school_id: UUID, form: NewClassGroup
) -> models.ClassGroup:
    """Add a class group; raises `ClassGroupNameTaken`, `schools.SchoolYearNotFound`."""
    year = await schools.year(session, school_id, form.school_year_id)
    group = models.ClassGroup(
        school_id=school_id, id=new_id(), school_year_id=year.id, name=form.name
    )
    session.add(group)
    with refusing("uq_class_groups_school_id_school_year_id_name", ClassGroupNameTaken()):
        await session.flush()
    trail.about(session, class_group=group.id, school_year=year.id)
    return group


async def list_class_groups(
    session: AsyncSession, caller: Caller, year_id: UUID | None, search: str, wanted: Slice
) -> ClassGroupPage:
    """Return class groups by name."""
    query = People(session).class_groups(caller.school_id, year_id, search)
    rows, following = await pagination.rows(
        session, query, Order((models.ClassGroup.name, models.ClassGroup.id)), wanted
    )
    return ClassGroupPage(items=[ClassGroup.model_validate(row[0]) for row in rows], next=following)


async def class_group(
    session: AsyncSession, school_id: UUID, class_group_id: UUID
) -> models.ClassGroup:
    """Return a class group; raises `ClassGroupNotFound`."""
    group = await session.get(models.ClassGroup, (school_id, class_group_id))
    if group is None:
        raise ClassGroupNotFound
    return group


async def add_student(session: AsyncSession, school_id: UUID, form: NewStudent) -> Student:
    """Add a student, in a class if one is named.

    Raises `StudentKeyTaken`, `ClassGroupNotFound`.
    """
    group = None
    if form.class_group_id:
        group = await class_group(session, school_id, form.class_group_id)
    student = models.Student(
        school_id=school_id,
        id=new_id(),
        external_key=form.external_key,
        first_name=form.first_name,
        last_name=form.last_name,
        birth_date=form.birth_date,
    )
    session.add(student)
    with refusing("uq_students_school_id_external_key", StudentKeyTaken()):
        await session.flush()
    if group is not None:
        session.add(
            models.Enrolment(
                school_id=school_id,
                id=new_id(),
                student_id=student.id,
                school_year_id=group.school_year_id,
                class_group_id=group.id,
            )
        )
        await session.flush()
    trail.about(session, student=student.id, class_group=[group.id] if group else [])
    return _student(student, group.name if group else None)


async def list_students(
    session: AsyncSession,
    caller: Caller,
    *,
    search: str,
    class_group_id: UUID | None,
    left: bool,
    sort: StudentSort,
    wanted: Slice,
) -> StudentPage:
    """Return students: the caller's children, or the school's for its office.

    Those who are there, or those who `left`.
    """
    query = await _students(
        session, caller, search=search, class_group_id=class_group_id, left=left
    )
    rows, following = await pagination.rows(session, query, STUDENT_ORDERS[sort], wanted)
    return StudentPage(items=[_student(row[0], row[1]) for row in rows], next=following)


async def read_student(session: AsyncSession, caller: Caller, student_id: UUID) -> Student:
    """Return a student whom the caller sees; raises `StudentNotFound`."""
    return await _student_of(session, await _students(session, caller), student_id)


async def student(session: AsyncSession, school_id: UUID, student_id: UUID) -> Student:
    """Return a student of the school; raises `StudentNotFound`."""
    year = await schools.present_year(session, school_id)
    query = People(session).students(school_id, year.id if year else None)
    return await _student_of(session, query, student_id)


async def _student_of(session: AsyncSession, query: Selection, student_id: UUID) -> Student:
    row = (await session.execute(query.where(models.Student.id == student_id))).one_or_none()
    if row is None:
        raise StudentNotFound
    return _student(row[0], row[1])


async def add_family(session: AsyncSession, school_id: UUID, form: NewFamily) -> Family:
    """Add a family with its students; raises `StudentNotFound`, `PersonErased`."""
    named = [member.student_id for member in form.students]
    await known_students(session, school_id, named)
    await refuse_erased(session, school_id, students=named)
    family = models.Family(
        school_id=school_id, id=new_id(), **form.model_dump(exclude={"students"})
    )
    session.add(family)
    await session.flush()
    # A student named twice is in the family once, with the share named last.
    shares = {member.student_id: member.share_bp for member in form.students}
    members = [
        models.FamilyStudent(
            school_id=school_id,
            id=new_id(),
            family_id=family.id,
            student_id=student_id,
            share_bp=share_bp,
        )
        for student_id, share_bp in shares.items()
    ]
    session.add_all(members)
    await session.flush()
    trail.about(session, family=family.id, student=list(shares))
    return _family(family, members)


async def add_family_student(
    session: AsyncSession, school_id: UUID, family_id: UUID, member: FamilyMember
) -> Family:
    """Put a student into a family.

    Raises `FamilyNotFound`, `StudentNotFound`, `PersonErased`, `StudentInFamily`.
    """
    await family(session, school_id, family_id)
    await known_students(session, school_id, [member.student_id])
    await refuse_erased(session, school_id, students=[member.student_id], families=[family_id])
    session.add(
        models.FamilyStudent(
            school_id=school_id,
            id=new_id(),
            family_id=family_id,
            student_id=member.student_id,
            share_bp=member.share_bp,
        )
    )
    with refusing("uq_family_students_school_id_family_id_student_id", StudentInFamily()):
        await session.flush()
    trail.about(session, student=member.student_id)
    return await read_family(session, school_id, family_id)


async def read_family(session: AsyncSession, school_id: UUID, family_id: UUID) -> Family:
    """Return a family with its students; raises `FamilyNotFound`."""
    found = await family(session, school_id, family_id)
    return _family(found, (await People(session).members(school_id, [family_id]))[family_id])


async def list_families(
    session: AsyncSession, caller: Caller, *, search: str, sort: FamilySort, wanted: Slice
) -> FamilyPage:
    """Return families."""
    people = People(session)
    query = people.families(caller.school_id, search)
    rows, following = await pagination.rows(session, query, FAMILY_ORDERS[sort], wanted)
    members = await people.members(caller.school_id, [row[0].id for row in rows])
    return FamilyPage(items=[_family(row[0], members[row[0].id]) for row in rows], next=following)


async def family(session: AsyncSession, school_id: UUID, family_id: UUID) -> models.Family:
    """Return a family; raises `FamilyNotFound`."""
    found = await session.get(models.Family, (school_id, family_id))
    if found is None:
        raise FamilyNotFound
    return found


async def known_families(
    session: AsyncSession, school_id: UUID, ids: Collection[UUID]
) -> dict[UUID, models.Family]:
    """Return those of `ids` that are families of the school."""
    return await People(session).known_families(school_id, ids)


async def refuse_strangers(
    session: AsyncSession, school_id: UUID, family_id: UUID, student_ids: Collection[UUID]
) -> None:
    """Raise `StudentNotInFamily` where one of the students is not in the family."""
    if not await People(session).are_members(school_id, family_id, student_ids):
        raise StudentNotInFamily


async def refuse_erased(
    session: AsyncSession,
    school_id: UUID,
    *,
    students: Collection[UUID] = (),
    guardians: Collection[UUID] = (),
    families: Collection[UUID] = (),
) -> None:
    """Raise `PersonErased` where one of these is erased, and hold the others meanwhile.

    Whatever links people or tells something new of them asks first, or an erasure would be undone.
    """
    people = People(session)
    # As an erasure goes, so that neither waits for the other.
    for model, ids in (
        (models.Student, students),
        (models.Guardian, guardians),
        (models.Family, families),
    ):
        if ids and await people.any_erased(model, school_id, ids):
            raise PersonErased


async def known_students(
    session: AsyncSession, school_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, models.Student]:
    """Return the students of `ids`; raises `StudentNotFound` where one is not the school's."""
    known = await People(session).known_students(school_id, ids)
    if len(known) != len(set(ids)):
        raise StudentNotFound
    return known


async def _students(
    session: AsyncSession,
    caller: Caller,
    *,
    search: str = "",
    class_group_id: UUID | None = None,
    left: bool | None = None,
) -> Selection:
    there = present(schools.today_there(caller.school_id))
    among = (
        None if caller.sees_school(Scope.STUDENTS_READ) else visible_students(caller, money=False)
    )
    year = await schools.present_year(session, caller.school_id)
    return People(session).students(
        caller.school_id,
        year.id if year else None,
        search=search,
        class_group_id=class_group_id,
        condition=None if left is None else not_(there) if left else there,
        among=among,
    )


def _student(student: models.Student, class_group: str | None) -> Student:
    return Student(
        id=student.id,
        first_name=student.first_name,
        last_name=student.last_name,
        external_key=student.external_key,
        birth_date=student.birth_date,
        left_on=student.left_on,
        class_group=class_group,
        erased_at=student.erased_at,
    )


def _family(family: models.Family, members: Sequence[models.FamilyStudent]) -> Family:
    return Family(
        id=family.id,
        name=family.name,
        language=family.language,
        street=family.street,
        postal_code=family.postal_code,
        city=family.city,
        students=[
            FamilyStudent(student_id=member.student_id, share_bp=member.share_bp)
            for member in members
        ],
        erased_at=family.erased_at,
    )
