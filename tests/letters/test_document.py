"""Login letters on paper: every language, one sheet for each, and a code that can be scanned."""

import io
import json
import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from pypdf import PdfReader
from pypdf.generic import StreamObject

from itschool_api.languages import Language
from itschool_api.letters import document as documents
from itschool_api.letters.document import Letter, Letters, render
from itschool_api.typesetting import Letterhead

URL = "https://app.ecole-saint-exupery.example/connexion"
TOKEN = "ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ234567"
ON_PAPER = "ABCD EFGH IJKL MNOP QRST UVWX YZ23 4567"
SCHOOL = Letterhead(
    name="École Saint-Exupéry",
    street="Rue des Écoles 12",
    postal_code="5000",
    city="Namur",
    email="secretariat@ecole.example",
    phone="081 12 34 56",
)


def letter(language: Language = "fr", **changes: Any) -> Letter:
    facts: dict[str, Any] = {
        "language": language,
        "name": "Sophie Lefèvre",
        "address": ("Avenue de la Citadelle 45", "5100 Jambes"),
        "children": ("Noor Peeters, 3B", "Lars Peeters, 5A"),
        "user_name": "sophie.lefevre",
        "token": TOKEN,
        "link": f"{URL}#token={TOKEN}",
    }
    return Letter(**(facts | changes))


def run(*letters: Letter, **changes: Any) -> Letters:
    facts: dict[str, Any] = {
        "language": "fr",
        "school": SCHOOL,
        "web_app_url": URL,
        "printed_at": datetime(2026, 11, 24, 9, 30, 15, 123456, tzinfo=UTC),
        "printed_on": date(2026, 11, 24),
        "valid_until": date(2026, 12, 24),
        "both_sides": True,
        "letters": letters or (letter(),),
    }
    return Letters(**(facts | changes))


def pages(printed: Letters) -> list[str]:
    """All that is printed on each page, with any blanks as one space."""
    reader = PdfReader(io.BytesIO(render(printed)))
    return [
        re.sub(r"\s+", " ", page.extract_text().replace("\u200b", "")).strip()
        for page in reader.pages
    ]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "fr",
            [
                "Votre accès à la plateforme en ligne",
                "Bonjour Sophie Lefèvre,",
                "Nom d\u2019utilisateur sophie.lefevre",
                f"Jeton de connexion {ON_PAPER}",
                "Ce jeton ne sert qu\u2019une fois, jusqu\u2019au 24 décembre 2026 inclus.",
                "Choisissez votre mot de passe personnel.",
                "081 12 34 56 ou secretariat@ecole.example",
                "Date 24 novembre 2026",
            ],
        ),
        (
            "nl",
            [
                "Uw toegang tot het onlineplatform",
                "Dag Sophie Lefèvre,",
                "Gebruikersnaam sophie.lefevre",
                f"Aanmeldcode {ON_PAPER}",
                "Deze code werkt één keer, tot en met 24 december 2026.",
                "Kies uw eigen wachtwoord.",
            ],
        ),
        (
            "de",
            [
                "Ihr Zugang zur Online-Plattform",
                "Guten Tag Sophie Lefèvre,",
                "Benutzername sophie.lefevre",
                f"Anmeldecode {ON_PAPER}",
                "bis einschließlich 24. Dezember 2026.",
                "Legen Sie Ihr persönliches Passwort fest.",
            ],
        ),
        (
            "en",
            [
                "Your access to the online platform",
                "Hello Sophie Lefèvre,",
                "User name sophie.lefevre",
                f"Login token {ON_PAPER}",
                "This token works once, until 24 December 2026 included.",
                "Choose your personal password.",
            ],
        ),
    ],
)
def test_everything_is_said_in_the_guardians_language(
    language: Language, expected: list[str]
) -> None:
    (page,) = pages(run(letter(language)))
    for words in [*expected, URL, "École Saint-Exupéry", "5100 Jambes", "Noor Peeters, 3B"]:
        assert words in page


def test_every_language_has_the_same_words() -> None:
    french = documents._WORDS["fr"]  # noqa: SLF001  (a missing word shows only when it is needed)
    for words in documents._WORDS.values():  # noqa: SLF001
        assert words.keys() == french.keys()
        assert words["steps"].keys() == french["steps"].keys()


def test_the_back_of_a_sheet_stays_empty() -> None:
    """SEC-10: a printer that uses both sides must not put one family's token behind another's."""
    three = [letter(user_name=f"user-{number}") for number in range(3)]

    both = pages(run(*three))
    assert [bool(page) for page in both] == [True, False, True, False, True]
    assert ["user-0" in both[0], "user-1" in both[2], "user-2" in both[4]] == [True] * 3
    one = pages(run(*three, both_sides=False))
    assert [f"user-{number}" in page for number, page in enumerate(one)] == [True] * 3


def test_without_an_address_the_children_say_whom_it_is_for() -> None:
    (page,) = pages(run(letter(address=())))
    assert "Sophie Lefèvre Noor Peeters, 3B Lars Peeters, 5A" in page


