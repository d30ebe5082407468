"""The invoice on paper: every language, every name, any length, and a code that can be scanned."""

import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from pypdf import PdfReader
from pypdf.generic import StreamObject

from itschool_api import epc
from itschool_api.invoices import document as documents
from itschool_api.invoices.document import (
    DocumentLine,
    InvoiceDocument,
    LineKind,
    Payment,
    render,
)
from itschool_api.languages import Language
from itschool_api.money import Cents
from itschool_api.references import issue
from itschool_api.typesetting import Letterhead

REFERENCE = issue(909337554)
PAYLOAD = epc.payload(
    beneficiary="École Saint-Exupéry",
    iban="BE71096123456769",
    bic="GKCCBEBB",
    reference=REFERENCE,
    amount_cents=Cents(1_214_00),
)


def line(
    student: str, label: str, quantity: int, unit_cents: int, kind: LineKind = "service"
) -> DocumentLine:
    return DocumentLine(
        student=student,
        label=label,
        quantity=quantity,
        unit_cents=Cents(unit_cents),
        amount_cents=Cents(quantity * unit_cents),
        kind=kind,
    )


LINES = (
    line("Emma Dupont", "Repas chaud", 12, 4_20),
    line("Lucas Dupont", "Classe de mer", 1, 1_180_00, "compulsory"),
    line("Emma Dupont", "Photo de classe", 1, 3_60, "optional"),
)


def invoice(
    language: Language = "fr",
    *,
    lines: tuple[DocumentLine, ...] = LINES,
    paid_cents: int = 20_00,
    **changes: Any,
) -> InvoiceDocument:
    total = sum(each.amount_cents for each in lines)
    facts: dict[str, Any] = {
        "language": language,
        "school": Letterhead(
            name="École Saint-Exupéry",
            street="Rue des Écoles 12",
            postal_code="5000",
            city="Namur",
            enterprise_number="0412.345.678",
            email="secretariat@ecole.example",
            phone="081 12 34 56",
        ),
        "addressee": ("Madame Sophie Lefèvre", "Avenue de la Citadelle 45", "5100 Jambes"),
        "number": "FAC-2026-00003",
        "label": "Facture groupée",
        "issued_on": date(2026, 10, 1),
        "due_on": date(2026, 12, 16),
        "lines": lines,
        "total_cents": Cents(total),
        "paid_cents": Cents(paid_cents),
        "remaining_cents": Cents(total - paid_cents),
        "payment": Payment(
            beneficiary="École Saint-Exupéry",
            iban="BE71096123456769",
            bic="GKCCBEBB",
            reference=REFERENCE,
            epc_payload=PAYLOAD,
        ),
    }
    return InvoiceDocument(**(facts | changes))


def opened(document: InvoiceDocument) -> PdfReader:
    return PdfReader(io.BytesIO(render(document)))


def text(document: InvoiceDocument) -> str:
    """All that is printed, with any blanks as one space."""
    printed = "\n".join(page.extract_text() for page in opened(document).pages)
    return re.sub(r"\s+", " ", printed)


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "fr",
            [
                "Facture FAC-2026-00003",
                "Date 1er octobre 2026",
                "Échéance 16 décembre 2026",
                "Sous-total Emma Dupont 54,00 €",
                "Total 1 234,00 €",
                "Déjà payé 20,00 €",
                "Reste à payer 1 214,00 €",
                "O frais obligatoires F frais facultatifs S services",
                "Communication structurée +++090/9337/55493+++",
                "N° d\u2019entreprise 0412.345.678",
                "Page 1/1",
            ],
        ),
        (
            "nl",
            [
                "Factuur FAC-2026-00003",
                "Vervaldatum 16 december 2026",
                "Totaal € 1.234,00",
                "Al betaald € 20,00",
                "Nog te betalen € 1.214,00",
                "V verplichte kosten F facultatieve kosten D diensten",
                "Gestructureerde mededeling +++090/9337/55493+++",
                "Pagina 1/1",
            ],
        ),
        (
            "de",
            [
                "Rechnung FAC-2026-00003",
                "Fällig am 16. Dezember 2026",
                "Gesamtbetrag 1.234,00 €",
                "Bereits bezahlt 20,00 €",
                "Noch zu zahlen 1.214,00 €",
                "Strukturierte Mitteilung +++090/9337/55493+++",
                "Seite 1/1",
            ],
        ),
        (
            "en",
            [
                "Invoice FAC-2026-00003",
                "Due date 16 December 2026",
                "Total €1,234.00",
                "Paid so far €20.00",
                "Still to pay €1,214.00",
                "Structured reference +++090/9337/55493+++",
                "Page 1/1",
            ],
        ),
    ],
)
def test_everything_is_said_in_the_familys_language(
    language: Language, expected: list[str]
) -> None:
    printed = text(invoice(language))
    for words in [*expected, "IBAN BE71 0961 2345 6769", "5100 Jambes", "Facture groupée"]:
        assert words in printed


def test_every_language_has_the_same_words() -> None:
    french = documents._WORDS["fr"]  # noqa: SLF001  (a missing word shows only when it is needed)
    for words in documents._WORDS.values():  # noqa: SLF001
        assert words.keys() == french.keys()
        assert words["kinds"].keys() == words["marks"].keys() == french["kinds"].keys()
        assert len(set(words["marks"].values())) == 3


def test_lines_are_grouped_by_student_in_order_of_appearance() -> None:
    printed = text(invoice())
    places = [
        printed.index(words) for words in ("Emma", "Repas", "Photo", "Lucas", "Classe de mer")
    ]
    assert places == sorted(places)


