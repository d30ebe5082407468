"""What files look like, and what is read in them."""

import io
from datetime import date, datetime, time
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itschool_api import references
from itschool_api.roll import cells, columns, csv_file, reading, values
from itschool_api.roll.cells import BadCell, Number, Unusable
from itschool_api.roll.columns import NEEDED, PEOPLE, SYNONYMS, Column, Heading, Kind
from itschool_api.roll.reading import Roll
from tests.roll.files import LARS, NOOR, csv, saved

WHOLE = csv(NOOR, LARS)


def said(roll: Roll) -> list[dict[str, Any]]:
    return [{str(heading): value for heading, value in row.values.items()} for row in roll.rows]


# --- CSV -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        WHOLE,
        b"\xef\xbb\xbf" + WHOLE,
        csv(NOOR, LARS, encoding="utf-16"),
        csv(NOOR, LARS, delimiter=","),
        csv(NOOR, LARS, delimiter="\t"),
        WHOLE.replace(b"\r\n", b"\n"),
        WHOLE.replace(b"\r\n", b"\r"),
        WHOLE + b"\r\n;;;\r\n\r\n",
        b"sep=;\r\n" + WHOLE,
        b"\r\n" + WHOLE,
        WHOLE.replace(b";Peeters;", b';"Peeters";'),
    ],
)
def test_one_file_in_many_forms_says_the_same(data: bytes) -> None:
    assert said(reading.read(data, is_workbook=False)) == said(
        reading.read(WHOLE, is_workbook=False)
    )


def test_windows_text_is_read_where_it_is_no_utf_8() -> None:
    data = "matricule;prénom;nom\r\nS1;Zoë;Lefèvre \u2013 Œdipe\r\n".encode("cp1252")

    assert said(reading.read(data, is_workbook=False)) == [
        {
            "student_key": "S1",
            "student_first_name": "Zoë",
            "student_last_name": "Lefèvre \u2013 Œdipe",
        }
    ]


def test_rows_have_the_numbers_that_a_spreadsheet_shows() -> None:
    data = b'\nstudent_key;street\n\nS1;"Rue\nde la Loi"\nS2;x\n'

    roll = reading.read(data, is_workbook=False)

    assert [row.number for row in roll.rows] == [4, 5]
    assert [(each.code, each.row) for each in roll.findings.first(9)] == [("invalid-text", 4)]


def test_a_delimiter_inside_quotes_divides_nothing() -> None:
    data = b'student_key,street,city\nS1,"Rue Haute 1, bte ""2""",Mons\n'

    assert csv_file.read(data).rows[1][1] == ["S1", 'Rue Haute 1, bte "2"', "Mons"]


# --- headings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("Date de naissance", Heading(Column.BIRTH_DATE)),
        ("  GEBOORTEDATUM ", Heading(Column.BIRTH_DATE)),
        ("N° élève", None),
        ("Numéro d'élève", None),
        ("Numéro élève", Heading(Column.STUDENT_KEY)),
        ("E-Mail", Heading(Column.EMAIL)),
        ("GSM", Heading(Column.PHONE)),
        ("reference[Cantine]", Heading(Column.REFERENCE, "Cantine")),
        ("Solde [ Repas chauds ]", Heading(Column.OPENING_BALANCE, "Repas chauds")),
        ("city[Cantine]", None),
        ("", None),
    ],
)
def test_headings_are_known_in_three_languages(text: str, heading: Heading | None) -> None:
    assert columns.recognised(text) == heading


def test_no_heading_means_two_columns() -> None:
    meant = {
        (columns.folded(name), column) for column in Column for name in (column, *SYNONYMS[column])
    }

    assert len({name for name, _ in meant}) == len(meant)
    assert {*SYNONYMS} == {*Column}
    assert {*PEOPLE} | {*NEEDED[Kind.OPEN_INVOICES]} | {*columns.MONEY, Column.NUMBER} == {*Column}


