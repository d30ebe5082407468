import os
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iso11649
from stdnum.be import ogm_vcs

from itschool_api import references
from itschool_api.references import Flaw, InvalidReference, Reference

SAMPLES = 10_000 if os.environ.get("ITSCHOOL_LONG") else 200
numbers = st.integers(0, references.HIGHEST_NUMBER)


@pytest.mark.parametrize(
    "text",
    [
        "+++010/8068/17183+++",
        "***010/8068/17183***",
        "010806817183",
        "010 8068 17183",
        " 010-8068-17183 ",
        "010.8068.17183",
        "+++ 010 / 8068 / 17183 +++",
        "010\u20138068\u201317183",
        "010\u00a08068\u00a017183",
    ],
)
def test_a_reference_is_read_however_it_is_typed(text: str) -> None:
    assert references.normalise(text) == "010806817183"


@pytest.mark.parametrize(
    ("text", "flaw", "read", "expected"),
    [
        ("+++010/8068/17184+++", Flaw.CHECK_DIGITS, "84", "83"),
        ("01080681718", Flaw.LENGTH, "11 digits", "12 digits"),
        ("0108068171833", Flaw.LENGTH, "13 digits", "12 digits"),
        ("", Flaw.CHARACTERS, "", "12 digits"),
        ("+++010/8O68/17183+++", Flaw.CHARACTERS, "O", "12 digits"),
        ("\u0660\u0661\u0660806817183", Flaw.CHARACTERS, "\u0660", "12 digits"),
        ("RF17 5390 0754 7034", Flaw.CHECK_DIGITS, "17", "18"),
        ("RF1", Flaw.LENGTH, "3 characters", "5 to 25 characters"),
        ("RFXX5390", Flaw.CHARACTERS, "RFXX5390", "RF, two digits, then letters and digits"),
    ],
)
def test_a_refusal_says_what_was_read_and_what_was_expected(
    text: str, flaw: Flaw, read: str, expected: str
) -> None:
    with pytest.raises(InvalidReference) as refused:
        references.normalise(text)
    assert (refused.value.flaw, refused.value.read, refused.value.expected) == (
        flaw,
        read,
        expected,
    )


def test_the_remainder_0_is_written_97() -> None:
    assert references.issue(97) == "000000009797"
    assert not references.is_valid("000000009700")


@pytest.mark.parametrize("number", [-1, 10**10])
def test_a_number_that_does_not_fit_is_not_issued(number: int) -> None:
    with pytest.raises(ValueError, match="ten digits"):
        references.issue(number)


def test_an_international_reference_is_normalised_and_shown() -> None:
    reference = references.normalise("rf18 5390 0754 7034")
    assert reference == "RF18539007547034"
    assert references.formatted(reference) == "RF18 5390 0754 7034"


@given(numbers)
def test_an_issued_reference_is_read_back_from_what_people_see(number: int) -> None:
    reference = references.issue(number)
    assert references.normalise(references.formatted(reference)) == reference
    assert references.is_valid(reference)
    assert ogm_vcs.is_valid(reference)


@given(numbers, st.integers(0, 11), st.integers(1, 9))
def test_every_wrong_digit_is_caught(number: int, place: int, shift: int) -> None:
    digits = references.issue(number)
    wrong = f"{digits[:place]}{(int(digits[place]) + shift) % 10}{digits[place + 1 :]}"
    assert not references.is_valid(wrong)
    with pytest.raises(InvalidReference):
        references.normalise(wrong)


def test_each_wrong_digit_of_many_references_is_caught(chance: random.Random) -> None:
    """REL-17: every single-digit error of 10,000 references."""
    for _ in range(SAMPLES):
        digits = references.issue(chance.randrange(10**10))
        for place, right in enumerate(digits):
            for wrong in "0123456789".replace(right, ""):
                assert not references.is_valid(digits[:place] + wrong + digits[place + 1 :])


@given(numbers)
def test_all_wrong_digits_and_exchanged_neighbours_of_one_reference_are_caught(number: int) -> None:
    digits = references.issue(number)
    for place in range(10):
        pair = digits[place : place + 2]
        swapped = digits[:place] + pair[::-1] + digits[place + 2 :]
        assert swapped == digits or not references.is_valid(swapped)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        reference = references.normalise(text)
    except InvalidReference:
        return
    assert ogm_vcs.is_valid(reference) or iso11649.is_valid(reference)


A = references.issue(1_234_567)
B = references.issue(7_654_321)
ACCOUNT = "539007547034"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"voor Jan {references.formatted(A)} dank", [A]),
        (f"{A[:3]} {A[3:7]} {A[7:]}", [A]),
        (f"***{A[:3]}-{A[3:7]}.{A[7:]}***", [A]),
        (f"bare {B} then {references.formatted(A)}", [A, B]),
        (f"{A} {A}", [A]),
        (f"from {ACCOUNT}", [ACCOUNT]),
        (f"BE68{ACCOUNT}", []),
        (f"1{A} {A}1", []),
        ("+++000/1234/56749+++", []),
        (f"12 {A[:3]}/{A[3:7]}/{A[7:]}", [A]),
        ("", []),
    ],
)
def test_candidates_are_listed_likeliest_first(text: str, found: list[Reference]) -> None:
    assert references.candidates(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"merci {references.formatted(A)}", A),
        (f"***{A[:3]}/{A[3:7]}/{A[7:]}***", A),
        (f"+++{A}+++", A),
        (f"{references.formatted(A)} {references.formatted(A)}", A),
        (f"{references.formatted(A)} {references.formatted(B)}", None),
        (A, None),
        (f"{A[:3]}/{A[3:7]}/{A[7:]}", None),
        (f"+++{A[:3]}/{A[3:7]}/{A[7:]}***", None),
        ("+++000/1234/56749+++", None),
        (f"+++000/1234/56749+++ {references.formatted(A)}", A),
    ],
)
def test_only_one_framed_reference_is_what_the_payer_marked(text: str, found: str | None) -> None:
    assert references.delimited(text) == found


@pytest.mark.parametrize("unit", ["+", "123", "1 ", "123/4567/", "+++123/4567/8901"])
def test_searching_takes_linear_time(unit: str) -> None:
    text = unit * 40_000
    began = time.thread_time()
    references.candidates(text)
    references.delimited(text)
    assert time.thread_time() - began < 2
