"""Moving students into another school year: all that is said at once, or nothing of it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import errors, trail
from itschool_api.database import refusing
from itschool_api.families.models import ClassGroup
from itschool_api.families.service import ClassGroupNameTaken
from itschool_api.promotions import plan as planning
from itschool_api.promotions.plan import Plan, State, Student
from itschool_api.promotions.repository import Promotions
from itschool_api.promotions.schemas import (
    MOST_FINDINGS,
    NewPromotions,
    PromotedClassGroup,
    PromotionFinding,
    PromotionReport,
)
from itschool_api.schools import service as schools
from itschool_api.schools.models import SchoolYear

_MOST_FAULTS = 1000


class SchoolYearsOutOfOrder(errors.Unprocessable):
    """Students move from one school year into a later one."""


class ImpossiblePromotions(errors.Unprocessable):
    """Some of this cannot be done, so nothing is: see `errors`."""


async def promote(
    session: AsyncSession, school_id: UUID, form: NewPromotions, *, preview: bool
) -> PromotionReport:
    """Move students into another year, and note who leaves; with `preview`, write nothing.

    The same again finds nothing to do. The number of statements does not grow with the students.
    Raises `schools.SchoolYearNotFound`, `SchoolYearsOutOfOrder`, `ImpossiblePromotions`, and
    `families.ClassGroupNameTaken` where somebody else makes such a class group at this moment.
    """
    old, new = await _years(session, school_id, form)
    rows = Promotions(session, school_id)
    if not preview:
        await rows.lock(new.id)
    groups = await rows.class_groups([old.id, new.id])
    students = await rows.students(old.id, new.id, [each.student_id for each in form.students])
    plan = planning.plan(form, _state(old, new, groups, students))
    if plan.faults:
        raise ImpossiblePromotions(
            errors=[
                errors.Fault(
                    location="body", pointer=each.pointer, code=each.code, detail=each.detail
                )
                for each in plan.faults[:_MOST_FAULTS]
            ]
        )
    if not preview:
        await _write(rows, new.id, plan, groups)
        trail.about(session, school_year=new.id, student=[*plan.leavers, *plan.moves])
        trail.note(session, moved=len(plan.moves), left=len(plan.leavers))
    return _report(plan, old, new, preview=preview)


async def _years(
    session: AsyncSession, school_id: UUID, form: NewPromotions
) -> tuple[SchoolYear, SchoolYear]:
    """Return the old year and the new one."""
    years = {year.id: year for year in await schools.years(session, school_id)}
    new = years.get(form.school_year_id)
    if new is None:
        raise schools.SchoolYearNotFound
    before = [year for year in years.values() if year.begins_on < new.begins_on]
    if form.from_school_year_id is not None:
        if form.from_school_year_id not in years:
            raise schools.SchoolYearNotFound
        before = [year for year in before if year.id == form.from_school_year_id]
    if not before:
        raise SchoolYearsOutOfOrder
    return before[0], new  # the newest come first


def _state(
    old: SchoolYear, new: SchoolYear, groups: Sequence[ClassGroup], students: Sequence[Any]
) -> State:
    new_classes = {group.id: group.name for group in groups if group.school_year_id == new.id}
    return State(
        begins_on=new.begins_on,
        last_day=old.ends_on,
        old_classes={group.id: group.name for group in groups if group.school_year_id == old.id},
        new_classes=new_classes,
        students=[
            Student(
                id=row.id,
                name=f"{row.first_name} {row.last_name}",
                left_on=row.left_on,
                old_class_id=row.old_class_id,
                new_class=new_classes.get(row.new_class_id),
            )
            for row in students
        ],
    )


async def _write(rows: Promotions, year_id: UUID, plan: Plan, groups: Sequence[ClassGroup]) -> None:
    ids = {group.name: group.id for group in groups if group.school_year_id == year_id}
    with refusing("uq_class_groups_school_id_school_year_id_name", ClassGroupNameTaken()):
        ids |= await rows.make_class_groups(year_id, plan.made)
    await rows.enrol(year_id, {student: ids[name] for student, name in plan.moves.items()})
    if plan.retracted:
        await rows.withdraw(year_id, plan.retracted)
    if plan.leavers:
        await rows.mark_left(plan.leavers, plan.left_on)


def _report(plan: Plan, old: SchoolYear, new: SchoolYear, *, preview: bool) -> PromotionReport:
    counts = {
        "moved": len(plan.moves),
        "left": len(plan.leavers),
        "unchanged": plan.unchanged,
        "unnamed": plan.unnamed,
    }
    arrivals = dict.fromkeys(plan.made, 0) | plan.arrivals()
    return PromotionReport(
        school_year_id=new.id,
        from_school_year_id=old.id,
        preview=preview,
        students=sum(counts.values()),
        **counts,
        class_groups=[
            PromotedClassGroup(name=name, made=name in plan.made, students=count)
            for name, count in sorted(arrivals.items())
        ],
        findings=[
            PromotionFinding(
                kind=each.kind,
                student_id=each.student.id if each.student else None,
                name=each.student.name if each.student else None,
                class_group=each.old_class,
                students=each.students,
            )
            for each in plan.findings[:MOST_FINDINGS]
        ],
    )
