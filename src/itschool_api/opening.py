"""How a school begins: profile, books, a year, compartments, bank accounts. For the operator."""

from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.contract import Email, Flag, Form, Language, Name, ShortText
from itschool_api.database import enter_school, new_id
from itschool_api.ledger import service as ledger
from itschool_api.money import Cents
from itschool_api.schools import service as schools
from itschool_api.schools.models import BankAccount
from itschool_api.wallets import service as wallets

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_GENERAL_NAMES = {"fr": "Compartiment général", "nl": "Algemeen", "de": "Allgemein"}


class NewSchool(Form):
    """What the operator says of a school; it stands on letters and pay screens."""

    name: Name
    street: ShortText
    postal_code: ShortText
    city: ShortText
    language: Language
    enterprise_number: ShortText
    email: Email | None = None
    phone: ShortText | None = None
    time_zone: str = "Europe/Brussels"
    payment_term_days: int = 15
    spread_excess: Flag = True
    compartments: tuple[Name, ...] = ()
    """Beside the general one."""


async def open_school(session: AsyncSession, new: NewSchool) -> UUID:
    """Open a school with its books, its general compartment and the present year.

    The session must be at its beginning; it is within the new school afterwards.
    """
    school_id = new_id()
    await enter_school(session, school_id)
    await schools.add_school(session, school_id, **new.model_dump(exclude={"compartments"}))
    await ledger.open_books(session, school_id)
    general = _GENERAL_NAMES.get(new.language, "General")
    for name in (general, *new.compartments):
        await schools.add_compartment(session, school_id, name)
    await schools.add_year(session, school_id)
    return school_id


async def add_bank_account(
    session: AsyncSession, school_id: UUID, *, iban: str, bic: str | None, holder: str
) -> BankAccount:
    """Add a bank account and its counterpart in the books; the first is the one to pay into.

    Raises `schools.InvalidIban`, `schools.IbanTaken`, and `ValueError` for a holder that no pay
    screen can show.
    """
    holder = _NAME.validate_python(holder)
    account_id = await ledger.open_account(session, school_id, "bank")
    return await schools.add_bank_account(
        session, school_id, iban=iban, bic=bic, holder=holder, account_id=account_id
    )


async def add_compartment(
    session: AsyncSession, school_id: UUID, name: str, floor_cents: Cents
) -> None:
    """Add a compartment, and a wallet in it for every student."""
    name = _NAME.validate_python(name)
    await schools.add_compartment(session, school_id, name, floor_cents=floor_cents)
    await wallets.open_missing(session, school_id)
