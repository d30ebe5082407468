"""HTTP: who did what."""

from typing import Annotated
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Security

from itschool_api import errors
from itschool_api.audit import actions, service
from itschool_api.audit.schemas import AuditEventPage, AuditEventSort
from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.contract import Instant
from itschool_api.database import Transaction
from itschool_api.pagination import InvalidCursor, Wanted, sorted_by

router = APIRouter(prefix="/v1/audit-events", tags=["audit"])

TrailReader = Annotated[Caller, Security(authenticate, scopes=[Scope.AUDIT_READ])]
_ACTOR = r"^(operator|worker|(user|api-key):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$"


@router.get("", responses=errors.responses(InvalidCursor))
async def list_audit_events(
    request: Request,
    session: Transaction,
    caller: TrailReader,
    wanted: Wanted,
    actor: Annotated[
        str | None,
        Query(
            max_length=60,
            pattern=_ACTOR,
            description="Of this actor only: `user:<id>`, `api-key:<id>`, `operator`, `worker`.",
            examples=["operator"],
        ),
    ] = None,
    action: Annotated[
        str | None,
        Query(max_length=100, pattern="^[a-z_]+$", description="This action only: one of these."),
    ] = None,
    subject: Annotated[
        UUID | None, Query(description="Upon this only: the id of a student, an invoice, a user …")
    ] = None,
    since: Annotated[
        Instant | None, Query(alias="from", description="From this instant on.")
    ] = None,
    until: Annotated[Instant | None, Query(description="Before this instant.")] = None,
    sort: Annotated[AuditEventSort, sorted_by()] = "-at",
) -> AuditEventPage:
    """List who did what at the school, by default the newest first.

    Whatever changed something left one event, in the same transaction; what was refused left none.
    Files with personal data that were downloaded are here too. Events hold ids and nothing that
    somebody wrote, are never changed, and outlive the people that they are about.
    """
    if action is not None:
        # The first time, the document is made, which takes a moment.
        known = await anyio.to_thread.run_sync(actions.of, request.app)
        if action not in known:
            raise actions.unknown()
    return await service.list_events(
        session,
        caller.school_id,
        wanted,
        actor=actor,
        action=action,
        subject_id=subject,
        since=since,
        until=until,
        sort=sort,
    )
