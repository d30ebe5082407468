"""Who goes where: whatever is said, everybody has one fate."""

from datetime import date
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from itschool_api.promotions.plan import State, Student, plan
from itschool_api.promotions.schemas import ClassPromotion, NewPromotions, StudentPromotion

OLD = {UUID(int=number): f"{number}A" for number in range(1, 4)}
NEW = {UUID(int=number): f"{number - 10}A" for number in range(12, 15)}
BEGINS, LAST_DAY, MID_YEAR, LATER = (
    date(2027, 8, 1),
    date(2027, 7, 31),
    date(2027, 2, 1),
    date(2028, 2, 1),
)

destinations = st.one_of(
    st.sampled_from([*NEW]).map(lambda group: {"to_class_group_id": group}),
    st.sampled_from(["2A", "9Z"]).map(lambda name: {"to_name": name}),
    st.just({"leaves": True}),
)
students = st.lists(
    st.builds(
        Student,
        id=st.integers(100, 120).map(lambda number: UUID(int=number)),
        name=st.just("Noor"),
        left_on=st.sampled_from([None, None, MID_YEAR, LATER]),
        old_class_id=st.sampled_from([None, *OLD]),
        new_class=st.sampled_from([None, None, *NEW.values()]),
    ),
    unique_by=lambda student: student.id,
    max_size=12,
)


@given(
    students,
    st.dictionaries(st.sampled_from([*OLD]), destinations),
    st.dictionaries(st.integers(100, 120).map(lambda number: UUID(int=number)), destinations),
)
def test_everybody_has_one_fate(
    people: list[Student],
    classes: dict[UUID, dict[str, object]],
    own: dict[UUID, dict[str, object]],
) -> None:
    form = NewPromotions(
        school_year_id=UUID(int=1),
        class_groups=[
            ClassPromotion.model_validate({"from_class_group_id": group} | where)
            for group, where in classes.items()
        ],
        students=[
            StudentPromotion.model_validate({"student_id": student} | where)
            for student, where in own.items()
        ],
    )
    state = State(BEGINS, LAST_DAY, OLD, NEW, people)

    made = plan(form, state)

    assert len(made.moves) + len(made.leavers) + made.unchanged + made.unnamed == len(people)
    assert not set(made.moves) & set(made.leavers)
    assert set(made.retracted) <= set(made.leavers)
    known = {student.id: student for student in people}
    for student_id, name in made.moves.items():
        student = known[student_id]
        assert name in {*NEW.values(), *made.made}
        assert student.new_class != name
        assert student.left_on != MID_YEAR
        # Only what is said of the student goes before a class that they have already.
        assert student.new_class is None or student_id in own
    for student_id in made.leavers:
        assert known[student_id].left_on != MID_YEAR
    assert not set(made.made) & set(NEW.values())
    faulty = {student for student in own if student not in known} | {
        student
        for student, where in own.items()
        if student in known and known[student].left_on == MID_YEAR and "leaves" not in where
    }
    assert len(made.faults) == len(faulty)
