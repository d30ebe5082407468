"""The columns of a roll and of open invoices, and what spreadsheets call them. Pure."""

import difflib
import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Kind(StrEnum):
    """What a sheet holds."""

    ROLL = "roll"
    OPEN_INVOICES = "open_invoices"


class Column(StrEnum):
    """A column by its name in the contract."""

    STUDENT_KEY = "student_key"
    STUDENT_FIRST_NAME = "student_first_name"
    STUDENT_LAST_NAME = "student_last_name"
    BIRTH_DATE = "birth_date"
    CLASS_GROUP = "class_group"
    GUARDIAN_KEY = "guardian_key"
    GUARDIAN_FIRST_NAME = "guardian_first_name"
    GUARDIAN_LAST_NAME = "guardian_last_name"
    EMAIL = "email"
    PHONE = "phone"
    LANGUAGE = "language"
    SEES_MONEY = "sees_money"
    FAMILY_KEY = "family_key"
    FAMILY_NAME = "family_name"
    FAMILY_LANGUAGE = "family_language"
    STREET = "street"
    POSTAL_CODE = "postal_code"
    CITY = "city"
    SHARE = "share"
    REFERENCE = "reference"
    OPENING_BALANCE = "opening_balance"
    LABEL = "label"
    NUMBER = "number"
    ISSUED_ON = "issued_on"
    DUE_ON = "due_on"
    AMOUNT = "amount"


class Heading(NamedTuple):
    """A column; money's columns may name a compartment: `reference[Cantine]`."""

    column: Column
    compartment: str = ""
    """Empty: the general one."""

    def __str__(self) -> str:
        """Write it as a file does."""
        return f"{self.column}[{self.compartment}]" if self.compartment else str(self.column)


PEOPLE: Final = tuple(list(Column)[: list(Column).index(Column.REFERENCE)])
"""The columns of people, in the order in which they are exported."""
MONEY: Final = frozenset({Column.REFERENCE, Column.OPENING_BALANCE})
"""The columns that carry a wallet over from another system."""
OF_INVOICES: Final = frozenset(
    {
        Column.FAMILY_KEY,
        Column.STUDENT_KEY,
        Column.LABEL,
        Column.NUMBER,
        Column.ISSUED_ON,
        Column.DUE_ON,
        Column.AMOUNT,
        Column.REFERENCE,
    }
)
NEEDED: Final[Mapping[Kind, frozenset[Column]]] = {
    Kind.ROLL: frozenset({Column.STUDENT_KEY}),
    Kind.OPEN_INVOICES: OF_INVOICES - {Column.NUMBER},
}

