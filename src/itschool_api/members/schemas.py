"""What clients send to and receive about members, their logins, and offers of membership."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from itschool_api.auth.caller import Role
from itschool_api.auth.schemas import MailedToken, Otp, Password, UserName
from itschool_api.auth.user_names import NewUserName
from itschool_api.contract import Document, Email, Form, Language, Name
from itschool_api.pagination import Page


def _for_staff(role: Role) -> Role:
    if role is Role.GUARDIAN:
        raise PydanticCustomError(
            "guardians_role", "comes with being a guardian: invite them, or offer them membership"
        )
    return role


StaffRole = Annotated[
    Role,
    AfterValidator(_for_staff),
    WithJsonSchema({"type": "string", "enum": [role for role in Role if role != Role.GUARDIAN]}),
]


class Member(Document):
    """Somebody who belongs to the school."""

    user_id: UUID
    user_name: str = Field(max_length=120, examples=["an.peeters"])
    first_name: str = Field(max_length=120, examples=["An"])
    last_name: str = Field(max_length=120, examples=["Peeters"])
    email: str | None = Field(max_length=254, examples=["an.peeters@example.org"])
    language: str = Field(max_length=2, examples=["fr"])
    roles: list[Role] = Field(
        max_length=len(Role), description="What they are here.", examples=[["manager", "teacher"]]
    )
    disabled: bool = Field(description="Whether their login is disabled.")
    last_login_at: datetime | None = Field(description="Null: they never logged in.")
    has_second_factor: bool


class MemberPage(Page[Member]):
    """A part of the members."""


class NewMember(Form):
    """The person to invite, and what they will be."""

    first_name: Name = Field(examples=["Jef"])
    last_name: Name = Field(examples=["Claes"])
    email: Email = Field(description="Where the invitation goes.", examples=["jef@example.org"])
    language: Language = Field("fr", description="fr, nl, de or en.", examples=["nl"])
    roles: list[StaffRole] = Field(min_length=1, max_length=len(Role), examples=[["teacher"]])


class MemberRoles(Form):
    """What a member is, beside a guardian."""

    roles: list[StaffRole] = Field(
        max_length=len(Role),
        description="All of them. Empty for a guardian who works here no more.",
        examples=[["manager", "accountant"]],
    )


class LoginChanges(Form):
    """What a login is to be from now on."""

    user_name: NewUserName = Field(
        description="Letters without accents and digits; `.`, `-` and `_` between them.",
        examples=["an.peeters"],
    )
    email: Email = Field(examples=["an.peeters@example.org"])
    language: Language = Field(description="fr, nl, de or en.", examples=["nl"])


class Login(Document):
    """How a person gets in, at all of their schools."""

    user_id: UUID
    user_name: str = Field(max_length=120, examples=["an.peeters"])
    email: str | None = Field(max_length=254, examples=["an.peeters@example.org"])
    language: str = Field(max_length=2, examples=["nl"])
    disabled: bool
    last_login_at: datetime | None = Field(description="Null: they never logged in.")


class MyChanges(Form):
    """What to change of your login; what is left out stays."""

    user_name: NewUserName | None = Field(
        None,
        description="Letters without accents and digits; `.`, `-` and `_` between them.",
        examples=["an.peeters"],
    )
    language: Language | None = Field(None, description="fr, nl, de or en.", examples=["nl"])


class NewAddress(Form):
    """The e-mail address that you want for your login."""

    email: Email = Field(examples=["an@example.org"])
    current_password: Password = Field(examples=["trois petits chats"])
    otp: Otp | None = Field(
        None, description="A code of your second factor, where you have one.", examples=[None]
    )


class AddressCode(Form):
    """The code that came to your new address."""

    code: MailedToken = Field(examples=["ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ234567"])


class NewOffer(Form):
    """Whom to offer the membership to."""

    user_name: UserName = Field(
        description="What they log in with elsewhere.", examples=["an.peeters"]
    )


class Offer(Document):
    """An offer to link a guardian with the login that they have already."""

    id: UUID
    status: Literal["waiting", "accepted", "declined", "withdrawn", "expired"]
    offered_at: datetime
    expires_at: datetime
    answered_at: datetime | None = Field(description="When it was answered or withdrawn.")


class OfferPage(Page[Offer]):
    """A part of the offers."""


class MyOffer(Document):
    """A school's offer to you."""

    id: UUID
    school_id: UUID
    school_name: str = Field(max_length=120, examples=["Athénée Les Tilleuls"])
    offered_at: datetime
    expires_at: datetime


class MyOfferPage(Page[MyOffer]):
    """A part of the offers to you."""
