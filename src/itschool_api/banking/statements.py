"""Statements of account: whose they are, whether they were imported before, and reading them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import errors, pagination
from itschool_api.auth.caller import Caller
from itschool_api.banking import reports
from itschool_api.banking.coda import NO_SEPARATE_APPLICATION, Statement
from itschool_api.banking.matching import Cause, State, Tally
from itschool_api.banking.models import BankStatement
from itschool_api.banking.reports import Known, Predecessor, cents
from itschool_api.banking.repository import STATEMENT_ORDERS, Statements
from itschool_api.banking.schemas import BankStatement as BankStatementDocument
from itschool_api.banking.schemas import (
    BankStatementDetails,
    BankStatementPage,
    BankStatementSort,
    ImportReport,
    Sum,
)
from itschool_api.database import refusing
from itschool_api.pagination import Slice
from itschool_api.schools import service as schools
from itschool_api.schools.models import BankAccount

_EURO = "EUR"
_BBAN_LENGTH = 12


class UnknownBankAccount(errors.Unprocessable):
    """The file is of a bank account that is not this school's."""


class UnsupportedCurrency(errors.Unprocessable):
    """The file is of an account in another currency than the euro."""


class StatementConflict(errors.Conflict):
    """There is a statement of this number already, with another content."""


class BankStatementNotFound(errors.NotFound):
    """There is no such bank statement."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """A statement of the file beside what the books know of it."""

    statement: Statement
    bank: BankAccount
    key: str
    content_sha256: str
    duplicate_of: BankStatement | None
    repeated: bool
    """Whether the same file held it before."""

    @property
    def is_new(self) -> bool:
        """Tell whether it is to be imported."""
        return self.duplicate_of is None and not self.repeated


async def list_statements(
    session: AsyncSession, caller: Caller, sort: BankStatementSort, wanted: Slice
) -> BankStatementPage:
    """Return statements."""
    query = Statements(session, caller.school_id).selected()
    rows, following = await pagination.rows(session, query, STATEMENT_ORDERS[sort], wanted)
    return BankStatementPage(
        items=[BankStatementDocument(**_statement_facts(row)) for row in rows], next=following
    )


async def read_statement(
    session: AsyncSession, caller: Caller, statement_id: UUID
) -> BankStatementDetails:
    """Return a statement and what became of it; raises `BankStatementNotFound`."""
    rows = Statements(session, caller.school_id)
    query = rows.selected().where(BankStatement.id == statement_id)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise BankStatementNotFound
    paid = Sum(count=0, cents=0)
    waiting: dict[State, dict[Cause, Tally]] = {State.SUSPENSE: {}, State.IGNORED: {}}
    for each in await rows.outcome(statement_id):
        if each.state == State.PAID:
            paid = Sum(count=each.count, cents=each.cents)
        else:
            waiting[State(each.state)][Cause(each.cause)] = Tally(each.count, int(each.cents))
    return BankStatementDetails(
        **_statement_facts(row),
        paid=paid,
        suspense=reports.causes_sum(waiting[State.SUSPENSE]),
        ignored=reports.causes_sum(waiting[State.IGNORED]),
    )


async def recognise(
    session: AsyncSession, school_id: UUID, statements: Sequence[Statement]
) -> list[Recognised]:
    """Find each statement's bank account, and what was imported already."""
    accounts = await schools.bank_accounts(session, school_id)
    banks = [_bank_account(statement, accounts) for statement in statements]
    keys = [_key(*each) for each in zip(statements, banks, strict=True)]
    known = await Statements(session, school_id).known(set(keys))
    recognised = []
    seen: dict[tuple[UUID, str], str] = {}
    for statement, bank, key in zip(statements, banks, keys, strict=True):
        before = known.get((bank.id, key))
        content = statement.content_sha256
        stored = before.content_sha256 if before else seen.get((bank.id, key), content)
        if stored != content:
            raise StatementConflict(
                f"Statement {statement.number} of {bank.iban}, closing on "
                f"{statement.closing_on.isoformat()}, differs from the one before."
            )
        repeated = (bank.id, key) in seen
        recognised.append(Recognised(statement, bank, key, content, before, repeated))
        seen[bank.id, key] = content
    return recognised


