"""What must be settled before a person can be erased: money that is owed, kept or on its way.

Whoever is erased can neither be paid back nor reminded (GDPR art. 17(3)(e) spares what a claim
needs), and the school cannot bill a family without anybody in it.
"""

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.banking.matching import State
from itschool_api.banking.models import BankTransaction
from itschool_api.families.models import FamilyStudent, Guardian, Guardianship, Student
from itschool_api.invoices.models import Invoice
from itschool_api.ledger.models import Account
from itschool_api.money import Cents, euros
from itschool_api.privacy.circle import Circle, Ids
from itschool_api.privacy.schemas import Obstacle
from itschool_api.privacy.traces import among, payments
from itschool_api.schools import service as schools


async def of(session: AsyncSession, circle: Circle) -> list[Obstacle]:
    """Return what stands in the way of erasing a person; nothing is how it must be."""
    going = await families_going(session, circle)
    concerned = or_(among(Invoice.id, circle.invoices), among(Invoice.family_id, going))
    found = [
        await _still_here(session, circle),
        await _wallet_not_empty(session, circle),
        await _open_invoices(session, circle, concerned),
        await _drafts(session, circle, concerned),
        await _suspense(session, circle),
        await _last_guardian(session, circle),
    ]
    return [each for each in found if each is not None]


async def families_going(session: AsyncSession, circle: Circle) -> Ids:
    """Return the families that go with a person: nobody would be left in them.

    Of its children with the last, of its guardians with the last whose name is still there.
    """
    if circle.of_student:
        homes = select(FamilyStudent.family_id).where(
            FamilyStudent.school_id == circle.school_id,
            FamilyStudent.student_id != circle.subject_id,
            among(FamilyStudent.family_id, circle.families),
        )
    else:
        homes = (
            select(Guardianship.family_id)
            .join(
                Guardian,
                (Guardian.school_id == Guardianship.school_id)
                & (Guardian.id == Guardianship.guardian_id),
            )
            .where(
                Guardianship.school_id == circle.school_id,
                among(Guardianship.family_id, circle.families),
                Guardian.id != circle.subject_id,
                Guardian.erased_at.is_(None),
            )
        )
    kept = (await session.execute(homes)).scalars()
    return circle.families - frozenset(kept)


async def _still_here(session: AsyncSession, circle: Circle) -> Obstacle | None:
    if not circle.of_student:
        return None
    student = await session.get_one(Student, (circle.school_id, circle.subject_id))
    today = await schools.today(session, circle.school_id)
    if student.left_on is not None and student.left_on <= today:
        return None
    return Obstacle(
        code="still-at-school", detail="The student has not left: say on which day they leave."
    )


async def _wallet_not_empty(session: AsyncSession, circle: Circle) -> Obstacle | None:
    if not circle.of_student:
        return None
    cents = await session.scalar(
        select(func.sum(Account.balance_cents)).where(
            Account.school_id == circle.school_id,
            among(Account.id, circle.accounts),
            Account.balance_cents != 0,
        )
    )
    if cents is None:
        return None
    return Obstacle(
        code="wallet-not-empty",
        detail=f"{euros(Cents(int(cents)))} € are in the wallets: pay them back, or have them paid.",
    )


async def _open_invoices(
    session: AsyncSession, circle: Circle, concerned: ColumnElement[bool]
) -> Obstacle | None:
    query = (
        select(func.count(), -func.sum(Account.balance_cents))
        .select_from(Invoice)
        .join(
            Account, (Account.school_id == Invoice.school_id) & (Account.id == Invoice.account_id)
        )
        .where(Invoice.school_id == circle.school_id, concerned, Account.balance_cents < 0)
    )
    count, cents = (await session.execute(query)).one()
    if not count:
        return None
    return Obstacle(
        code="open-invoices",
        detail=f"{euros(Cents(int(cents)))} are still due on {count} invoices.",
    )


async def _drafts(
    session: AsyncSession, circle: Circle, concerned: ColumnElement[bool]
) -> Obstacle | None:
    count = await session.scalar(
        select(func.count()).where(
            Invoice.school_id == circle.school_id, concerned, Invoice.number.is_(None)
        )
    )
    if not count:
        return None
    return Obstacle(
        code="draft-invoices", detail=f"{count} invoices are drafts: issue them, or discard them."
    )


async def _suspense(session: AsyncSession, circle: Circle) -> Obstacle | None:
    """Look for money that waits and names them, or comes from an account that paid for them."""
    known = select(BankTransaction.counterparty_account).where(
        BankTransaction.school_id == circle.school_id,
        payments(circle),
        BankTransaction.counterparty_account != "",
    )
    senders = (await session.execute(known.distinct())).scalars().all()
    count = await session.scalar(
        select(func.count()).where(
            BankTransaction.school_id == circle.school_id,
            BankTransaction.state == State.SUSPENSE,
            or_(payments(circle), BankTransaction.counterparty_account == func.any(list(senders))),
        )
    )
    if not count:
        return None
    return Obstacle(
        code="payment-in-suspense",
        detail=f"{count} payments wait that may be for them: allocate these first.",
    )


async def _last_guardian(session: AsyncSession, circle: Circle) -> Obstacle | None:
    if circle.of_student:
        return None
    today = await schools.today(session, circle.school_id)
    going = await families_going(session, circle)
    query = (
        select(func.count())
        .select_from(FamilyStudent)
        .join(
            Student,
            (Student.school_id == FamilyStudent.school_id)
            & (Student.id == FamilyStudent.student_id),
        )
        .where(
            FamilyStudent.school_id == circle.school_id,
            among(FamilyStudent.family_id, going),
            or_(Student.left_on.is_(None), Student.left_on > today),
            Student.erased_at.is_(None),
        )
    )
    if not await session.scalar(query):
        return None
    return Obstacle(
        code="last-guardian",
        detail="Nobody else is in a family of a child at the school: add another guardian first.",
    )
