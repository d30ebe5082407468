"""HTTP: the roll, in and out."""

from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from itschool_api import errors, heads, negotiation, trail, uploads
from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.database import Transaction, released
from itschool_api.families.endpoints import PeopleWriter
from itschool_api.families.population import PeopleChangedMeanwhile
from itschool_api.roll import exporting, service
from itschool_api.roll.schemas import RollReport
from itschool_api.schools.service import NoSchoolYear, SchoolYearNotFound

CSV: Final = "text/csv"
WORKBOOK: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_NAMES: Final = {CSV: "roll.csv", WORKBOOK: "roll.xlsx"}
# The largest file that a setting may allow; the setting itself is checked while streaming.
LARGEST_FILE_BYTES: Final = 32 * 1024**2
_WORKBOOK_BEGINS: Final = b"PK\x03\x04"  # as every ZIP archive

router = APIRouter(prefix="/v1", tags=["people"])

PopulationReader = Annotated[
    Caller, Security(authenticate, scopes=[Scope.PEOPLE_READ, Scope.STUDENTS_READ])
]
_SchoolYear = Annotated[
    UUID | None, Query(description="Whose classes are meant; by default the present year's.")
]


class NotARoll(errors.UnsupportedMedia):
    """Send the file as `text/csv` or an .xlsx workbook's media type, or in a form."""


class EmptyRoll(errors.BadRequest):
    """There is no file, or it has no content."""


@router.post(
    "/roll",
    status_code=HTTPStatus.CREATED,
    max_body_size=LARGEST_FILE_BYTES + uploads.ENVELOPE_BYTES,
    response_model=RollReport,
    responses={
        200: {"model": RollReport, "description": "Nothing was written: a preview, or no news."},
        **errors.responses(
            EmptyRoll,
            NotARoll,
            uploads.UnreadableUpload,
            errors.TooLarge,
            service.UnreadableRoll,
            service.RollTooLong,
            service.RollHasErrors,
            SchoolYearNotFound,
            NoSchoolYear,
            PeopleChangedMeanwhile,
        ),
    },
    openapi_extra=uploads.described(
        "The file as it was saved: CSV, or an .xlsx workbook without macros.",
        _NAMES,
        LARGEST_FILE_BYTES,
    ),
)
async def import_roll(
    request: Request,
    session: Transaction,
    caller: PeopleWriter,
    school_year: _SchoolYear = None,
    preview: Annotated[
        bool, Query(description="Show what would happen, errors included, and write nothing.")
    ] = False,
    end_missing: Annotated[
        bool,
        Query(
            description="Let guardianships end that the file does not name any more, of students "
            "of whom it names another guardian. By default they are told, and go on."
        ),
    ] = False,
) -> Response:
    """Bring the whole school in: students, guardians and families, one row for each two.

    People are known by the keys of your own system, so the same file again changes nothing, and a
    later one changes what differs. Whoever it does not name stays. All of it is written, or
    nothing: where a row is wrong, `errors` says which, and what was expected. New students get
    their wallets at once. References, balances and open invoices of a former system are carried
    over by columns of their own, which need `invoices:write` too.
    """
    state = request.app.state
    async with AsyncExitStack() as turn:
        # Neither a slow upload nor waiting for one's turn holds a connection.
        async with released(session, caller.school_id):
            upload = await uploads.read(
                request, _NAMES, state.settings.roll_max_bytes, other=NotARoll, empty=EmptyRoll
            )
            await turn.enter_async_context(state.importing)
        imported = await service.import_roll(
            session,
            caller,
            upload.content,
            is_workbook=_is_workbook(upload),
            year_id=school_year,
            end_missing=end_missing,
            preview=preview,
        )
    if not imported.changed:
        trail.forget(session)
    return Response(
        imported.report.model_dump_json(),
        status_code=HTTPStatus.CREATED if imported.changed else HTTPStatus.OK,
        media_type="application/json",
    )


@router.get(
    "/roll",
    response_class=Response,
    responses={
        200: {
            "description": "Everybody at the school, in the form that `import_roll` takes.",
            "content": {
                CSV: {"schema": {"type": "string", "format": "binary", "maxLength": 100_000_000}},
                WORKBOOK: {
                    "schema": {
                        "type": "string",
                        "format": "binary",
                        "contentMediaType": WORKBOOK,
                        "maxLength": 100_000_000,
                    }
                },
            },
        },
        **errors.responses(errors.NotAcceptable, SchoolYearNotFound, NoSchoolYear),
    },
)
async def export_roll(
    request: Request,
    session: Transaction,
    caller: PopulationReader,
    school_year: _SchoolYear = None,
) -> Response:
    """Download everybody at the school, as CSV or as a workbook by `Accept`.

    Imported again, it changes nothing. Texts that a spreadsheet would take for formulas have an
    apostrophe before them. The download is recorded in the audit trail.
    """
    form = negotiation.preferred(request.headers.get("accept"), (CSV, WORKBOOK))
    content = await exporting.export_roll(
        session, caller.school_id, school_year, is_workbook=form == WORKBOOK
    )
    if heads.hands_out(request):
        trail.begin(session, caller.school_id, actor=caller.name, action="export_roll")
    return Response(
        content,
        media_type=form,
        headers={
            "Content-Disposition": f'attachment; filename="{_NAMES[form]}"',
            "Vary": "Accept, Authorization",
        },
    )


def _is_workbook(upload: uploads.Upload) -> bool:
    """Believe the media type of a body; a form's depends on the sender's machine."""
    if upload.media_type is None:
        return upload.content.startswith(_WORKBOOK_BEGINS)
    return upload.media_type == WORKBOOK
