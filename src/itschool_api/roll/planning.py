"""What taking a roll does to a school's people: decided from plain values. Pure.

Whoever the file does not name stays as they are; nobody is deleted, and what somebody ended by hand
is not begun again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from itschool_api.roll.carrying import carry
from itschool_api.roll.columns import Column, Heading, Kind
from itschool_api.roll.findings import Findings, shown
from itschool_api.roll.gathering import Facts, Guardianship, Membership, People
from itschool_api.roll.reading import Roll
from itschool_api.roll.state import Family, Guardian, Known, Plan, Student, Writes

_ALL_BP: Final = 10_000
_LONGEST_NAME: Final = 120

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
    planner = _Planner(roll, people, known, new_id, end_missing=end_missing)
    planner.students()
    planner.class_groups()
    planner.guardians()
    planner.families()
    planner.memberships()
    planner.guardianships()
    planner.missing_links()
    planner.shares()
    planner.absent()
    carry(roll, people, known, planner.plan)
    return planner.plan


class _Planner:
    def __init__(
        self,
        roll: Roll,
        people: People,
        known: Known,
        new_id: Callable[[], UUID],
        *,
        end_missing: bool,
    ) -> None:
        self.plan = Plan()
        self._roll = roll
        self._people = people
        self._known = known
        self._new_id = new_id
        self._end_missing = end_missing
        self._findings: Findings = roll.findings
        self._guardian_ids: dict[str, UUID] = {}
        self._broken = {row.number: row.broken for row in roll.rows if row.broken}
        self._guarded = {link.student for link in people.guardianships}
        self._shares: dict[UUID, dict[UUID, int]] = defaultdict(dict)
        self._shares_changed: set[UUID] = set()
        for (student_id, family_id), membership in known.memberships.items():
            self._shares[student_id][family_id] = membership.share_bp

    # --- students ---------------------------------------------------------------------------------

    def students(self) -> None:
        found = _Register(self._known.students, self._findings, Column.STUDENT_KEY)
        keyless = defaultdict(list)
        for student in self._known.students:
            if student.external_key is None:
                keyless[student.first_name.casefold(), student.last_name.casefold()].append(student)
        for key, facts in self._people.students.items():
            known = found.match(key, facts)
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
                self._warn(
                    "may-be-known",
                    f"{other.name} is at the school without a key. If this is the same child, "
                    f"write {other.id} as its key.",
                    facts,
                    Column.STUDENT_KEY,
                )
        self._in_the_past(facts, row["birth_date"])
        self.plan.student_ids[key] = row["id"]
        self.plan.students.new.append(row | {"left_on": None, "erased_at": None})

    def _known_student(self, key: str, facts: Facts, known: Student) -> None:
        if known.left_on is not None and known.left_on < self._known.today:
            message = f"{known.name} left on {known.left_on}, and stays so."
            self._warn("student-left", message, facts, Column.STUDENT_KEY)
        row = self._changed(facts, known, _STUDENT, self.plan.students)
        self._in_the_past(facts, row["birth_date"])
        self._tell_renamed(facts, known.name, row, Column.STUDENT_LAST_NAME)
        self.plan.student_ids[key] = known.id

    def _in_the_past(self, facts: Facts, birth_date: Any) -> None:
        if facts.says(Column.BIRTH_DATE) and birth_date and birth_date > self._known.today:
            message = f"{birth_date} lies in the future."
            self._refuse("date-in-future", message, facts, Column.BIRTH_DATE)

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
                self._warn("no-class", message, facts, Column.CLASS_GROUP)
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
        found = _Register(self._known.guardians, self._findings, Column.GUARDIAN_KEY)
        by_person: dict[tuple[str, str, str], list[Guardian]] = defaultdict(list)
        for known in self._known.guardians:
            if known.email and not known.is_erased:
                by_person[_person(known.email, known.first_name, known.last_name)].append(known)
        self._refuse_twins()
        for key, facts in self._people.guardians.items():
            known_one = found.match(key, facts) or self._adopted(key, facts, by_person)
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
                message = f"Another row gives this guardian the key {shown(other)}: write it here."
                self._refuse("two-keys", message, facts, Column.GUARDIAN_KEY)

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
        self._guardian_ids[key] = row["id"]
        self.plan.guardians.new.append(row | {"user_id": None, "erased_at": None})

    def _known_guardian(self, key: str, facts: Facts, known: Guardian) -> None:
        external_key = known.external_key
        is_address = key in self._people.keyed_by_email
        if str(known.id) != key.lower() and (not is_address or external_key is None):
            external_key = key
        row = self._changed(facts, known, _GUARDIAN, self.plan.guardians, external_key=external_key)
        self._tell_renamed(facts, known.name, row, Column.GUARDIAN_LAST_NAME)
        self._guardian_ids[key] = known.id

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
                self._warn(
                    "two-addresses",
                    f"This guardian is in families with different addresses: {families}.",
                    self._people.guardians[key],
                    Column.GUARDIAN_KEY,
                )

    # --- families ---------------------------------------------------------------------------------

    def families(self) -> None:
        found = _Register(self._known.families, self._findings, Column.FAMILY_KEY)
        parents: dict[str, dict[str, Facts]] = defaultdict(dict)
        for link in self._people.guardianships:
            parents[link.family][link.guardian] = self._people.guardians[link.guardian]
        for key, facts in self._people.families.items():
            known = found.match(key, facts)
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
            message = f"A new family needs a name, for {shown(key)} is on no letter."
            self._refuse("missing-value", message, facts, Column.FAMILY_NAME)
            return
        family_id = self.plan.family_ids[key] = self._new_id()
        self.plan.families.new.append(
            {"id": family_id, "external_key": key, **values, "erased_at": None}
        )

    def _name_of(self, parents: Iterable[Facts]) -> str:
        """Name a family after its guardians."""
        names = dict.fromkeys(each.text(Column.GUARDIAN_LAST_NAME) for each in parents)
        return " - ".join(name for name in names if name)[:_LONGEST_NAME]

    # --- links ------------------------------------------------------------------------------------

    def memberships(self) -> None:
        homes: dict[str, int] = defaultdict(int)
        for link in self._people.memberships:
            homes[link.student] += 1
        for link, facts in self._people.memberships.items():
            student_id = self.plan.student_ids.get(link.student)
            family_id = self.plan.family_ids.get(link.family)
            if student_id is None or family_id is None:
                continue
            known = self._known.memberships.get((student_id, family_id))
            said = facts.get(Column.SHARE)
            share_bp = said if isinstance(said, int) else known.share_bp if known else None
            if share_bp is None:
                share_bp = self._whole_share(link, facts, homes[link.student], student_id)
            self._shares[student_id][family_id] = share_bp
            writes = self.plan.memberships
            if known is None:
                writes.new.append(
                    {
                        "id": self._new_id(),
                        "family_id": family_id,
                        "student_id": student_id,
                        "share_bp": share_bp,
                    }
                )
            elif known.share_bp != share_bp:
                writes.changed.append({"id": known.id, "share_bp": share_bp})
            else:
                writes.unchanged += 1
                continue
            self._shares_changed.add(student_id)

    def _whole_share(self, link: Membership, facts: Facts, homes: int, student_id: UUID) -> int:
        """Return the share of a new family whose share is not said: all, of an only one."""
        others_leave = self._end_missing and link.student in self._guarded
        if homes > 1 or (self._shares[student_id] and not others_leave):
            message = "Of two families of one student, each needs its share in per cent."
            self._refuse("missing-value", message, facts, Column.SHARE)
        return _ALL_BP

    def guardianships(self) -> None:
        for link, facts in self._people.guardianships.items():
            ids = self._ids(link)
            if ids is None:
                continue
            student_id, guardian_id, family_id = ids
            known = self._known.guardianships.get(ids)
            said = facts.get(Column.SEES_MONEY)
            writes = self.plan.guardianships
            if known is None:
                writes.new.append(
                    {
                        "id": self._new_id(),
                        "guardian_id": guardian_id,
                        "student_id": student_id,
                        "family_id": family_id,
                        "sees_money": said is not False,
                        "starts_on": self._known.today,
                        "ends_on": None,
                    }
                )
            elif known.is_over(self._known.today):
                writes.unchanged += 1
                self._warn(
                    "guardianship-over",
                    f"{known.guardian_name} could see this student until {known.ends_on}: "
                    "that stays so. Change the guardianship itself to begin again.",
                    facts,
                    Column.GUARDIAN_KEY,
                )
            elif isinstance(said, bool) and said != known.sees_money:
                writes.changed.append({"id": known.id, "sees_money": said})
            else:
                writes.unchanged += 1
        self._tell_guardianless()

    def _tell_guardianless(self) -> None:
        new = {row["id"] for row in self.plan.students.new}
        for key, facts in self._people.students.items():
            is_asked = self._roll.has(Column.FAMILY_KEY) or self.plan.student_ids.get(key) in new
            if is_asked and key not in self._guarded:
                message = "No row names a guardian of this student."
                self._warn("no-guardian", message, facts, Column.STUDENT_KEY)

    def missing_links(self) -> None:
        """Tell which guardianships and families of the file's students it does not name.

        They end only where that is asked for, and where it names another guardian: a child does not
        lose its last one by a file.
        """
        if not self._roll.has(Column.FAMILY_KEY):
            return
        named = {ids for link in self._people.guardianships if (ids := self._ids(link))}
        keys = {
            self.plan.student_ids[link.student]: link.student
            for link in self._people.guardianships
            if link.student in self.plan.student_ids
        }
        for ids, known in self._known.guardianships.items():
            key = keys.get(ids[0])
            if key is None or ids in named or known.is_over(self._known.today):
                continue
            who = f"{known.guardian_name} (family {shown(known.family_name)})"
            facts = self._people.students[key]
            if self._end_missing:
                self.plan.ended.append(known.id)
                self._warn("guardianship-ends", f"{who} sees this student no more.", facts)
            else:
                message = f"{who} is not in the file, and goes on seeing this student."
                self._warn("guardianship-not-in-file", message, facts)
        self._missing_families(keys)

    def _missing_families(self, keys: Mapping[UUID, str]) -> None:
        in_file = {
            (self.plan.student_ids.get(link.student), self.plan.family_ids.get(link.family))
            for link in self._people.memberships
        }
        for (student_id, family_id), known in self._known.memberships.items():
            key = keys.get(student_id)
            if key is None or (student_id, family_id) in in_file:
                continue
            facts = self._people.students[key]
            if self._end_missing:
                self.plan.removed.append(known.id)
                del self._shares[student_id][family_id]
                self._shares_changed.add(student_id)
                message = f"The student leaves the family {shown(known.family_name)}."
                self._warn("family-left", message, facts)
            else:
                message = (
                    f"The family {shown(known.family_name)} is not in the file, and keeps its "
                    f"share of {_per_cent(known.share_bp)} %."
                )
                self._warn("family-not-in-file", message, facts)

    def shares(self) -> None:
        """Hold each student's shares to a hundred per cent; where nothing changes, only tell."""
        for key, facts in self._people.students.items():
            student_id = self.plan.student_ids.get(key)
            shares = self._shares.get(student_id) if student_id else None
            if not shares or (total := sum(shares.values())) == _ALL_BP:
                continue
            message = f"The shares of the student's families make {_per_cent(total)} %, not 100 %."
            if total > _ALL_BP and student_id in self._shares_changed:
                self._refuse("shares-over-100", message, facts, Column.SHARE)
            else:
                code = "shares-over-100" if total > _ALL_BP else "shares-below-100"
                self._warn(code, message, facts, Column.SHARE)

    def absent(self) -> None:
        """Tell which students the file does not name; leaving is another operation."""
        for student in self._known.absent:
            self._findings.warning(
                "student-not-in-file",
                f"{student.name} ({student.external_key or student.id}) is not in the file, "
                "and stays.",
                kind=Kind.ROLL,
            )
        self._findings.more_warnings(self._known.absent_count - len(self._known.absent))

    # --- what all have in common ------------------------------------------------------------------

    def _ids(self, link: Guardianship) -> tuple[UUID, UUID, UUID] | None:
        student_id = self.plan.student_ids.get(link.student)
        guardian_id = self._guardian_ids.get(link.guardian)
        family_id = self.plan.family_ids.get(link.family)
        if student_id is None or guardian_id is None or family_id is None:
            return None
        return student_id, guardian_id, family_id

    def _begun(self, key: str, facts: Facts, fields: _Fields, whom: str) -> dict[str, Any] | None:
        """Return the row of somebody new, or nothing where a name is missing."""
        for column in (column for _, column, _ in fields[:2]):
            if facts.text(column) is None:
                if column not in self._broken.get(facts.row, ()):
                    message = f"The {whom} is new here, and needs a name."
                    self._refuse("missing-value", message, facts, column)
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
            message = f"{before} becomes {after}: is the key used for somebody else?"
            self._warn("renamed", message, facts, column)

    def _warn(self, code: str, message: str, facts: Facts, column: Column | None = None) -> None:
        heading = Heading(column) if column else None
        self._findings.warning(
            code, message, kind=Kind.ROLL, row=_row(facts, heading), heading=heading
        )

    def _refuse(self, code: str, message: str, facts: Facts, column: Column) -> None:
        heading = Heading(column)
        self._findings.error(
            code, message, kind=Kind.ROLL, row=_row(facts, heading), heading=heading
        )


