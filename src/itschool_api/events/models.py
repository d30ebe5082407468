"""Tables of events and of whom they are addressed to.

Every event has its two instants, by which lists are ordered and cut; one that lasts whole days
knows its days as well, and its instants are then where these begin and end at the school.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from itschool_api.database import Base, TenantOwned, school_key, tenant_key


class Event(TenantOwned, Base):
    """Something that happens at the school."""

    __tablename__ = "events"
    __table_args__ = (
        school_key(),
        Index(None, "school_id", "ends_at"),
        CheckConstraint("begins_at <= ends_at", "order"),
        CheckConstraint("(begins_on IS NULL) = (ends_on IS NULL)", "whole_days"),
        CheckConstraint("begins_on <= ends_on", "order_of_days"),
    )

    title: Mapped[str]
    text: Mapped[str]
    place: Mapped[str | None]
    begins_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    """The first instant that is not of the event any more."""
    begins_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    """The last day that counts; both days are null where the event has hours."""
    whole_school: Mapped[bool]
    created_at: Mapped[datetime]
    created_by: Mapped[str]


class EventAudience(TenantOwned, Base):
    """A class group or a student that an event is addressed to."""

    __tablename__ = "event_audiences"
    __table_args__ = (
        school_key(),
        tenant_key("events", "event_id"),
        tenant_key("class_groups", "class_group_id"),
        tenant_key("students", "student_id"),
        UniqueConstraint("school_id", "event_id", "class_group_id"),
        UniqueConstraint("school_id", "event_id", "student_id"),
        CheckConstraint("(class_group_id IS NULL) <> (student_id IS NULL)", "one_of_both"),
    )

    event_id: Mapped[UUID]
    class_group_id: Mapped[UUID | None]
    student_id: Mapped[UUID | None]
