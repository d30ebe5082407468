"""The route of a bank file, from bytes to balances; and the settling of what waits.

`import_file` is the one parent: all control flow is in it, and each stop is a call of its own.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

import anyio.to_thread
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, pagination
from itschool_api.auth.caller import Caller
from itschool_api.banking import coda, matching, reports
from itschool_api.banking.coda import NO_SEPARATE_APPLICATION, CodaError, Statement
from itschool_api.banking.matching import Books, Cause, Line, Planned, State, Tally
from itschool_api.banking.models import BankFile, BankImport, BankStatement, BankTransaction
from itschool_api.banking.reports import Known, Predecessor, cents
from itschool_api.banking.repository import Statements, Transactions
from itschool_api.banking.schemas import (
    MOST_STATEMENTS,
    BankStatementDetails,
    BankStatementPage,
    BankTransactionDetails,
    BankTransactionPage,
    ImportReport,
    NewAllocation,
    NewAllocations,
    Sum,
    TransactionAllocation,
)
from itschool_api.banking.schemas import BankStatement as BankStatementDocument
from itschool_api.banking.schemas import BankTransaction as BankTransactionDocument
from itschool_api.database import new_id, refusing
from itschool_api.invoices import service as invoices
from itschool_api.ledger import service as ledger
from itschool_api.ledger.service import Locked, Posting
from itschool_api.money import Cents, euros
from itschool_api.pagination import Order, Slice
from itschool_api.schools import service as schools
from itschool_api.schools.models import BankAccount
from itschool_api.storage import Storage
from itschool_api.wallets import service as wallets

_EURO = "EUR"
_BBAN_LENGTH = 12
_log = structlog.get_logger(__name__)


class MalformedBankFile(errors.Unprocessable):
    """This is not a CODA file, or it contradicts itself; nothing was booked."""


class TooManyStatements(errors.TooLarge):
    """The file holds more statements than are taken at once."""


class UnknownBankAccount(errors.Unprocessable):
    """The file is of a bank account that is not this school's."""


class UnsupportedCurrency(errors.Unprocessable):
    """The file is of an account in another currency than the euro."""


class StatementConflict(errors.Conflict):
    """A statement of this number was imported before, with another content."""


class BankStatementNotFound(errors.NotFound):
    """There is no such bank statement."""


class BankTransactionNotFound(errors.NotFound):
    """There is no such bank transaction."""


class NotInSuspense(errors.Conflict):
    """The transaction does not wait for a decision."""


class DebitNotAllocatable(errors.Unprocessable):
    """Money that left the account cannot be given to anybody."""


class AllocationsDoNotAddUp(errors.Unprocessable):
    """The parts do not make up the transaction's amount."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a file: its report as bytes, and whether the books changed."""

    report: bytes
    created: bool


@dataclass(frozen=True, slots=True)
class _Recognised:
    """A statement of the file beside what the books know of it."""

    statement: Statement
    bank: BankAccount
    key: str
    duplicate_of: BankStatement | None
    repeated: bool
    """Whether the same file held it before."""

    @property
    def is_new(self) -> bool:
        """Tell whether it is to be imported."""
        return self.duplicate_of is None and not self.repeated


async def import_file(
    session: AsyncSession, storage: Storage, caller: Caller, data: bytes, *, preview: bool
) -> Imported:
    """Read a CODA file, match its movements, and book them: all of the file, or nothing.

    The same content again changes nothing and gives the first report again.

    Raises `MalformedBankFile`, `TooManyStatements`, `UnknownBankAccount`, `UnsupportedCurrency`,
    `StatementConflict`.
    """
    school_id = caller.school_id
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        statements = await anyio.to_thread.run_sync(coda.parse, data)
    except CodaError as error:
        raise MalformedBankFile(str(error)) from error
    if len(statements) > MOST_STATEMENTS:
        raise TooManyStatements(f"At most {MOST_STATEMENTS}; it has {len(statements)}.")

    await ledger.lock_books(session, school_id)
    recognised = await _recognise(session, school_id, statements)
    new = [index for index, each in enumerate(recognised) if each.is_new]
    if not new and not preview and (stored := await _first_report(session, recognised)):
        return Imported(stored, created=False)

    lines = await anyio.to_thread.run_sync(matching.lines_of, statements, new)
    locked, books = await _books(session, school_id, lines)
    planned = await anyio.to_thread.run_sync(matching.plan, lines, books)

    books_change = bool(new) and not preview
    import_id = new_id() if books_change else None
    imported_at = clock.now() if books_change else None
    statement_ids = {index: new_id() for index in new} if books_change else {}
    report = reports.report(
        statements,
        await _known(session, school_id, recognised, statement_ids),
        planned,
        import_id=import_id,
        imported_at=imported_at,
        preview=preview,
        file_sha256=sha256,
    )
    text = report.model_dump_json()
    if import_id is None or imported_at is None:
        return Imported(text.encode(), created=False)

    session.add(
        BankImport(
            school_id=school_id,
            id=import_id,
            imported_by=caller.name,
            imported_at=imported_at,
            report=text,
        )
    )
    await session.flush()
    key = await storage.keep(school_id, f"bank-files/{sha256}.cod", data)
    session.add(
        BankFile(
            school_id=school_id,
            id=new_id(),
            import_id=import_id,
            storage_key=key,
            sha256=sha256,
            size_bytes=len(data),
        )
    )
    await _add_statements(session, school_id, import_id, recognised, report, statement_ids)
    await _book(session, school_id, locked, planned, recognised, statement_ids)
    _log.info(
        "bank.imported",
        import_id=str(import_id),
        transactions=report.transactions.count,
        paid=report.paid.count,
        suspense=report.suspense.count,
        ignored=report.ignored.count,
    )
    return Imported(text.encode(), created=True)


