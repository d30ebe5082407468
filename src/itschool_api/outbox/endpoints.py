"""HTTP: what became of a school's mails."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Security

from itschool_api import errors
from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.auth.schemas import UserName
from itschool_api.database import Transaction
from itschool_api.outbox import service
from itschool_api.outbox.schemas import Mail, MailPage, MailSort, MailStatus
from itschool_api.pagination import InvalidCursor, Wanted, sorted_by

router = APIRouter(prefix="/v1/mails", tags=["mails"])

MailReader = Annotated[Caller, Security(authenticate, scopes=[Scope.MAILS_READ])]
MailRetrier = Annotated[
    Caller, Security(authenticate, scopes=[Scope.MAILS_READ, Scope.PEOPLE_WRITE])
]


@router.get("", responses=errors.responses(InvalidCursor))
async def list_mails(
    session: Transaction,
    caller: MailReader,
    wanted: Wanted,
    status: Annotated[MailStatus | None, Query(description="In this state only.")] = None,
    kind: Annotated[service.Kind | None, Query(description="Of this kind only.")] = None,
    user: Annotated[UUID | None, Query(description="Written to this user only.")] = None,
    user_name: Annotated[
        UserName | None,
        Query(description="Written to this user only, such as a guardian's `user_name`."),
    ] = None,
    sort: Annotated[MailSort, sorted_by("`id`: the order in which they were made.")] = "-id",
) -> MailPage:
    """List the school's mails, by default the newest first: who was written to, and whether it left."""
    return await service.list_mails(
        session,
        caller.school_id,
        status=status,
        kind=kind,
        user_id=user,
        user_name=user_name.lower() if user_name else None,
        sort=sort,
        wanted=wanted,
    )


@router.get("/{mail_id}", responses=errors.responses(service.MailNotFound))
async def read_mail(session: Transaction, caller: MailReader, mail_id: UUID) -> Mail:
    """Read what became of a mail."""
    return Mail.model_validate(await service.mail(session, caller.school_id, mail_id))


@router.post(
    "/{mail_id}/retries",
    status_code=HTTPStatus.ACCEPTED,
    responses=errors.responses(service.MailNotFound, service.MailNotFailed, service.MailOutdated),
)
async def retry_mail(session: Transaction, caller: MailRetrier, mail_id: UUID) -> Mail:
    """Try a failed mail again, such as after a mail server was mended.

    It is the same message with the same token; an invitation goes to the address that its user
    has now. Where its token has ended meanwhile, invite again instead.
    """
    return Mail.model_validate(await service.retry(session, caller.school_id, mail_id))
