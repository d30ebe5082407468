"""CODA, the Belgian banks' coded statement of account: read and write it, and make some up.

Pure: bytes in, immutable values out, and back. What a statement says is decided here; what it
means for a family's wallet is decided elsewhere. The rules are those of Febelfin's standard CODA
2.6 (February 2018); sections and pages are named where they are applied.

    ValueError
    ├── CodaError     a file is refused: line, column, read, expected, reason
    └── Unwritable    a value does not fit in the columns of a record
"""

from itschool_api.banking.coda.builders import Account, statement
from itschool_api.banking.coda.errors import CodaError
from itschool_api.banking.coda.faults import Fault, plant
from itschool_api.banking.coda.generator import Kind, Payment, generate
from itschool_api.banking.coda.model import (
    NO_SEPARATE_APPLICATION,
    AccountStructure,
    Counterparty,
    Finding,
    Information,
    Movement,
    Statement,
)
from itschool_api.banking.coda.reader import parse
from itschool_api.banking.coda.structured import (
    BelgianReference,
    CreditorReference,
    DirectDebit,
    OriginalAmount,
    Structured,
)
from itschool_api.banking.coda.writer import Unwritable, write

__all__ = [
    "NO_SEPARATE_APPLICATION",
    "Account",
    "AccountStructure",
    "BelgianReference",
    "CodaError",
    "Counterparty",
    "CreditorReference",
    "DirectDebit",
    "Fault",
    "Finding",
    "Information",
    "Kind",
    "Movement",
    "OriginalAmount",
    "Payment",
    "Statement",
    "Structured",
    "Unwritable",
    "generate",
    "parse",
    "plant",
    "statement",
    "write",
]
