"""Rows that a transaction holds."""

from uuid import UUID

import pytest

from itschool_api.database import held, school_transaction
from itschool_api.families.models import Student
from tests.kit import School

pytestmark = pytest.mark.anyio


async def test_a_row_is_held_as_it_is_and_not_as_it_was_read(school: School) -> None:
    """What was decided on a state of before the lock would undo what another one did."""
    student_id = UUID((await school.child()).student_id)
    async with school_transaction(school.sessions, school.id) as session:
        read = await session.get_one(Student, (school.id, student_id))
        async with school_transaction(school.sessions, school.id) as other:
            changed = await held(other, Student, school.id, student_id)
            assert changed is not None
            changed.first_name = "Renamed"

        assert read.first_name != "Renamed"
        assert await held(session, Student, school.id, student_id) is read
        assert read.first_name == "Renamed"