async def list_statements(
    session: AsyncSession, caller: Caller, wanted: Slice
) -> BankStatementPage:
    """Return statements, the newest import first."""
    query = Statements(session, caller.school_id).selected()
    rows, following = await pagination.rows(
        session, query, Order((BankStatement.id,), descending=True), wanted
    )
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


async def list_transactions(
    session: AsyncSession,
    caller: Caller,
    wanted: Slice,
    *,
    state: State | None,
    cause: Cause | None,
    statement_id: UUID | None,
) -> BankTransactionPage:
    """Return transactions, the newest first."""
    query = Transactions(session, caller.school_id).selected(
        state=state, cause=cause, statement_id=statement_id
    )
    rows, following = await pagination.rows(
        session, query, Order((BankTransaction.id,), descending=True), wanted
    )
    return BankTransactionPage(
        items=[BankTransactionDocument.model_validate(row[0]) for row in rows], next=following
    )


async def read_transaction(
    session: AsyncSession, caller: Caller, transaction_id: UUID
) -> BankTransactionDetails:
    """Return a transaction and where its money went; raises `BankTransactionNotFound`."""
    rows = Transactions(session, caller.school_id)
    query = rows.selected().where(BankTransaction.id == transaction_id)
    transaction = (
        await session.execute(query.execution_options(populate_existing=True))
    ).scalar_one_or_none()
    if transaction is None:
        raise BankTransactionNotFound
    return BankTransactionDetails(
        **BankTransactionDocument.model_validate(transaction).model_dump(),
        allocations=[
            TransactionAllocation(
                account="wallet" if row.wallet_id else "invoice",
                wallet_id=row.wallet_id,
                invoice_id=row.invoice_id,
                amount_cents=row.amount_cents,
                allocated_by=row.allocated_by,
                allocated_at=row.allocated_at,
            )
            for row in await rows.allocations(transaction_id)
        ],
    )


async def allocate(
    session: AsyncSession, caller: Caller, transaction_id: UUID, form: NewAllocations
) -> BankTransactionDetails:
    """Settle a transaction that waits, over wallets and invoices; one decision wins.

    Raises `BankTransactionNotFound`, `NotInSuspense`, `DebitNotAllocatable`,
    `AllocationsDoNotAddUp`, `WalletNotFound`, `InvoiceNotFound`, and what `ledger.post` raises.
    """
    school_id = caller.school_id
    rows = Transactions(session, school_id)
    transaction = await rows.locked(transaction_id)
    if transaction is None:
        raise BankTransactionNotFound
    if transaction.state != State.SUSPENSE:
        raise NotInSuspense
    if transaction.amount_cents < 0:
        raise DebitNotAllocatable
    total = Cents(sum(part.amount_cents for part in form.allocations))
    if total != transaction.amount_cents:
        raise AllocationsDoNotAddUp(
            f"They make {euros(total)}; the transaction is of {euros(transaction.amount_cents)}."
        )
    targets = [await _account_of(session, caller, part) for part in form.allocations]
    locked = await ledger.lock(session, school_id, targets)
    today = await schools.today(session, school_id)
    postings = [
        Posting(
            source_id=locked.chart.suspense,
            target_id=target,
            amount_cents=Cents(part.amount_cents),
            cause=f"allocation:{new_id()}",
            booked_on=today,
        )
        for part, target in zip(form.allocations, targets, strict=True)
    ]
    await ledger.post(session, locked, postings)
    await rows.mark_paid(transaction_id)
    await rows.allocate(
        [(transaction_id, posting.id) for posting in postings], caller.name, clock.now()
    )
    return await read_transaction(session, caller, transaction_id)


