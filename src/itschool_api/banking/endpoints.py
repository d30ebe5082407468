"""HTTP: the bank's files, and what became of their movements."""

import time
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from itschool_api import errors, idempotency, trail, uploads
from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.banking import service, statements, suspense
from itschool_api.banking.coda import collector
from itschool_api.banking.matching import Cause, State
from itschool_api.banking.schemas import (
    BankStatementDetails,
    BankStatementPage,
    BankStatementSort,
    BankTransactionDetails,
    BankTransactionPage,
    BankTransactionSort,
    ImportReport,
    NewAllocations,
)
from itschool_api.database import Transaction, released
from itschool_api.invoices.service import InvoiceIsDraft, InvoiceNotFound
from itschool_api.ledger.service import AccountClosed, MoreThanDue
from itschool_api.pagination import InvalidCursor, Wanted, sorted_by
from itschool_api.wallets.service import WalletNotFound

# The largest file that a setting may allow; the setting itself is checked while streaming.
LARGEST_FILE_BYTES = 64 * 1024**2

router = APIRouter(prefix="/v1", tags=["bank"])

StatementReader = Annotated[Caller, Security(authenticate, scopes=[Scope.BANK_STATEMENTS_READ])]
StatementWriter = Annotated[Caller, Security(authenticate, scopes=[Scope.BANK_STATEMENTS_WRITE])]
TransactionReader = Annotated[Caller, Security(authenticate, scopes=[Scope.BANK_TRANSACTIONS_READ])]
TransactionWriter = Annotated[
    Caller,
    Security(
        authenticate,
        scopes=[Scope.BANK_TRANSACTIONS_WRITE, Scope.WALLETS_READ, Scope.INVOICES_READ],
    ),
]

_MEDIA_TYPES = ("text/plain", "application/octet-stream")


class NotABankFile(errors.UnsupportedMedia):
    """Send the file as `text/plain` or `application/octet-stream`, or in a form."""


class EmptyBankFile(errors.BadRequest):
    """There is no file, or it has no content."""


@router.post(
    "/bank-statements",
    status_code=HTTPStatus.CREATED,
    max_body_size=LARGEST_FILE_BYTES + uploads.ENVELOPE_BYTES,
    response_model=ImportReport,
    responses={
        200: {
            "model": ImportReport,
            "description": "Nothing new: a preview, or the report of the first time.",
        },
        **errors.responses(
            EmptyBankFile,
            NotABankFile,
            uploads.UnreadableUpload,
            errors.TooLarge,
            service.MalformedBankFile,
            service.TooManyStatements,
            statements.UnknownBankAccount,
            statements.UnsupportedCurrency,
            statements.StatementConflict,
        ),
    },
    openapi_extra=uploads.described(
        "The CODA file, byte for byte as the bank gave it.", _MEDIA_TYPES, LARGEST_FILE_BYTES
    ),
)
async def import_bank_statement(
    request: Request,
    session: Transaction,
    caller: StatementWriter,
    preview: Annotated[
        bool, Query(description="Show what would happen, and write nothing.")
    ] = False,
) -> Response:
    """Post the bank's CODA file: wallets and invoices are paid by the references in it.

    All of a file is booked, or nothing. The same content again changes nothing and answers 200
    with the first report. Statements that were imported before are skipped and said so. What
    cannot be matched waits: see `GET /v1/bank-transactions?state=suspense`.
    """
    state = request.app.state
    async with AsyncExitStack() as turn:
        # Neither a slow upload nor waiting for one's turn holds a connection.
        async with released(session, caller.school_id):
            upload = await uploads.read(
                request,
                _MEDIA_TYPES,
                state.settings.bank_file_max_bytes,
                other=NotABankFile,
                empty=EmptyBankFile,
            )
            await turn.enter_async_context(state.importing)
        turn.enter_context(collector.paused())
        began = time.perf_counter()
        imported = await service.import_file(
            session, state.storage, caller, upload.content, preview=preview
        )
    state.instruments.bank_file(
        created=imported.created,
        movements=imported.movements,
        seconds=time.perf_counter() - began,
    )
    if not imported.created:
        trail.forget(session)
    return Response(
        imported.report,
        status_code=HTTPStatus.CREATED if imported.created else HTTPStatus.OK,
        media_type="application/json",
    )


@router.get("/bank-statements", responses=errors.responses(InvalidCursor))
async def list_bank_statements(
    session: Transaction,
    caller: StatementReader,
    wanted: Wanted,
    sort: Annotated[
        BankStatementSort, sorted_by("`id`: the order in which they were imported.")
    ] = "-id",
) -> BankStatementPage:
    """List the imported statements, by default the newest import first."""
    return await statements.list_statements(session, caller, sort, wanted)


@router.get(
    "/bank-statements/{statement_id}",
    responses=errors.responses(statements.BankStatementNotFound),
)
async def read_bank_statement(
    session: Transaction, caller: StatementReader, statement_id: UUID
) -> BankStatementDetails:
    """Read a statement and what has become of its movements by now."""
    return await statements.read_statement(session, caller, statement_id)


@router.get("/bank-transactions", responses=errors.responses(InvalidCursor))
async def list_bank_transactions(
    session: Transaction,
    caller: TransactionReader,
    wanted: Wanted,
    state: Annotated[State | None, Query(description="`suspense`: what waits.")] = None,
    cause: Annotated[Cause | None, Query(description="Of this cause only.")] = None,
    statement: Annotated[UUID | None, Query(description="Of this statement only.")] = None,
    sort: Annotated[
        BankTransactionSort, sorted_by("`id`: the order in which they were imported.")
    ] = "-id",
) -> BankTransactionPage:
    """List the bank's movements, by default the newest first."""
    return await suspense.list_transactions(
        session, caller, wanted, state=state, cause=cause, statement_id=statement, sort=sort
    )


@router.get(
    "/bank-transactions/{transaction_id}",
    responses=errors.responses(suspense.BankTransactionNotFound),
)
async def read_bank_transaction(
    session: Transaction, caller: TransactionReader, transaction_id: UUID
) -> BankTransactionDetails:
    """Read a movement and where its money went."""
    return await suspense.read_transaction(session, caller, transaction_id)


@router.post(
    "/bank-transactions/{transaction_id}/allocations",
    status_code=HTTPStatus.CREATED,
    response_model=BankTransactionDetails,
    responses=errors.responses(
        suspense.BankTransactionNotFound,
        WalletNotFound,
        InvoiceNotFound,
        suspense.NotInSuspense,
        InvoiceIsDraft,
        MoreThanDue,
        AccountClosed,
        suspense.DebitNotAllocatable,
        suspense.AllocationsDoNotAddUp,
        idempotency.RequestInProgress,
        idempotency.IdempotencyKeyReused,
    ),
)
async def allocate_bank_transaction(
    session: Transaction,
    caller: TransactionWriter,
    transaction_id: UUID,
    form: NewAllocations,
    key: idempotency.Key,
) -> Response:
    """Settle a movement that waits, over one or several wallets and invoices.

    The parts make up its amount; an invoice takes no more than what remains of it.
    """
    operation = f"allocate_bank_transaction/{transaction_id}"
    once = await idempotency.claim(session, caller.school_id, caller.name, key, operation, form)
    if once.replay:
        return once.replay
    transaction = await suspense.allocate(session, caller, transaction_id, form)
    return await once.answer(transaction, HTTPStatus.CREATED)
