"""What clients send to and receive about people."""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from itschool_api.contract import (
    UNCHANGED,
    Changes,
    Day,
    Document,
    Email,
    ExternalKey,
    Flag,
    Form,
    Language,
    Name,
    Phone,
    ShortText,
    exactly_one_of,
    not_before,
)
from itschool_api.pagination import Page


class NewClassGroup(Form):
    """The class group to make."""

    name: Name = Field(examples=["3B"])
    school_year_id: UUID | None = Field(None, description="Null: the present school year.")


class ClassGroup(Document):
    """A class of one school year."""

    id: UUID
    name: str = Field(max_length=120, examples=["3B"])
    school_year_id: UUID


class ClassGroupPage(Page[ClassGroup]):
    """A part of the class groups."""


class NewStudent(Form):
    """The student to enrol."""

    first_name: Name = Field(examples=["Noor"])
    last_name: Name = Field(examples=["Peeters"])
    external_key: ExternalKey | None = Field(
        None, description="The student's number in your own system.", examples=["2026-0815"]
    )
    birth_date: Day | None = Field(None, examples=["2017-05-12"])
    class_group_id: UUID | None = Field(None, description="The class to put the student into.")


class Student(Document):
    """A child at the school."""

    id: UUID
    first_name: str = Field(max_length=120, examples=["Noor"])
    last_name: str = Field(max_length=120, examples=["Peeters"])
    external_key: str | None = Field(max_length=64, examples=["2026-0815"])
    birth_date: date | None
    left_on: date | None = Field(description="The last day at the school.")
    class_group: str | None = Field(
        max_length=120, description="Name of the class this school year.", examples=["3B"]
    )
    erased_at: datetime | None = Field(
        description="Since when the names are a pseudonym, and the rest is gone; null: it is not."
    )


class Departure(Form):
    """When a student leaves the school."""

    left_on: Day | None = Field(
        None,
        description="The last day at the school; null: today. It may lie ahead.",
        examples=["2027-03-31"],
    )


class StudentChanges(Changes):
    """What a student is called from now on; what is left out stays."""

    first_name: Name = Field(UNCHANGED, examples=["Noor"])
    last_name: Name = Field(UNCHANGED, examples=["Peeters"])
    external_key: ExternalKey | None = Field(
        UNCHANGED, description="The student's number in your own system.", examples=["2026-0815"]
    )
    birth_date: Day | None = Field(UNCHANGED, examples=["2017-05-12"])


StudentSort = Literal[
    "last_name",
    "-last_name",
    "first_name",
    "-first_name",
    "class_group",
    "-class_group",
    "id",
    "-id",
]


class StudentPage(Page[Student]):
    """A part of the students."""


class NewGuardian(Form):
    """The guardian to add."""

    first_name: Name = Field(examples=["An"])
    last_name: Name = Field(examples=["Peeters"])
    email: Email | None = Field(None, examples=["an.peeters@example.org"])
    phone: Phone | None = Field(None, examples=["+32 2 555 01 23"])
    language: Language = Field("fr", description="fr, nl, de or en.", examples=["nl"])


class Guardian(Document):
    """A parent as the school knows them."""

    id: UUID
    first_name: str = Field(max_length=120, examples=["An"])
    last_name: str = Field(max_length=120, examples=["Peeters"])
    email: str | None = Field(max_length=254)
    phone: str | None = Field(max_length=30)
    language: str = Field(max_length=2, examples=["nl"])
    can_log_in: bool = Field(description="Whether they have a user.")
    user_name: str | None = Field(
        max_length=254, description="What they log in with.", examples=["an.peeters"]
    )
    invited_at: datetime | None = Field(
        description="When they were last sent the way in, by e-mail or on paper; null: never."
    )
    last_login_at: datetime | None = Field(
        description="When they last got in, by password; null: never."
    )
    erased_at: datetime | None = Field(
        description="Since when the names are a pseudonym, and the rest is gone; null: it is not."
    )


class GuardianChanges(Changes):
    """How the school reaches a guardian from now on; what is left out stays, and so does the login."""

    first_name: Name = Field(UNCHANGED, examples=["An"])
    last_name: Name = Field(UNCHANGED, examples=["Peeters"])
    email: Email | None = Field(UNCHANGED, examples=["an.peeters@example.org"])
    phone: Phone | None = Field(UNCHANGED, examples=["+32 2 555 01 23"])
    language: Language = Field(UNCHANGED, description="fr, nl, de or en.", examples=["nl"])


GuardianSort = Literal["last_name", "-last_name", "first_name", "-first_name", "id", "-id"]


class GuardianPage(Page[Guardian]):
    """A part of the guardians."""


class FamilyMember(Form):
    """A student of a family."""

    student_id: UUID
    share_bp: int = Field(
        10_000,
        strict=True,
        ge=0,
        le=10_000,
        description="The family's share of this student's costs, in basis points (10000: all).",
        examples=[5000],
    )


