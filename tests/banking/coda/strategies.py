"""Statements as Hypothesis imagines them: whatever fits in the columns of a file."""

from datetime import date

from hypothesis import strategies as st

from itschool_api import references
from itschool_api.banking import coda
from itschool_api.banking.coda.builders import numbered
from itschool_api.banking.coda.structured import reference_in

# Every character that a bank can send, line ends and NUL excepted: the end of a record cannot be
# its content, and a NUL is read as a blank.
_CHARACTERS = st.characters(codec="utf-8", exclude_characters="\r\n\0", exclude_categories=["Cs"])
_PLAIN = st.characters(codec="cp1252", categories=["L", "N", "P", "S"])

DIGITS = st.characters(min_codepoint=ord("0"), max_codepoint=ord("9"))
DAYS = st.dates(date(1969, 1, 1), date(2068, 12, 31))
MILLI = st.integers(-(10**13), 10**13).map(lambda cents: cents * 10)


def texts(width: int) -> st.SearchStrategy[str]:
    """Make texts of a column; blanks at its end cannot be told from the column's filling."""
    return st.text(_PLAIN | st.just(" ") | _CHARACTERS, max_size=width).map(str.rstrip)


def numbers(width: int) -> st.SearchStrategy[str]:
    return st.text(DIGITS, min_size=width, max_size=width)


references_ = st.integers(0, references.HIGHEST_NUMBER).map(references.issue)
FREE = texts(149) | st.builds(
    lambda blanks, reference, rest: " " * blanks + references.formatted(reference) + rest,
    st.integers(0, 100),
    references_,
    texts(20),
)
STRUCTURED = st.tuples(
    st.sampled_from(["100", "101", "102", "103", "105", "107", "127"]), references_ | texts(146)
)
INFORMATION = st.lists(
    st.builds(coda.Information, st.just(0), numbers(8), st.just(""), texts(268))
    | st.builds(coda.Information, st.just(0), numbers(8), numbers(3), texts(265)),
    max_size=2,
).map(tuple)
ACCOUNTS = texts(12) | st.text(_PLAIN, min_size=13, max_size=34)


@st.composite
def lines(draw: st.DrawFn, kind: str) -> coda.Movement:
    """Make a movement or detail of a type, without its number."""
    form, text = draw(st.tuples(st.just(""), FREE) | STRUCTURED)
    entry_on = draw(DAYS)
    return coda.Movement(
        ordinal=0,
        sequence=0,
        detail=0,
        amount_milli=draw(MILLI),
        value_on=draw(DAYS | st.none()),
        entry_on=entry_on,
        transaction_code=kind + draw(numbers(7)),
        bank_reference=draw(texts(21).filter(bool)),
        communication_type=form,
        communication=text,
        reference=reference_in(form, text) if form else references.delimited(text),
        customer_reference=draw(texts(35)),
        counterparty_account=draw(ACCOUNTS),
        counterparty_currency=draw(texts(3)),
        counterparty_bic=draw(texts(11)),
        counterparty_name=draw(texts(35)),
        return_code=draw(texts(1)),
        return_reason=draw(texts(4)),
        category_purpose=draw(texts(4)),
        purpose=draw(texts(4)),
        information=draw(INFORMATION),
    )


@st.composite
def movements(draw: st.DrawFn) -> coda.Movement:
    """Make a movement with the details that its type may have."""
    kind = draw(st.sampled_from("0123"))
    head = draw(lines(kind))
    of = {"1": "5", "2": "67", "3": "8"}.get(kind)
    if of is None:
        return head
    details = draw(st.lists(st.sampled_from(of).flatmap(lines), max_size=3))
    return head._replace(
        details=tuple(
            item._replace(details=tuple(draw(st.lists(lines("9"), max_size=2))))
            if item.type == "7"
            else item
            for item in details
        )
    )


@st.composite
def statements(draw: st.DrawFn) -> coda.Statement:
    """Make a statement whose balances agree with its movements."""
    day = draw(DAYS)
    made = tuple(
        numbered(movement, ordinal, day)
        for ordinal, movement in enumerate(draw(st.lists(movements(), max_size=4)), start=1)
    )
    opening = draw(MILLI)
    structure = draw(st.sampled_from(coda.AccountStructure))
    width = 12 if structure is coda.AccountStructure.BELGIAN_BBAN else 31
    return coda.Statement(
        account=draw(st.text(_PLAIN, min_size=1, max_size=width)),
        account_structure=structure,
        currency=draw(st.sampled_from(["EUR", "USD"])),
        holder=draw(texts(26)),
        description=draw(texts(35)),
        bank_bic=draw(texts(11)),
        company_number=draw(texts(11)),
        created_on=day,
        is_duplicate=draw(st.booleans()),
        file_reference=draw(texts(10)),
        separate_application=coda.NO_SEPARATE_APPLICATION,
        number=draw(st.integers(0, 999)),
        paper_number=draw(texts(3)),
        opening_milli=opening,
        opening_on=draw(DAYS | st.none()),
        closing_milli=opening + sum(movement.amount_milli for movement in made),
        closing_on=day,
        movements=made,
        messages=tuple(draw(st.lists(texts(200), max_size=2))),
    )
