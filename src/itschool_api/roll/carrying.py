"""What a file carries over into wallets: references and balances of another system. Pure.

Nothing is booked twice: a reference that pays the same already and a wallet that was opened with
the same balance are left alone; whatever differs is refused, for the books are only ever added to.
"""

from uuid import UUID

from itschool_api.money import Cents, euros
from itschool_api.references import Reference, formatted
from itschool_api.roll.columns import MONEY, Column, Heading, Kind
from itschool_api.roll.findings import Findings, shown, told
from itschool_api.roll.gathering import People
from itschool_api.roll.reading import Roll
from itschool_api.roll.state import Compartment, Known, NewOpening, NewReference, Plan, Wallet


class Claims:
    """What each reference of a file pays: one thing only."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._targets: dict[str, tuple[object, str]] = {}

    def is_free(
        self, reference: str, target: object, name: str, kind: Kind, row: int, heading: Heading
    ) -> bool:
        """Tell whether the file lets a reference pay one thing only."""
        before, called = self._targets.setdefault(reference, (target, name))
        if before == target:
            return True
        message = told(
            "{reference} pays {called} already, in this file.",
            reference=formatted(Reference(reference)),
            called=called,
        )
        self._findings.error("reference-twice", message, kind=kind, row=row, heading=heading)
        return False


def taken(reference: str) -> str:
    """Say that a reference is not free."""
    return (
        f"{formatted(Reference(reference))} pays something else at this school: "
        "parents who use it would pay that."
    )


def carry(roll: Roll, people: People, known: Known, plan: Plan, claims: Claims) -> None:
    """Decide what a file's references and balances do; `plan` has its people."""
    _Carrier(roll, people, known, plan, claims).wallets()


class _Carrier:
    def __init__(
        self, roll: Roll, people: People, known: Known, plan: Plan, claims: Claims
    ) -> None:
        self._roll = roll
        self._people = people
        self._money = known.money
        self._plan = plan
        self._claims = claims
        self._findings = roll.findings
        self._compartments: dict[str, Compartment] = {}
        self._left = {each.id for each in known.students if each.left_on is not None}

    def wallets(self) -> None:
        self._find_compartments()
        for (key, compartment), references in self._people.references.items():
            student_id = self._plan.student_ids.get(key)
            if student_id is not None and compartment in self._compartments:
                for reference, row in references.items():
                    self._reference(student_id, key, compartment, reference, row)
        for key, facts in self._people.students.items():
            student_id = self._plan.student_ids.get(key)
            for heading, value in facts.values.items():
                is_known = heading.compartment in self._compartments
                if heading.column is Column.OPENING_BALANCE and student_id and is_known:
                    cents = Cents(value) if isinstance(value, int) else Cents(0)
                    self._opening(student_id, heading, cents, facts.rows[heading])

    def _find_compartments(self) -> None:
        """Find the compartments that the headings name, each by one name only."""
        headings = self._roll.headings.get(Kind.ROLL, frozenset())
        taken: dict[tuple[Column, UUID], Heading] = {}
        for heading in sorted(each for each in headings if each.column in MONEY):
            found = self._compartment(heading.compartment)
            if found is None:
                names = ", ".join(shown(each.name) for each in self._money.compartments)
                self._findings.error(
                    "unknown-compartment",
                    told(
                        "There is no compartment {compartment!q}; there are {known}.",
                        compartment=heading.compartment,
                        known=names,
                    ),
                    kind=Kind.ROLL,
                    heading=heading,
                )
            elif (heading.column, found.id) in taken:
                other = taken[heading.column, found.id]
                self._findings.error(
                    "duplicate-column",
                    told(
                        "This column and “{other}” are for the same compartment.", other=str(other)
                    ),
                    kind=Kind.ROLL,
                    heading=heading,
                )
            else:
                taken[heading.column, found.id] = heading
                self._compartments[heading.compartment] = found

    def _compartment(self, name: str) -> Compartment | None:
        if not name:
            return next((each for each in self._money.compartments if each.is_general), None)
        alike = [
            each for each in self._money.compartments if each.name.casefold() == name.casefold()
        ]
        exact = [each for each in alike if each.name == name]
        return next(iter(exact or alike), None)

    def _reference(
        self, student_id: UUID, key: str, compartment: str, reference: str, row: int
    ) -> None:
        heading = Heading(Column.REFERENCE, compartment)
        into = self._compartments[compartment]
        wallet = self._money.wallets.get((student_id, into.id))
        target = f"the wallet “{into.name}” of student {shown(key)}"
        if not self._claims.is_free(
            reference, (student_id, into.id), target, Kind.ROLL, row, heading
        ):
            return
        account_id = self._money.account_of.get(reference)
        if account_id is not None and wallet and wallet.account_id == account_id:
            self._plan.known_references += 1
        elif account_id is not None:
            self._refuse("reference-taken", taken(reference), row, heading)
        elif self._is_open(student_id, wallet, row, heading):
            self._plan.references.append(NewReference(student_id, into.id, reference))

    def _opening(self, student_id: UUID, heading: Heading, cents: Cents, row: int) -> None:
        into = self._compartments[heading.compartment]
        wallet = self._money.wallets.get((student_id, into.id))
        before = self._money.openings.get(wallet.id) if wallet else None
        if before is not None:
            if before == cents:
                self._plan.known_openings += 1
                return
            message = told(
                "The wallet was opened with {before} €, now it is {now} €: what is booked stays.",
                before=euros(before),
                now=euros(cents),
            )
            self._refuse("opening-balance-changed", message, row, heading)
            return
        if not cents or not self._is_open(student_id, wallet, row, heading):
            return
        floor = wallet.floor_cents if wallet else into.floor_cents
        after = Cents(cents + (wallet.balance_cents if wallet else 0))
        if cents < 0 and floor is not None and after < floor:
            message = told(
                "The balance would be {balance} €, and may not fall below {floor} €.",
                balance=euros(after),
                floor=euros(floor),
            )
            self._refuse("below-floor", message, row, heading)
            return
        self._plan.openings.append(NewOpening(student_id, into.id, cents))

    def _is_open(self, student_id: UUID, wallet: Wallet | None, row: int, heading: Heading) -> bool:
        """Tell whether there is a wallet, or will be: one who left gets none any more."""
        if wallet is None:
            if student_id not in self._left:
                return True
        elif not wallet.closed:
            return True
        self._refuse("wallet-closed", "The student left, and the wallet is closed.", row, heading)
        return False

    def _refuse(self, code: str, message: str, row: int, heading: Heading) -> None:
        self._findings.error(code, message, kind=Kind.ROLL, row=row, heading=heading)
