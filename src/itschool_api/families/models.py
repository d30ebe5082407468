"""Tables of people at a school.

Access to a child comes from `guardianships` and nowhere else; `families` only bill.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from itschool_api.database import Base, TenantOwned, school_key, tenant_key


class ClassGroup(TenantOwned, Base):
    """A class of one school year."""

    __tablename__ = "class_groups"
    __table_args__ = (
        school_key(),
        tenant_key("school_years", "school_year_id"),
        UniqueConstraint("school_id", "school_year_id", "name"),
    )

    school_year_id: Mapped[UUID]
    name: Mapped[str]


class Student(TenantOwned, Base):
    """A child at the school."""

    __tablename__ = "students"
    __table_args__ = (
        school_key(),
        UniqueConstraint("school_id", "external_key"),
        Index(None, "school_id", "last_name", "first_name", "id"),
    )

    external_key: Mapped[str | None]
    first_name: Mapped[str]
    last_name: Mapped[str]
    birth_date: Mapped[date | None]
    left_on: Mapped[date | None]
    """The last day at the school."""
    erased_at: Mapped[datetime | None]
    """When the name was replaced by a pseudonym."""


class Enrolment(TenantOwned, Base):
    """A student's class in a school year."""

    __tablename__ = "enrolments"
    __table_args__ = (
        school_key(),
        tenant_key("students", "student_id"),
        tenant_key("school_years", "school_year_id"),
        tenant_key("class_groups", "class_group_id"),
        UniqueConstraint("school_id", "student_id", "school_year_id"),
        Index(None, "school_id", "class_group_id"),
    )

    student_id: Mapped[UUID]
    school_year_id: Mapped[UUID]
    class_group_id: Mapped[UUID]


class Family(TenantOwned, Base):
    """A billing unit: whom an invoice is addressed to, and in which language."""

    __tablename__ = "families"
    __table_args__ = (
        school_key(),
        UniqueConstraint("school_id", "external_key"),
        Index(None, "school_id", "name", "id"),
    )

    external_key: Mapped[str | None]
    name: Mapped[str]
    language: Mapped[str]
    street: Mapped[str | None]
    postal_code: Mapped[str | None]
    city: Mapped[str | None]
    erased_at: Mapped[datetime | None]


class FamilyStudent(TenantOwned, Base):
    """A student's place in a family, with the family's share of the costs in basis points."""

    __tablename__ = "family_students"
    __table_args__ = (
        school_key(),
        tenant_key("families", "family_id"),
        tenant_key("students", "student_id"),
        UniqueConstraint("school_id", "family_id", "student_id"),
        Index(None, "school_id", "student_id"),
        CheckConstraint("share_bp BETWEEN 0 AND 10000", "share"),
    )

    family_id: Mapped[UUID]
    student_id: Mapped[UUID]
    share_bp: Mapped[int]


class Guardian(TenantOwned, Base):
    """A parent as the school knows them; `user_id` once they can log in."""

    __tablename__ = "guardians"
    __table_args__ = (
        school_key(),
        ForeignKeyConstraint(["user_id"], ["users.id"]),
        UniqueConstraint("school_id", "user_id"),
        UniqueConstraint("school_id", "external_key"),
        Index(None, "school_id", "last_name", "first_name", "id"),
    )

    user_id: Mapped[UUID | None]
    external_key: Mapped[str | None]
    first_name: Mapped[str]
    last_name: Mapped[str]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    language: Mapped[str]
    invited_at: Mapped[datetime | None]
    """When the way in was last sent to them, by e-mail or on paper; null: never."""
    erased_at: Mapped[datetime | None]


class Guardianship(TenantOwned, Base):
    """What a guardian may see of a student, within which family, and when."""

    __tablename__ = "guardianships"
    __table_args__ = (
        school_key(),
        tenant_key("guardians", "guardian_id"),
        tenant_key("students", "student_id"),
        tenant_key("families", "family_id"),
        UniqueConstraint("school_id", "guardian_id", "student_id", "family_id"),
        Index(None, "school_id", "student_id"),
        Index(None, "school_id", "family_id"),
        CheckConstraint("ends_on IS NULL OR starts_on <= ends_on", "period"),
    )

    guardian_id: Mapped[UUID]
    student_id: Mapped[UUID]
    family_id: Mapped[UUID]
    sees_money: Mapped[bool]
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    """The last day that counts; null: no end."""
