"""The movements between the two balances: their order, their totals and details.

Sequence and detail numbers and the first digit of the transaction code say what belongs together
(Febelfin CODA 2.6, 3.1 and 6). Globalisation, next and link codes are advice: banks disagree on
them, so they are at most a finding.
"""

from typing import Final

from itschool_api.banking.coda.errors import CodaError
from itschool_api.banking.coda.lines import Days, read_movement
from itschool_api.banking.coda.model import SINGLE_TYPES, Finding, Movement

LAST_SEQUENCE: Final = 9999
TOTALS: Final = frozenset("12")
TYPES: Final = frozenset("012356789")
_DETAIL_OF: Final = {"5": "1", "6": "2", "7": "2", "8": "3", "9": "7"}


class Movements:
    """Reads a run of movements and adds them up, in thousandths."""

    def __init__(
        self, records: list[str], at: int, days: Days, *, is_euro: bool, is_separate: bool
    ) -> None:
        self.movements: list[Movement] = []
        self.findings: list[Finding] = []
        self.credit_milli = 0
        self.debit_milli = 0
        self._records = records
        self._at = at
        self._days = days
        self._is_euro = is_euro
        self._is_separate = is_separate
        self._items: list[tuple[Movement, list[Movement]]] = []
        self._sequence = 0
        self._detail = 0
        self._open_groups: dict[str, int] = {}

    def read(self) -> int:
        """Read movements until another kind of record comes, and give its index.

        Raises:
            CodaError: when a record is out of its order.
        """
        records, days, movements = self._records, self._days, self.movements
        is_euro = self._is_euro
        credit_milli = debit_milli = 0
        at = self._at
        while (record := records[at])[:2] == "21":
            is_booked = record[6:10] == "0000"
            ordinal = len(movements) + is_booked  # a detail carries that of its movement
            movement, at = read_movement(records, at, ordinal, days, is_euro)
            if is_booked:
                amount = movement.amount_milli
                if amount >= 0:
                    credit_milli += amount
                else:
                    debit_milli -= amount
            if is_booked and record[53] in SINGLE_TYPES:
                if self._items:
                    self._close()
                sequence = movement.sequence
                if sequence != self._sequence + 1:
                    self._check_jump(sequence, movement.line)
                self._sequence, self._detail = sequence, 0
                movements.append(movement)
            else:
                self._detail_of_last(movement)
            if record[124] not in "0 ":
                self._group(record[124], movement.line)
            if movement.information:
                self._number_information(movement)
        self._close()
        self.credit_milli, self.debit_milli = credit_milli, debit_milli
        if record[:1] in {"2", "3"}:
            raise CodaError(
                at + 1, 1, record[:2], "record 2.1, 3.1 or 8", "a record without its first part"
            )
        self._end_groups()
        return at

    def _find(self, code: str, message: str, line: int) -> None:
        self.findings.append(Finding(code, message, line))

    def _check_jump(self, sequence: int, line: int) -> None:
        """Allow a number that is not the next one only after 9999, or as a part of another file.

        Numbers roll from 9999 to 0000 and on (page 17); some banks leave 0000 out.
        """
        last = self._sequence
        if last == LAST_SEQUENCE and sequence <= 1:
            return
        if not self._is_separate:
            raise CodaError(
                line,
                3,
                f"{sequence:04d}",
                f"{(last + 1) % (LAST_SEQUENCE + 1):04d}",
                "the sequence numbers do not follow each other",
            )
        self._find("sequence-gap", f"{sequence:04d} follows {last:04d}", line)

    def _detail_of_last(self, movement: Movement) -> None:
        """Take a movement that explains the last one, or one of another file (7.2.1)."""
        kind, line = movement.type, movement.line
        if kind not in TYPES:
            raise CodaError(line, 54, kind, "0 to 3 or 5 to 9", "the transaction type is unknown")
        if movement.sequence != self._sequence or not self.movements:
            if not self._is_separate or kind in SINGLE_TYPES:
                raise CodaError(
                    line,
                    3,
                    f"{movement.sequence:04d}",
                    f"{self._sequence:04d}",
                    _no_total(movement),
                )
            self._begin_alone(movement)
            return
        if kind in SINGLE_TYPES:
            raise CodaError(line, 54, kind, "5 to 9", "a detail has the type of a movement")
        if movement.detail == 0:
            raise CodaError(line, 7, "0000", "a detail number", "a detail has the number 0000")
        self._number_detail(movement.detail, line)
        head = self.movements[-1]
        if self._is_separate and head.type not in SINGLE_TYPES and kind != "9":
            self._close()
            self._append_alone(movement)
            return
        owner = self._items[-1][0] if kind == "9" and self._items else head
        if _DETAIL_OF[kind] != owner.type:
            self._find(
                "unexpected-detail", f"a detail of type {kind} under a type {owner.type}", line
            )
        if kind == "9" and self._items:
            self._items[-1][1].append(movement)
        else:
            self._items.append((movement, []))

    def _begin_alone(self, movement: Movement) -> None:
        """Take a detail whose total is in another file: it stands alone and posts nothing."""
        self._close()
        self._sequence, self._detail = movement.sequence, movement.detail
        self._append_alone(movement)

    def _append_alone(self, movement: Movement) -> None:
        self.movements.append(movement._replace(ordinal=len(self.movements) + 1))

    def _number_detail(self, detail: int, line: int) -> None:
        """Check that detail numbers rise; they are counted over records 2.1 and 3.1 (6)."""
        if detail <= self._detail:
            raise CodaError(
                line,
                7,
                f"{detail:04d}",
                f"{self._detail + 1:04d}",
                "the detail numbers do not rise",
            )
        if detail != self._detail + 1:
            self._find("detail-gap", f"detail {detail:04d} follows {self._detail:04d}", line)
        self._detail = detail

    def _number_information(self, movement: Movement) -> None:
        """Follow the numbers of records 3.1, which carry no money: a repeated one is a finding."""
        for information in movement.information:
            if information.detail > self._detail:
                self._detail = information.detail
            else:
                self._find(
                    "information-number",
                    f"information {information.detail:04d} follows detail {self._detail:04d}",
                    movement.line,
                )

    def _close(self) -> None:
        """Hang the collected details under their movement, and see whether they make it."""
        if not self._items:
            return
        details = tuple(
            item._replace(details=tuple(parts)) if parts else item for item, parts in self._items
        )
        self._items = []
        head = self.movements[-1] = self.movements[-1]._replace(details=details)
        if head.type in TOTALS and not head.itemised:
            total = sum(item.amount_milli for item in details)
            self._find(
                "details-do-not-add-up",
                f"the details make {total} thousandths, the total is {head.amount_milli}",
                head.line,
            )

    def _end_groups(self) -> None:
        if self._open_groups:
            levels = ", ".join(sorted(self._open_groups))
            self._find(
                "globalisation",
                f"groups of level {levels} are opened but not closed; the numbers are used instead",
                min(self._open_groups.values()),
            )

    def _group(self, code: str, line: int) -> None:
        """Follow the globalisation codes: the first of a group and its last carry one (5.4)."""
        if self._open_groups.pop(code, None) is None:
            self._open_groups[code] = line


def _no_total(movement: Movement) -> str:
    if movement.type in SINGLE_TYPES:
        return "the sequence numbers do not follow each other"
    return "a detail stands without its movement"
