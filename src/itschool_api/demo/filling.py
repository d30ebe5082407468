"""Fills an empty database with the demonstration, in one transaction for each school."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import opening
from itschool_api.auth import caller as policy
from itschool_api.auth import service as auth
from itschool_api.auth.caller import Caller, Role, Scope
from itschool_api.banking import coda
from itschool_api.banking import service as banking
from itschool_api.database import Sessions
from itschool_api.demo import agenda, bank, bills, people
from itschool_api.demo.bank import Payable, Payables
from itschool_api.demo.invention import SCHOOLS, Inventor, SchoolPlan
from itschool_api.demo.people import Family, Login
from itschool_api.money import Cents
from itschool_api.schools import service as schools
from itschool_api.storage import Storage
from itschool_api.wallets import service as wallets

# Published on purpose: whoever tries the demonstration reads them in its documentation.
_PASSWORD = "try-the-school"  # noqa: S105
PARENT = Login("parent", _PASSWORD)
TEACHER = Login("teacher", _PASSWORD)
MANAGER = Login("manager", _PASSWORD)
ACCOUNTANT = Login("accountant", _PASSWORD)
ADMIN = Login("admin", _PASSWORD)
_KEY_SCOPES = (Scope.BANK_STATEMENTS_READ, Scope.BANK_STATEMENTS_WRITE)


@dataclass(frozen=True, slots=True)
class Filled:
    """What is needed to go on: the key of the school's IT person, and the bank's next file."""

    api_key: str
    next_file: bytes


async def fill(sessions: Sessions, storage: Storage, tell: Callable[[str], None]) -> Filled:
    """Write both schools; `tell` hears what is being done. Returns what belongs to the first."""
    first, second = SCHOOLS
    filled = await _fill_school(sessions, storage, first, tell, known=True)
    await _fill_school(sessions, storage, second, tell, known=False)
    return filled


async def _fill_school(
    sessions: Sessions,
    storage: Storage,
    plan: SchoolPlan,
    tell: Callable[[str], None],
    *,
    known: bool,
) -> Filled:
    tell(f"{plan.name}: {plan.families} families, {plan.students} students")
    async with sessions.begin() as session:
        school_id = await _open(session, plan)
        manager = await _hire(session, school_id, plan, Role.MANAGER, MANAGER if known else None)
        await _hire(session, school_id, plan, Role.ACCOUNTANT, ACCOUNTANT if known else None)
        await _hire(session, school_id, plan, Role.TEACHER, TEACHER if known else None)
        await _hire(session, school_id, plan, Role.ADMIN, ADMIN if known else None)
        today = await schools.today(session, school_id)
        everybody = await people.settle(
            session,
            school_id,
            plan.words,
            Inventor(plan, today).households(),
            PARENT if known else None,
        )
        await agenda.announce(session, school_id, plan.words, everybody, by=manager.name)
        tell(f"{plan.name}: {plan.invoices} invoices")
        billed = await bills.bill(session, school_id, plan, everybody.families)
        tell(f"{plan.name}: a bank file of {plan.movements} movements")
        payables = await _payables(session, school_id, everybody.families, billed)
        imported_on, next_on = bank.bank_days_before(today - timedelta(days=1), 2)
        statements = bank.statements(plan, payables, imported_on)
        await banking.import_file(session, storage, manager, coda.write(statements), preview=False)
        _, api_key = await auth.create_api_key(
            session,
            school_id,
            label="Bank import",
            scopes=_KEY_SCOPES,
            expires_at=None,
            by=manager.name,
        )
    invoice = next(each for each in billed.open if each.is_parents)
    following = bank.following(plan, payables, statements[-1], next_on, invoice)
    return Filled(api_key, coda.write([following]))


async def _open(session: AsyncSession, plan: SchoolPlan) -> UUID:
    """Open the school, with the year before: autumn's invoices may be of it in August."""
    school_id = await opening.open_school(
        session,
        opening.NewSchool(
            name=plan.name,
            street=plan.street,
            postal_code=plan.postal_code,
            city=plan.city,
            language=plan.words.language,
            enterprise_number=plan.enterprise_number,
            email=plan.email,
            phone=plan.phone,
            compartments=(plan.words.canteen,),
        ),
    )
    present = await schools.year(session, school_id, None)
    await schools.add_year(session, school_id, present.begins_on.year - 1)
    await opening.add_bank_account(
        session, school_id, iban=plan.iban, bic=plan.bic, holder=plan.holder
    )
    return school_id


async def _hire(
    session: AsyncSession, school_id: UUID, plan: SchoolPlan, role: Role, login: Login | None
) -> Caller:
    """Add somebody who works there, and return them as a caller."""
    first_name, last_name = plan.staff[role]
    user = await auth.create_user(
        session,
        school_id,
        [role],
        first_name=first_name,
        last_name=last_name,
        email=f"{role}@{plan.domain}",
        language=plan.words.language,
        user_name=login.user_name if login else None,
        password=login.password if login else None,
    )
    roles = frozenset({role})
    return Caller(school_id, f"user:{user.id}", user.id, None, roles, policy.reach_of(roles))


async def _payables(
    session: AsyncSession, school_id: UUID, everybody: Sequence[Family], billed: bills.Bills
) -> Payables:
    """Return what the bank's file may pay into; the last student has left."""
    shown = await wallets.references(session, school_id)
    compartments = await schools.compartments(session, school_id)
    payers = {student.id: family for family in everybody for student in family.students}
    found = [
        Payable(
            shown[student.id, compartment.id],
            family.home.payer,
            student.first_name,
            Cents(0),
            is_parents=family.is_parents,
        )
        for family in everybody
        for student in family.students
        for compartment in compartments
        # Of two separated homes one pays for the wallet.
        if payers[student.id] is family
    ]
    leaver = everybody[-1].students[-1]
    await wallets.close(session, school_id, leaver.id)
    of_leaver = len(compartments)
    return Payables(found[:-of_leaver], billed.paid, found[-of_leaver])
