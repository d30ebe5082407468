"""Who belongs to whom after a roll: families and guardians of students, and what each sees. Pure.

Custody may be behind any of these: nothing ends unless that is asked for, and what somebody ended
by hand is not begun again.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID

from itschool_api.roll.columns import Column
from itschool_api.roll.findings import told
from itschool_api.roll.gathering import Facts, Guardianship, Membership, People
from itschool_api.roll.reading import Roll
from itschool_api.roll.register import Teller
from itschool_api.roll.state import Known, Plan

_ALL_BP: Final = 10_000


def link(
    roll: Roll,
    people: People,
    known: Known,
    plan: Plan,
    guardian_ids: Mapping[str, UUID],
    new_id: Callable[[], UUID],
    *,
    end_missing: bool,
) -> None:
    """Decide what a file's families and guardians of students become; `plan` has its people."""
    linker = _Linker(roll, people, known, plan, guardian_ids, new_id, end_missing=end_missing)
    linker.memberships()
    linker.guardianships()
    linker.missing_links()
    linker.shares()


class _Linker:
    def __init__(
        self,
        roll: Roll,
        people: People,
        known: Known,
        plan: Plan,
        guardian_ids: Mapping[str, UUID],
        new_id: Callable[[], UUID],
        *,
        end_missing: bool,
    ) -> None:
        self._plan = plan
        self._roll = roll
        self._people = people
        self._known = known
        self._guardian_ids = guardian_ids
        self._new_id = new_id
        self._end_missing = end_missing
        self._tell = Teller(roll.findings)
        self._guarded = {link.student for link in people.guardianships}
        self._shares: dict[UUID, dict[UUID, int]] = defaultdict(dict)
        self._shares_changed: set[UUID] = set()
        for (student_id, family_id), membership in known.memberships.items():
            self._shares[student_id][family_id] = membership.share_bp

    def memberships(self) -> None:
        homes: dict[str, int] = defaultdict(int)
        for link in self._people.memberships:
            homes[link.student] += 1
        for link, facts in self._people.memberships.items():
            student_id = self._plan.student_ids.get(link.student)
            family_id = self._plan.family_ids.get(link.family)
            if student_id is None or family_id is None:
                continue
            known = self._known.memberships.get((student_id, family_id))
            said = facts.get(Column.SHARE)
            share_bp = said if isinstance(said, int) else known.share_bp if known else None
            if share_bp is None:
                share_bp = self._whole_share(link, facts, homes[link.student], student_id)
            self._shares[student_id][family_id] = share_bp
            writes = self._plan.memberships
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
            self._tell.refuse("missing-value", message, facts, Column.SHARE)
        return _ALL_BP

    def guardianships(self) -> None:
        for link, facts in self._people.guardianships.items():
            ids = self._ids(link)
            if ids is None:
                continue
            student_id, guardian_id, family_id = ids
            known = self._known.guardianships.get(ids)
            said = facts.get(Column.SEES_MONEY)
            writes = self._plan.guardianships
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
                self._tell.warn(
                    "guardianship-over",
                    told(
                        "{guardian} could see this student until {ends_on}: that stays so. "
                        "Change the guardianship itself to begin again.",
                        guardian=known.guardian_name,
                        ends_on=known.ends_on,
                    ),
                    facts,
                    Column.GUARDIAN_KEY,
                )
            elif isinstance(said, bool) and said != known.sees_money:
                writes.changed.append({"id": known.id, "sees_money": said})
            else:
                writes.unchanged += 1
        self._tell_guardianless()

    def _tell_guardianless(self) -> None:
        new = {row["id"] for row in self._plan.students.new}
        for key, facts in self._people.students.items():
            is_asked = self._roll.has(Column.FAMILY_KEY) or self._plan.student_ids.get(key) in new
            if is_asked and key not in self._guarded:
                message = "No row names a guardian of this student."
                self._tell.warn("no-guardian", message, facts, Column.STUDENT_KEY)

    def missing_links(self) -> None:
        """Tell which guardianships and families of the file's students it does not name.

        They end only where that is asked for, and where it names another guardian: a child does not
        lose its last one by a file.
        """
        if not self._roll.has(Column.FAMILY_KEY):
            return
        named = {ids for link in self._people.guardianships if (ids := self._ids(link))}
        keys = {
            self._plan.student_ids[link.student]: link.student
            for link in self._people.guardianships
            if link.student in self._plan.student_ids
        }
        for ids, known in self._known.guardianships.items():
            key = keys.get(ids[0])
            if key is None or ids in named or known.is_over(self._known.today):
                continue
            who = {"guardian": known.guardian_name, "family": known.family_name}
            facts = self._people.students[key]
            if self._end_missing:
                self._plan.ended.append(known.id)
                message = told("{guardian} (family {family!q}) sees this student no more.", **who)
                self._tell.warn("guardianship-ends", message, facts)
            else:
                message = told(
                    "{guardian} (family {family!q}) is not in the file, and goes on seeing this "
                    "student.",
                    **who,
                )
                self._tell.warn("guardianship-not-in-file", message, facts)
        self._missing_families(keys)

    def _missing_families(self, keys: Mapping[UUID, str]) -> None:
        in_file = {
            (self._plan.student_ids.get(link.student), self._plan.family_ids.get(link.family))
            for link in self._people.memberships
        }
        for (student_id, family_id), known in self._known.memberships.items():
            key = keys.get(student_id)
            if key is None or (student_id, family_id) in in_file:
                continue
            facts = self._people.students[key]
            if self._end_missing:
                self._plan.removed.append(known.id)
                del self._shares[student_id][family_id]
                self._shares_changed.add(student_id)
                message = told(
                    "The student leaves the family {family!q}.", family=known.family_name
                )
                self._tell.warn("family-left", message, facts)
            else:
                message = told(
                    "The family {family!q} is not in the file, and keeps its share of {share} %.",
                    family=known.family_name,
                    share=_per_cent(known.share_bp),
                )
                self._tell.warn("family-not-in-file", message, facts)

    def shares(self) -> None:
        """Hold each student's shares to a hundred per cent; where nothing changes, only tell."""
        for key, facts in self._people.students.items():
            student_id = self._plan.student_ids.get(key)
            shares = self._shares.get(student_id) if student_id else None
            if not shares or (total := sum(shares.values())) == _ALL_BP:
                continue
            message = told(
                "The shares of the student's families make {share} %, not 100 %.",
                share=_per_cent(total),
            )
            if total > _ALL_BP and student_id in self._shares_changed:
                self._tell.refuse("shares-over-100", message, facts, Column.SHARE)
            else:
                code = "shares-over-100" if total > _ALL_BP else "shares-below-100"
                self._tell.warn(code, message, facts, Column.SHARE)

    def _ids(self, link: Guardianship) -> tuple[UUID, UUID, UUID] | None:
        student_id = self._plan.student_ids.get(link.student)
        guardian_id = self._guardian_ids.get(link.guardian)
        family_id = self._plan.family_ids.get(link.family)
        if student_id is None or guardian_id is None or family_id is None:
            return None
        return student_id, guardian_id, family_id


def _per_cent(share_bp: int) -> str:
    whole, rest = divmod(share_bp, 100)
    return f"{whole},{rest:02d}" if rest else str(whole)