def test_without_children_and_contact_nothing_is_missing() -> None:
    bare = Letterhead(name="École", street="Rue 1", postal_code="5000", city="Namur")
    (page,) = pages(run(letter(children=(), address=()), school=bare))
    assert "Élève" not in page
    assert "Le secrétariat vous en imprime un autre." in page


@pytest.mark.parametrize(
    "hostile",
    [
        '#panic("x")',
        "*Bob* \\ $ _x_ `y` <z> @w",
        "#sys.inputs.document ${7*7} {{7*7}}",
        "{name} {school} {0} {",
        "<script>alert(1)</script>&amp;",
    ],
)
def test_what_people_type_is_printed_literally(hostile: str) -> None:
    (page,) = pages(
        run(
            letter(name=hostile, address=(hostile, "5100 Jambes"), children=(hostile,)),
            school=Letterhead(name=hostile, street="Rue 1", postal_code="5000", city="Namur"),
        )
    )
    # Addressee, address, child, greeting; the school at the head, in the text, below, at the foot.
    assert page.count(hostile) == 8


def test_the_longest_of_everything_stays_on_one_page() -> None:
    long = letter(
        name="x" * 241,
        address=("y" * 120, "z" * 241),
        children=tuple(f"{'w' * 241}, {'v' * 120}" for _ in range(30)),
        user_name="u" * 64,
    )
    assert len(pages(run(long))) == 1


def test_what_is_longer_than_a_page_shares_its_sheet_with_nobody() -> None:
    printed = run(letter(), letter("nl"), web_app_url=f"https://{'w' * 1200}.example")
    first, more, second, _ = pages(printed)
    assert ["Bonjour" in first, "Bien à vous," in more, "Dag Sophie" in second] == [True] * 3


def test_foreign_scripts_do_not_stop_a_letter() -> None:
    (page,) = pages(run(letter(name="Ann\n\x07\u202e Dupont 李 🎒")))
    assert "Ann Dupont" in page


def picture(printed: Letters) -> Image.Image:
    """The only page, as pixels."""
    setter = documents._TYPESETTER  # noqa: SLF001
    facts = {
        "language": "fr",
        "region": "BE",
        "title": "x",
        "school": printed.school.printed(),
        "both_sides": False,
        "letters": [documents._facts(each, printed) for each in printed.letters],  # noqa: SLF001
    }
    pixels = setter._compiler.compile(  # noqa: SLF001
        input=setter._template,  # noqa: SLF001
        format="png",
        ppi=110,
        sys_inputs={"document": json.dumps(facts)},
    )
    assert isinstance(pixels, bytes)
    return Image.open(io.BytesIO(pixels))


@pytest.mark.parametrize("token", [TOKEN, "-".join(["AAAAAAAA"] * 4), "-".join(["7Q2Z5XK3"] * 4)])
def test_the_code_on_paper_can_be_scanned_and_leads_to_the_token(token: str) -> None:
    """SEC-10: the token is in the fragment, which no server sees."""
    (code,) = zxingcpp.read_barcodes(picture(run(letter(token=token, link=f"{URL}#token={token}"))))
    assert code.text == f"{URL}#token={token}"


def test_the_address_stands_in_the_window_of_the_envelope() -> None:
    """Between 112 and 190 mm from the left, 52 and 88 mm from the top."""
    bare = run(letter(name="X", address=(), children=()))
    full = run(letter(name="X" * 60, address=("Y" * 60, "Z" * 60), children=()))
    before, after = (picture(each).convert("L") for each in (bare, full))
    millimetre = before.width / 210
    window = (112, 51, 190.5, 89)
    left, top, right, bottom = (round(each * millimetre) for each in window)
    for each in (before, after):
        # Nothing stands around the window, down from the letterhead.
        assert darkest(each.crop((left, round(42 * millimetre), each.width, top))) > 250
        assert darkest(each.crop((round(90 * millimetre), top, left - 1, bottom))) > 250
        assert darkest(each.crop((right + 1, top, each.width, bottom))) > 250
    assert darkest(after.crop((left, top, right, bottom))) < 100
    assert darkest(after.crop((left, bottom, right, bottom + 5))) > 250


def darkest(grey: Image.Image) -> int:
    return next(shade for shade, count in enumerate(grey.histogram()) if count)


def test_the_pdf_is_archival_and_accessible_and_tells_no_token() -> None:
    pdf = PdfReader(io.BytesIO(render(run(letter(), letter("nl"), language="nl"))))
    assert pdf.metadata is not None
    assert pdf.metadata.title == "Brieven met toegang tot het onlineplatform"
    assert pdf.metadata.creation_date == datetime(2026, 11, 24, 9, 30, 15, tzinfo=UTC)
    assert "/StructTreeRoot" in pdf.root_object
    stream = pdf.root_object["/Metadata"].get_object()
    assert isinstance(stream, StreamObject)
    metadata = stream.get_data()
    assert b"<pdfuaid:part>1</pdfuaid:part>" in metadata
    assert b"<pdfaid:part>2</pdfaid:part>" in metadata
    assert b"<pdfaid:conformance>A</pdfaid:conformance>" in metadata
    assert TOKEN.encode() not in metadata
    assert TOKEN not in repr(letter())
