"""What clients send to and receive about exports and erasures."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from itschool_api.contract import Document, Form, exactly_one_of
from itschool_api.pagination import Page


class ExportStatus(StrEnum):
    """How far an export is."""

    QUEUED = "queued"
    READY = "ready"
    FAILED = "failed"
    EXPIRED = "expired"


class NewExport(Form):
    """Whose data to export: a student's or a guardian's."""

    student_id: UUID | None = None
    guardian_id: UUID | None = None

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.student_id is None) == (self.guardian_id is None):
            raise exactly_one_of("student_id", "guardian_id")
        return self


class Export(Document):
    """All that the school holds of a person, as a file that is kept for some days."""

    id: UUID
    student_id: UUID | None
    guardian_id: UUID | None
    status: ExportStatus = Field(
        description="`failed` is tried again for some hours; `expired`: the file is gone."
    )
    requested_by: UUID = Field(description="The user who asked, and is told by e-mail.")
    requested_at: datetime
    ready_at: datetime | None
    expires_at: datetime | None = Field(description="From when the file is kept no more.")
    size_bytes: int | None = Field(examples=[48213])
    sha256: str | None = Field(max_length=64, description="Of the file, in hexadecimal digits.")


class ExportPage(Page[Export]):
    """A part of the exports, newest first."""


class Obstacle(Document):
    """What must be settled before a person can be erased."""

    code: str = Field(max_length=50, examples=["wallet-not-empty"])
    detail: str = Field(max_length=300, examples=["12.50 € are in the wallets: refund them."])


class Kept(Document):
    """What an erasure leaves, by what law, and until when."""

    what: str = Field(max_length=300, examples=["3 issued invoices with their lines"])
    why: str = Field(max_length=500, examples=["Accounts must be kept (CIR 92 art. 315)."])
    until: str = Field(max_length=100, examples=["2036-12-31"])


class ErasurePreview(Document):
    """What an erasure would do, before anything is done."""

    student_id: UUID | None
    guardian_id: UUID | None
    name: str = Field(
        max_length=250,
        description="Send it as `confirmed_name` to erase this person.",
        examples=["Noor Peeters"],
    )
    obstacles: list[Obstacle] = Field(
        max_length=20, description="While there is one, the erasure is refused."
    )
    erased: list[str] = Field(
        max_length=50,
        description="What would go, in words.",
        examples=[["name, external key, date of birth"]],
    )
    kept: list[Kept] = Field(max_length=20)


class NewErasure(Form):
    """The confirmation that this person is meant."""

    confirmed_name: Annotated[str, StringConstraints(min_length=1, max_length=250)] = Field(
        description="First and last name, as the preview shows them: an erasure cannot be undone.",
        examples=["Noor Peeters"],
    )


class Erasure(Document):
    """What was erased."""

    student_id: UUID | None
    guardian_id: UUID | None
    pseudonym: str = Field(max_length=250, examples=["Élève 7f3a91c2"])
    erased_at: datetime
    families: int = Field(description="Families whose name and address went too.", examples=[1])
    login: bool = Field(description="Whether the guardian's login went too.", examples=[False])
    kept: list[Kept] = Field(max_length=20)
