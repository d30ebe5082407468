"""Schools: their years, compartments and bank accounts, and what others ask about them."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import ColumnElement, Date, cast, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from stdnum import iban as iban_numbers
from stdnum.exceptions import ValidationError

from itschool_api import clock, errors
from itschool_api.auth import service as auth
from itschool_api.auth.caller import Caller
from itschool_api.database import held, new_id, refusing
from itschool_api.money import Cents
from itschool_api.preconditions import Precondition
from itschool_api.schools.models import (
    BankAccount,
    Compartment,
    IbanClaim,
    School,
    SchoolProfile,
    SchoolYear,
)
from itschool_api.schools.repository import Schools
from itschool_api.schools.schemas import Compartment as CompartmentDocument
from itschool_api.schools.schemas import CompartmentChanges, Me, MySchool

_NO_CREDIT = Cents(0)
_FIRST_MONTH = 8


class IbanTaken(errors.Conflict):
    """This bank account belongs to another school, or is here already."""


class InvalidIban(errors.Unprocessable):
    """This is not a valid IBAN."""


class SchoolNotFound(errors.NotFound):
    """There is no such school."""


class CompartmentNotFound(errors.NotFound):
    """There is no such compartment."""


class SchoolYearExists(errors.Conflict):
    """This school year is there already."""


class SchoolYearNotFound(errors.NotFound):
    """There is no such school year."""


class NoSchoolYear(errors.Conflict):
    """No school year has begun yet: the operator adds one first."""


class NoBankAccount(errors.Conflict):
    """The school has no bank account yet: the operator adds one first."""


async def add_school(
    session: AsyncSession,
    school_id: UUID,
    *,
    name: str,
    street: str,
    postal_code: str,
    city: str,
    language: str,
    enterprise_number: str,
    email: str | None = None,
    phone: str | None = None,
    time_zone: str = "Europe/Brussels",
    payment_term_days: int = 15,
    spread_excess: bool = True,
) -> School:
    """Add a school; the transaction must be within `school_id` already."""
    school = School(id=school_id, name=name, time_zone=time_zone, created_at=clock.now())
    session.add(school)
    await session.flush()
    session.add(
        SchoolProfile(
            school_id=school_id,
            street=street,
            postal_code=postal_code,
            city=city,
            language=language,
            enterprise_number=enterprise_number,
            email=email,
            phone=phone,
            payment_term_days=payment_term_days,
            spread_excess=spread_excess,
        )
    )
    await session.flush()
    return school


async def add_year(
    session: AsyncSession, school_id: UUID, first_year: int | None = None
) -> SchoolYear:
    """Add the school year that begins in `first_year`: the last days of August to July.

    By default the one after the present year, or today's where none has begun. (Décret 31/3/2022:
    since 2022 the French Community's year begins in late August.) Raises `SchoolNotFound`,
    `SchoolYearExists`.
    """
    if first_year is None:
        present = await present_year(session, school_id)
        first_year = (
            present.begins_on.year + 1 if present else _year_of(await today(session, school_id))
        )
    year = SchoolYear(
        school_id=school_id,
        id=new_id(),
        name=f"{first_year}-{first_year + 1}",
        begins_on=date(first_year, _FIRST_MONTH, 1),
        ends_on=date(first_year + 1, _FIRST_MONTH - 1, 31),
    )
    session.add(year)
    with (
        refusing("uq_school_years_school_id_name", SchoolYearExists()),
        refusing("fk_school_years_school_id", SchoolNotFound()),
    ):
        await session.flush()
    return year


async def compartment(session: AsyncSession, school_id: UUID, compartment_id: UUID) -> Compartment:
    """Return a compartment; raises `CompartmentNotFound`."""
    found = await session.get(Compartment, (school_id, compartment_id))
    if found is None:
        raise CompartmentNotFound
    return found


async def change_compartment(
    session: AsyncSession,
    school_id: UUID,
    compartment_id: UUID,
    changes: CompartmentChanges,
    precondition: Precondition,
) -> CompartmentDocument:
    """Say from where on a compartment's wallets are low.

    Raises `CompartmentNotFound`, and what the precondition raises.
    """
    found = await held(session, Compartment, school_id, compartment_id)
    if found is None:
        raise CompartmentNotFound
    precondition.hold(CompartmentDocument.model_validate(found))
    for name, value in changes.given().items():
        setattr(found, name, value)
    await session.flush()
    return CompartmentDocument.model_validate(found)


async def add_compartment(
    session: AsyncSession, school_id: UUID, name: str, *, floor_cents: Cents = _NO_CREDIT
) -> Compartment:
    """Add a compartment; the first is the general one."""
    position = len(await Schools(session).compartments(school_id))
    compartment = Compartment(
        school_id=school_id,
        id=new_id(),
        name=name,
        position=position,
        is_general=position == 0,
        floor_cents=floor_cents,
    )
    session.add(compartment)
    await session.flush()
    return compartment


async def add_bank_account(
    session: AsyncSession,
    school_id: UUID,
    *,
    iban: str,
    bic: str | None,
    holder: str,
    account_id: UUID,
) -> BankAccount:
    """Add a bank account whose counterpart in the books is `account_id`; the first is the default.

    Raises `InvalidIban`, `IbanTaken`.
    """
    try:
        # Without the list of banks inside the library: a bank may be younger than it.
        number = iban_numbers.validate(iban, check_country=False)
    except ValidationError as error:
        raise InvalidIban(str(error)) from error
    first = not await Schools(session).bank_accounts(school_id)
    session.add(IbanClaim(iban=number, school_id=school_id))
    with refusing("pk_iban_claims", IbanTaken()):
        await session.flush()
    account = BankAccount(
        school_id=school_id,
        id=new_id(),
        iban=number,
        bic=bic,
        holder=holder,
        account_id=account_id,
        is_default=first,
    )
    session.add(account)
    await session.flush()
    return account


async def me(session: AsyncSession, caller: Caller) -> Me:
    """Return what the caller is told about themselves."""
    if caller.user_id is None:
        raise errors.Forbidden
    user = await auth.user(session, caller.user_id)
    roles: dict[UUID, tuple[str, list[str]]] = {}
    for school, role in await Schools(session).of_user(user.id):
        roles.setdefault(school.id, (school.name, []))[1].append(role)
    return Me(
        user_id=user.id,
        user_name=user.user_name,
        first_name=user.first_name,
        last_name=user.last_name,
        email=user.email,
        language=user.language,
        school_id=caller.school_id,
        scopes=sorted(caller.reach),
        schools=[
            MySchool(id=school_id, name=name, roles=held)
            for school_id, (name, held) in roles.items()
        ],
    )


def today_there(school_id: UUID) -> ColumnElement[date]:
    """Return today's date where the school is, as an SQL expression."""
    return (
        select(cast(func.timezone(School.time_zone, func.now()), Date))
        .where(School.id == school_id)
        .scalar_subquery()
    )


