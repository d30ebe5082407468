"""Who goes where in the new school year: facts in, a plan out.

This module is pure: it knows neither the database nor the web. Within the new year a class group is
known by its name, for there it is unique, and some are only about to be made.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from uuid import UUID

from itschool_api.promotions.schemas import (
    ClassPromotion,
    NewPromotions,
    PromotionFindingKind,
    StudentPromotion,
)


@dataclass(frozen=True, slots=True)
class Student:
    """What is known of a student: the class in the old year, and the one in the new."""

    id: UUID
    name: str
    left_on: date | None
    old_class_id: UUID | None
    new_class: str | None


@dataclass(frozen=True, slots=True)
class State:
    """What is known of the school; class groups by id, with their names."""

    begins_on: date
    """The first day of the new year."""
    last_day: date
    """The last day of the old year."""
    old_classes: Mapping[UUID, str]
    new_classes: Mapping[UUID, str]
    students: Sequence[Student]


@dataclass(frozen=True, slots=True)
class Fault:
    """What cannot be done, by its place in what was sent."""

    pointer: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What deserves a look."""

    kind: PromotionFindingKind
    student: Student | None
    old_class: str | None
    students: int = 1
    """How many it is of; a class that is empty has none."""


@dataclass(slots=True)
class Plan:
    """What to write, and what to tell; with `faults`, nothing is to be written."""

    left_on: date
    moves: dict[UUID, str] = field(default_factory=dict)
    """Student → class of the new year."""
    leavers: list[UUID] = field(default_factory=list)
    retracted: list[UUID] = field(default_factory=list)
    """Leavers who have a class in the new year, which they do not need."""
    made: list[str] = field(default_factory=list)
    unchanged: int = 0
    unnamed: int = 0
    forgotten: dict[str | None, list[Student]] = field(default_factory=dict)
    """Whom nothing names, by their class."""
    findings: list[Finding] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def arrivals(self) -> dict[str, int]:
        """Return how many come to each class, by name."""
        return dict(sorted(Counter(self.moves.values()).items()))


@dataclass(frozen=True, slots=True)
class _Order:
    """Where somebody goes: a class of the new year by its name; none: away."""

    to: str | None
    is_own: bool
    """Whether it was said of the student, not of the class."""


_UNKNOWN: Final = "not_found"
_TWICE: Final = "named_twice"
_LEFT: Final = "student_left"
_TOO_LATE: Final = "not_before_new_year"


def plan(form: NewPromotions, state: State) -> Plan:
    """Decide for every student of the old year, and for whoever is named beside them."""
    made = Plan(form.left_on or state.last_day)
    if made.left_on >= state.begins_on:
        made.faults.append(
            Fault("/left_on", _TOO_LATE, "Who leaves does so before the new year begins.")
        )
    classes = _class_orders(form.class_groups, state, made.faults)
    own = _student_orders(form.students, state, made.faults)
    named = [each.to for each in (*classes.values(), *own.values()) if each.to]
    known = set(state.new_classes.values())
    made.made = [name for name in dict.fromkeys(named) if name not in known]
    for student in state.students:
        order = own.get(student.id) or classes.get(student.old_class_id)
        _decide(student, order, state, made)
    # By class: a form for one class would drown what is wrong with it in names of the others.
    made.findings += [
        Finding(
            PromotionFindingKind.STUDENT_UNNAMED,
            students[0] if len(students) == 1 else None,
            old_class,
            len(students),
        )
        for old_class, students in made.forgotten.items()
    ]
    taken = {student.old_class_id for student in state.students}
    made.findings += [
        Finding(PromotionFindingKind.CLASS_EMPTY, None, state.old_classes[class_id], 0)
        for class_id in classes
        if class_id is not None and class_id not in taken
    ]
    return made


def _decide(student: Student, order: _Order | None, state: State, made: Plan) -> None:
    """Add to the plan what becomes of one student."""
    has_left = student.left_on is not None and student.left_on < state.begins_on
    if has_left or (order and order.to is not None and order.to == student.new_class):
        made.unchanged += 1
    elif order is None and student.new_class is None:
        made.unnamed += 1
        made.forgotten.setdefault(_old_class(student, state), []).append(student)
    elif order is None:
        made.unchanged += 1
    elif student.new_class is not None and not order.is_own:
        # Somebody decided for this one student already; what is said of all does not undo it.
        made.unchanged += 1
        _find(PromotionFindingKind.OTHER_CLASS, student, state, made)
    elif order.to is None:
        made.leavers.append(student.id)
        if student.new_class is not None:
            made.retracted.append(student.id)
    else:
        made.moves[student.id] = order.to


def _find(kind: PromotionFindingKind, student: Student, state: State, made: Plan) -> None:
    made.findings.append(Finding(kind, student, _old_class(student, state)))


def _old_class(student: Student, state: State) -> str | None:
    return state.old_classes[student.old_class_id] if student.old_class_id else None


def _class_orders(
    sent: Iterable[ClassPromotion], state: State, faults: list[Fault]
) -> dict[UUID | None, _Order]:
    orders: dict[UUID | None, _Order] = {}
    for place, each in enumerate(sent):
        at = f"/class_groups/{place}"
        if each.from_class_group_id not in state.old_classes:
            faults.append(
                Fault(f"{at}/from_class_group_id", _UNKNOWN, "The old year has no such class.")
            )
        elif each.from_class_group_id in orders:
            faults.append(Fault(f"{at}/from_class_group_id", _TWICE, "This class is named twice."))
        else:
            order = _order(each, at, state, faults, is_own=False)
            orders[each.from_class_group_id] = order
    return orders


def _student_orders(
    sent: Iterable[StudentPromotion], state: State, faults: list[Fault]
) -> dict[UUID, _Order]:
    students = {student.id: student for student in state.students}
    orders: dict[UUID, _Order] = {}
    for place, each in enumerate(sent):
        at = f"/students/{place}"
        student = students.get(each.student_id)
        if student is None:
            faults.append(Fault(f"{at}/student_id", _UNKNOWN, "There is no such student."))
        elif each.student_id in orders:
            faults.append(Fault(f"{at}/student_id", _TWICE, "This student is named twice."))
        elif not each.leaves and student.left_on and student.left_on < state.begins_on:
            faults.append(
                Fault(
                    f"{at}/student_id",
                    _LEFT,
                    "This student left the school: take the departure back first.",
                )
            )
        else:
            orders[each.student_id] = _order(each, at, state, faults, is_own=True)
    return orders


def _order(
    sent: ClassPromotion | StudentPromotion,
    at: str,
    state: State,
    faults: list[Fault],
    *,
    is_own: bool,
) -> _Order:
    if sent.to_class_group_id is None:
        return _Order(sent.to_name, is_own)
    name = state.new_classes.get(sent.to_class_group_id)
    if name is None:
        faults.append(Fault(f"{at}/to_class_group_id", _UNKNOWN, "The new year has no such class."))
    return _Order(name, is_own)