def _bank_account(statement: Statement, accounts: Sequence[BankAccount]) -> BankAccount:
    for bank in accounts:
        # A bank may write the number in the old way, without country and check digits.
        if statement.account in {bank.iban, bank.iban[-_BBAN_LENGTH:]}:
            if statement.currency != _EURO:
                raise UnsupportedCurrency(f"It is in {statement.currency}.")
            return bank
    raise UnknownBankAccount(f"It is of account {statement.account}.")


def _key(statement: Statement, bank: BankAccount) -> str:
    """Name a statement by its account's IBAN, in whichever way the bank wrote the number."""
    return replace(statement, account=bank.iban).key


async def first_report(session: AsyncSession, recognised: Sequence[Recognised]) -> bytes | None:
    """Return the stored report, if one import brought all of these statements."""
    stored = [each.duplicate_of for each in recognised if each.duplicate_of]
    imports = {each.import_id for each in stored}
    if len(imports) != 1:
        return None
    rows = Statements(session, stored[0].school_id)
    return (await rows.report(imports.pop())).encode()


async def known_of(
    session: AsyncSession,
    school_id: UUID,
    recognised: Sequence[Recognised],
    statement_ids: Mapping[int, UUID],
) -> list[Known]:
    """Return what the report says of each statement beside its own words."""
    first_days: dict[UUID, date] = {}
    for each in recognised:
        opened = each.statement.opening_on or each.statement.closing_on
        day = first_days.setdefault(each.bank.id, opened)
        first_days[each.bank.id] = min(day, opened)
    stored = await Statements(session, school_id).newest_before(first_days.items())
    before = {
        bank_id: Predecessor(each.number, each.closing_on, each.closing_cents)
        for bank_id, each in stored.items()
    }
    known = []
    for index, each in enumerate(recognised):
        statement = each.statement
        known.append(
            Known(
                iban=each.bank.iban,
                statement_id=each.duplicate_of.id
                if each.duplicate_of
                else statement_ids.get(index),
                duplicate=not each.is_new,
                before=before.get(each.bank.id),
            )
        )
        if statement.separate_application == NO_SEPARATE_APPLICATION:
            before[each.bank.id] = Predecessor(
                statement.number, statement.closing_on, cents(statement.closing_milli)
            )
    return known


async def add(
    session: AsyncSession,
    school_id: UUID,
    import_id: UUID,
    recognised: Sequence[Recognised],
    report: ImportReport,
    statement_ids: Mapping[int, UUID],
) -> None:
    """Write the new statements, and until when their accounts are imported."""
    session.add_all(
        BankStatement(
            school_id=school_id,
            id=statement_id,
            import_id=import_id,
            bank_account_id=recognised[index].bank.id,
            key=recognised[index].key,
            content_sha256=recognised[index].content_sha256,
            number=recognised[index].statement.number,
            separate_application=recognised[index].statement.separate_application,
            opening_on=recognised[index].statement.opening_on,
            closing_on=recognised[index].statement.closing_on,
            opening_cents=cents(recognised[index].statement.opening_milli),
            closing_cents=cents(recognised[index].statement.closing_milli),
            transactions=report.statements[index].transactions,
        )
        for index, statement_id in statement_ids.items()
    )
    with refusing("uq_bank_statements_key", StatementConflict()):
        await session.flush()
    newest: dict[UUID, date] = {}
    for index in statement_ids:
        each = recognised[index]
        if each.statement.separate_application == NO_SEPARATE_APPLICATION:
            known = newest.get(each.bank.id) or each.bank.imported_until
            closed = each.statement.closing_on
            newest[each.bank.id] = max(known, closed) if known else closed
    for bank_id, until in newest.items():
        await schools.mark_imported(session, school_id, bank_id, until)


def _statement_facts(row: Any) -> dict[str, Any]:
    statement: BankStatement = row[0]
    return {
        "id": statement.id,
        "iban": row.iban,
        "number": statement.number,
        "separate_application": statement.separate_application,
        "opening_on": statement.opening_on,
        "closing_on": statement.closing_on,
        "opening_cents": statement.opening_cents,
        "closing_cents": statement.closing_cents,
        "transactions": statement.transactions,
        "imported_at": row.imported_at,
        "import_id": statement.import_id,
    }
