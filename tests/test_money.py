import pytest
from hypothesis import given
from hypothesis import strategies as st

from itschool_api.money import Cents, InvalidAmount, euros, parse_euros


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