# --- cells ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        (Column.BIRTH_DATE, "2017-05-12", date(2017, 5, 12)),
        (Column.BIRTH_DATE, "3/4/2017", date(2017, 4, 3)),
        (Column.BIRTH_DATE, "03.04.2017", date(2017, 4, 3)),
        (Column.BIRTH_DATE, date(2017, 5, 12), date(2017, 5, 12)),
        (Column.SHARE, "50", 5000),
        (Column.SHARE, "33,33", 3333),
        (Column.SHARE, "33.3 %", 3330),
        (Column.SHARE, "50,000", 5000),
        (Column.SHARE, Number("66.67"), 6667),
        (Column.SHARE, Number("50%"), 5000),
        (Column.SEES_MONEY, "Oui", True),
        (Column.SEES_MONEY, "nee", False),
        (Column.SEES_MONEY, True, True),
        (Column.SEES_MONEY, Number("0"), False),
        (Column.LANGUAGE, "Français", "fr"),
        (Column.LANGUAGE, "NL", "nl"),
        (Column.LANGUAGE, "Deutsch", "de"),
        (Column.EMAIL, "An@Example.ORG", "an@example.org"),
        (Column.EMAIL, "an@mail.com", "an@mail.com"),
        (Column.POSTAL_CODE, Number("1000"), "1000"),
        (Column.POSTAL_CODE, "L-1234", "L-1234"),
        (Column.CLASS_GROUP, Number("3"), "3"),
        (Column.OPENING_BALANCE, "-12,5", -12_50),
        (Column.OPENING_BALANCE, "1.234,56", 1_234_56),
        (Column.OPENING_BALANCE, "1 234,56 €", 1_234_56),
        (Column.OPENING_BALANCE, Number("12.1"), 12_10),
        (Column.AMOUNT, "0,01", 1),
        (Column.REFERENCE, "+++010/8068/17183+++", "010806817183"),
        (Column.REFERENCE, "010806817183", "010806817183"),
        (Column.CITY, "  ", None),
        (Column.CITY, "\u00a0Mons\u00a0", "Mons"),
    ],
)
def test_a_cell_is_what_its_column_makes_of_it(
    column: Column, cell: cells.Cell, value: object
) -> None:
    read = values.read(column, cell)

    assert (read.value, type(read.value)) == (value, type(value))
    assert read.doubt is None


@pytest.mark.parametrize(
    ("column", "number", "value"),
    [
        (Column.PHONE, "477123456", "0477123456"),
        (Column.PHONE, "25550123", "025550123"),
        (Column.PHONE, "32477123456", "+32477123456"),
        (Column.PHONE, "3225550123", "+3225550123"),
        (Column.POSTAL_CODE, "123", "123"),
        (Column.STUDENT_KEY, "815", "815"),
        (Column.REFERENCE, "10806817183", "010806817183"),
    ],
)
def test_a_number_in_place_of_a_text_is_read_and_told(
    column: Column, number: str, value: str
) -> None:
    read = values.read(column, Number(number))

    assert read.value == value
    assert read.doubt
    assert read.doubt[0] == "number-for-text"


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        (Column.CLASS_GROUP, date(2026, 5, 3), "not-a-text"),
        (Column.STUDENT_KEY, True, "not-a-text"),
        (Column.STUDENT_KEY, Number("3.5"), "invalid-key"),
        (Column.STUDENT_KEY, Number("1e+20"), "invalid-key"),
        (Column.PHONE, Number("3.5"), "invalid-phone"),
        (Column.BIRTH_DATE, Number("42867"), "invalid-date"),
        (Column.BIRTH_DATE, "2017-02-29", "invalid-date"),
        (Column.BIRTH_DATE, "\u0662017-01-01", "invalid-date"),
        (Column.SHARE, "-1", "invalid-share"),
        (Column.SHARE, "33,333", "invalid-share"),
        (Column.SHARE, date(2026, 1, 1), "not-a-text"),
        (Column.AMOUNT, "0,001", "invalid-amount"),
        (Column.AMOUNT, "1,234.56", "invalid-amount"),
        (Column.AMOUNT, Number("12.345"), "invalid-amount"),
        (Column.AMOUNT, Unusable("formula", "No."), "formula"),
        (Column.LABEL, "a\x07b", "invalid-text"),
        (Column.CITY, "two\nlines", "invalid-text"),
        (Column.REFERENCE, Number("10806817184"), "invalid-reference"),
    ],
)
def test_a_cell_that_is_wrong_says_what_was_read(
    column: Column, cell: cells.Cell, code: str
) -> None:
    with pytest.raises(BadCell) as caught:
        values.read(column, cell)

    assert caught.value.code == code


