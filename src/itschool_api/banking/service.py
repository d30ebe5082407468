"""The route of a bank file, from bytes to balances.

`import_file` is the one parent: all control flow is in it, and each stop is a call of its own.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import anyio.to_thread
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, trail
from itschool_api.auth.caller import Caller
from itschool_api.banking import coda, matching, news, reports, statements
from itschool_api.banking.coda import CodaError
from itschool_api.banking.matching import Books, Cause, Line, Planned, State
from itschool_api.banking.models import BankFile, BankImport
from itschool_api.banking.repository import Transactions
from itschool_api.banking.schemas import MOST_STATEMENTS, ImportReport
from itschool_api.banking.statements import Recognised
from itschool_api.database import new_id
from itschool_api.invoices import service as invoices
from itschool_api.ledger import service as ledger
from itschool_api.ledger.service import Locked, Posting
from itschool_api.money import Cents
from itschool_api.schools import service as schools
from itschool_api.storage import Storage
from itschool_api.wallets import service as wallets

_log = structlog.get_logger(__name__)


class MalformedBankFile(errors.Unprocessable):
    """This is not a CODA file, or it contradicts itself; nothing was booked."""


class TooManyStatements(errors.TooLarge):
    """The file holds more statements than are taken at once."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a file: its report as bytes, whether the books changed, by how many movements."""

    report: bytes
    created: bool
    movements: int = 0


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
        parsed = await anyio.to_thread.run_sync(coda.parse, data)
    except CodaError as error:
        raise MalformedBankFile(str(error)) from error
    if len(parsed) > MOST_STATEMENTS:
        raise TooManyStatements(f"At most {MOST_STATEMENTS}; it has {len(parsed)}.")

    await ledger.lock_books(session, school_id)
    recognised = await statements.recognise(session, school_id, parsed)
    new = [index for index, each in enumerate(recognised) if each.is_new]
    if not new and not preview and (stored := await statements.first_report(session, recognised)):
        return Imported(stored, created=False)

    lines = await anyio.to_thread.run_sync(matching.lines_of, parsed, new)
    locked, books = await _books(session, school_id, lines)
    planned = await anyio.to_thread.run_sync(matching.plan, lines, books)

    books_change = bool(new) and not preview
    import_id = new_id() if books_change else None
    imported_at = clock.now() if books_change else None
    statement_ids = {index: new_id() for index in new} if books_change else {}
    report = reports.report(
        parsed,
        await statements.known_of(session, school_id, recognised, statement_ids),
        planned,
        import_id=import_id,
        imported_at=imported_at,
        preview=preview,
        file_sha256=sha256,
    )
    text = report.model_dump_json()
    if import_id is None:
        return Imported(text.encode(), created=False)

    trail.about(session, bank_import=import_id)
    await _keep(session, storage, caller, data, report, text)
    await statements.add(session, school_id, import_id, recognised, report, statement_ids)
    await _book(session, school_id, locked, planned, recognised, statement_ids)
    _log.info(
        "bank.imported",
        import_id=str(import_id),
        transactions=report.transactions.count,
        paid=report.paid.count,
        suspense=report.suspense.count,
        ignored=report.ignored.count,
    )
    return Imported(text.encode(), created=True, movements=report.transactions.count)


async def _keep(
    session: AsyncSession,
    storage: Storage,
    caller: Caller,
    data: bytes,
    report: ImportReport,
    text: str,
) -> None:
    """Keep the file and its report as `text`: the same file again gets it byte for byte."""
    school_id = caller.school_id
    session.add(
        BankImport(
            school_id=school_id,
            id=report.id,
            imported_by=caller.name,
            imported_at=report.imported_at,
            report=text,
        )
    )
    await session.flush()
    key = await storage.keep(school_id, f"bank-files/{report.file_sha256}.cod", data)
    session.add(
        BankFile(
            school_id=school_id,
            id=new_id(),
            import_id=report.id,
            storage_key=key,
            sha256=report.file_sha256,
            size_bytes=len(data),
        )
    )


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


async def _book(
    session: AsyncSession,
    school_id: UUID,
    locked: Locked,
    planned: Sequence[Planned],
    recognised: Sequence[Recognised],
    statement_ids: dict[int, UUID],
) -> None:
    """Write the transactions, move their money, and tell which transfer settled which.

    Credits come from the bank, debits go to it.
    """
    if not planned:
        return
    rows = Transactions(session, school_id)
    identified = [(new_id(), each) for each in planned]
    await rows.add(identified, statement_ids)
    postings: list[Posting] = []
    settled: list[tuple[UUID, UUID]] = []
    for transaction_id, each in identified:
        bank = recognised[each.line.statement].bank.account_id
        for place, (account, cents) in enumerate(_parts(each, locked)):
            transfer_id = new_id()
            postings.append(
                Posting(
                    bank if cents > 0 else account,
                    account if cents > 0 else bank,
                    Cents(abs(cents)),
                    f"bank-transaction:{transaction_id}:{place}",
                    each.line.booked_on,
                    None,
                    transfer_id,
                )
            )
            if each.state is State.PAID:
                settled.append((transaction_id, transfer_id))
    await ledger.post(session, locked, postings)
    if settled:
        await rows.allocate(settled, "matching", clock.now())
    await news.tell_of_import(session, school_id, identified, statement_ids)


def _parts(planned: Planned, locked: Locked) -> tuple[tuple[UUID, Cents], ...]:
    """Return the accounts beside the bank's that a movement concerns, and how much each."""
    if planned.state is State.PAID:
        return planned.parts
    if planned.cause in matching.NEVER_POSTED:
        return ()
    chart = locked.chart
    if planned.state is State.SUSPENSE:
        account = chart.suspense
    elif planned.cause is Cause.BANK_CHARGES:
        account = chart.charges
    else:
        account = chart.other
    return ((account, planned.line.amount_cents),)
