"""Old files in CP850 read like those in Windows-1252, and neither is taken for the other."""

from datetime import date

import pytest

from itschool_api.banking import coda
from itschool_api.banking.coda.builders import transfer
from itschool_api.banking.coda.charset import charset_of
from itschool_api.money import Cents

DAY = date(2026, 11, 20)
PAYER = coda.Counterparty("BE71096123456769", "EUR", "GKCCBEBB", "ZOË LEFÈVRE-MÜLLER")
PLAIN = PAYER._replace(name="AN PEETERS")
TEXTS = ["garderie août, payé à l'école", "Frère de Chloé", "maîtrise: 7,50"]


def written(*texts: str, payer: coda.Counterparty = PAYER) -> bytes:
    lines = [transfer(text, Cents(7_50), payer) for text in texts]
    return coda.write([coda.statement(coda.generator.SCHOOL, lines, number=1, on=DAY)])


def test_a_file_in_cp850_is_the_same_file() -> None:
    """The same statements, so that it is no second import of them either."""
    windows = written(*TEXTS)
    dos = windows.decode("cp1252").encode("cp850")
    assert dos != windows

    assert coda.parse(dos) == coda.parse(windows)
    assert [each.communication for each in coda.parse(dos)[0].movements] == TEXTS


@pytest.mark.parametrize("seed", range(5))
def test_a_generated_file_in_cp850_is_the_same_file(seed: int) -> None:
    windows = coda.write(coda.generate(on=DAY, seed=seed, movements=60))
    dos = windows.decode("cp1252").encode("cp850")
    assert dos != windows

    assert coda.parse(dos) == coda.parse(windows)


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        # What only one of the two can mean.
        ("Hélène", "cp850"),
        ("HÉLÈNE", "cp850"),
        ("Zoë", "cp850"),
        ("MÜLLER", "cp850"),
        ("à payer à l'école", "cp850"),
        ("Ève Çelik", "cp850"),
        ("Hélène", "cp1252"),
        ("HÉLÈNE", "cp1252"),
        ("Zoë", "cp1252"),
        ("l\u2019école", "cp1252"),
        ("L\u2019ECOLE", "cp1252"),
        ("ŠKODA", "cp1252"),
        ("Beneš", "cp1252"),
        ("cœur", "cp1252"),
        ("10 \u20ac", "cp1252"),
        ("garderie \u2013 repas", "cp1252"),
        ("« repas »", "cp1252"),
        ("etc\u2026", "cp1252"),
        ("\u201crepas\u201d", "cp1252"),
        ("plain", "cp1252"),
    ],
)
def test_letters_among_letters_tell_the_character_set(text: str, charset: str) -> None:
    assert charset_of(f"x 1 {text} 2".encode(charset)) == charset


def test_a_text_that_would_be_taken_for_cp850_is_written_as_utf_8() -> None:
    """No bank sends a low quotation mark within a word; the writer must not lie all the same."""
    data = written("a\u201ab", payer=PLAIN)

    assert data.decode("utf-8")
    assert coda.parse(data)[0].movements[0].communication == "a\u201ab"
