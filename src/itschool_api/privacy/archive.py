"""The file of an export: one JSON document for people and machines, and PDFs beside it. Pure.

What is about somebody else is withheld (GDPR art. 15(4)): the other parent's address and account,
a payer who is not this person. It says so where it stood, in the language of whom the export is about.
"""

import io
import json
import unicodedata
import zipfile
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from itschool_api.privacy import inventory
from itschool_api.privacy.circle import Circle
from itschool_api.privacy.inventory import About
from itschool_api.privacy.words import words

DOCUMENT: Final = "data.json"

Row = Mapping[str, Any]


def section(table: str, rows: Iterable[Row], circle: Circle) -> dict[str, Any]:
    """Return what the document says of one table."""
    return {
        "what": words(circle.language).tables[table],
        "rows": [{name: _shown(table, name, row, circle) for name in row} for row in rows],
    }


def packed(document: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Return the ZIP of a document and its files."""
    packing = io.BytesIO()
    with zipfile.ZipFile(packing, "w", zipfile.ZIP_DEFLATED) as archive:
        text = json.dumps(document, indent=2, ensure_ascii=False, default=_plain)
        archive.writestr(DOCUMENT, text + "\n")
        for name, content in files.items():
            archive.writestr(name, content)
    return packing.getvalue()


def is_payer(circle: Circle, counterparty: str) -> bool:
    """Tell whether a payment's sender bears all of a person's names."""
    theirs = _words(counterparty)
    return all(found and found <= theirs for found in map(_words, circle.names))


def _shown(table: str, name: str, row: Row, circle: Circle) -> Any:
    column = inventory.TABLES[table].personal.get(name)
    empty = row[name] is None or row[name] == ""
    if column is None or empty or _may_see(table, name, row, circle):
        return row[name]
    return words(circle.language).withheld


def _may_see(table: str, name: str, row: Row, circle: Circle) -> bool:
    column = inventory.TABLES[table].personal[name]
    if column.shared or (column.about is About.STUDENT and circle.of_student):
        return True
    if circle.of_student:
        return False
    if column.about is About.PAYER:
        return is_payer(circle, row["counterparty_name"])
    if table == "families":
        return row["id"] in circle.at_home
    return True


def _words(text: str) -> frozenset[str]:
    # Only accents go: without the letters that a bank cannot write, a name would be any sender's.
    plain = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(c for c in plain if not unicodedata.combining(c))
    return frozenset("".join(c if c.isalnum() else " " for c in bare).split())


def _plain(value: Any) -> Any:
    """Write what JSON has no form for."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")