async def today(session: AsyncSession, school_id: UUID) -> date:
    """Return today's date where the school is."""
    return clock.today(await Schools(session).time_zone(school_id))


async def time_zone(session: AsyncSession, school_id: UUID) -> str:
    """Return the school's time zone (an IANA name)."""
    return await Schools(session).time_zone(school_id)


async def years(session: AsyncSession, school_id: UUID) -> Sequence[SchoolYear]:
    """Return the school's years, newest first."""
    return await Schools(session).years(school_id)


async def year(session: AsyncSession, school_id: UUID, year_id: UUID | None) -> SchoolYear:
    """Return a school year, by default the present one.

    Raises `SchoolYearNotFound`, `NoSchoolYear`.
    """
    rows = Schools(session)
    if year_id is not None:
        found = await rows.year(school_id, year_id)
        if found is None:
            raise SchoolYearNotFound
        return found
    found = await present_year(session, school_id)
    if found is None:
        raise NoSchoolYear
    return found


async def present_year(session: AsyncSession, school_id: UUID) -> SchoolYear | None:
    """Return the school year of today, or the newest that began before."""
    return await Schools(session).year_of(school_id, await today(session, school_id))


async def school(session: AsyncSession, school_id: UUID) -> School:
    """Return a school."""
    return await session.get_one(School, school_id)


async def all_schools(session: AsyncSession) -> Sequence[School]:
    """Return every school: for the operator only."""
    return await Schools(session).all()


async def profile(session: AsyncSession, school_id: UUID) -> tuple[School, SchoolProfile]:
    """Return a school and what describes it."""
    return await Schools(session).with_profile(school_id)


async def compartments(session: AsyncSession, school_id: UUID) -> Sequence[Compartment]:
    """Return the school's compartments in their order."""
    return await Schools(session).compartments(school_id)


async def bank_accounts(session: AsyncSession, school_id: UUID) -> Sequence[BankAccount]:
    """Return the school's bank accounts, the one that parents pay into first."""
    return await Schools(session).bank_accounts(school_id)


async def account_to_pay(session: AsyncSession, school_id: UUID) -> BankAccount:
    """Return the bank account that parents pay into; raises `NoBankAccount`."""
    accounts = await Schools(session).bank_accounts(school_id)
    if not accounts:
        raise NoBankAccount
    return accounts[0]


async def imported_until(session: AsyncSession, school_id: UUID) -> date | None:
    """Return the day until which the account that parents pay into was imported."""
    accounts = await Schools(session).bank_accounts(school_id)
    return accounts[0].imported_until if accounts else None


async def mark_imported(
    session: AsyncSession, school_id: UUID, bank_account_id: UUID, until: date | None
) -> None:
    """Remember until which day a bank account was imported."""
    await session.execute(
        update(BankAccount)
        .where(BankAccount.school_id == school_id, BankAccount.id == bank_account_id)
        .values(imported_until=until)
    )


def _year_of(day: date) -> int:
    return day.year if day.month >= _FIRST_MONTH else day.year - 1
