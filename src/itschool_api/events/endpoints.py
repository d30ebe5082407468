"""HTTP: events at the school."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Security

from itschool_api import errors, preconditions
from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.contract import Day
from itschool_api.database import Transaction
from itschool_api.events import service
from itschool_api.events.schemas import Event, EventChanges, EventPage, EventSort, NewEvent
from itschool_api.families.service import ClassGroupNotFound, PersonErased, StudentNotFound
from itschool_api.pagination import InvalidCursor, Wanted, sorted_by
from itschool_api.preconditions import MadeFrom

router = APIRouter(prefix="/v1/events", tags=["events"])

EventReader = Annotated[Caller, Security(authenticate, scopes=[Scope.EVENTS_READ])]
EventWriter = Annotated[Caller, Security(authenticate, scopes=[Scope.EVENTS_WRITE])]


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses=errors.responses(ClassGroupNotFound, StudentNotFound, PersonErased),
)
async def create_event(session: Transaction, caller: EventWriter, form: NewEvent) -> Event:
    """Announce an event to the whole school, or to class groups and students.

    It lasts from `begins_at` to `ends_at`, or the whole days from `begins_on` to `ends_on`.
    """
    return await service.add_event(session, caller.school_id, form, by=caller.name)


@router.get("", responses=errors.responses(InvalidCursor, service.UntilBeforeFrom))
async def list_events(
    session: Transaction,
    caller: EventReader,
    wanted: Wanted,
    first_day: Annotated[
        Day | None,
        Query(alias="from", description="First day of the period; today if you do not say."),
    ] = None,
    last_day: Annotated[
        Day | None,
        Query(alias="until", description="Last day of the period; no end if you do not say."),
    ] = None,
    sort: Annotated[
        EventSort, sorted_by("Whole days begin when their first day does.")
    ] = "begins_at",
) -> EventPage:
    """List events, by default by their beginning: a parent's, or all of the school's for its staff.

    Days are the school's. What began before the period and goes on in it is in the list. Parents
    get what is for the whole school, for a class group of their child, or for their child.
    """
    return await service.list_events(
        session, caller, wanted, sort=sort, first_day=first_day, last_day=last_day
    )


@router.get("/{event_id}", responses=errors.responses(service.EventNotFound))
async def read_event(session: Transaction, caller: EventReader, event_id: UUID) -> Event:
    """Read an event."""
    return await service.read_event(session, caller, event_id)


@router.patch(
    "/{event_id}",
    responses=errors.responses(
        service.EventNotFound,
        ClassGroupNotFound,
        StudentNotFound,
        PersonErased,
        *preconditions.REFUSALS,
    ),
)
async def change_event(
    session: Transaction,
    caller: EventWriter,
    event_id: UUID,
    form: EventChanges,
    made_from: MadeFrom,
) -> Event:
    """Change an event; its audience is one thing, which what you send replaces."""
    return await service.change_event(session, caller.school_id, event_id, form, made_from)


@router.delete(
    "/{event_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=errors.responses(service.EventNotFound),
)
async def delete_event(session: Transaction, caller: EventWriter, event_id: UUID) -> None:
    """Take an event back; it is gone for everybody."""
    await service.remove_event(session, caller.school_id, event_id)
