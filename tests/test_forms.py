"""The shapes that all forms share take what the document says, and nothing else."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator
from pydantic import Strict, TypeAdapter, ValidationError

from itschool_api import contract
from itschool_api.app import create_app
from itschool_api.auth.schemas import LoginTokenRedemption, MailedToken, Otp, Password, UserName
from itschool_api.auth.user_names import NewUserName
from itschool_api.invoices.schemas import NewInvoice
from itschool_api.settings import Settings

TAKEN = (
    ("Day", "1900-01-01", date(1900, 1, 1)),
    ("Day", "2199-12-31", date(2199, 12, 31)),
    ("Instant", "2026-12-18T16:00:00+01:00", datetime(2026, 12, 18, 15, tzinfo=UTC)),
    ("Instant", "2026-12-18T15:00:00.5Z", datetime(2026, 12, 18, 15, 0, 0, 500_000, tzinfo=UTC)),
    ("Flag", True, True),
    ("Name", "  Noor \n", "Noor"),
    ("Name", "Ünïcödé 文字", "Ünïcödé 文字"),
    ("ShortText", " ", ""),
    ("ExternalKey", "2026-0815", "2026-0815"),
    ("LongText", "a\r\nb\rc\td\n", "a\nb\nc\td"),
    ("Email", "An.Peeters@Example.org", "an.peeters@example.org"),
    ("Search", " noor ", "noor"),
)
REFUSED = (
    # Pydantic by itself takes the numbers for seconds since 1970.
    *(("Day", each) for each in (0, "0", 1.0, True, "20261218", "2026-12-18T00:00:00")),
    *(("Day", each) for each in ("1899-12-31", "2200-01-01", "2026-02-30", "2026-1-1")),
    *(("Instant", each) for each in (0, "0", 1.5, "2026-12-18", "2026-12-18T16:00:00")),
    *(
        ("Instant", each)
        for each in ("2026-12-18 16:00:00Z", "2026-12-18T16:00Z", "1899-12-31T23:59:59Z")
    ),
    *(("Flag", each) for each in (1, 0, "true", "yes", "on", None)),
    *(("Name", each) for each in ("", " ", "\u00a0", "a\nb", "a\tb", "a\0b", "a\x7f", 5)),
    *(("Name", each) for each in ("n" * 121, "n" + " " * 120)),
    *(("ShortText", each) for each in ("a\nb", "a\0")),
    *(("ExternalKey", each) for each in ("", " ", "k" * 65, "a\x1b")),
    *(("LongText", each) for each in ("a\0b", "a\x0bb", "t" * 10_001)),
    *(("Email", each) for each in ("an", "an@example", "a b@example.org", "a@b.c\0")),
    *(("Search", each) for each in ("s" * 101, "s" + " " * 100, "\0")),
)

TEXTS = {
    **{
        name: getattr(contract, name)
        for name in (
            *("Name", "ExternalKey", "ShortText", "LongText", "Email", "Phone", "Language"),
            "Search",
        )
    },
    "Password": Password,
    "Otp": Otp,
    "UserName": UserName,
    "MailedToken": MailedToken,
    "NewUserName": NewUserName,
}
# What Python, PostgreSQL, Rust and JavaScript each have an opinion of their own about.
CHARACTERS = st.one_of(
    st.sampled_from(
        "\t\n\v\f\r \0\x1c\x1d\x1e\x1f\x7f\x85\xa0\u1680\u2003\u2028\u3000\u200b\ufeff"
    ),
    st.sampled_from("aAé0+-./()@_,İß\u212a"),
    st.characters(codec="utf-8"),
)


def adapter(kind: str) -> TypeAdapter[Any]:
    """Return what reads a shape."""
    return TypeAdapter(getattr(contract, kind))


@pytest.mark.parametrize(("kind", "sent", "meant"), TAKEN)
def test_what_the_document_allows_is_taken(kind: str, sent: Any, meant: Any) -> None:
    assert adapter(kind).validate_python(sent) == meant
    pattern = adapter(kind).json_schema().get("pattern")
    assert pattern is None or re.search(pattern, sent)


@pytest.mark.parametrize(("kind", "sent"), REFUSED)
def test_what_it_does_not_allow_is_refused(kind: str, sent: Any) -> None:
    with pytest.raises(ValidationError):
        adapter(kind).validate_python(sent)


@pytest.mark.parametrize("kind", TEXTS)
@given(sent=st.text(CHARACTERS, max_size=20) | st.sampled_from(["fr", "a@b.cd", "+32 2 555 12 12"]))
@example(sent="Noor\x1c")
@example(sent=" an@example.org\n")
@example(sent="\u2003")
@example(sent="a\t\xa0")
def test_a_text_is_taken_exactly_if_the_document_says_so(kind: str, sent: str) -> None:
    """What either side alone removes at the ends (U+001C, U+0085) was taken, and not allowed."""
    shape = TypeAdapter(TEXTS[kind])
    try:
        shape.validate_python(sent)
        taken = True
    except ValidationError:
        taken = False
    assert taken is Draft202012Validator(shape.json_schema()).is_valid(sent)


def test_what_no_form_has_is_one_fault_however_often_it_is_there() -> None:
    """SEC-23: a body of 1 MB holds 80,000 members; a fault for each blocked the server for 2 s."""
    for form in (LoginTokenRedemption, NewInvoice):
        with pytest.raises(ValidationError) as refused:
            form.model_validate({f"k{number}": 1 for number in range(80_000)})
        assert refused.value.error_count() == 1


def test_no_code_has_a_nul() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Otp).validate_python("123\x00456")


def forms(kind: type[contract.Form] = contract.Form) -> Iterator[type[contract.Form]]:
    """Give every form of the contract."""
    for form in kind.__subclasses__():
        yield form
        yield from forms(form)


def test_no_form_takes_another_word_for_true(settings: Settings) -> None:
    """Pydantic by itself takes "on", "y" and 1 for it: `Flag` does not."""
    create_app(settings)  # with every form that there is
    lax = [
        (form.__name__, name)
        for form in forms()
        if form.__module__.startswith("itschool_api.")  # other tests have forms of their own
        for name, field in form.model_fields.items()
        if field.annotation is bool and Strict() not in field.metadata
    ]
    assert len([*forms()]) > 20
    assert lax == []
