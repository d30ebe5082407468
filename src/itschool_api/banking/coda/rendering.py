"""Show what was read as plain JSON values: for the command line, and for golden files.

Amounts are decimal strings with the sign, never floats; dates are ISO 8601.
"""

from datetime import date
from typing import Any

from itschool_api.banking.coda.errors import CodaError
from itschool_api.banking.coda.model import Information, Movement, Statement
from itschool_api.banking.coda.structured import Structured

Json = dict[str, Any]


def file_json(name: str, read: list[Statement] | CodaError) -> Json:
    """Show one file: what it says and what is unusual about it, or why it is refused."""
    if isinstance(read, CodaError):
        return {"file": name, "statements": [], "findings": [], "error": error_json(read)}
    return {
        "file": name,
        "statements": [statement_json(statement) for statement in read],
        "findings": [finding._asdict() for statement in read for finding in statement.findings],
        "error": None,
    }


def error_json(error: CodaError) -> Json:
    """Show a refusal."""
    return {
        "line": error.line,
        "column": error.column,
        "read": error.read,
        "expected": error.expected,
        "reason": error.reason,
    }


def statement_json(statement: Statement) -> Json:
    """Show a statement with its movements."""
    return {
        "account": statement.account,
        "currency": statement.currency,
        "number": statement.number,
        "opening_date": _iso(statement.opening_on),
        "closing_date": _iso(statement.closing_on),
        "opening": decimal(statement.opening_milli),
        "closing": decimal(statement.closing_milli),
        "holder": statement.holder,
        "bic": statement.bank_bic,
        "separate_application": statement.separate_application,
        "duplicate": statement.is_duplicate,
        "movements": [movement_json(movement) for movement in statement.movements],
        "messages": list(statement.messages),
    }


def movement_json(movement: Movement) -> Json:
    """Show a movement with its details."""
    return {
        "sequence": movement.sequence,
        "detail": movement.detail,
        "amount": decimal(movement.amount_milli),
        "value_date": _iso(movement.value_on),
        "entry_date": _iso(movement.entry_on),
        "transaction_code": movement.transaction_code,
        "communication": movement.communication,
        "structured": _structured_json(movement.structured),
        "reference": movement.reference,
        "customer_reference": movement.customer_reference,
        "counterparty": movement.counterparty._asdict(),
        "return_code": movement.return_code,
        "return_reason": movement.return_reason,
        "category_purpose": movement.category_purpose,
        "purpose": movement.purpose,
        "information": [_information_json(item) for item in movement.information],
        "details": [movement_json(item) for item in movement.details],
    }


def decimal(milli: int) -> str:
    """Write thousandths with two decimals, or three where the third is not zero."""
    whole, rest = divmod(abs(milli), 1000)
    text = f"{whole}.{rest:03d}"
    return f"{'-' if milli < 0 else ''}{text.removesuffix('0')}"


def _information_json(information: Information) -> Json:
    return {
        "detail": information.detail,
        "transaction_code": information.transaction_code,
        "communication": information.communication,
        "structured": _structured_json(information.structured),
    }


def _structured_json(structured: Structured | None) -> Json | None:
    if structured is None:
        return None
    decoded = structured.decoded
    fields = {} if decoded is None else {name: _plain(v) for name, v in decoded._asdict().items()}
    amounts = {n: decimal(v) for n, v in fields.items() if n.endswith("_milli")}
    fields = {n: v for n, v in fields.items() if not n.endswith("_milli")}
    renamed = {n.removesuffix("_milli"): text for n, text in amounts.items()}
    return {"type": structured.type, "payload": structured.payload, **renamed, **fields}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
