"""Rows of events: SQL, and no decisions."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, and_, delete, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from itschool_api.database import Selection, insert_many, new_id
from itschool_api.events.models import Event, EventAudience


class Events:
    """Events with whom they are addressed to."""

    def __init__(self, session: AsyncSession, school_id: UUID) -> None:
        self._session = session
        self._school_id = school_id

    def selected(self) -> Selection:
        """Select every event with its whole audience."""
        return self._with_audience(
            self._addressed(EventAudience.class_group_id),
            self._addressed(EventAudience.student_id),
        )

    def concerning(self, students: Selection, class_groups: Selection) -> Selection:
        """Select the events for these students or class groups, and no more of the audience.

        An event for the whole school is for them as soon as there is one student.
        """
        own = select(students.cte("own_students"))
        groups = self._addressed(EventAudience.class_group_id).where(
            EventAudience.class_group_id.in_(select(class_groups.cte("own_class_groups")))
        )
        children = self._addressed(EventAudience.student_id).where(
            EventAudience.student_id.in_(own)
        )
        return self._with_audience(groups, children).where(
            or_(and_(Event.whole_school, own.exists()), groups.exists(), children.exists())
        )

    async def add_audience(
        self, event_id: UUID, class_group_ids: Iterable[UUID], student_ids: Iterable[UUID]
    ) -> None:
        """Address an event to class groups and students."""
        addressed: list[tuple[UUID | None, UUID | None]] = [
            *((group_id, None) for group_id in class_group_ids),
            *((None, student_id) for student_id in student_ids),
        ]
        await insert_many(
            self._session,
            EventAudience,
            [
                {
                    "school_id": self._school_id,
                    "id": new_id(),
                    "event_id": event_id,
                    "class_group_id": group_id,
                    "student_id": student_id,
                }
                for group_id, student_id in addressed
            ],
        )

    async def clear_audience(self, event_id: UUID) -> None:
        """Address an event to nobody."""
        await self._session.execute(
            delete(EventAudience).where(
                EventAudience.school_id == self._school_id, EventAudience.event_id == event_id
            )
        )

    async def remove(self, event_id: UUID) -> None:
        """Delete an event that is addressed to nobody any more."""
        await self._session.execute(
            delete(Event).where(Event.school_id == self._school_id, Event.id == event_id)
        )

    def _with_audience(self, class_groups: Selection, students: Selection) -> Selection:
        return select(
            Event.id,
            Event.title,
            Event.text,
            Event.place,
            Event.begins_at,
            Event.ends_at,
            Event.begins_on,
            Event.ends_on,
            Event.whole_school,
            Event.created_at,
            _as_array(class_groups).label("class_group_ids"),
            _as_array(students).label("student_ids"),
        ).where(Event.school_id == self._school_id)

    def _addressed(self, column: InstrumentedAttribute[UUID | None]) -> Selection:
        return (
            select(column)
            .where(
                EventAudience.school_id == self._school_id,
                EventAudience.event_id == Event.id,
                column.is_not(None),
            )
            .correlate(Event)
        )


def lasting(begin: datetime, end: datetime | None) -> ColumnElement[bool]:
    """Return the condition that an event is not over at `begin` and begins before `end`.

    What ends at an instant is over then, unless it also begins there.
    """
    not_over = and_(Event.ends_at >= begin, or_(Event.ends_at > begin, Event.begins_at == begin))
    return not_over if end is None else and_(not_over, Event.begins_at < end)


def _as_array(ids: Selection) -> ColumnElement[Any]:
    ordered = ids.order_by(ids.selected_columns[0])
    return func.array(ordered.scalar_subquery(), type_=ARRAY(Uuid))