@given(st.integers(0, references.HIGHEST_NUMBER), st.integers(0, 11), st.integers(1, 9))
def test_no_digit_of_a_reference_is_ever_corrected(number: int, place: int, change: int) -> None:
    """Rule 3, and REL-17."""
    right = references.issue(number)
    digit = (int(right[place]) + change) % 10
    wrong = f"{right[:place]}{digit}{right[place + 1 :]}"

    assert values.read(Column.REFERENCE, right).value == right
    with pytest.raises(BadCell, match=r"read .* expected"):
        values.read(Column.REFERENCE, wrong)


@given(st.text(max_size=20))
def test_what_is_harmless_is_no_formula_and_comes_back(text: str) -> None:
    """SEC-28."""
    written = cells.harmless(text)

    assert not written.startswith(tuple("=+-@\t\r"))
    assert cells.unguarded(written) == text


# --- workbooks -----------------------------------------------------------------------------------


def test_a_workbooks_cells_keep_their_kinds() -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.worksheets[0]
    sheet.title = "Élèves"
    headings = ["Matricule", "Né le", "Quote-part", "GSM", "CP", "Accès financier", "Classe", "?"]
    sheet.append(headings)
    sheet.append([815, datetime(2017, 5, 12), 0.5, 477123456, 1000, True, "3B", "=1+1"])  # noqa: DTZ001
    sheet["C2"].number_format = "0%"
    sheet.append([])
    sheet.append(["S2", "12/05/2017", "40", "0477 12 34 56", "1000", "non", "", time(8)])
    hidden = workbook.create_sheet("vieux")
    hidden.sheet_state = "hidden"

    roll = reading.read(saved(workbook), is_workbook=True)

    first, second = said(roll)
    assert first == {
        "student_key": "815",
        "birth_date": date(2017, 5, 12),
        "share": 5000,
        "phone": "0477123456",
        "postal_code": "1000",
        "sees_money": True,
        "class_group": "3B",
    }
    assert (second["student_key"], second["share"], second["class_group"]) == ("S2", 4000, None)
    assert [row.number for row in roll.rows] == [2, 4]
    told = [(each.code, each.sheet, each.row, each.column) for each in roll.findings.first(9)]
    assert told == [
        ("unknown-column", "Élèves", 1, "?"),
        ("number-for-text", "Élèves", 2, "Matricule"),
        ("number-for-text", "Élèves", 2, "GSM"),
        ("hidden-sheet", "vieux", None, None),
    ]


def test_a_second_sheet_of_one_kind_is_refused() -> None:
    workbook = openpyxl.Workbook()
    workbook.worksheets[0].append(["student_key"])
    workbook.create_sheet("more").append(["student_key"])

    roll = reading.read(saved(workbook), is_workbook=True)

    assert [(each.code, each.sheet) for each in roll.findings.first(1)] == [
        ("second-sheet", "more")
    ]


def test_a_workbook_is_told_from_its_first_bytes_not_its_name() -> None:
    data = io.BytesIO(WHOLE)

    with pytest.raises(ValueError, match="no workbook"):
        reading.read(data.getvalue(), is_workbook=True)