class NewFamily(Form):
    """The family to add."""

    name: Name = Field(description="Whom invoices are addressed to.", examples=["Famille Peeters"])
    language: Language = Field("fr", description="Language of its invoices.", examples=["fr"])
    street: ShortText | None = Field(None, examples=["Rue de la Loi 1"])
    postal_code: ShortText | None = Field(None, examples=["1000"])
    city: ShortText | None = Field(None, examples=["Bruxelles"])
    students: list[FamilyMember] = Field(default_factory=list, max_length=30)


class FamilyStudent(Document):
    """A student of a family."""

    student_id: UUID
    share_bp: int = Field(description="In basis points.", examples=[10000])


class Family(Document):
    """A billing unit."""

    id: UUID
    name: str = Field(max_length=120, examples=["Famille Peeters"])
    language: str = Field(max_length=2, examples=["fr"])
    street: str | None = Field(max_length=120)
    postal_code: str | None = Field(max_length=120)
    city: str | None = Field(max_length=120)
    students: list[FamilyStudent] = Field(max_length=100)
    erased_at: datetime | None = Field(
        description="Since when the names are a pseudonym, and the rest is gone; null: it is not."
    )


class FamilyChanges(Changes):
    """Whom a family's invoices are addressed to, and where; what is left out stays."""

    name: Name = Field(
        UNCHANGED, description="Whom invoices are addressed to.", examples=["Famille Peeters"]
    )
    language: Language = Field(UNCHANGED, description="Language of its invoices.", examples=["fr"])
    street: ShortText | None = Field(UNCHANGED, examples=["Rue de la Loi 1"])
    postal_code: ShortText | None = Field(UNCHANGED, examples=["1000"])
    city: ShortText | None = Field(UNCHANGED, examples=["Bruxelles"])


FamilySort = Literal["name", "-name", "id", "-id"]


class FamilyPage(Page[Family]):
    """A part of the families."""


class NewGuardianship(Form):
    """The link to make between a guardian, a student, and the family that pays."""

    guardian_id: UUID
    student_id: UUID
    family_id: UUID = Field(description="The student must be in it.")
    sees_money: Flag = Field(True, description="Whether wallets and invoices are shown.")
    starts_on: Day | None = Field(None, description="Null: today.")
    ends_on: Day | None = Field(None, description="The last day that counts; null: no end.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.starts_on and self.ends_on and self.ends_on < self.starts_on:
            raise not_before("starts_on", "ends_on")
        return self


class GuardianshipChanges(Changes):
    """What may change of a guardianship; what is left out stays."""

    sees_money: Flag = UNCHANGED
    ends_on: Day | None = Field(UNCHANGED, description="The last day that counts; null: no end.")


class Guardianship(Document):
    """What a guardian may see of a student."""

    id: UUID
    guardian_id: UUID
    student_id: UUID
    family_id: UUID
    sees_money: bool
    starts_on: date
    ends_on: date | None


class GuardianshipPage(Page[Guardianship]):
    """A part of the guardianships."""


class LoggedIn(StrEnum):
    """Whether somebody ever got in."""

    NEVER = "never"
    EVER = "ever"


class Invitation(Document):
    """An invitation on its way."""

    user_name: str = Field(max_length=254, examples=["an.peeters"])
    email: str = Field(
        max_length=254,
        description="Where it goes: to the user's own address.",
        examples=["an.peeters@example.org"],
    )


class Invited(StrEnum):
    """Who is invited of many."""

    NEVER_LOGGED_IN = "never_logged_in"
    NEVER_INVITED = "never_invited"
    ALL = "all"


class NewInvitations(Form):
    """Whom to invite: the guardians of a class group's students, or of all who are there."""

    class_group_id: UUID | None = Field(None, examples=[None])
    whole_school: Flag = Field(False, examples=[True])
    only: Invited = Field(
        Invited.NEVER_LOGGED_IN,
        description="`never_logged_in`: who never got in; `never_invited`: who has no user yet; "
        "`all`: even who got in before.",
    )

    @model_validator(mode="after")
    def _either(self) -> Self:
        if self.whole_school == (self.class_group_id is not None):
            raise exactly_one_of("class_group_id", "whole_school")
        return self


class InvitationReport(Document):
    """Who is invited, and who is not; `guardians` is the sum of all but `users_made`."""

    guardians: int = Field(
        description="Those whose guardianship counts today, of students who are there.",
        examples=[800],
    )
    invited: int = Field(description="Their mails are on their way.", examples=[640])
    users_made: int = Field(description="Those of them who had no user yet.", examples=[615])
    without_email: int = Field(
        description="Print their letters: `POST /v1/login-letters`.", examples=[35]
    )
    logged_in: int = Field(description="They got in before.", examples=[120])
    invited_before: int = Field(description="They have a user already.", examples=[0])
    just_invited: int = Field(
        description="Within the last quarter of an hour; by somebody else, perhaps.", examples=[5]
    )
    disabled: int = Field(description="Their login is disabled.", examples=[0])
