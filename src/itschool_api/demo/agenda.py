"""Writes the invented events, for the days to come."""

from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock
from itschool_api.demo.people import People
from itschool_api.demo.words import Happening, Words
from itschool_api.events import service as events
from itschool_api.events.schemas import NewAudience, NewEvent
from itschool_api.schools import service as schools

_SATURDAY = 5
_DAYS_A_WEEK = 7


async def announce(
    session: AsyncSession, school_id: UUID, words: Words, everybody: People, *, by: str
) -> None:
    """Announce what happens at a school in the next weeks."""
    zone = await schools.time_zone(session, school_id)
    for happening in words.happenings:
        form = _form(happening, everybody, zone)
        await events.add_event(session, school_id, form, by=by)


def _form(happening: Happening, everybody: People, zone: str) -> NewEvent:
    day = clock.today(zone) + timedelta(days=happening.in_days)
    if day.weekday() >= _SATURDAY:
        day += timedelta(days=_DAYS_A_WEEK - day.weekday())
    instants = [datetime.combine(day, time(hour), ZoneInfo(zone)) for hour in happening.hours or ()]
    begins_at, ends_at = instants or (None, None)
    return NewEvent(
        title=happening.title,
        text=happening.text,
        place=happening.place or None,
        begins_at=begins_at,
        ends_at=ends_at,
        begins_on=None if instants else day,
        ends_on=None if instants else day,
        audience=NewAudience(
            whole_school=not happening.first_classes,
            class_group_ids=[*everybody.class_group_ids[: happening.first_classes]],
        ),
    )
