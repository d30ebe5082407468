"""What clients receive about a roll."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from itschool_api.contract import Document
from itschool_api.roll.findings import LONGEST_VALUE, MOST_FINDINGS, Severity


class Tally(Document):
    """How many of one kind the file names, and what becomes of them."""

    new: int = Field(examples=[12])
    changed: int = Field(examples=[1])
    unchanged: int = Field(examples=[340])


class GuardianshipTally(Tally):
    """The same for guardianships, which may end."""

    ended: int = Field(description="Those that end; only with `end_missing`.", examples=[0])


class CarriedTally(Document):
    """What was carried over from another system."""

    new: int = Field(examples=[12])
    unchanged: int = Field(description="Those that a file carried over before.", examples=[0])


class CarriedSum(CarriedTally):
    """The same for amounts."""

    new_cents: int = Field(description="Of the new ones, together.", examples=[123450])


class RollFinding(Document):
    """Something that a person should look at."""

    severity: Severity = Field(description="An `error` stops the import, a `warning` does not.")
    code: str = Field(max_length=100, examples=["invalid-date"])
    message: str = Field(
        max_length=1000,
        description="What was read and what is expected.",
        examples=["Read “31/02/2017”; expected a day, YYYY-MM-DD or DD/MM/YYYY."],
    )
    sheet: str | None = Field(
        max_length=120, description="Null for a CSV file.", examples=["Élèves"]
    )
    row: int | None = Field(description="As the spreadsheet shows it.", examples=[12])
    column: str | None = Field(
        max_length=120, description="As the file calls it.", examples=["Date de naissance"]
    )
    values: dict[str, Annotated[str, Field(max_length=LONGEST_VALUE)] | int] = Field(
        default_factory=dict,
        description="What the message names, for apps that say it in another language: with the "
        "code, they tell the same.",
        examples=[{"read": "31/02/2017"}],
    )


class RollReport(Document):
    """What a file did, or in a preview would do."""

    preview: bool = Field(description="Whether nothing was written.")
    changes: bool = Field(description="Whether the file brings anything new.")
    file_sha256: str = Field(max_length=64)
    school_year_id: UUID
    rows: int = Field(description="Rows below the heading.", examples=[640])
    students: Tally
    class_groups: int = Field(description="How many classes were made.", examples=[14])
    enrolments: Tally = Field(description="Students in the classes of the year.")
    guardians: Tally
    families: Tally
    memberships: Tally = Field(description="Students in families, with their shares.")
    guardianships: GuardianshipTally
    references: CarriedTally = Field(description="Former references that pay wallets.")
    opening_balances: CarriedSum
    open_invoices: CarriedSum
    errors: int = Field(description="Only a preview has any.", examples=[0])
    warnings: int = Field(examples=[2])
    findings: list[RollFinding] = Field(
        max_length=MOST_FINDINGS,
        description="Errors first, then by row; the first of them where they are very many.",
    )
