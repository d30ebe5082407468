"""Pages tell of each requirement which tests show it: they are there and name it."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.documents import ROOT

PAGES = {
    "SEC": ("security.md", {*range(1, 23), 28, 30, 31, 32, 34, 35, 36}),
    "REL": ("reliability.md", {*range(1, 24)}),
}
ROW = re.compile(r"^\| ([A-Z]{3})-(\d\d) \| [^|]+ \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)


def rows(kind: str) -> dict[int, list[str]]:
    page = (ROOT / "docs" / PAGES[kind][0]).read_text("utf-8")
    return {
        int(number): re.findall(r"`([^`]+)`", tests)
        for found, number, tests in ROW.findall(page)
        if found == kind
    }


def docstrings(test: str) -> Iterator[str]:
    """Give the docstrings that tell what a test shows: its own and its module's."""
    path, _, name = test.partition("::")
    module = ast.parse((ROOT / "tests" / path).read_text("utf-8"))
    yield ast.get_docstring(module) or ""
    if name:
        functions = [
            node
            for node in ast.walk(module)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
        ]
        assert functions, f"there is no {test}"
        yield ast.get_docstring(functions[0]) or ""


@pytest.mark.parametrize("kind", PAGES)
def test_every_requirement_has_its_row(kind: str) -> None:
    assert set(rows(kind)) == PAGES[kind][1]


@pytest.mark.parametrize("kind", PAGES)
def test_every_row_leads_to_tests_that_name_it(kind: str) -> None:
    for number, tests in rows(kind).items():
        assert tests, number
        for test in tests:
            told = [*docstrings(test)]
            assert any(f"{kind}-{number:02}" in text for text in told), (number, test)
