"""What a CODA file says: statements of account and their movements, as immutable values.

Amounts are integers in thousandths of the account's currency, as the standard writes them
(Febelfin CODA 2.6, record 1 page 15), credit positive and debit negative. Nothing here knows how
records are laid out, nor anything of schools, wallets or databases.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple

from itschool_api.banking.coda.structured import Structured

NO_SEPARATE_APPLICATION: Final = "00000"
"""The code of a file that holds all of an account's transactions (record 0, page 14)."""

SINGLE_TYPES: Final = frozenset("0123")
"""Transaction types that are booked on the account; the others explain one of these (3.1)."""

_ITEMS: Final = {"1": frozenset("5"), "2": frozenset("67")}


class AccountStructure(StrEnum):
    """How the account number of records 1 and 8 is written (7.5)."""

    BELGIAN_BBAN = "0"
    FOREIGN_BBAN = "1"
    BELGIAN_IBAN = "2"
    FOREIGN_IBAN = "3"


class Finding(NamedTuple):
    """Something unusual that does not stop the file from being read; ``code`` is kebab-case."""

    code: str
    message: str
    line: int


class Counterparty(NamedTuple):
    """The other side of a movement, as far as the bank names it; empty where it does not."""

    account: str = ""
    currency: str = ""
    bic: str = ""
    name: str = ""


class Information(NamedTuple):
    """One group of records 3.1 to 3.3: what the bank adds to a movement.

    ``communication`` is the free text, or the payload where ``communication_type`` is not empty.
    """

    detail: int
    transaction_code: str
    communication_type: str
    communication: str

    @property
    def structured(self) -> Structured | None:
        """Give type and payload, or nothing for a free text."""
        if not self.communication_type:
            return None
        return Structured(self.communication_type, self.communication)


class Movement(NamedTuple):
    """One line of a statement, or one detail of such a line.

    Two movements are equal when they say the same; ``line`` and ``records`` tell only where and
    how they stood in their file. The fields are flat because a file has 100,000 of them; the
    properties group them.
    """

    ordinal: int
    """1-based over the top-level movements of the statement; details carry their total's."""
    sequence: int
    """The number in the file, 1 to 9999, then 0 and on from 1: not unique in a long statement."""
    detail: int
    amount_milli: int
    value_on: date | None
    entry_on: date | None
    transaction_code: str
    bank_reference: str = ""
    communication_type: str = ""
    """Empty for a free text, otherwise the three digits of a structured one."""
    communication: str = ""
    """Joined over the record seams; the payload where the communication is structured."""
    reference: str | None = None
    """A valid reference that payer or bank has *marked* as one; never bare digits in a text."""
    customer_reference: str = ""
    counterparty_account: str = ""
    counterparty_currency: str = ""
    counterparty_bic: str = ""
    counterparty_name: str = ""
    return_code: str = ""
    return_reason: str = ""
    category_purpose: str = ""
    purpose: str = ""
    information: tuple[Information, ...] = ()
    details: tuple["Movement", ...] = ()
    line: int = 0
    records: tuple[str, ...] = ()

    @property
    def structured(self) -> Structured | None:
        """Give type and payload of the communication, or nothing for a free text."""
        if not self.communication_type:
            return None
        return Structured(self.communication_type, self.communication)

    @property
    def counterparty(self) -> Counterparty:
        """Give the other side of the movement."""
        return Counterparty(
            self.counterparty_account,
            self.counterparty_currency,
            self.counterparty_bic,
            self.counterparty_name,
        )

    @property
    def type(self) -> str:
        """Give the first digit of the transaction code (3.1): single, total, or detail of one."""
        return self.transaction_code[0]

    @property
    def itemised(self) -> bool:
        """Tell whether this is a total whose details are all there and add up to it.

        Only then may the details be booked in its place.
        """
        wanted = _ITEMS.get(self.type)
        return (
            wanted is not None
            and bool(self.details)
            and all(item.type in wanted for item in self.details)
            and sum(item.amount_milli for item in self.details) == self.amount_milli
        )

    def __eq__(self, other: object) -> bool:
        """Compare what the movements say, not where they stood."""
        if not isinstance(other, Movement):
            return NotImplemented
        return self[:-2] == other[:-2]

    def __ne__(self, other: object) -> bool:
        """Be the opposite of ``==``; a tuple would compare every field."""
        return not self == other

    def __hash__(self) -> int:
        """Agree with ``==``."""
        return hash(self[:-2])

    def walk(self) -> Iterator["Movement"]:
        """Yield this movement and all its details, in the order of the file."""
        yield self
        for item in self.details:
            yield from item.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One CODA: an account, its old and new balance, and what happened in between.

    Statements are equal when they say the same; ``findings`` and ``balance_records`` tell only
    how the file looked.
    """

    account: str
    """Without blanks: an IBAN, a Belgian account number, or a foreign one."""
    account_structure: AccountStructure
    currency: str
    holder: str
    description: str
    bank_bic: str
    company_number: str
    created_on: date
    is_duplicate: bool
    file_reference: str
    separate_application: str
    number: int
    """The CODA sequence number: from 1 each year, 0 where the bank does not count."""
    paper_number: str
    opening_milli: int
    opening_on: date | None
    """The date of the old balance; ``None`` for an account that had none."""
    closing_milli: int
    closing_on: date
    movements: tuple[Movement, ...]
    messages: tuple[str, ...]
    findings: tuple[Finding, ...] = field(default=(), compare=False)
    balance_records: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def key(self) -> str:
        """Name the statement, so that the same one is known again when it comes twice.

        The number restarts each year and each separate application counts for itself; without a
        number (000) the dates and balances say which statement it is.
        """
        if self.number:
            which = f"{self.closing_on.year}:{self.number:03d}:{self.separate_application}"
        else:
            opened = "" if self.opening_on is None else self.opening_on.isoformat()
            which = (
                f"000:{self.separate_application}:{opened}:{self.closing_on.isoformat()}"
                f":{self.opening_milli}:{self.closing_milli}"
            )
        return f"{self.account}:{self.currency}:{which}"

    @property
    def content_sha256(self) -> str:
        """Digest what the statement says: records 1 to 3 and 8, in the order of the file.

        Bank references are left out, because a bank may change them (7.4). Line ends, character
        set, the duplicate flag and the trailer's last digit are no part of it.
        """
        opening, *closing = self.balance_records
        said = [opening]
        for movement in self.movements:
            for line in movement.walk() if movement.details else (movement,):
                for record in line.records:
                    if record[1] == "1":
                        said += (record[:10], record[31:])
                    else:
                        said.append(record)
        said += closing
        return hashlib.sha256("".join(said).encode()).hexdigest()
