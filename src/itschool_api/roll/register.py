"""Who is known by which key, and how a finding says where it is. Pure."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from itschool_api.roll.columns import Column, Heading, Kind
from itschool_api.roll.findings import Findings, told
from itschool_api.roll.gathering import Facts
from itschool_api.roll.state import Family, Guardian, Student


class Teller:
    """Tells findings about what the rows say of somebody."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def warn(self, code: str, message: str, facts: Facts, column: Column | None = None) -> None:
        """Tell what does not stop the import."""
        heading = Heading(column) if column else None
        self._findings.warning(
            code, message, kind=Kind.ROLL, row=_row(facts, heading), heading=heading
        )

    def refuse(self, code: str, message: str, facts: Facts, column: Column) -> None:
        """Tell what does."""
        heading = Heading(column)
        self._findings.error(
            code, message, kind=Kind.ROLL, row=_row(facts, heading), heading=heading
        )


class Register:
    """Finds people by the file's keys: their own key, or else our id."""

    def __init__(
        self, known: Sequence[Student | Guardian | Family], findings: Findings, column: Column
    ) -> None:
        self._by_key = {each.external_key: each for each in known if each.external_key}
        self._by_id = {str(each.id): each for each in known}
        self._taken: dict[UUID, str] = {}
        self._findings = findings
        self._heading = Heading(column)

    def match(self, key: str) -> Any:
        """Return who has this key, or nobody."""
        return self._by_key.get(key) or self._by_id.get(key.lower())

    def is_free(self, known: Any, key: str, facts: Facts) -> bool:
        """Tell whether somebody is named by one key only, and not erased."""
        if known.is_erased:
            message = erased(key)
        elif known.id in self._taken:
            message = told(
                "{key!q} and {other!q} are the same: use one key.",
                key=key,
                other=self._taken[known.id],
            )
        else:
            self._taken[known.id] = key
            return True
        code = "erased" if known.is_erased else "two-keys"
        self._findings.error(code, message, kind=Kind.ROLL, row=facts.row, heading=self._heading)
        return False


def erased(key: str) -> str:
    """Say that somebody is not to be known any more."""
    return told("{key!q} was erased on request: take the rows out, or give a new key.", key=key)


def _row(facts: Facts, heading: Heading | None) -> int:
    return facts.rows.get(heading, facts.row) if heading else facts.row
