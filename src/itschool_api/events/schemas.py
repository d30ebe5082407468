"""What clients send to and receive about events."""

from datetime import date, datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from itschool_api.contract import (
    UNCHANGED,
    Changes,
    Day,
    Document,
    Flag,
    Form,
    Instant,
    LongText,
    Name,
    exactly_one_of,
    not_before,
)
from itschool_api.pagination import Page

MOST_CLASS_GROUPS = 200
MOST_STUDENTS = 1000


class NewAudience(Form):
    """Whom an event is for: the whole school, or class groups and students."""

    whole_school: Flag = Field(False, examples=[True])
    class_group_ids: list[UUID] = Field(
        default_factory=list, max_length=MOST_CLASS_GROUPS, examples=[[]]
    )
    student_ids: list[UUID] = Field(default_factory=list, max_length=MOST_STUDENTS, examples=[[]])

    @model_validator(mode="after")
    def _either(self) -> Self:
        if self.whole_school == bool(self.class_group_ids or self.student_ids):
            raise exactly_one_of("whole_school", "class_group_ids + student_ids")
        return self


class NewEvent(Form):
    """The event to announce: from one instant to another, or for whole days."""

    title: Name = Field(examples=["Marché de Noël"])
    text: LongText = Field("", examples=["Venez nombreux !"])
    place: Name | None = Field(None, examples=["Cour de récréation"])
    begins_at: Instant | None = Field(
        None,
        description="With its offset from UTC; `ends_at` then is needed too.",
        examples=["2026-12-18T16:00:00+01:00"],
    )
    ends_at: Instant | None = Field(None, examples=["2026-12-18T20:00:00+01:00"])
    begins_on: Day | None = Field(
        None,
        description="For whole days, in place of instants; `ends_on` then is needed too.",
        examples=[None],
    )
    ends_on: Day | None = Field(None, description="The last day.", examples=[None])
    audience: NewAudience

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        match (self.begins_at, self.ends_at, self.begins_on, self.ends_on):
            case (datetime() as begin, datetime() as end, None, None) if begin <= end:
                return self
            case (None, None, date() as begin, date() as end) if begin <= end:
                return self
            case (datetime(), datetime(), None, None):
                raise not_before("begins_at", "ends_at")
            case (None, None, date(), date()):
                raise not_before("begins_on", "ends_on")
        raise exactly_one_of("begins_at + ends_at", "begins_on + ends_on")


class EventChanges(Changes):
    """What to change of an event; what is left out stays.

    From instants to whole days: give days, and null for the instants; and the other way round.
    """

    title: Name = Field(UNCHANGED, examples=["Marché de Noël"])
    text: LongText = Field(UNCHANGED, examples=["Venez nombreux !"])
    place: Name | None = Field(UNCHANGED, examples=["Cour de récréation"])
    begins_at: Instant | None = Field(UNCHANGED, examples=["2026-12-18T16:00:00+01:00"])
    ends_at: Instant | None = Field(UNCHANGED, examples=["2026-12-18T20:00:00+01:00"])
    begins_on: Day | None = Field(UNCHANGED, examples=[None])
    ends_on: Day | None = Field(UNCHANGED, description="The last day.", examples=[None])
    audience: NewAudience = Field(
        UNCHANGED, description="As a whole.", examples=[{"whole_school": True}]
    )


class Audience(Document):
    """Whom an event is for; a parent is told only what concerns their own children."""

    whole_school: bool
    class_group_ids: list[UUID] = Field(max_length=MOST_CLASS_GROUPS, examples=[[]])
    student_ids: list[UUID] = Field(max_length=MOST_STUDENTS, examples=[[]])


class Event(Document):
    """Something that happens at the school: it has either instants or days."""

    id: UUID
    title: str = Field(max_length=120, examples=["Marché de Noël"])
    text: str = Field(max_length=10_000, examples=["Venez nombreux !"])
    place: str | None = Field(max_length=120, examples=["Cour de récréation"])
    begins_at: datetime | None = Field(
        description="Null where it lasts whole days.", examples=["2026-12-18T15:00:00Z"]
    )
    ends_at: datetime | None = Field(
        description="Null where it lasts whole days.", examples=["2026-12-18T19:00:00Z"]
    )
    begins_on: date | None = Field(
        description="The first day; null where it has instants.", examples=[None]
    )
    ends_on: date | None = Field(
        description="The last day; null where it has instants.", examples=[None]
    )
    audience: Audience
    created_at: datetime


EventSort = Literal["begins_at", "-begins_at"]


class EventPage(Page[Event]):
    """A part of the events."""
