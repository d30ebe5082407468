"""What clients receive about themselves and their school."""

from datetime import date
from uuid import UUID

from pydantic import Field

from itschool_api.contract import BIGGEST_AMOUNT_CENTS, UNCHANGED, Changes, Document, Flag, Form


class MySchool(Document):
    """A school that you belong to."""

    id: UUID
    name: str = Field(max_length=120, examples=["Athénée Les Tilleuls"])
    roles: list[str] = Field(
        max_length=10, description="What you are there.", examples=[["guardian"]]
    )


class Me(Document):
    """Who you are, and where."""

    user_id: UUID
    user_name: str = Field(max_length=120, examples=["an.peeters"])
    first_name: str = Field(max_length=120, examples=["An"])
    last_name: str = Field(max_length=120, examples=["Peeters"])
    email: str | None = Field(max_length=254, examples=["an.peeters@example.org"])
    language: str = Field(max_length=2, examples=["fr"])
    school_id: UUID = Field(description="The school that your token is for.")
    scopes: list[str] = Field(
        max_length=100, description="What your token may do.", examples=[["wallets:read"]]
    )
    schools: list[MySchool] = Field(max_length=100)


class NewSchoolYear(Form):
    """The school year to add."""

    first_year: int | None = Field(
        None,
        strict=True,
        ge=2000,
        le=2100,
        description="The calendar year in which it begins; null: it follows the present one.",
        examples=[2027],
    )


class SchoolSecurityChanges(Form):
    """What the school is to ask of its staff."""

    second_factor_required: Flag = Field(examples=[True])


class SchoolSecurity(Document):
    """What the school asks of its staff before they get to its data."""

    second_factor_required: bool = Field(
        description="Whether teachers, managers, accountants and admins need a second factor."
    )
    staff_without_second_factor: int = Field(
        description="How many of them have none: while it is required, they reach nothing else "
        "before they set one up.",
        examples=[3],
    )


class SchoolYear(Document):
    """A school year."""

    id: UUID
    name: str = Field(max_length=120, examples=["2026-2027"])
    begins_on: date
    ends_on: date


class SchoolYearList(Document):
    """The school's years, newest first."""

    items: list[SchoolYear] = Field(max_length=200)
    next: None = Field(None, description="The list is always whole.")


class Compartment(Document):
    """A purpose of the money in wallets."""

    id: UUID
    name: str = Field(max_length=120, examples=["Cantine"])
    is_general: bool = Field(description="Whether what is paid too much goes here.")
    floor_cents: int = Field(
        description="How far its wallets may be overdrawn: 0, or below.", examples=[0]
    )
    low_cents: int | None = Field(
        description="Below this, a wallet of it is low; null: never.", examples=[1000]
    )


class CompartmentList(Document):
    """The school's compartments, in their order."""

    items: list[Compartment] = Field(max_length=200)
    next: None = Field(None, description="The list is always whole.")


class CompartmentChanges(Changes):
    """What to change in a compartment; what is left out stays."""

    low_cents: int | None = Field(
        UNCHANGED,
        strict=True,
        ge=0,
        le=BIGGEST_AMOUNT_CENTS,
        description="Below this, a wallet of it is low; null: never.",
        examples=[1000],
    )