async def _account_of(session: AsyncSession, caller: Caller, part: NewAllocation) -> UUID:
    if part.wallet_id is not None:
        return await wallets.account_of(session, caller, part.wallet_id)
    if part.invoice_id is None:
        raise LookupError("an allocation names a wallet or an invoice")
    return await invoices.account_of(session, caller, part.invoice_id)


async def _recognise(
    session: AsyncSession, school_id: UUID, statements: Sequence[Statement]
) -> list[_Recognised]:
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
                f"{statement.closing_on.isoformat()}, differs from the one that was imported."
            )
        recognised.append(
            _Recognised(statement, bank, key, before, repeated=(bank.id, key) in seen)
        )
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


async def _first_report(session: AsyncSession, recognised: Sequence[_Recognised]) -> bytes | None:
    """Return the stored report, if one import brought all of these statements."""
    stored = [each.duplicate_of for each in recognised if each.duplicate_of]
    imports = {each.import_id for each in stored}
    if len(imports) != 1:
        return None
    rows = Statements(session, stored[0].school_id)
    return (await rows.report(imports.pop())).encode()


async def _books(
    session: AsyncSession, school_id: UUID, lines: Sequence[Line]
) -> tuple[Locked, Books]:
    """Lock all that the file may touch, and return the picture that the plan needs."""
    wanted = matching.references_in(lines)
    account_of = await ledger.accounts_by_reference(session, school_id, wanted)
    debts = await invoices.debts(session, school_id, set(account_of.values()))
    students = {student_id for _, student_id in debts.billed.values()}
    general = await wallets.general_accounts(session, school_id, students)
    _, profile = await schools.profile(session, school_id)
    touched = {
        *account_of.values(),
        *general.values(),
        *(account for accounts in debts.open_of_family.values() for account in accounts),
    }
    locked = await ledger.lock(session, school_id, touched)
    return locked, Books(
        account_of=account_of,
        remaining_cents={
            account: Cents(-balance.balance_cents)
            for account, balance in locked.balances.items()
            if account not in general.values() and balance.ceiling_cents == 0
        },
        billed=debts.billed,
        open_of_family=debts.open_of_family,
        general_wallet=general,
        closed=frozenset(account for account, balance in locked.balances.items() if balance.closed),
        spread_excess=profile.spread_excess,
    )


async def _known(
    session: AsyncSession,
    school_id: UUID,
    recognised: Sequence[_Recognised],
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


async def _add_statements(
    session: AsyncSession,
    school_id: UUID,
    import_id: UUID,
    recognised: Sequence[_Recognised],
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
            content_sha256=recognised[index].statement.content_sha256,
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


async def _book(
    session: AsyncSession,
    school_id: UUID,
    locked: Locked,
    planned: Sequence[Planned],
    recognised: Sequence[_Recognised],
    statement_ids: dict[int, UUID],
) -> None:
    """Write the transactions, move their money, and tell which transfer settled which."""
    if not planned:
        return
    rows = Transactions(session, school_id)
    await rows.add(planned, statement_ids)
    postings: list[Posting] = []
    settled: list[tuple[UUID, UUID]] = []
    for each in planned:
        bank = recognised[each.line.statement].bank.account_id
        made = list(_postings(each, bank, locked))
        postings += made
        if each.state is State.PAID:
            settled += [(each.line.id, posting.id) for posting in made]
    await ledger.post(session, locked, postings)
    if settled:
        await rows.allocate(settled, "matching", clock.now())


def _postings(planned: Planned, bank: UUID, locked: Locked) -> list[Posting]:
    """Return the transfers of one movement: credits come from the bank, debits go to it."""
    if planned.cause in matching.NEVER_POSTED:
        return []
    chart = locked.chart
    if planned.state is State.PAID:
        parts = planned.parts
    elif planned.state is State.SUSPENSE:
        parts = ((chart.suspense, planned.line.amount_cents),)
    elif planned.cause is Cause.BANK_CHARGES:
        parts = ((chart.charges, planned.line.amount_cents),)
    else:
        parts = ((chart.other, planned.line.amount_cents),)
    return [
        Posting(
            source_id=bank if amount > 0 else account,
            target_id=account if amount > 0 else bank,
            amount_cents=Cents(abs(amount)),
            cause=f"bank-transaction:{planned.line.id}:{place}",
            booked_on=planned.line.booked_on,
        )
        for place, (account, amount) in enumerate(parts)
    ]


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
