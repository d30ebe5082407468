"""Leavers whose time is over: erased by rule, with the guardians who have no other child here.

Whom money still binds is left for a later night. Off unless the operator sets a number of months.
"""

from datetime import date
from uuid import UUID

from sqlalchemy import or_, select

from itschool_api import trail
from itschool_api.database import Selection, Sessions, school_transaction
from itschool_api.families.models import Guardian, Guardianship, Student
from itschool_api.ledger.service import AccountNotEmpty
from itschool_api.privacy import erasure
from itschool_api.privacy.circle import SubjectKind
from itschool_api.privacy.erasure import AlreadyErased, ErasureImpeded, Office
from itschool_api.schools import service as schools

_ACTION = "erase_leaver"


async def erase_leavers(
    sessions: Sessions, office: Office, school_id: UUID, months: int | None
) -> int:
    """Erase who left more than `months` ago and owes nothing; return how many people."""
    if months is None:
        return 0
    async with school_transaction(sessions, school_id) as session:
        before = months_before(await schools.today(session, school_id), months)
    count = 0
    for kind, query in (
        (SubjectKind.STUDENT, _students(school_id, before)),
        (SubjectKind.GUARDIAN, _guardians(school_id, before)),
    ):
        async with school_transaction(sessions, school_id) as session:
            due = (await session.execute(query)).scalars().all()
        for subject_id in due:
            count += await _erase(sessions, office, school_id, kind, subject_id)
    return count


async def _erase(
    sessions: Sessions, office: Office, school_id: UUID, kind: SubjectKind, subject_id: UUID
) -> int:
    try:
        async with trail.acting(sessions, school_id, actor=trail.WORKER, action=_ACTION) as session:
            trail.about(session, **{kind.value: subject_id})
            await erasure.erase(session, office, school_id, kind, subject_id, confirmed_name=None)
    except (ErasureImpeded, AlreadyErased, AccountNotEmpty):
        return 0
    return 1


def months_before(day: date, months: int) -> date:
    """Return the day that many months before; of a shorter month the first day of the next."""
    years, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    try:
        return date(years, month + 1, day.day)
    except ValueError:
        years, month = divmod(years * 12 + month + 1, 12)
        return date(years, month + 1, 1)


def _students(school_id: UUID, before: date) -> Selection:
    return (
        select(Student.id)
        .where(
            Student.school_id == school_id, Student.erased_at.is_(None), Student.left_on < before
        )
        .order_by(Student.left_on, Student.id)
    )


def _guardians(school_id: UUID, before: date) -> Selection:
    """Select the guardians who had a child here and have none any more."""
    theirs = (
        select(Guardianship.id)
        .join(
            Student,
            (Student.school_id == Guardianship.school_id) & (Student.id == Guardianship.student_id),
        )
        .where(
            Guardianship.school_id == Guardian.school_id, Guardianship.guardian_id == Guardian.id
        )
    )
    remaining = theirs.where(Student.erased_at.is_(None))
    recent = theirs.where(or_(Student.left_on.is_(None), Student.left_on >= before))
    return (
        select(Guardian.id)
        .where(
            Guardian.school_id == school_id,
            Guardian.erased_at.is_(None),
            theirs.exists(),
            ~remaining.exists(),
            ~recent.exists(),
        )
        .order_by(Guardian.id)
    )
