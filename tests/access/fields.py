"""Which fields each caller sees in the answer to each operation, as they are pinned.

ITSCHOOL_PIN_FIELDS=1 pytest tests/access/test_fields.py writes the file anew.
"""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from httpx2 import Response

PINNED: Final = Path(__file__).parent / "fields.json"


def fields_of(answer: Response) -> list[str]:
    """Return the fields of a document, those within it too, or what else came."""
    if not answer.content:
        return []
    kind = answer.headers["content-type"].split(";")[0]
    if kind == "application/json":
        return sorted(set(_walk(answer.json(), "")))
    if kind == "text/csv":
        header = next(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")), delimiter=";"))
        return [kind, *header]
    return [kind]


def _walk(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}.{name}".removeprefix(".")
            yield from _walk(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, f"{path}[]")


def rendered(seen: dict[str, dict[str, list[str]]]) -> str:
    """Return what is pinned: for each operation the callers who see the same, and what."""
    pinned: dict[str, dict[str, list[str]]] = {}
    for operation, callers in seen.items():
        for caller, fields in callers.items():
            alike = next(
                (key for key, value in pinned.get(operation, {}).items() if value == fields), None
            )
            group = f"{alike}, {caller}" if alike else caller
            if alike:
                del pinned[operation][alike]
            pinned.setdefault(operation, {})[group] = fields
    return json.dumps(pinned, indent=1, ensure_ascii=False) + "\n"
