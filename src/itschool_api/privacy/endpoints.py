"""HTTP: what is known of a person, for them to have, and to be forgotten."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response, Security

from itschool_api import errors, heads, trail
from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.database import Transaction
from itschool_api.families.guardians import GuardianNotFound
from itschool_api.families.service import StudentNotFound
from itschool_api.ledger.service import AccountNotEmpty
from itschool_api.pagination import InvalidCursor, Wanted
from itschool_api.privacy import erasure, exports
from itschool_api.privacy.circle import SubjectKind
from itschool_api.privacy.schemas import (
    Erasure,
    ErasurePreview,
    Export,
    ExportPage,
    NewErasure,
    NewExport,
)

router = APIRouter(prefix="/v1", tags=["privacy"])

PrivacyOfficer = Annotated[Caller, Security(authenticate, scopes=[Scope.PRIVACY_WRITE])]
_REFUSALS = (
    erasure.AlreadyErased,
    erasure.ErasureImpeded,
    erasure.ConfirmationDiffers,
    AccountNotEmpty,
)


@router.post(
    "/exports",
    status_code=HTTPStatus.ACCEPTED,
    responses=errors.responses(StudentNotFound, GuardianNotFound),
)
async def create_export(session: Transaction, caller: PrivacyOfficer, form: NewExport) -> Export:
    """Ask for all that the school holds of a student or a guardian; an e-mail says when it is ready.

    The file is a ZIP: `data.json`, for people and machines, and invoices as PDFs. What is about
    somebody else is withheld, such as the other parent's address. While one for the same person is
    being made, it is answered again.
    """
    return await exports.request(session, caller, form)


@router.get("/exports", responses=errors.responses(InvalidCursor))
async def list_exports(session: Transaction, caller: PrivacyOfficer, wanted: Wanted) -> ExportPage:
    """List exports, newest first."""
    return await exports.list_exports(session, caller, wanted)


@router.get("/exports/{export_id}", responses=errors.responses(exports.ExportNotFound))
async def read_export(session: Transaction, caller: PrivacyOfficer, export_id: UUID) -> Export:
    """Read how far an export is."""
    return await exports.read(session, caller, export_id)


@router.get(
    "/exports/{export_id}/file",
    response_class=Response,
    responses={
        200: {
            "description": "The export.",
            "content": {
                "application/zip": {
                    "schema": {
                        "type": "string",
                        "format": "binary",
                        "contentMediaType": "application/zip",
                        "maxLength": 1_000_000_000,
                    }
                }
            },
        },
        **errors.responses(exports.ExportNotFound, exports.ExportNotReady, exports.ExportExpired),
    },
)
async def read_export_file(
    request: Request, session: Transaction, caller: PrivacyOfficer, export_id: UUID
) -> Response:
    """Download an export; the audit trail notes it."""
    if heads.hands_out(request):
        trail.begin(
            session,
            caller.school_id,
            actor=caller.name,
            action="read_export_file",
            subjects={"export": export_id},
        )
    name, content = await exports.file(session, request.app.state.storage, caller, export_id)
    return Response(
        content,
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.get(
    "/students/{student_id}/erasure",
    responses=errors.responses(StudentNotFound, erasure.AlreadyErased),
)
async def preview_student_erasure(
    request: Request, session: Transaction, caller: PrivacyOfficer, student_id: UUID
) -> ErasurePreview:
    """Read what erasing a student would delete, what stays by which law, and what is in the way."""
    return await erasure.preview(
        session, _office(request), caller.school_id, SubjectKind.STUDENT, student_id
    )


@router.post(
    "/students/{student_id}/erasure", responses=errors.responses(StudentNotFound, *_REFUSALS)
)
async def erase_student(
    request: Request,
    session: Transaction,
    caller: PrivacyOfficer,
    student_id: UUID,
    form: NewErasure,
) -> Erasure:
    """Erase a student who has left: the name becomes a pseudonym, all else goes that may go.

    It cannot be undone. It is refused while money is owed, kept or on its way; the preview says
    what. Issued invoices and the bank's data keep their names until their legal retention ends.
    """
    return await erasure.erase(
        session,
        _office(request),
        caller.school_id,
        SubjectKind.STUDENT,
        student_id,
        confirmed_name=form.confirmed_name,
    )


@router.get(
    "/guardians/{guardian_id}/erasure",
    responses=errors.responses(GuardianNotFound, erasure.AlreadyErased),
)
async def preview_guardian_erasure(
    request: Request, session: Transaction, caller: PrivacyOfficer, guardian_id: UUID
) -> ErasurePreview:
    """Read what erasing a guardian would delete, what stays by which law, and what is in the way."""
    return await erasure.preview(
        session, _office(request), caller.school_id, SubjectKind.GUARDIAN, guardian_id
    )


@router.post(
    "/guardians/{guardian_id}/erasure", responses=errors.responses(GuardianNotFound, *_REFUSALS)
)
async def erase_guardian(
    request: Request,
    session: Transaction,
    caller: PrivacyOfficer,
    guardian_id: UUID,
    form: NewErasure,
) -> Erasure:
    """Erase a guardian: the name becomes a pseudonym, and their login goes unless it has a role.

    It cannot be undone. It is refused while invoices are open that they were to pay, and while
    nobody else is in the family of a child at the school; the preview says what. Issued invoices
    and the bank's data keep their names until their legal retention ends.
    """
    return await erasure.erase(
        session,
        _office(request),
        caller.school_id,
        SubjectKind.GUARDIAN,
        guardian_id,
        confirmed_name=form.confirmed_name,
    )


def _office(request: Request) -> erasure.Office:
    return erasure.office_of(request.app.state.settings, request.app.state.storage)