# What offices write above their columns; accents, case and punctuation do not matter.
SYNONYMS: Final[Mapping[Column, tuple[str, ...]]] = {
    Column.STUDENT_KEY: (
        "student number", "matricule", "matricule élève", "numéro élève", "clé élève",
        "leerlingnummer", "stamnummer", "sleutel leerling",
    ),
    Column.STUDENT_FIRST_NAME: ("prénom", "prénom élève", "voornaam", "voornaam leerling"),
    Column.STUDENT_LAST_NAME: (
        "nom", "nom élève", "nom de famille", "naam", "naam leerling", "achternaam",
        "familienaam", "achternaam leerling",
    ),
    Column.BIRTH_DATE: (
        "date of birth", "date de naissance", "né le", "née le", "geboortedatum",
    ),
    Column.CLASS_GROUP: ("class", "classe", "groupe", "klas", "klasgroep"),
    Column.GUARDIAN_KEY: (
        "guardian number", "parent key", "clé responsable", "numéro responsable",
        "matricule responsable", "clé parent", "sleutel ouder", "oudernummer",
    ),
    Column.GUARDIAN_FIRST_NAME: (
        "parent first name", "prénom responsable", "prénom du responsable", "prénom parent",
        "voornaam ouder",
    ),
    Column.GUARDIAN_LAST_NAME: (
        "parent last name", "nom responsable", "nom du responsable", "nom parent", "naam ouder",
        "achternaam ouder", "familienaam ouder",
    ),
    Column.EMAIL: (
        "e-mail", "mail", "courriel", "adresse e-mail", "adresse mail", "e-mailadres", "mailadres",
    ),
    Column.PHONE: (
        "telephone", "mobile", "téléphone", "tél", "gsm", "numéro de téléphone", "telefoon",
        "telefoonnummer", "gsm-nummer",
    ),
    Column.LANGUAGE: ("langue", "langue responsable", "taal", "taal ouder"),
    Column.SEES_MONEY: (
        "voit l'argent", "accès financier", "accès aux finances", "ziet geld",
        "financiële toegang",
    ),
    Column.FAMILY_KEY: (
        "family number", "clé famille", "numéro famille", "numéro de famille", "sleutel gezin",
        "gezinsnummer",
    ),
    Column.FAMILY_NAME: ("famille", "nom famille", "nom de la famille", "gezin", "gezinsnaam"),
    Column.FAMILY_LANGUAGE: ("langue famille", "langue des factures", "taal gezin", "factuurtaal"),
    Column.STREET: ("address", "adresse", "rue", "rue et numéro", "adres", "straat",
                    "straat en nummer"),
    Column.POSTAL_CODE: ("zip", "zip code", "postcode", "code postal", "cp"),
    Column.CITY: ("town", "ville", "localité", "commune", "stad", "gemeente", "woonplaats"),
    Column.SHARE: (
        "part", "quote-part", "pourcentage", "répartition", "aandeel", "percentage", "verdeling",
    ),
    Column.REFERENCE: (
        "structured reference", "communication structurée", "communication", "ogm", "vcs",
        "gestructureerde mededeling", "mededeling",
    ),
    Column.OPENING_BALANCE: (
        "balance", "solde", "solde d'ouverture", "solde initial", "saldo", "openingssaldo",
        "beginsaldo",
    ),
    Column.LABEL: ("libellé", "intitulé", "omschrijving", "description"),
    Column.NUMBER: (
        "invoice number", "numéro", "numéro de facture", "factuurnummer", "nummer",
    ),
    Column.ISSUED_ON: (
        "issue date", "invoice date", "date", "date de facture", "date d'émission", "factuurdatum",
        "datum",
    ),
    Column.DUE_ON: ("due date", "échéance", "date d'échéance", "vervaldatum", "vervaldag"),
    Column.AMOUNT: (
        "remaining", "montant", "reste à payer", "solde dû", "bedrag", "openstaand",
        "openstaand bedrag", "te betalen",
    ),
}  # fmt: skip

_WITH_COMPARTMENT: Final = re.compile(r"\s*([^\[\]]+?)\s*\[\s*([^\[\]]+?)\s*\]\s*")
_LONGEST_HEADING: Final = 120
_ODD: Final = re.compile(r"[^a-z0-9]+")


def folded(text: str) -> str:
    """Return a heading without accents, case and punctuation: `Né(e) le` is `ne_e_le`."""
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    return _ODD.sub("_", plain.casefold()).strip("_")


_KNOWN: Final[Mapping[str, Column]] = {
    folded(name): column for column in Column for name in (column, *SYNONYMS[column])
}


def recognised(text: str) -> Heading | None:
    """Return the column that a heading means, or nothing."""
    if len(text) > _LONGEST_HEADING:
        return None
    if with_compartment := _WITH_COMPARTMENT.fullmatch(text):
        column = _KNOWN.get(folded(with_compartment[1]))
        return Heading(column, with_compartment[2]) if column in MONEY else None
    column = _KNOWN.get(folded(text))
    return Heading(column) if column else None


def nearest(text: str) -> Column | None:
    """Return the column that an unknown heading may have been meant for."""
    found = difflib.get_close_matches(folded(text), _KNOWN, n=1, cutoff=0.8)
    return _KNOWN[found[0]] if found else None


def kind_of(headings: frozenset[Column]) -> Kind | None:
    """Tell by its headings what a sheet holds: an amount makes it open invoices."""
    if Column.AMOUNT in headings:
        return Kind.OPEN_INVOICES
    return Kind.ROLL if Column.STUDENT_KEY in headings else None
