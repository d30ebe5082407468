"""Events: announced by the school's office, shown to those whom they are addressed to."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, pagination, trail
from itschool_api.auth.caller import Caller, Scope
from itschool_api.database import Selection, held, new_id, refusing
from itschool_api.events import models
from itschool_api.events.repository import Events, lasting
from itschool_api.events.schemas import (
    Audience,
    Event,
    EventChanges,
    EventPage,
    EventSort,
    NewEvent,
)
from itschool_api.families import service as families
from itschool_api.pagination import Slice
from itschool_api.preconditions import Precondition
from itschool_api.schools import service as schools

_ORDERS: Final = pagination.orders({"begins_at": (models.Event.begins_at, models.Event.id)})
_ONE_DAY = timedelta(days=1)


class EventNotFound(errors.NotFound):
    """There is no such event, or it is not yours to see."""


class UntilBeforeFrom(errors.Unprocessable):
    """The period ends before it begins; it begins today where you do not say."""


async def add_event(session: AsyncSession, school_id: UUID, form: NewEvent, *, by: str) -> Event:
    """Announce an event.

    Raises `families.ClassGroupNotFound`, `families.StudentNotFound`, `families.PersonErased`.
    """
    event = models.Event(
        school_id=school_id,
        id=new_id(),
        created_at=clock.now(),
        created_by=by,
        **await _facts(session, school_id, form),
    )
    session.add(event)
    await session.flush()
    trail.about(session, event=event.id)
    return await _addressed(session, event, form)


async def change_event(
    session: AsyncSession,
    school_id: UUID,
    event_id: UUID,
    changes: EventChanges,
    precondition: Precondition,
) -> Event:
    """Change what the form says of an event.

    Raises `EventNotFound`, `families.ClassGroupNotFound`, `families.StudentNotFound`,
    `families.PersonErased`, `ValidationFailed` where the whole would be no event, and what the precondition raises.
    """
    event = await _locked(session, school_id, event_id)
    query = Events(session, school_id).selected().where(models.Event.id == event_id)
    row = (await session.execute(query)).one()
    present = _event(row, row.class_group_ids, row.student_ids)
    precondition.hold(present)
    facts = present.model_dump(include=set(NewEvent.model_fields))
    form = errors.filled_in(NewEvent, facts | changes.given())
    for name, fact in (await _facts(session, school_id, form)).items():
        setattr(event, name, fact)
    await session.flush()
    await Events(session, school_id).clear_audience(event_id)
    return await _addressed(session, event, form)


async def remove_event(session: AsyncSession, school_id: UUID, event_id: UUID) -> None:
    """Take an event back; raises `EventNotFound`."""
    await _locked(session, school_id, event_id)
    events = Events(session, school_id)
    await events.clear_audience(event_id)
    await events.remove(event_id)


async def read_event(session: AsyncSession, caller: Caller, event_id: UUID) -> Event:
    """Return an event; raises `EventNotFound`."""
    query = _visible(session, caller).where(models.Event.id == event_id)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise EventNotFound
    return _event(row, row.class_group_ids, row.student_ids)


async def list_events(
    session: AsyncSession,
    caller: Caller,
    wanted: Slice,
    *,
    sort: EventSort,
    first_day: date | None = None,
    last_day: date | None = None,
) -> EventPage:
    """Return the events of a period of days at the school, by default all from today on.

    Raises `UntilBeforeFrom`.
    """
    zone = await schools.time_zone(session, caller.school_id)
    first_day = first_day or clock.today(zone)
    if last_day and last_day < first_day:
        raise UntilBeforeFrom
    begin = clock.day_begins(first_day, zone)
    end = clock.day_begins(last_day + _ONE_DAY, zone) if last_day else None
    return await _page(session, caller, (begin, end), sort, wanted)


async def upcoming(session: AsyncSession, caller: Caller, count: int) -> Sequence[Event]:
    """Return the next events, and those that are going on: one statement."""
    page = await _page(session, caller, (clock.now(), None), "begins_at", Slice(count))
    return page.items


async def _page(
    session: AsyncSession,
    caller: Caller,
    period: tuple[datetime, datetime | None],
    sort: EventSort,
    wanted: Slice,
) -> EventPage:
    query = _visible(session, caller).where(lasting(*period))
    rows, following = await pagination.rows(session, query, _ORDERS[sort], wanted)
    return EventPage(
        items=[_event(row, row.class_group_ids, row.student_ids) for row in rows], next=following
    )


async def _locked(session: AsyncSession, school_id: UUID, event_id: UUID) -> models.Event:
    event = await held(session, models.Event, school_id, event_id)
    if event is None:
        raise EventNotFound
    return event


async def _facts(session: AsyncSession, school_id: UUID, form: NewEvent) -> dict[str, Any]:
    """Return the columns that a form decides."""
    begins_at, ends_at = await _instants(session, school_id, form)
    return {
        "title": form.title,
        "text": form.text,
        "place": form.place,
        "begins_at": begins_at,
        "ends_at": ends_at,
        "begins_on": form.begins_on,
        "ends_on": form.ends_on,
        "whole_school": form.audience.whole_school,
    }


async def _instants(
    session: AsyncSession, school_id: UUID, form: NewEvent
) -> tuple[datetime, datetime]:
    """Return from when to when: whole days begin and end at the school's midnight."""
    if form.begins_at and form.ends_at:
        return form.begins_at.astimezone(UTC), form.ends_at.astimezone(UTC)
    first_day, last_day = cast("date", form.begins_on), cast("date", form.ends_on)
    zone = await schools.time_zone(session, school_id)
    return clock.day_begins(first_day, zone), clock.day_begins(last_day + _ONE_DAY, zone)


async def _addressed(session: AsyncSession, event: models.Event, form: NewEvent) -> Event:
    """Address an event as the form says; the database knows who is of the school."""
    class_group_ids = sorted(set(form.audience.class_group_ids))
    student_ids = sorted(set(form.audience.student_ids))
    await families.refuse_erased(session, event.school_id, students=student_ids)
    with (
        refusing("fk_event_audiences_school_id_class_group_id", families.ClassGroupNotFound()),
        refusing("fk_event_audiences_school_id_student_id", families.StudentNotFound()),
    ):
        await Events(session, event.school_id).add_audience(event.id, class_group_ids, student_ids)
    return _event(event, class_group_ids, student_ids)


def _visible(session: AsyncSession, caller: Caller) -> Selection:
    events = Events(session, caller.school_id)
    if caller.sees_school(Scope.EVENTS_READ):
        return events.selected()
    return events.concerning(
        families.visible_present_students(caller), families.visible_class_groups(caller)
    )


def _event(row: Any, class_group_ids: Sequence[UUID], student_ids: Sequence[UUID]) -> Event:
    whole_days = row.begins_on is not None
    return Event(
        id=row.id,
        title=row.title,
        text=row.text,
        place=row.place,
        begins_at=None if whole_days else row.begins_at,
        ends_at=None if whole_days else row.ends_at,
        begins_on=row.begins_on,
        ends_on=row.ends_on,
        audience=Audience(
            whole_school=row.whole_school,
            class_group_ids=list(class_group_ids),
            student_ids=list(student_ids),
        ),
        created_at=row.created_at,
    )
