"""HTTP: invoices, from draft to paid."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from itschool_api import errors, idempotency
from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.database import Transaction
from itschool_api.families.service import (
    FamilyNotFound,
    PersonErased,
    StudentNotFound,
    StudentNotInFamily,
)
from itschool_api.invoices import issuing, printing, service
from itschool_api.invoices.schemas import (
    InvoiceDetails,
    InvoicePage,
    InvoiceSort,
    InvoiceSummary,
    Issue,
    NewInvoice,
    WalletPayment,
)
from itschool_api.invoices.state import InvoiceStatus
from itschool_api.ledger.service import AccountClosed, InsufficientFunds, MoreThanDue
from itschool_api.pagination import InvalidCursor, Wanted, sorted_by
from itschool_api.schools.service import NoBankAccount, NoSchoolYear, SchoolYearNotFound
from itschool_api.wallets import payable
from itschool_api.wallets.schemas import PaymentDetails
from itschool_api.wallets.service import WalletNotFound

router = APIRouter(prefix="/v1/invoices", tags=["invoices"])

InvoiceReader = Annotated[Caller, Security(authenticate, scopes=[Scope.INVOICES_READ])]
# Whoever writes an invoice is answered with it.
InvoiceWriter = Annotated[
    Caller, Security(authenticate, scopes=[Scope.INVOICES_WRITE, Scope.INVOICES_READ])
]
InvoicePayer = Annotated[
    Caller,
    Security(authenticate, scopes=[Scope.INVOICES_PAY, Scope.INVOICES_READ, Scope.WALLETS_READ]),
]


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses=errors.responses(
        FamilyNotFound,
        StudentNotFound,
        PersonErased,
        StudentNotInFamily,
        SchoolYearNotFound,
        NoSchoolYear,
    ),
)
async def create_invoice(
    session: Transaction, caller: InvoiceWriter, form: NewInvoice
) -> InvoiceDetails:
    """Draft an invoice; parents see it once it is issued."""
    invoice_id = await issuing.draft_invoice(session, caller.school_id, form)
    return await service.read_invoice(session, caller, invoice_id)


@router.get("", responses=errors.responses(InvalidCursor))
async def list_invoices(
    session: Transaction,
    caller: InvoiceReader,
    wanted: Wanted,
    status: Annotated[
        list[InvoiceStatus] | None,
        Query(max_length=4, description="Repeat it for several."),
    ] = None,
    overdue: Annotated[bool, Query(description="Only what is due since before today.")] = False,
    school_year: Annotated[UUID | None, Query(description="Of this school year only.")] = None,
    student: Annotated[UUID | None, Query(description="With a line for this student.")] = None,
    family: Annotated[UUID | None, Query(description="Of this family only.")] = None,
    sort: Annotated[
        InvoiceSort,
        sorted_by(
            "`id`: the order in which they were made. Drafts, which have no number and no days, count as higher than all that have. By `remaining_cents`, an invoice that is paid between two parts can be missed, or come twice."
        ),
    ] = "-id",
) -> InvoicePage:
    """List invoices, by default the newest first: a parent's families', or all of the school's for its office."""
    return await service.list_invoices(
        session,
        caller,
        wanted,
        sort=sort,
        statuses=status or (),
        overdue=overdue,
        school_year_id=school_year,
        student_id=student,
        family_id=family,
    )


@router.get("/summary")
async def summarise_invoices(session: Transaction, caller: InvoiceReader) -> InvoiceSummary:
    """Count what there is to pay: "you have 2 invoices to pay" in one cheap call."""
    return await service.summarise(session, caller)


# An id by its form, or `DELETE /v1/invoices/summary` would be one of them.
@router.get(
    "/{invoice_id:uuid}", responses=errors.responses(service.InvoiceNotFound, errors.NotFound)
)
async def read_invoice(
    session: Transaction, caller: InvoiceReader, invoice_id: UUID
) -> InvoiceDetails:
    """Read an invoice with its lines."""
    return await service.read_invoice(session, caller, invoice_id)


@router.delete(
    "/{invoice_id:uuid}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=errors.responses(service.InvoiceNotFound, errors.NotFound, issuing.InvoiceIsIssued),
)
async def discard_invoice(session: Transaction, caller: InvoiceWriter, invoice_id: UUID) -> None:
    """Throw a draft away; an issued invoice never changes."""
    await issuing.discard_draft(session, caller.school_id, invoice_id)


@router.post(
    "/{invoice_id}/issue",
    responses=errors.responses(
        service.InvoiceNotFound, issuing.InvoiceIsIssued, issuing.DueBeforeIssue
    ),
)
async def issue_invoice(
    session: Transaction, caller: InvoiceWriter, invoice_id: UUID, form: Issue
) -> InvoiceDetails:
    """Issue a draft: it gets its number, its reference and its due date, and never changes again."""
    await issuing.issue_invoices(session, caller.school_id, [invoice_id], due_on=form.due_on)
    return await service.read_invoice(session, caller, invoice_id)


@router.get(
    "/{invoice_id}/payment",
    response_model=PaymentDetails,
    responses={
        **payable.RESPONSES,
        **errors.responses(
            errors.NotAcceptable,
            service.InvoiceNotFound,
            service.InvoiceIsDraft,
            service.NothingToPay,
            NoBankAccount,
        ),
    },
)
async def read_invoice_payment(
    request: Request, session: Transaction, caller: InvoiceReader, invoice_id: UUID
) -> Response:
    """Read how to pay what remains of an invoice by transfer.

    Ask for `image/svg+xml` or `image/png` to get the EPC QR code that banking apps scan.
    """
    details = await service.payment_details(session, caller, invoice_id)
    return payable.respond(request, details)


@router.post(
    "/{invoice_id}/payments",
    status_code=HTTPStatus.CREATED,
    response_model=InvoiceDetails,
    responses=errors.responses(
        service.InvoiceNotFound,
        WalletNotFound,
        service.InvoiceIsDraft,
        service.NothingToPay,
        InsufficientFunds,
        MoreThanDue,
        AccountClosed,
        idempotency.RequestInProgress,
        idempotency.IdempotencyKeyReused,
    ),
)
async def pay_invoice(
    session: Transaction,
    caller: InvoicePayer,
    invoice_id: UUID,
    form: WalletPayment,
    key: idempotency.Key,
) -> Response:
    """Pay an invoice, or a part of it, from a wallet; answers the invoice as it is then."""
    # A repeated request too is answered only to those who see the invoice now.
    await service.account_of(session, caller, invoice_id)
    once = await idempotency.claim(
        session, caller.school_id, caller.name, key, f"pay_invoice/{invoice_id}", form
    )
    if once.replay:
        return once.replay
    invoice = await service.pay_from_wallet(session, caller, invoice_id, form)
    return await once.answer(invoice, HTTPStatus.CREATED)


@router.get(
    "/{invoice_id}/pdf",
    response_class=Response,
    responses={
        200: {
            "description": "The invoice in the family's language.",
            "content": {
                "application/pdf": {
                    "schema": {
                        "type": "string",
                        "format": "binary",
                        "contentMediaType": "application/pdf",
                        "maxLength": 10_000_000,
                    }
                }
            },
        },
        **errors.responses(service.InvoiceNotFound, service.InvoiceIsDraft, NoBankAccount),
    },
)
async def read_invoice_pdf(
    session: Transaction, caller: InvoiceReader, invoice_id: UUID
) -> Response:
    """Download an invoice as a PDF, in the family's language, with a QR code to pay."""
    name, content = await printing.pdf(session, caller, invoice_id)
    return Response(
        content,
        media_type="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
