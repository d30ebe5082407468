"""What taking a roll does to a school's people: decided from plain values. Pure.

Whoever the file does not name stays as they are; nobody is deleted, and what somebody ended by hand
is not begun again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from itschool_api.roll import carrying, debts, linking
from itschool_api.roll.columns import Column, Kind
from itschool_api.roll.findings import shown, told
from itschool_api.roll.gathering import Facts, People
from itschool_api.roll.reading import Roll
from itschool_api.roll.register import Register, Teller
from itschool_api.roll.state import Family, Guardian, Known, Plan, Student, Writes

_LONGEST_NAME: Final = 120
# How many of those whom a file does not name are told by name.
_NAMED: Final = 3

# Attribute, column, and whether an empty cell empties it.
_Fields = Sequence[tuple[str, Column, bool]]
_STUDENT: Final[_Fields] = (
    ("first_name", Column.STUDENT_FIRST_NAME, False),
    ("last_name", Column.STUDENT_LAST_NAME, False),
    ("birth_date", Column.BIRTH_DATE, True),
)
_GUARDIAN: Final[_Fields] = (
    ("first_name", Column.GUARDIAN_FIRST_NAME, False),
    ("last_name", Column.GUARDIAN_LAST_NAME, False),
    ("email", Column.EMAIL, True),
    ("phone", Column.PHONE, True),
    ("language", Column.LANGUAGE, False),
)
_FAMILY: Final[_Fields] = (
    ("name", Column.FAMILY_NAME, False),
    ("language", Column.FAMILY_LANGUAGE, False),
    ("street", Column.STREET, True),
    ("postal_code", Column.POSTAL_CODE, True),
    ("city", Column.CITY, True),
)


def plan(
    roll: Roll, people: People, known: Known, new_id: Callable[[], UUID], *, end_missing: bool
) -> Plan:
    """Decide what a roll does; what a person should know of it becomes a finding."""
    persons = _Persons(roll, people, known, new_id)
    persons.students()
    persons.class_groups()
    persons.guardians()
    persons.families()
    made = persons.plan
    linking.link(roll, people, known, made, persons.guardian_ids, new_id, end_missing=end_missing)
    persons.absent()
    if roll.carries_money:
        claims = carrying.Claims(roll.findings)
        carrying.carry(roll, people, known, made, claims)
        debts.carry(roll, known, made, claims)
    return made


class _Persons:
    def __init__(
        self,
        roll: Roll,
        people: People,
        known: Known,
        new_id: Callable[[], UUID],
    ) -> None:
        self.plan = Plan()
        self.guardian_ids: dict[str, UUID] = {}
        self._roll = roll
        self._people = people
        self._known = known
        self._new_id = new_id
        self._findings = roll.findings
        self._tell = Teller(roll.findings)
        self._broken = {row.number: row.broken for row in roll.rows if row.broken}

    # --- students ---------------------------------------------------------------------------------

    def students(self) -> None:
        found = Register(self._known.students, self._findings, Column.STUDENT_KEY)
        keyless = defaultdict(list)
        for student in self._known.students:
            if student.external_key is None and not student.is_erased:
                keyless[student.first_name.casefold(), student.last_name.casefold()].append(student)
        for key, facts in self._people.students.items():
            known = found.match(key)
            if known is None:
                self._new_student(key, facts, keyless)
            elif found.is_free(known, key, facts):
                self._known_student(key, facts, known)

    def _new_student(
        self, key: str, facts: Facts, keyless: Mapping[tuple[str, str], Sequence[Student]]
    ) -> None:
        row = self._begun(key, facts, _STUDENT, f"student {shown(key)}")
        if row is None:
            return
        names = (row["first_name"].casefold(), row["last_name"].casefold())
        for other in keyless.get(names, ()):
            if None in {other.birth_date, row["birth_date"]} or (
                other.birth_date == row["birth_date"]
            ):
                self._tell.warn(
                    "may-be-known",
                    told(
                        "{student} is at the school without a key. If this is the same child, "
                        "write {id} as its key.",
                        student=other.name,
                        id=other.id,
                    ),
                    facts,
                    Column.STUDENT_KEY,
                )
        self._in_the_past(facts, row["birth_date"])
        self.plan.student_ids[key] = row["id"]
        self.plan.students.new.append(row | {"left_on": None, "erased_at": None})

    def _known_student(self, key: str, facts: Facts, known: Student) -> None:
        if known.left_on is not None and known.left_on < self._known.today:
            message = told(
                "{student} left on {left_on}, and stays so.",
                student=known.name,
                left_on=known.left_on,
            )
            self._tell.warn("student-left", message, facts, Column.STUDENT_KEY)
        row = self._changed(facts, known, _STUDENT, self.plan.students)
        self._in_the_past(facts, row["birth_date"])
        self._tell_renamed(facts, known.name, row, Column.STUDENT_LAST_NAME)
        self.plan.student_ids[key] = known.id

    def _in_the_past(self, facts: Facts, birth_date: Any) -> None:
        if facts.says(Column.BIRTH_DATE) and birth_date and birth_date > self._known.today:
            message = told("{day} lies in the future.", day=birth_date)
            self._tell.refuse("date-in-future", message, facts, Column.BIRTH_DATE)

    # --- classes ----------------------------------------------------------------------------------

    def class_groups(self) -> None:
        """Put students into their classes of the year; a class that is not there yet is made."""
        if not self._roll.has(Column.CLASS_GROUP):
            return
        groups = dict(self._known.class_groups)
        alike = {name.casefold(): group_id for name, group_id in groups.items()}
        for key, facts in self._people.students.items():
            student_id = self.plan.student_ids.get(key)
            if student_id is None or not facts.says(Column.CLASS_GROUP):
                continue
            name = facts.text(Column.CLASS_GROUP)
            if name is None:
                message = "The student has no class: what is known of it stays."
                self._tell.warn("no-class", message, facts, Column.CLASS_GROUP)
                continue
            group_id = groups.get(name) or alike.get(name.casefold())
            if group_id is None:
                group_id = groups[name] = alike[name.casefold()] = self._new_id()
                self.plan.class_groups.new.append(
                    {"id": group_id, "school_year_id": self._known.year_id, "name": name}
                )
            self._enrol(student_id, group_id)

    def _enrol(self, student_id: UUID, group_id: UUID) -> None:
        known = self._known.enrolments.get(student_id)
        writes = self.plan.enrolments
        if known is None:
            writes.new.append(
                {
                    "id": self._new_id(),
                    "student_id": student_id,
                    "school_year_id": self._known.year_id,
                    "class_group_id": group_id,
                }
            )
        elif known.class_group_id != group_id:
            writes.changed.append({"id": known.id, "class_group_id": group_id})
        else:
            writes.unchanged += 1

    # --- guardians --------------------------------------------------------------------------------

    def guardians(self) -> None:
        found = Register(self._known.guardians, self._findings, Column.GUARDIAN_KEY)
        by_person: dict[tuple[str, str, str], list[Guardian]] = defaultdict(list)
        for known in self._known.guardians:
            if known.email and not known.is_erased:
                by_person[_person(known.email, known.first_name, known.last_name)].append(known)
        self._refuse_twins()
        for key, facts in self._people.guardians.items():
            known_one = found.match(key) or self._adopted(key, facts, by_person)
            if known_one is None:
                self._new_guardian(key, facts)
            elif found.is_free(known_one, key, facts):
                self._known_guardian(key, facts, known_one)
        self._tell_two_addresses()

    def _refuse_twins(self) -> None:
        """Refuse a guardian who has a key on one row, and only their address on another."""
        people = self._people
        keyed = {
            _person_of(facts): key
            for key, facts in people.guardians.items()
            if key not in people.keyed_by_email and facts.text(Column.EMAIL)
        }
        for key in people.keyed_by_email:
            facts = people.guardians[key]
            if (other := keyed.get(_person_of(facts))) is not None:
                message = told(
                    "Another row gives this guardian the key {other!q}: write it here.",
                    other=other,
                )
                self._tell.refuse("two-keys", message, facts, Column.GUARDIAN_KEY)

    def _adopted(
        self, key: str, facts: Facts, by_person: Mapping[tuple[str, str, str], Sequence[Guardian]]
    ) -> Guardian | None:
        """Return the one guardian of this address and name who has no key of their own yet."""
        candidates = by_person.get(_person_of(facts), ())
        if key not in self._people.keyed_by_email:
            candidates = [each for each in candidates if each.external_key in {None, each.email}]
        return candidates[0] if len(candidates) == 1 else None

    def _new_guardian(self, key: str, facts: Facts) -> None:
        row = self._begun(key, facts, _GUARDIAN, f"guardian {shown(key)}")
        if row is None:
            return
        row["language"] = row["language"] or self._known.language
        self.guardian_ids[key] = row["id"]
        self.plan.guardians.new.append(row | {"user_id": None, "erased_at": None})

    def _known_guardian(self, key: str, facts: Facts, known: Guardian) -> None:
        external_key = known.external_key
        is_address = key in self._people.keyed_by_email
        if str(known.id) != key.lower() and (not is_address or external_key is None):
            external_key = key
        row = self._changed(facts, known, _GUARDIAN, self.plan.guardians, external_key=external_key)
        self._tell_renamed(facts, known.name, row, Column.GUARDIAN_LAST_NAME)
        self.guardian_ids[key] = known.id

    def _tell_two_addresses(self) -> None:
        addresses: dict[str, dict[tuple[str | None, ...], str]] = defaultdict(dict)
        for link in self._people.guardianships:
            family = self._people.families[link.family]
            address = tuple(
                family.text(column) for column in (Column.STREET, Column.POSTAL_CODE, Column.CITY)
            )
            if any(address):
                addresses[link.guardian].setdefault(address, link.family)
        for key, found in addresses.items():
            if len(found) > 1:
                families = " and ".join(shown(family) for family in [*found.values()][:3])
                self._tell.warn(
                    "two-addresses",
                    told(
                        "This guardian is in families with different addresses: {families}.",
                        families=families,
                    ),
                    self._people.guardians[key],
                    Column.GUARDIAN_KEY,
                )

    # --- families ---------------------------------------------------------------------------------

    def families(self) -> None:
        found = Register(self._known.families, self._findings, Column.FAMILY_KEY)
        parents: dict[str, dict[str, Facts]] = defaultdict(dict)
        for link in self._people.guardianships:
            parents[link.family][link.guardian] = self._people.guardians[link.guardian]
        for key, facts in self._people.families.items():
            known = found.match(key)
            if known is None:
                self._new_family(key, facts, [*parents[key].values()])
            elif found.is_free(known, key, facts):
                self._changed(facts, known, _FAMILY, self.plan.families)
                self.plan.family_ids[key] = known.id

    def _new_family(self, key: str, facts: Facts, parents: Sequence[Facts]) -> None:
        values = {attribute: facts.get(column) for attribute, column, _ in _FAMILY}
        values["name"] = values["name"] or self._name_of(parents)
        values["language"] = (
            values["language"]
            or next((each.get(Column.LANGUAGE) for each in parents), None)
            or self._known.language
        )
        if not values["name"]:
            message = told("A new family needs a name, for {family!q} is on no letter.", family=key)
            self._tell.refuse("missing-value", message, facts, Column.FAMILY_NAME)
            return
        family_id = self.plan.family_ids[key] = self._new_id()
        self.plan.families.new.append(
            {"id": family_id, "external_key": key, **values, "erased_at": None}
        )

    def _name_of(self, parents: Iterable[Facts]) -> str:
        """Name a family after its guardians."""
        names = dict.fromkeys(each.text(Column.GUARDIAN_LAST_NAME) for each in parents)
        return " - ".join(name for name in names if name)[:_LONGEST_NAME]

    def absent(self) -> None:
        """Tell how many of each class the file does not name; leaving is another operation.

        By class: a file of one class would drown what is wrong with it in names of all the others.
        """
        for absent in self._known.absent:
            self._findings.warning(
                "student-not-in-file",
                told(
                    "Not in the file, and staying: {count} of class {class_group!q}, {names}.",
                    class_group=absent.class_group or "-",
                    count=absent.count,
                    names=absent.first + (" …" if absent.count > _NAMED else ""),
                ),
                kind=Kind.ROLL,
            )

    def _begun(self, key: str, facts: Facts, fields: _Fields, whom: str) -> dict[str, Any] | None:
        """Return the row of somebody new, or nothing where a name is missing."""
        for column in (column for _, column, _ in fields[:2]):
            if facts.text(column) is None:
                if column not in self._broken.get(facts.row, ()):
                    message = f"The {whom} is new here, and needs a name."
                    self._tell.refuse("missing-value", message, facts, column)
                return None
        values = {attribute: facts.get(column) for attribute, column, _ in fields}
        return {"id": self._new_id(), "external_key": key, **values}

    def _changed(
        self,
        facts: Facts,
        known: Student | Guardian | Family,
        fields: _Fields,
        writes: Writes,
        **more: Any,
    ) -> dict[str, Any]:
        """Return somebody's row as the file has it; what it does not say stays."""
        before = {attribute: getattr(known, attribute) for attribute in (*more, *_names(fields))}
        after = dict(before) | more
        for attribute, column, empties in fields:
            said = facts.get(column)
            if said is not None or (empties and facts.says(column)):
                after[attribute] = said
        # An empty text is as good as none.
        if any((after[name] or None) != (value or None) for name, value in before.items()):
            writes.changed.append({"id": known.id, **after})
        else:
            writes.unchanged += 1
        return after

    def _tell_renamed(
        self, facts: Facts, before: str, row: Mapping[str, Any], column: Column
    ) -> None:
        after = f"{row['first_name']} {row['last_name']}"
        if after.casefold() != before.casefold():
            message = told(
                "{before} becomes {after}: is the key used for somebody else?",
                before=before,
                after=after,
            )
            self._tell.warn("renamed", message, facts, column)


def _names(fields: _Fields) -> list[str]:
    return [attribute for attribute, _, _ in fields]


def _person(email: str, first_name: str, last_name: str) -> tuple[str, str, str]:
    return email.lower(), first_name.casefold(), last_name.casefold()


def _person_of(facts: Facts) -> tuple[str, str, str]:
    return _person(
        facts.text(Column.EMAIL) or "",
        facts.text(Column.GUARDIAN_FIRST_NAME) or "",
        facts.text(Column.GUARDIAN_LAST_NAME) or "",
    )
