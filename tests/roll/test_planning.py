"""Taking a roll twice is taking it once, whatever is in it: properties of the plan."""

import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from typing import Any, TypeVar
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from itschool_api.roll import gathering, planning, reading, state
from itschool_api.roll.state import Known, Plan
from tests.roll.files import Row, csv

EXAMPLES = 2_000 if os.environ.get("ITSCHOOL_LONG") else 150
TODAY = date(2026, 11, 24)
NOBODY = Known(today=TODAY, year_id=uuid4(), language="fr")
Person = TypeVar("Person", state.Student, state.Guardian, state.Family)

_NAMES = ("An", "Tom", "Zoë")
# What a file says of one student, guardian or family; some files have fewer columns.
_OF_STUDENT = {
    "student_first_name": _NAMES,
    "student_last_name": _NAMES,
    "birth_date": ("2017-05-12", "12/05/2017", ""),
    "class_group": ("1A", "1a", "2B", ""),
}
_OF_GUARDIAN = {
    "guardian_first_name": _NAMES,
    "guardian_last_name": _NAMES,
    "email": ("a@b.be", "c@d.be"),
    "phone": ("02 1", ""),
    "language": ("nl", "de", ""),
}
_OF_FAMILY = {"family_name": ("An", "Tom", ""), "street": ("Rue 1", "")}
_OF_LINK = {"sees_money": ("yes", "no", ""), "share": ("50", "50", "40", "100", "")}
_FILES = st.integers(0, 2**32)


def file_of(seed: int) -> list[Row]:
    """Make up a file of a few people, mostly without contradictions."""
    chance = random.Random(seed)
    left_out = chance.sample([*_OF_STUDENT, *_OF_GUARDIAN, *_OF_LINK], chance.randint(0, 2))

    def facts(columns: Mapping[str, Sequence[str]]) -> dict[str, str]:
        return {name: chance.choice(how) for name, how in columns.items() if name not in left_out}

    people = {
        name: {key: facts(columns) for key in keys}
        for name, keys, columns in (
            ("student", ("1", "2", "3"), _OF_STUDENT),
            ("guardian", ("g1", "g2", ""), _OF_GUARDIAN),
            ("family", ("f1", "f2"), _OF_FAMILY),
        )
    }
    rows: list[Row] = []
    for _ in range(chance.randint(1, 5)):
        keys = {name: chance.choice([*found]) for name, found in people.items()}
        of_student = people["student"][keys["student"]]
        row = of_student | people["guardian"][keys["guardian"]]
        row |= people["family"][keys["family"]] | facts(_OF_LINK)
        if chance.random() < 0.2:  # a student whom nobody looks after
            row = dict.fromkeys(row, "") | of_student
            keys |= {"guardian": "", "family": ""}
        rows.append({f"{name}_key": key for name, key in keys.items()} | row)
    return rows


def planned(rows: Sequence[Mapping[str, Any]], known: Known, *, end: bool) -> tuple[Plan, bool]:
    """Return what a file does, and whether it may."""
    roll = reading.read(csv(*rows), is_workbook=False)
    people = gathering.gather(roll)
    plan = planning.plan(roll, people, known, uuid4, end_missing=end)
    return plan, not roll.findings.has_errors


def taken(known: Known, plan: Plan) -> Known:
    """Return the school as it stands after a plan, as the database would have it."""
    names = {row["id"]: row["name"] for row in [*plan.families.new, *plan.families.changed]}
    names = {each.id: each.name for each in known.families} | names
    memberships = {
        place: each for place, each in known.memberships.items() if each.id not in plan.removed
    }
    shares = {row["id"]: row["share_bp"] for row in plan.memberships.changed}
    for place, each in memberships.items():
        share_bp = shares.get(each.id, each.share_bp)
        memberships[place] = state.Membership(each.id, share_bp, each.family_name)
    for row in plan.memberships.new:
        memberships[row["student_id"], row["family_id"]] = state.Membership(
            row["id"], row["share_bp"], names[row["family_id"]]
        )
    sees = {row["id"]: row["sees_money"] for row in plan.guardianships.changed}
    links = {
        place: state.Guardianship(
            each.id,
            sees.get(each.id, each.sees_money),
            each.starts_on,
            date(2026, 11, 23) if each.id in plan.ended else each.ends_on,
            each.guardian_name,
            each.family_name,
        )
        for place, each in known.guardianships.items()
    }
    for row in plan.guardianships.new:
        links[row["student_id"], row["guardian_id"], row["family_id"]] = state.Guardianship(
            row["id"], row["sees_money"], row["starts_on"], None, "", ""
        )
    classes = {row["id"]: row["class_group_id"] for row in plan.enrolments.changed}
    enrolments = {
        student: state.Enrolment(each.id, classes.get(each.id, each.class_group_id))
        for student, each in known.enrolments.items()
    }
    for row in plan.enrolments.new:
        enrolments[row["student_id"]] = state.Enrolment(row["id"], row["class_group_id"])
    return Known(
        today=TODAY,
        year_id=known.year_id,
        language="fr",
        students=_people(state.Student, known.students, plan.students),
        guardians=_people(state.Guardian, known.guardians, plan.guardians),
        families=_people(state.Family, known.families, plan.families),
        class_groups={
            **known.class_groups,
            **{row["name"]: row["id"] for row in plan.class_groups.new},
        },
        enrolments=enrolments,
        memberships=memberships,
        guardianships=links,
    )


def _people(kind: type[Person], known: Sequence[Person], writes: state.Writes) -> Sequence[Person]:
    rows: dict[UUID, dict[str, Any]] = {
        each.id: {field.name: getattr(each, field.name) for field in fields(each)} for each in known
    }
    for row in [*writes.new, *writes.changed]:
        before = rows.get(row["id"], {"is_erased": False, "left_on": None})
        rows[row["id"]] = {**before, **row}
    wanted = {field.name for field in fields(kind)}
    return [
        kind(**{name: value for name, value in row.items() if name in wanted})
        for row in rows.values()
    ]


@settings(max_examples=EXAMPLES)
@given(first=_FILES, second=_FILES, end=st.booleans())
def test_what_was_taken_changes_nothing_when_it_is_taken_again(
    first: int, second: int, end: bool
) -> None:
    known = NOBODY
    for rows in (file_of(first), file_of(second)):
        plan, may = planned(rows, known, end=end)
        if not may:
            continue
        known = taken(known, plan)
        again, may = planned(rows, known, end=end)
        assert may
        assert again.is_empty, again


@settings(max_examples=EXAMPLES)
@given(first=_FILES, second=_FILES)
def test_nobody_is_ever_two_and_nobody_is_lost(first: int, second: int) -> None:
    known = NOBODY
    for rows in (file_of(first), file_of(second)):
        plan, may = planned(rows, known, end=False)
        if may:
            after = taken(known, plan)
            for before, now in (
                (known.students, after.students),
                (known.guardians, after.guardians),
                (known.families, after.families),
            ):
                keys = [each.external_key for each in now]
                assert len(keys) == len(set(keys))
                assert {each.id for each in before} <= {each.id for each in now}
            assert plan.ended + plan.removed == []
            assert {*known.guardianships} <= {*after.guardianships}
            known = after


@settings(max_examples=EXAMPLES)
@given(seed=_FILES)
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    rows = file_of(seed)

    plan, may = planned(rows, NOBODY, end=False)
    other, may_too = planned([*reversed(rows)], NOBODY, end=False)

    assert may == may_too
    if may:
        for name in ("students", "guardians", "families", "memberships", "guardianships"):
            assert len(getattr(plan, name).new) == len(getattr(other, name).new)
