"""What clients send to move students into another school year, and what they are told of it."""

from enum import StrEnum
from typing import Self
from uuid import UUID

from pydantic import Field, model_validator

from itschool_api.contract import Day, Document, Flag, Form, Name, exactly_one_of

MOST_CLASS_GROUPS = 300
MOST_STUDENTS = 3000
MOST_FINDINGS = 1000


class _Destination(Form):
    to_class_group_id: UUID | None = Field(
        None, description="A class group of the new year.", examples=[None]
    )
    to_name: Name | None = Field(
        None,
        description="The same by its name; it is made where the new year has none of that name.",
        examples=["4B"],
    )
    leaves: Flag = Field(False, description="They leave the school.", examples=[False])

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        told = [self.to_class_group_id is not None, self.to_name is not None, self.leaves]
        if sum(told) != 1:
            raise exactly_one_of("to_class_group_id", "to_name", "leaves")
        return self


class ClassPromotion(_Destination):
    """Where the students of a class group go."""

    from_class_group_id: UUID = Field(description="A class group of the old year.")


class StudentPromotion(_Destination):
    """Where one student goes, whatever is said of the class: repeating, skipping, leaving."""

    student_id: UUID


class NewPromotions(Form):
    """Who moves where; what is said of a student goes before what is said of the class."""

    school_year_id: UUID = Field(description="The new school year.")
    from_school_year_id: UUID | None = Field(
        None, description="The old one; null: the one before the new one."
    )
    class_groups: list[ClassPromotion] = Field(default_factory=list, max_length=MOST_CLASS_GROUPS)
    students: list[StudentPromotion] = Field(default_factory=list, max_length=MOST_STUDENTS)
    left_on: Day | None = Field(
        None,
        description="The last day of those who leave; null: the last day of the old year.",
        examples=["2027-07-02"],
    )


class PromotionFindingKind(StrEnum):
    """What deserves a look, and stops nothing."""

    STUDENT_UNNAMED = "student_unnamed"
    """Students of the old year are said to go nowhere, and have no class in the new one."""
    OTHER_CLASS = "other_class"
    """A student has another class in the new year already, and keeps it."""
    CLASS_EMPTY = "class_empty"
    """A class group that is named has nobody in it."""


class PromotionFinding(Document):
    """Something that deserves a look, and stops nothing."""

    kind: PromotionFindingKind = Field(
        description="`student_unnamed`: nothing says where students of this class of the old year go; "
        "`other_class`: they have another class in the new year already, and keep it; "
        "`class_empty`: a class group that is named has nobody in it."
    )
    student_id: UUID | None = Field(description="Null where it is of several, or of nobody.")
    name: str | None = Field(
        max_length=241, description="The student's name.", examples=["Noor Peeters"]
    )
    class_group: str | None = Field(
        max_length=120, description="The class of the old year.", examples=["3B"]
    )
    students: int = Field(description="How many it is of.", examples=[1])


class PromotedClassGroup(Document):
    """A class group of the new year that somebody comes to."""

    name: str = Field(max_length=120, examples=["4B"])
    made: bool = Field(description="Whether the new year had none of that name.")
    students: int = Field(description="How many come to it now.", examples=[22])


class PromotionReport(Document):
    """What happened; `students` is the sum of the four counts below it."""

    school_year_id: UUID
    from_school_year_id: UUID
    preview: bool = Field(description="Whether it was asked for only, and nothing was written.")
    students: int = Field(
        description="Those of the old year, and whoever is named beside them.", examples=[412]
    )
    moved: int = Field(description="They get a class, or another one.", examples=[340])
    left: int = Field(description="They leave the school.", examples=[61])
    unchanged: int = Field(
        description="They are where they should be already, or left before.", examples=[9]
    )
    unnamed: int = Field(description="Nothing says where they go.", examples=[2])
    class_groups: list[PromotedClassGroup] = Field(max_length=MOST_CLASS_GROUPS + MOST_STUDENTS)
    findings: list[PromotionFinding] = Field(
        max_length=MOST_FINDINGS, description=f"At most {MOST_FINDINGS} of them."
    )
