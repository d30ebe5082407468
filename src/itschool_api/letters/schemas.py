"""What clients send to have login letters printed."""

from enum import StrEnum
from typing import Self
from uuid import UUID

from pydantic import Field, model_validator

from itschool_api.contract import Flag, Form, exactly_one_of

MOST_LETTERS = 1000


class LettersFor(StrEnum):
    """Who gets a letter, of a class group or of the school."""

    WITHOUT_EMAIL = "without_email"
    NEVER_LOGGED_IN = "never_logged_in"
    ALL = "all"


class NewLoginLetters(Form):
    """Whom to write to: guardians of a class group's students, of all who are there, or by name."""

    class_group_id: UUID | None = Field(None, examples=[None])
    whole_school: Flag = Field(False, examples=[True])
    guardian_ids: list[UUID] | None = Field(
        None,
        min_length=1,
        max_length=MOST_LETTERS,
        description="Each of them gets a letter, whatever `only` says.",
        examples=[None],
    )
    only: LettersFor = Field(
        LettersFor.WITHOUT_EMAIL,
        description="`without_email`: who has no e-mail address and never got in; "
        "`never_logged_in`: who never got in; `all`: even who got in before.",
    )
    both_sides: Flag = Field(
        True,
        description="Whether the printer uses both sides of the sheet: every second page is then "
        "left empty, so that nobody gets another family's login token on the back.",
    )

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        told = [self.class_group_id is not None, self.whole_school, self.guardian_ids is not None]
        if sum(told) != 1:
            raise exactly_one_of("class_group_id", "whole_school", "guardian_ids")
        return self
