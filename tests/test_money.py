import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import itschool_api
from itschool_api.money import Cents, InvalidAmount, euros, parse_euros

SOURCE = Path(itschool_api.__file__).parent
OF_MONEY = ["money.py", "ledger", "wallets", "invoices", "banking"]
# Millimetres on paper, and the weights of invented payments.
NOT_OF_MONEY = {"document.py", "generator.py"}


@pytest.mark.parametrize(
    ("text", "cents"), [("12.34", 12_34), ("12", 12_00), ("0.5", 50), ("-0.05", -5), ("00.10", 10)]
)
def test_a_decimal_string_is_read_as_cents(text: str, cents: int) -> None:
    assert parse_euros(text) == cents


@pytest.mark.parametrize(
    "text",
    ["", "1,5", "1.234", "1e3", "+1", " 1", "1.", ".5", "\u0661.\u0662", "12_3", "nan", "1" * 14],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        parse_euros(text)


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_what_is_written_is_read_back(cents: int) -> None:
    assert parse_euros(euros(Cents(cents))) == cents


def fractions(source: str) -> list[int]:
    """Return the lines on which a number is, or becomes, something else than an integer."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div))
    ]


def test_no_module_of_money_knows_a_fraction() -> None:
    """REL-02."""
    rooms = [SOURCE / each for each in OF_MONEY]
    modules = [
        each for room in rooms for each in ([room] if room.is_file() else room.rglob("*.py"))
    ]
    assert len(modules) > 20
    found = {str(each): fractions(each.read_text("utf-8")) for each in modules}
    assert {
        name: lines
        for name, lines in found.items()
        if lines and Path(name).name not in NOT_OF_MONEY
    } == {}


@pytest.mark.parametrize("source", ["a = 0.1", "a = float(b)", "a = b / 2", "a /= 2"])
def test_a_fraction_is_found(source: str) -> None:
    assert fractions(source) == [1]
