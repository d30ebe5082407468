import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from itschool_api.banking import coda
from itschool_api.banking.coda import builders
from itschool_api.banking.coda.generator import SCHOOL, Kind
from itschool_api.money import Cents
from tests.banking.coda.strategies import statements

DAY = date(2026, 11, 24)
EVERY_KIND = coda.write(
    coda.generate(on=DAY, movements=32, statements=2, mix=dict.fromkeys(Kind, 1))
)
READ = coda.parse(EVERY_KIND)


@given(st.lists(statements(), min_size=1, max_size=2))
@settings(max_examples=40)
def test_what_is_written_is_read_back(written: list[coda.Statement]) -> None:
    assert coda.parse(coda.write(written)) == written


@given(st.lists(statements(), min_size=1, max_size=2))
@settings(max_examples=20)
def test_reading_and_writing_again_changes_no_byte(written: list[coda.Statement]) -> None:
    data = coda.write(written)
    assert coda.write(coda.parse(data)) == data


def amounts() -> list[tuple[int, int]]:
    """Give line and column of every digit and sign of an amount that money depends on.

    The details of charges (8) and of a detail (9) explain an amount and need not add up to it.
    """
    fields = {b"1": (42, 58), b"8": (41, 57), b"9": (22, 52), b"21": (31, 47)}
    return [
        (line, column)
        for line, record in enumerate(EVERY_KIND.split(b"\r\n"))
        for kind, (start, end) in fields.items()
        if record.startswith(kind) and (kind != b"21" or record[53:54] not in {b"8", b"9"})
        for column in range(start, end)
    ]


@given(st.sampled_from(amounts()), st.integers(1, 9))
@settings(max_examples=300)
def test_a_changed_digit_of_an_amount_never_passes_silently(
    place: tuple[int, int], shift: int
) -> None:
    line, column = place
    records = EVERY_KIND.split(b"\r\n")
    digit = (int(records[line][column : column + 1]) + shift) % 10
    records[line] = records[line][:column] + b"%d" % digit + records[line][column + 1 :]
    try:
        read = coda.parse(b"\r\n".join(records))
    except coda.CodaError:
        return
    assert "details-do-not-add-up" in {f.code for statement in read for f in statement.findings}


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    refused_or_read(data)


@given(
    at=st.integers(0, len(EVERY_KIND)),
    length=st.integers(0, 300),
    patch=st.binary(max_size=130),
    keep_length=st.booleans(),
)
@settings(max_examples=300)
def test_a_good_file_with_a_piece_torn_out_is_read_or_refused(
    at: int, length: int, patch: bytes, *, keep_length: bool
) -> None:
    if keep_length:
        length = len(patch)
    refused_or_read(EVERY_KIND[:at] + patch + EVERY_KIND[at + length :])


@given(st.data())
@settings(max_examples=200)
def test_exchanged_lines_are_read_or_refused(data: st.DataObject) -> None:
    records = EVERY_KIND.split(b"\r\n")[:-1]
    first, second = (data.draw(st.integers(0, len(records) - 1)) for _ in range(2))
    assume(records[first] != records[second])
    records[first], records[second] = records[second], records[first]
    refused_or_read(b"\r\n".join(records))


def refused_or_read(data: bytes) -> None:
    """Fail with whatever is not a proper refusal."""
    refused = None
    try:
        coda.parse(data)
    except coda.CodaError as error:
        refused = error
    assert refused is None or (refused.line >= 1 and refused.column >= 1 and str(refused))


@pytest.mark.parametrize(
    "dressed",
    [
        lambda data: data.replace(b"\r\n", b"\n"),
        lambda data: data.replace(b"\r\n", b""),
        lambda data: data.replace(b"\r\n", b"") + b"\x1a",
        lambda data: data + b"\x1a",
        lambda data: data + b"\r\n\r\n",
        lambda data: data.removesuffix(b"\r\n"),
        lambda data: data.decode("cp1252").encode(),
        lambda data: b"\xef\xbb\xbf" + data.decode("cp1252").encode(),
        lambda data: data.replace(b"\r\n", b"\n", 5),
        lambda data: data[:130] + data[130:].replace(b"\r\n", b"\n"),
    ],
    ids=[
        "lf",
        "none",
        "none-1a",
        "1a",
        "blank-lines",
        "no-last-end",
        "utf-8",
        "bom",
        "mixed-lf",
        "mixed-crlf",
    ],
)
def test_line_ends_and_character_set_change_nothing(dressed: Callable[[bytes], bytes]) -> None:
    read = coda.parse(dressed(EVERY_KIND))
    assert read == READ
    assert [s.content_sha256 for s in read] == [s.content_sha256 for s in READ]
    assert [s.findings for s in read] == [s.findings for s in READ]


def changed(line: int, column: int, text: bytes) -> list[str]:
    records = EVERY_KIND.split(b"\r\n")
    at = column - 1
    records[line] = records[line][:at] + text + records[line][at + len(text) :]
    return [statement.content_sha256 for statement in coda.parse(b"\r\n".join(records))]


def test_duplicate_flag_bank_reference_and_last_digit_do_not_change_the_digest() -> None:
    same = [statement.content_sha256 for statement in READ]
    assert changed(0, 17, b"D") == same
    assert changed(2, 11, b"ANOTHER REFERENCE") == same
    assert changed(EVERY_KIND.count(b"\r\n") - 1, 128, b"1") == same


def test_a_text_a_date_and_the_order_change_the_digest() -> None:
    assert changed(2, 48, b"010126")[0] != READ[0].content_sha256
    assert changed(1, 65, b"ANOTHER HOLDER")[0] != READ[0].content_sha256
    assert len({statement.content_sha256 for statement in READ}) == len(READ)


def paid(cents: int = 1_00) -> coda.Movement:
    return builders.payment("539007547034", Cents(cents), builders.NOBODY)


def one(*movements: coda.Movement) -> bytes:
    return coda.write([coda.statement(SCHOOL, movements, on=DAY, number=1)])


def nested(count: int) -> bytes:
    parts = (builders.transfer("part", Cents(1), builders.NOBODY),) * count
    return one(builders.bank_total("", [paid(count)._replace(details=parts)]))


def informed(count: int) -> bytes:
    return one(paid()._replace(information=(coda.Information(0, "00150000", "", "x"),) * count))


def spoken(count: int) -> bytes:
    return coda.write([replace(coda.parse(one())[0], messages=("long " * 16 * count,))])


@pytest.mark.parametrize(
    "made",
    [
        lambda count: one(*[paid()] * count),
        lambda count: one(builders.bank_total("", [paid()] * count)),
        nested,
        informed,
        spoken,
        lambda count: one() * count,
        lambda count: (b"x" * 128 + b"\r\n") * count,
        lambda count: b"\xc3\xa9" * 64 * count,
        lambda count: b"\x81" * 128 * count,
        lambda count: b"\r\n" * 64 * count,
        lambda count: b"x\n" * 64 * count,
    ],
    ids=[
        "2.1",
        "details",
        "9",
        "3.1",
        "4",
        "statements",
        "x",
        "utf-8",
        "cp1252",
        "empty-lines",
        "short-lines",
    ],
)
def test_a_large_file_takes_linear_time(made: Callable[[int], bytes]) -> None:
    """Reading four times as much may take four times as long, with room for chance."""
    small, large = made(2_000), made(8_000)

    def seconds(data: bytes) -> float:
        # The processor's time, for others use the machine meanwhile.
        began = time.thread_time()
        refused_or_read(data)
        return time.thread_time() - began

    assert seconds(large) < 10 * min(seconds(small), seconds(small)) + 0.1
