"""The words that the demonstration is made of, in the two languages of its schools."""

from dataclasses import dataclass
from typing import Final, Literal

from itschool_api.invoices.schemas import Kind


@dataclass(frozen=True, slots=True)
class Item:
    """Something that a school charges for."""

    label: str
    unit_cents: int
    kind: Kind
    fewest: int = 1
    most: int = 1
    """How many of it a student has; 1 where it is not counted."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """Invoices that are issued together."""

    label: str
    items: tuple[Item, ...]
    issued_days_ago: int
    due_days_ago: int
    """Negative: in so many days."""
    is_paid: bool
    """Whether the bank's file brings payments for it."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something for the calendar, some days from now."""

    title: str
    text: str
    place: str
    in_days: int
    hours: tuple[int, int] | None
    """From and to, at the school; None: a whole day."""
    first_classes: int = 0
    """For so many classes, the first ones; 0: for the whole school."""


@dataclass(frozen=True, slots=True)
class Words:
    """Everything that is said in one language."""

    language: Literal["fr", "nl"]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    streets: tuple[str, ...]
    places: tuple[tuple[str, str], ...]
    classes: tuple[str, ...]
    """From the youngest to the oldest: two parallel ones a year, from the age of six."""
    family: str
    canteen: str
    campaigns: tuple[Campaign, ...]
    draft: Campaign
    happenings: tuple[Happening, ...]
    greetings: tuple[str, ...]
    """What people write where a reference should be."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


FRENCH: Final = Words(
    language="fr",
    first_names=_names(
        "Adam, Alice, Amélie, Arthur, Aya, Basile, Camille, Chloé, Clément, Elias, Élise, "
        "Emma, Éva, Gabriel, Hugo, Ibrahim, Inès, Jade, Jeanne, Jules, Juliette, Lina, "
        "Louis, Louise, Lucas, Manon, Marius, Mila, Nathan, Noah, Nora, Olivia, Rayan, "
        "Romane, Rose, Sacha, Samuel, Simon, Théo, Victoire, Yasmine, Zoé"
    ),
    last_names=_names(
        "Bastin, Bodart, Collard, Defraene, Delvaux, Denis, Dubois, Dumont, Dupont, Evrard, "
        "Fontaine, Fournier, Gérard, Gilles, Goffin, Hubert, Jacquemin, Kabongo, Lambert, "
        "Laurent, Lefèvre, Leroy, Marchal, Martin, Mertens, Michel, Moreau, Noël, Nguyen, "
        "Ozturk, Petit, Pirotte, Renard, Rousseau, Simon, Stassin, Thiry, Thomas, Wauters, "
        "Willems, Ben Saïd, El Amrani, Van den Bossche"
    ),
    streets=(
        "Rue du Moulin",
        "Rue de l'Église",
        "Avenue des Tilleuls",
        "Chaussée de Louvain",
        "Rue Haute",
        "Clos des Mésanges",
        "Place du Marché",
        "Rue des Écoles",
        "Drève du Vieux Chêne",
    ),
    places=(("5000", "Namur"), ("5100", "Jambes"), ("5020", "Malonne"), ("5170", "Profondeville")),
    classes=tuple(f"P{year}{letter}" for year in range(1, 7) for letter in "AB"),
    family="Famille {}",
    canteen="Cantine",
    campaigns=(
        Campaign(
            "Fournitures et natation, rentrée",
            (
                Item("Photocopies et manuels prêtés", 38_50, "compulsory"),
                Item("Natation, premier trimestre", 2_75, "compulsory", 8, 12),
            ),
            80,
            59,
            is_paid=True,
        ),
        Campaign(
            "Garderie et étude, période 1",
            (
                Item("Garderie, par demi-heure", 75, "service", 4, 30),
                Item("Étude dirigée", 2_50, "service", 2, 12),
            ),
            52,
            37,
            is_paid=True,
        ),
        Campaign(
            "Repas et activités, période 1",
            (
                Item("Repas chaud", 4_60, "service", 4, 20),
                Item("Potage", 80, "optional", 2, 15),
                Item("Atelier théâtre", 18_00, "optional"),
            ),
            33,
            12,
            is_paid=True,
        ),
        Campaign(
            "Garderie et étude, période 2",
            (
                Item("Garderie, par demi-heure", 75, "service", 4, 30),
                Item("Étude dirigée", 2_50, "service", 2, 12),
            ),
            24,
            -6,
            is_paid=True,
        ),
        Campaign(
            "Excursion et classes de dépaysement",
            (
                Item("Journée au parc naturel, car compris", 14_50, "compulsory"),
                Item("Classes de dépaysement, acompte", 60_00, "optional"),
            ),
            9,
            -21,
            is_paid=False,
        ),
    ),
    draft=Campaign(
        "Garderie et étude, période 3",
        (Item("Garderie, par demi-heure", 75, "service", 4, 30),),
        0,
        -15,
        is_paid=False,
    ),
    happenings=(
        Happening(
            "Réunion des parents", "Sur rendez-vous, dix minutes par élève.", "Classes", 5, (16, 20)
        ),
        Happening(
            "Natation",
            "Maillot, bonnet et essuie dans un sac au nom de l'enfant.",
            "Piscine communale",
            2,
            (9, 11),
            first_classes=4,
        ),
        Happening("Journée pédagogique", "Pas de cours ; garderie sur inscription.", "", 12, None),
        Happening(
            "Fête de l'école", "Chants, jeux et tartes maison.", "Cour de récréation", 26, (14, 18)
        ),
    ),
    greetings=(
        "Repas {child}, merci",
        "Pour {child}",
        "Garderie {child} mois passe",
        "Classes vertes {child}",
        "Solde facture ecole",
    ),
)

DUTCH: Final = Words(
    language="nl",
    first_names=_names(
        "Amber, Arne, Bas, Bram, Daan, Elena, Elif, Emma, Fien, Finn, Hanne, Ilyas, Jade, "
        "Jasper, Jef, Jonas, Juna, Kato, Lars, Lotte, Louise, Lucas, Luna, Maud, Mats, Mila, "
        "Mohamed, Nina, Noor, Olivia, Otis, Robbe, Sien, Senne, Sofia, Stan, Tess, Tuur, "
        "Vic, Warre, Yusuf, Zita"
    ),
    last_names=_names(
        "Aerts, Bogaerts, Bosmans, Celik, Claes, Claeys, Coppens, Cools, Declercq, Desmet, "
        "Dierckx, Goossens, Hendrickx, Hermans, Jacobs, Janssens, Lemmens, Maes, Martens, "
        "Mertens, Michiels, Moens, Nijs, Pauwels, Peeters, Segers, Smets, Stevens, Thijs, "
        "Verhoeven, Vermeulen, Verstraete, Wouters, Yilmaz, De Backer, De Smedt, El Idrissi, "
        "Van Damme, Van den Broeck"
    ),
    streets=(
        "Kerkstraat",
        "Molenweg",
        "Stationsstraat",
        "Lindenlaan",
        "Schoolstraat",
        "Dorpsplein",
        "Veldstraat",
        "Nieuwe Dreef",
    ),
    places=(
        ("2800", "Mechelen"),
        ("2812", "Muizen"),
        ("2801", "Heffen"),
        ("2860", "Sint-Katelijne"),
    ),
    classes=tuple(f"{year}{letter}" for year in range(1, 7) for letter in "AB"),
    family="Familie {}",
    canteen="Refter",
    campaigns=(
        Campaign(
            "Boeken en zwemmen, begin schooljaar",
            (
                Item("Kopieën en leesboeken", 31_00, "compulsory"),
                Item("Zwemmen, eerste trimester", 2_60, "compulsory", 8, 12),
            ),
            80,
            59,
            is_paid=True,
        ),
        Campaign(
            "Opvang, periode 1",
            (
                Item("Opvang, per half uur", 80, "service", 4, 30),
                Item("Huiswerkklas", 2_00, "service", 2, 12),
            ),
            52,
            37,
            is_paid=True,
        ),
        Campaign(
            "Maaltijden, periode 1",
            (
                Item("Warme maaltijd", 4_40, "service", 4, 20),
                Item("Soep", 70, "optional", 2, 15),
            ),
            24,
            -6,
            is_paid=True,
        ),
        Campaign(
            "Uitstap en bosklassen",
            (
                Item("Dag in het natuurpark, bus inbegrepen", 13_00, "compulsory"),
                Item("Bosklassen, voorschot", 55_00, "optional"),
            ),
            9,
            -21,
            is_paid=False,
        ),
    ),
    draft=Campaign(
        "Opvang, periode 2",
        (Item("Opvang, per half uur", 80, "service", 4, 30),),
        0,
        -15,
        is_paid=False,
    ),
    happenings=(
        Happening(
            "Oudercontact", "Op afspraak, tien minuten per leerling.", "Klaslokalen", 6, (16, 20)
        ),
        Happening("Pedagogische studiedag", "Geen les; opvang op inschrijving.", "", 13, None),
        Happening("Schoolfeest", "Zingen, spelen en taart.", "Speelplaats", 27, (14, 18)),
    ),
    greetings=(
        "Maaltijden {child}, bedankt",
        "Voor {child}",
        "Opvang {child} vorige maand",
        "Bosklassen {child}",
        "Saldo rekening school",
    ),
)
