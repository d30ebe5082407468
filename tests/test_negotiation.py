"""Which form a client likes best (RFC 9110, section 12.5.1)."""

import pytest

from itschool_api import errors, negotiation

OFFERED = ("text/csv", "image/svg+xml", "image/png")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "text/csv"),
        ("*/*", "text/csv"),
        ("image/*", "image/svg+xml"),
        ("image/png, text/csv", "image/png"),
        ("text/csv;q=0.5, image/png;q=0.50001", "text/csv"),
        ("text/csv;q=0.5, IMAGE/PNG;Q=0.6", "image/png"),
        ("*/*, text/csv;q=0", "image/svg+xml"),
        ("image/*;q=0.2, image/png;q=0.1, text/csv;q=0.15", "image/svg+xml"),
        ("text/csv;q=banana, image/png;q=0.001", "image/png"),
        ("text/html, */*;q=0.1", "text/csv"),
    ],
)
def test_the_best_of_what_is_offered_is_chosen(accept: str | None, chosen: str) -> None:
    assert negotiation.preferred(accept, OFFERED) == chosen


@pytest.mark.parametrize("accept", ["", "text/html", "*/*;q=0", "text/csv;q=-1", "image", ",;,"])
def test_where_nothing_fits_it_says_what_there_is(accept: str) -> None:
    if accept == "":
        assert negotiation.preferred(accept, OFFERED) == "text/csv"
        return
    with pytest.raises(errors.NotAcceptable, match="text/csv, image/svg"):
        negotiation.preferred(accept, OFFERED)
