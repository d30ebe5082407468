"""HTTP: one's own sessions."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Security

from itschool_api import errors, pagination
from itschool_api.auth import models, session_list
from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.auth.schemas import Session, SessionChanges, SessionPage
from itschool_api.database import Transaction

router = APIRouter(prefix="/v1/me/sessions", tags=["access"])

ProfileReader = Annotated[Caller, Security(authenticate, scopes=[Scope.PROFILE_READ])]
ProfileWriter = Annotated[Caller, Security(authenticate, scopes=[Scope.PROFILE_WRITE])]


@router.get("", responses=errors.responses(pagination.InvalidCursor))
async def list_sessions(
    session: Transaction, caller: ProfileReader, wanted: pagination.Wanted
) -> SessionPage:
    """List where you are logged in, the newest login first."""
    order = pagination.Order((models.UserSession.id,), descending=True)
    rows, following = await pagination.rows(session, session_list.own(caller), order, wanted)
    return SessionPage(items=[_shown(row[0], caller) for row in rows], next=following)


@router.patch("/{session_id}", responses=errors.responses(session_list.SessionNotFound))
async def change_session(
    session: Transaction, caller: ProfileWriter, session_id: UUID, form: SessionChanges
) -> Session:
    """Give a session a name by which you know it again."""
    return _shown(await session_list.name(session, caller, session_id, form.label), caller)


@router.delete(
    "/{session_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=errors.responses(session_list.SessionNotFound),
)
async def end_session(session: Transaction, caller: ProfileWriter, session_id: UUID) -> None:
    """End a session: its tokens are refused from the next request on."""
    await session_list.end(session, caller, session_id)


@router.delete("", status_code=HTTPStatus.NO_CONTENT)
async def end_other_sessions(
    session: Transaction,
    caller: ProfileWriter,
    including_this: Annotated[
        bool, Query(description="End the session that asks as well: log out everywhere.")
    ] = False,
) -> None:
    """End all your other sessions, such as after you lost a phone."""
    await session_list.end_others(session, caller, including_this=including_this)


def _shown(row: models.UserSession, caller: Caller) -> Session:
    return Session(
        id=row.id,
        school_id=row.school_id,
        label=row.label,
        current=row.id == caller.session_id,
        in_browser=row.in_cookie,
        restricted=row.restricted,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
    )
