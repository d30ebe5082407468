"""The QR code of a transfer: its exact text, its limits, and that a reader reads it back."""

import io
from typing import Any

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from itschool_api import epc
from itschool_api.money import Cents
from itschool_api.references import Reference, issue

DETAILS: dict[str, Any] = {
    "beneficiary": "École Saint-Exupéry",
    "iban": "BE71096123456769",
    "bic": "GKCCBEBB",
    "reference": Reference("090933755493"),
    "amount_cents": Cents(12_34),
}


def payload(**changes: Any) -> str:
    return epc.payload(**(DETAILS | changes))


def read(picture: bytes) -> str:
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))
    assert code.format == zxingcpp.BarcodeFormat.QRCode
    assert code.ec_level == "M"
    return code.text


def test_the_text_is_exactly_that_of_the_guidelines() -> None:
    assert payload() == (
        "BCD\n002\n1\nSCT\nGKCCBEBB\nÉcole Saint-Exupéry\nBE71096123456769\nEUR12.34\n\n090933755493"
    )


def test_bic_and_amount_may_be_empty_lines() -> None:
    assert payload(bic="", amount_cents=None) == (
        "BCD\n002\n1\nSCT\n\nÉcole Saint-Exupéry\nBE71096123456769\n\n\n090933755493"
    )


def test_an_iban_in_groups_and_a_framed_reference_are_written_bare() -> None:
    grouped = payload(iban="be71 0961 2345 6769", reference=Reference("+++090/9337/55493+++"))
    assert grouped == payload()


@pytest.mark.parametrize(
    ("cents", "line"),
    [(1, "EUR0.01"), (10, "EUR0.10"), (6_00, "EUR6.00"), (99_999_999_999, "EUR999999999.99")],
)
def test_an_amount_has_two_decimals(cents: int, line: str) -> None:
    assert payload(amount_cents=Cents(cents)).split("\n")[7] == line


@pytest.mark.parametrize("cents", [0, -1, 100_000_000_000])
def test_an_amount_outside_the_limits_is_refused(cents: int) -> None:
    with pytest.raises(epc.NotPayable, match="cents are not between"):
        payload(amount_cents=Cents(cents))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iban": "BE71096123456768"}, "is not an IBAN"),
        ({"iban": "BE71096123456769\nEUR9"}, "is not an IBAN"),
        ({"bic": "GKCCBEB"}, "is not a BIC"),
        ({"bic": "GKCCBEBB\n"}, "is not a BIC"),
        ({"reference": "090933755494"}, "is not a reference"),
        ({"reference": ""}, "is not a reference"),
        ({"beneficiary": " \n "}, "has no name"),
    ],
)
def test_details_that_no_bank_could_execute_are_refused(
    changes: dict[str, str], reason: str
) -> None:
    with pytest.raises(epc.NotPayable, match=reason):
        payload(**changes)


def test_a_long_name_is_cut_after_a_whole_word() -> None:
    name = "Association sans but lucratif Pouvoir organisateur des écoles libres de Wallonie"
    line = payload(beneficiary=name).split("\n")[5]
    assert line == "Association sans but lucratif Pouvoir organisateur des écoles libres"


def test_a_name_that_just_fits_is_kept() -> None:
    name = "a" * 34 + " " + "b" * 35
    assert payload(beneficiary=name).split("\n")[5] == name


def test_a_line_feed_in_a_name_cannot_add_a_line() -> None:
    assert (
        payload(beneficiary="École\r\nBE00 0000\x00\u2028 X").split("\n")[5] == "École BE00 0000 X"
    )


@given(
    beneficiary=st.text(min_size=1, max_size=200).filter(
        lambda text: any(c.isprintable() and not c.isspace() for c in text)
    ),
    amount_cents=st.none() | st.integers(1, 99_999_999_999),
    number=st.integers(0, 9_999_999_999),
    bic=st.sampled_from(["", "GKCCBEBB", "GKCCBEBB123"]),
)
def test_any_name_gives_ten_lines_that_fit(
    beneficiary: str, amount_cents: int | None, number: int, bic: str
) -> None:
    # Text from outside always arrives as UTF-8, so that a lone surrogate cannot occur.
    beneficiary = beneficiary.encode("utf-8", "ignore").decode() or "x"
    text = payload(
        beneficiary=beneficiary, amount_cents=amount_cents, reference=issue(number), bic=bic
    )
    lines = text.split("\n")
    assert len(lines) == 10
    assert 1 <= len(lines[5]) <= 70
    assert len(text.encode()) <= 331
    assert lines[9] == issue(number)


@pytest.mark.parametrize("name", ["École Saint-Exupéry", "Ζωή", "🎒" * 70, "a"])
def test_the_picture_reads_back(name: str) -> None:
    text = payload(beneficiary=name)
    assert read(epc.png(text)) == text


def test_the_level_is_m_even_where_a_higher_one_would_fit() -> None:
    assert read(epc.png("BCD")) == "BCD"


def test_the_widest_code_is_of_version_13_and_no_text_goes_beyond() -> None:
    assert epc.svg("x" * 331).startswith(b"<?xml")
    assert read(epc.png("é" * 165)) == "é" * 165
    with pytest.raises(epc.NotPayable, match="331 bytes"):
        epc.png("x" * 332)


def test_the_svg_scales_and_has_a_quiet_zone() -> None:
    drawing = epc.svg(payload()).decode()
    assert 'viewBox="0 0 45 45"' in drawing  # 37 modules (version 5) and 4 on each side
    assert "width=" not in drawing
    assert 'xmlns="http://www.w3.org/2000/svg"' in drawing