class _Register:
    """Finds people by the file's keys: their own key, or else our id."""

    def __init__(
        self, known: Sequence[Student | Guardian | Family], findings: Findings, column: Column
    ) -> None:
        self._by_key = {each.external_key: each for each in known if each.external_key}
        self._by_id = {str(each.id): each for each in known}
        self._taken: dict[UUID, str] = {}
        self._findings = findings
        self._heading = Heading(column)

    def match(self, key: str, facts: Facts) -> Any:
        """Return who has this key, or nobody."""
        del facts
        return self._by_key.get(key) or self._by_id.get(key.lower())

    def is_free(self, known: Any, key: str, facts: Facts) -> bool:
        """Tell whether somebody is named by one key only, and not erased."""
        if known.is_erased:
            message = f"{shown(key)} was erased on request: take the rows out, or give a new key."
        elif known.id in self._taken:
            message = f"{shown(key)} and {shown(self._taken[known.id])} are the same: use one key."
        else:
            self._taken[known.id] = key
            return True
        code = "erased" if known.is_erased else "two-keys"
        self._findings.error(code, message, kind=Kind.ROLL, row=facts.row, heading=self._heading)
        return False


def _names(fields: _Fields) -> list[str]:
    return [attribute for attribute, _, _ in fields]


def _row(facts: Facts, heading: Heading | None) -> int:
    return facts.rows.get(heading, facts.row) if heading else facts.row


def _person(email: str, first_name: str, last_name: str) -> tuple[str, str, str]:
    return email.lower(), first_name.casefold(), last_name.casefold()


def _person_of(facts: Facts) -> tuple[str, str, str]:
    return _person(
        facts.text(Column.EMAIL) or "",
        facts.text(Column.GUARDIAN_FIRST_NAME) or "",
        facts.text(Column.GUARDIAN_LAST_NAME) or "",
    )


def _per_cent(share_bp: int) -> str:
    whole, rest = divmod(share_bp, 100)
    return f"{whole},{rest:02d}" if rest else str(whole)
