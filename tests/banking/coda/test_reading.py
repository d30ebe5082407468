"""What the golden files do not show: the meaning of keys, numbers and findings."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from itschool_api import references
from itschool_api.banking import coda
from itschool_api.banking.coda import builders
from itschool_api.banking.coda.generator import SCHOOL
from itschool_api.banking.coda.rendering import decimal
from itschool_api.money import Cents

DAY = date(2026, 11, 24)
A = references.issue(1_234_567)
PAYER = coda.Counterparty("BE68539007547034", "EUR", "GKCCBEBB", "Dupont Marie")


def paid(cents: int = 25_00) -> coda.Movement:
    return builders.payment(A, Cents(cents), PAYER)


def day(*movements: coda.Movement, number: int = 7) -> coda.Statement:
    return coda.statement(SCHOOL, movements, on=DAY, number=number, opening_cents=Cents(10_00))


def records(*movements: coda.Movement) -> list[bytes]:
    return coda.write([day(*movements)]).split(b"\r\n")


def put(record: bytes, column: int, text: bytes) -> bytes:
    return record[: column - 1] + text + record[column - 1 + len(text) :]


def read(lines: list[bytes]) -> coda.Statement:
    (statement,) = coda.parse(b"\r\n".join(lines))
    return statement


def codes(statement: coda.Statement) -> list[str]:
    return [finding.code for finding in statement.findings]


def test_the_key_names_account_currency_year_number_and_application() -> None:
    assert day().key == "BE92732664554623:EUR:2026:007:00000"


def test_without_a_number_dates_and_balances_are_the_key() -> None:
    statement = day(paid(), number=0)
    assert statement.key == "BE92732664554623:EUR:000:00000:2026-11-23:2026-11-24:10000:35000"
    assert replace(statement, opening_on=None).key != statement.key


def test_a_total_is_itemised_only_when_its_details_make_it() -> None:
    total = builders.bank_total("", [paid(), paid(1_00)])
    assert day(total).movements[0].itemised
    broken = day(total._replace(amount_milli=10))
    assert not broken.movements[0].itemised
    assert codes(broken) == ["details-do-not-add-up"]
    assert not day(builders.card_total("", Cents(5), Cents(1))).movements[0].itemised
    assert not day(builders.charges("", Cents(5), Cents(1))).movements[0].itemised


def test_two_equal_movements_differ_by_their_number_only() -> None:
    first, second = day(paid(), paid()).movements
    assert first != second
    assert first == second._replace(ordinal=1, sequence=1, bank_reference=first.bank_reference)
    assert hash(first) == hash(first._replace(line=99))


def test_a_movement_keeps_its_own_records_and_line() -> None:
    total = builders.bank_total("", [paid(), paid()])
    movement = day(total).movements[0]
    assert movement.line == 3
    assert [record[:10] for record in movement.records] == ["2100010000"]
    assert [record[:10] for record in movement.details[0].records] == [
        "2100010001",
        "2200010001",
        "2300010001",
    ]


@pytest.mark.parametrize("after", [0, 1])
def test_after_9999_comes_0000_or_0001(after: int) -> None:
    lines = [builders.payment(A, Cents(1), builders.NOBODY)] * 10_000
    data = coda.write([day(*lines)]).split(b"\r\n")
    data[10_001] = put(data[10_001], 3, b"%04d" % after)
    assert read(data).movements[-1].sequence == after
    data[10_001] = put(data[10_001], 3, b"0002")
    with pytest.raises(coda.CodaError, match="sequence numbers"):
        read(data)


def test_a_gap_in_detail_numbers_is_found_and_a_step_back_refused() -> None:
    data = records(builders.bank_total("", [paid(), paid()]))
    ahead = [line.replace(b"00010002", b"00010005", 1) for line in data]
    assert codes(read(ahead)) == ["detail-gap"]
    back = [line.replace(b"00010002", b"00010001", 1) for line in data]
    with pytest.raises(coda.CodaError, match="detail numbers do not rise"):
        read(back)


def test_details_of_a_total_in_another_file_stand_alone() -> None:
    lines = [
        put(put(line, 7, b"%04d" % number), 3, b"0004") if line[:1] == b"2" else line
        for number, line in enumerate(records(*[paid()] * 3))
    ]
    lines[0] = put(lines[0], 84, b"00123")
    lines = [
        put(line, 7, b"%04d" % (index // 3)) if line[:1] == b"2" else line
        for index, line in enumerate(lines, start=1)
    ]
    lines = [put(line, 54, b"6") if line[:2] == b"21" else line for line in lines]
    lines[-2] = put(lines[-2], 38, b"0" * 15)
    statement = read(lines)
    assert [(m.ordinal, m.sequence, m.detail, m.type) for m in statement.movements] == [
        (1, 4, 1, "6"),
        (2, 4, 2, "6"),
        (3, 4, 3, "6"),
    ]
    assert "separate-application" in codes(statement)


def test_a_detail_of_another_type_is_found() -> None:
    lines = records(builders.bank_total("", [paid()]))
    lines[3] = put(lines[3], 54, b"8")
    statement = read(lines)
    assert codes(statement) == ["unexpected-detail", "details-do-not-add-up"]
    assert not statement.movements[0].itemised


def test_a_counterparty_is_read_in_both_shapes() -> None:
    lines = records(paid())
    assert read(lines).movements[0].counterparty == PAYER
    lines[4] = put(lines[4], 11, b"539007547034 EUR".ljust(37))
    assert read(lines).movements[0].counterparty[:2] == ("539007547034", "EUR")


@pytest.mark.parametrize(
    ("kind", "payload"),
    [("103", A), ("107", A), ("127", A), ("115", f"{'':40}{A}"), ("111", A), ("XXX", A)],
)
def test_other_structured_types_are_never_a_reference(kind: str, payload: str) -> None:
    movement = paid()._replace(communication_type=kind, communication=payload)
    read_back = day(movement).movements[0]
    assert read_back.reference is None
    assert read_back.structured == coda.Structured(kind, payload)


def test_a_direct_debit_is_decoded() -> None:
    item = builders.direct_debit("M1", "Repas", Cents(9_00), PAYER, DAY)
    structured = day(item).movements[0].structured
    assert structured is not None
    assert structured.decoded == coda.DirectDebit(
        DAY, "1", "0", "0", "BE69ZZZ0123456789", "M1", "Repas", "0", ""
    )


@pytest.mark.parametrize(("kind", "payload"), [("105", "EUR"), ("127", "notadate")])
def test_a_payload_that_does_not_fit_its_type_is_kept_raw(kind: str, payload: str) -> None:
    assert coda.Structured(kind, payload).decoded is None


def test_a_payload_keeps_its_columns_where_2_2_is_left_out() -> None:
    lines = records(builders.foreign_payment(A, Cents(5), PAYER))
    del lines[3]
    lines[-2] = put(lines[-2], 17, b"000004")
    movement = read(lines).movements[0]
    assert movement.reference is None
    assert movement.communication[45:57].strip() == A[:5]


def test_a_trailer_that_announces_what_does_not_come_is_found() -> None:
    lines = records()
    lines[-2] = put(lines[-2], 128, b"1")
    assert codes(read(lines)) == ["multiple-file-code"]


def test_a_nul_is_read_as_a_blank() -> None:
    lines = records(paid())
    lines[4] = put(lines[4], 48, b"DUPONT\0MARIE")
    statement = read(lines)
    assert statement.movements[0].counterparty_name == "DUPONT MARIE"
    assert codes(statement) == ["nul-characters"]


def test_groups_that_stay_open_are_found() -> None:
    lines = records(paid())
    lines[2] = put(lines[2], 125, b"3")
    assert codes(read(lines)) == ["globalisation"]


def test_bytes_that_cp1252_leaves_undefined_keep_their_column() -> None:
    lines = records(paid())
    lines[4] = put(lines[4], 50, b" \x80\x81 \xe9")
    assert read(lines).movements[0].counterparty_name.startswith("Du \x80\x81 é")


@pytest.mark.parametrize(
    ("line", "column", "text", "place", "reason"),
    [
        (0, 1, b"X", (1, 1), "kind of record is unknown"),
        (0, 2, b"9", (1, 2), "no CODA header"),
        (0, 6, b"000000", (1, 6), "date of creation is zero"),
        (0, 6, b"320126", (1, 6), "date of creation does not exist"),
        (0, 128, b"3", (1, 128), "version is unknown"),
        (1, 2, b"7", (2, 2), "account structure is unknown"),
        (1, 6, b" " * 34, (2, 6), "no account"),
        (1, 43, b"2", (2, 43), "old balance has no sign"),
        (1, 44, b"-", (2, 44), "old balance is no number"),
        (1, 58, b"1", (2, 44), "fraction of a cent"),
        (1, 126, b"   ", (2, 126), "statement number is no number"),
        (2, 3, b"0O01", (3, 3), "sequence number is no number"),
        (2, 32, b"2", (3, 32), "sign is unknown"),
        (2, 62, b"2", (3, 62), "communication type is unknown"),
        (2, 116, b"300226", (3, 116), "entry date does not exist"),
        (3, 3, b"0002", (4, 3), "belongs to another movement"),
        (4, 3, b"0002", (5, 3), "belongs to another movement"),
        (5, 3, b"0002", (6, 3), "belongs to another movement"),
        (5, 40, b"7", (6, 40), "communication type is unknown"),
        (6, 7, b"0009", (7, 3), "belongs to another movement"),
        (7, 58, b"000000", (8, 58), "new balance's date is zero"),
        (8, 17, b"00000A", (9, 17), "number of records is no number"),
    ],
)
def test_a_refusal_names_line_and_column(
    line: int, column: int, text: bytes, place: tuple[int, int], reason: str
) -> None:
    lines = records(builders.with_address(paid(), "Rue Haute 1", "1000 BRUXELLES"))
    lines[line] = put(lines[line], column, text)
    with pytest.raises(coda.CodaError, match=reason) as refused:
        read(lines)
    assert (refused.value.line, refused.value.column) == place


def test_digits_of_other_scripts_are_no_digits() -> None:
    lines = [line.decode() for line in records(paid())]
    lines[2] = lines[2][:46] + "\u0660" + lines[2][47:]
    with pytest.raises(coda.CodaError, match="amount is no number"):
        coda.parse("\r\n".join(lines).encode())


@pytest.mark.parametrize(
    ("milli", "text"), [(12_340, "12.34"), (-5, "-0.005"), (0, "0.00"), (-1_000_010, "-1000.01")]
)
def test_thousandths_are_shown_as_a_decimal(milli: int, text: str) -> None:
    assert decimal(milli) == text
    assert Decimal(text) * 1000 == milli


def test_a_text_that_does_not_fit_is_not_written() -> None:
    with pytest.raises(coda.Unwritable, match="longer than"):
        day(builders.transfer("x" * 150, Cents(1), PAYER))
    with pytest.raises(coda.Unwritable, match="15 digits"):
        day(paid(10**14))


def test_the_same_seed_makes_the_same_file() -> None:
    first, again, other = (
        coda.write(coda.generate(on=DAY, seed=seed, movements=30)) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_asked_payments_are_in_the_file() -> None:
    pay = [coda.Payment(A, Cents(12_34), PAYER), coda.Payment(A, Cents(12_34))]
    (statement,) = coda.generate(on=DAY, movements=10, pay=pay)
    found = [m for m in statement.movements if m.reference == A]
    assert [m.amount_milli for m in found] == [12_340, 12_340]
    assert PAYER in {m.counterparty for m in found}
    assert len(statement.movements) == 10