def test_one_student_alone_needs_no_subtotal() -> None:
    assert "Sous-total" not in text(invoice(lines=LINES[:1]))


def test_the_legend_tells_only_the_kinds_that_occur() -> None:
    printed = text(invoice(lines=LINES[:1]))
    assert "S services" in printed
    assert "frais obligatoires" not in printed


def test_a_paid_invoice_says_so_instead_of_asking_for_money() -> None:
    printed = text(invoice(paid_cents=1_234_00))
    assert "Cette facture est payée. Merci !" in printed
    assert "Pour payer" not in printed
    assert "IBAN" not in printed


def test_unknown_details_of_the_school_and_bank_leave_no_trace() -> None:
    document = invoice()
    bare = replace(document.school, enterprise_number=None, email=None, phone=None)
    printed = text(replace(document, school=bare, payment=replace(document.payment, bic="")))
    assert "entreprise" not in printed
    assert "BIC" not in printed


@pytest.mark.parametrize(
    "hostile",
    [
        '#panic("x")',
        "*Bob* \\ $ _x_ `y` <z> @w",
        '= "Titre" // rien /* rien */ -- ...',
        "#sys.inputs.document ${7*7} {{7*7}}",
        "https://exemple.example/#token=1",
        "<script>alert(1)</script>&amp;",
    ],
)
def test_what_people_type_is_printed_literally(hostile: str) -> None:
    document = invoice(
        lines=(line(hostile, hostile, 1, 1_00), line("Lucas", "Repas", 1, 1_00)),
        paid_cents=0,
        label=hostile,
        addressee=(hostile, "5100 Jambes"),
        number=hostile,
        school=replace(invoice().school, name=hostile, street=hostile, email=hostile),
    )
    printed = text(document).replace("\u200b", "")
    # Title, label, addressee, student, line, subtotal; school in head and foot; street; contact.
    assert printed.count(hostile) >= 10


def test_control_characters_and_foreign_scripts_do_not_stop_an_invoice() -> None:
    name = "Ann\n\x07\u202e Dupont 李 🎒"
    assert "Ann Dupont" in text(invoice(lines=(line(name, "Repas", 1, 1_00),), paid_cents=0))


def test_an_endless_word_stays_in_its_column() -> None:
    printed = text(invoice(lines=(line("x" * 300, "y" * 300, 7, 1_00),), paid_cents=0))
    assert "S 7 1,00 € 7,00 €" in printed


def test_many_lines_fill_pages_that_repeat_the_head_and_the_student() -> None:
    lines = tuple(line(f"Élève {n // 40}", f"Repas {n}", 1, 4_20) for n in range(120))
    pages = [
        re.sub(r"\s+", " ", page.extract_text())
        for page in opened(invoice(lines=lines, paid_cents=0)).pages
    ]
    assert len(pages) == 4
    for number, page in enumerate(pages, start=1):
        assert f"Page {number}/4" in page
        assert "FAC-2026-00003" in page
    for page in pages[:-1]:
        assert "Description Type Quantité Prix unitaire Montant Élève" in page
    assert sum(len(re.findall(r"Repas \d+ S", page)) for page in pages) == 120
    assert "+++090/9337/55493+++" in pages[-1]


def test_the_code_on_paper_can_be_scanned() -> None:
    setter = documents._TYPESETTER  # noqa: SLF001
    picture = setter._compiler.compile(  # noqa: SLF001  (the same page, as pixels)
        input=setter._template,  # noqa: SLF001
        format="png",
        ppi=110,
        sys_inputs={"document": json.dumps(documents._facts(invoice()))},  # noqa: SLF001
    )
    assert isinstance(picture, bytes)
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))
    assert code.text == PAYLOAD


def test_the_pdf_tells_its_title_date_language_and_standard() -> None:
    pdf = opened(invoice("nl"))
    assert pdf.metadata is not None
    assert pdf.metadata.title == "Factuur FAC-2026-00003"
    assert pdf.metadata.author == "École Saint-Exupéry"
    assert pdf.metadata.creation_date == datetime(2026, 10, 1, tzinfo=UTC)
    assert str(pdf.root_object["/Lang"]) == "nl-BE"
    assert "/StructTreeRoot" in pdf.root_object
    stream = pdf.root_object["/Metadata"].get_object()
    assert isinstance(stream, StreamObject)
    metadata = stream.get_data()
    assert b"<pdfuaid:part>1</pdfuaid:part>" in metadata
    assert b"<pdfaid:part>2</pdfaid:part>" in metadata
    assert b"<pdfaid:conformance>A</pdfaid:conformance>" in metadata


def test_the_same_facts_give_the_same_bytes() -> None:
    assert render(invoice()) == render(invoice())


def test_threads_may_render_at_the_same_time() -> None:
    numbers = [f"FAC-2026-{n:05}" for n in range(16)]
    with ThreadPoolExecutor(8) as threads:
        pdfs = list(threads.map(lambda number: render(invoice(number=number)), numbers))
    titles = [PdfReader(io.BytesIO(pdf)).metadata for pdf in pdfs]
    assert [title and title.title for title in titles] == [f"Facture {n}" for n in numbers]


def test_lines_that_do_not_make_the_total_are_never_printed() -> None:
    with pytest.raises(ValueError, match="the lines make 123400 cents, the total says 1"):
        invoice(total_cents=Cents(1))


def test_payments_that_do_not_make_the_total_are_never_printed() -> None:
    with pytest.raises(ValueError, match="2000 paid and 0 remaining"):
        invoice(remaining_cents=Cents(0))
