"""What we write and read, beside febelfin-coda: another reader, by other people.

It cannot read details of type 9 or an unknown value date, and keeps the amounts of totals and
details only; those are held by the golden files.
"""

import io
from datetime import date
from decimal import Decimal
from typing import Any

import coda as febelfin
import pytest

from itschool_api.banking import coda
from itschool_api.banking.coda.generator import MIX, Kind

DAY = date(2026, 11, 24)
READABLE = {kind: 1 for kind in Kind if kind is not Kind.DETAILED_BANK_TOTAL}


def ours(movement: coda.Movement) -> dict[str, Any]:
    return {
        "sequence": movement.sequence,
        "detail": movement.detail,
        "amount": Decimal(movement.amount_milli) / 1000,
        "value": movement.value_on,
        "entry": movement.entry_on,
        "code": movement.transaction_code,
        "bank reference": movement.bank_reference,
        "type": movement.communication_type,
        "text": movement.communication if not movement.communication_type else None,
        "customer reference": movement.customer_reference,
        "account": movement.counterparty_account,
        "bic": movement.counterparty_bic,
        "name": movement.counterparty_name,
        "reason": movement.return_code + movement.return_reason,
        "details": [ours(item) for item in movement.details],
    }


def theirs(move: Any) -> dict[str, Any]:
    return {
        "sequence": int(move.sequence),
        "detail": int(move.detail_sequence),
        "amount": move.amount,
        "value": move.value_date,
        "entry": move.entry_date,
        "code": move.transaction_code,
        "bank reference": move.bank_reference.rstrip(),
        "type": move.communication_type or "",
        "text": move.communication if move.communication_type is None else None,
        "customer reference": move.customer_reference or "",
        "account": (move.counterparty_account or "")[:34].rstrip(),
        "bic": move.counterparty_bic or "",
        "name": move.counterparty_name or "",
        "reason": (move.r_transaction or "") + (move.r_reason or ""),
        "details": [theirs(item) for item in move.moves],
    }


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("mix", [MIX, READABLE], ids=["school", "even"])
def test_febelfin_coda_reads_what_we_read(seed: int, mix: dict[Kind, int]) -> None:
    mix = {kind: weight for kind, weight in mix.items() if kind in READABLE}
    data = coda.write(coda.generate(on=DAY, seed=seed, movements=150, statements=3, mix=mix))
    read = febelfin.CODA(io.StringIO(data.decode("cp1252"), newline=None)).statements
    mine = coda.parse(data)
    assert len(mine) == len(read) == 3
    for statement, other in zip(mine, read, strict=True):
        assert statement.account == other.account
        assert statement.currency == other.account_currency
        assert statement.number == int(other.coda_sequence)
        assert statement.opening_on == other.old_balance_date
        assert statement.closing_on == other.new_balance_date
        assert Decimal(statement.opening_milli) / 1000 == other.old_balance
        assert Decimal(statement.closing_milli) / 1000 == other.new_balance
        assert statement.holder == other.account_holder_name
        assert statement.bank_bic == other.bic
        assert list(map(ours, statement.movements)) == list(map(theirs, other.moves))
