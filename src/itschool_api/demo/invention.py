"""Invents schools and the people of schools. Pure: the same seed, the same people."""

import random
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from itschool_api import references
from itschool_api.auth.caller import Role
from itschool_api.banking.coda import Counterparty
from itschool_api.demo.words import DUTCH, FRENCH, Words

# A bank code that no bank has, and a BIC that goes with it: nobody can pay these by mistake.
_NO_BANK: Final = 999
_NO_BANKS_BIC: Final = "TILLBEBB"
_YOUNGEST: Final = 6
_MOST_CHILDREN: Final = 4
_DAYS_A_YEAR: Final = 365
# The company register has not come to these numbers.
_ENTERPRISES: Final = 9_999_900
_WITH_EMAIL: Final = 96  # in 100
_TWO_PARENTS: Final = 80
_SHARED_EMAIL: Final = 18
_WHOLE: Final = 10_000
_HALF: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SchoolPlan:
    """A school, and how much of everything it has."""

    words: Words
    seed: int
    name: str
    holder: str
    street: str
    postal_code: str
    city: str
    domain: str
    phone: str
    staff: Mapping[Role, tuple[str, str]]
    families: int
    separated: int
    """How many pairs among the families are separated parents."""
    students: int
    invoices: int
    drafts: int
    movements: int

    @property
    def email(self) -> str:
        """Return the address of the school's office."""
        return f"office@{self.domain}"

    @property
    def iban(self) -> str:
        """Return its account, at a bank that does not exist."""
        return _iban(_NO_BANK * 10**7 + self.seed)

    @property
    def bic(self) -> str:
        """Return the BIC of that bank."""
        return _NO_BANKS_BIC

    @property
    def enterprise_number(self) -> str:
        """Return a number whose check digits are right."""
        number = _ENTERPRISES + self.seed
        digits = f"{number:08d}{97 - number % 97:02d}"
        return f"{digits[:4]}.{digits[4:7]}.{digits[7:]}"


SCHOOLS: Final = (
    SchoolPlan(
        words=FRENCH,
        seed=11,
        name="École des Trois Tilleuls",
        holder="Ecole des Trois Tilleuls ASBL",
        street="Rue du Verger 12",
        postal_code="5000",
        city="Namur",
        domain="trois-tilleuls.example",
        phone="+32 81 00 00 11",
        staff={
            Role.TEACHER: ("Luc", "Henrard"),
            Role.MANAGER: ("Anne", "Delvaux"),
            Role.ACCOUNTANT: ("Marc", "Jacquemin"),
            Role.ADMIN: ("Sophie", "Lambert"),
        },
        families=180,
        separated=18,
        students=240,
        invoices=360,
        drafts=8,
        movements=500,
    ),
    SchoolPlan(
        words=DUTCH,
        seed=12,
        name="Basisschool De Zeven Linden",
        holder="Basisschool De Zeven Linden vzw",
        street="Boomgaardstraat 7",
        postal_code="2800",
        city="Mechelen",
        domain="zeven-linden.example",
        phone="+32 15 00 00 12",
        staff={
            Role.TEACHER: ("Bram", "Claes"),
            Role.MANAGER: ("Griet", "Vermeulen"),
            Role.ACCOUNTANT: ("Koen", "Segers"),
            Role.ADMIN: ("Lies", "Peeters"),
        },
        families=120,
        separated=10,
        students=160,
        invoices=240,
        drafts=4,
        movements=300,
    ),
)


@dataclass(frozen=True, slots=True)
class Parent:
    """A guardian to be."""

    first_name: str
    last_name: str
    email: str | None
    phone: str


@dataclass(frozen=True, slots=True)
class Child:
    """A student to be."""

    first_name: str
    last_name: str
    birth_date: date
    class_name: str
    external_key: str


@dataclass(frozen=True, slots=True)
class Home:
    """A family to be: whom invoices go to, and from which account they are paid."""

    name: str
    street: str
    postal_code: str
    city: str
    parents: tuple[Parent, ...]
    share_bp: int
    payer: Counterparty


@dataclass(frozen=True, slots=True)
class Household:
    """Siblings with their one home, or two where their parents are separated."""

    children: tuple[Child, ...]
    homes: tuple[Home, ...]


class Inventor:
    """Makes up a school's people from its seed; today only decides how old the children are."""

    def __init__(self, plan: SchoolPlan, today: date) -> None:
        self.random = random.Random(plan.seed)
        self._plan = plan
        self._words = plan.words
        self._today = today
        self._keys = iter(range(1, plan.students + 1))
        self._addresses: set[str] = set()

    def households(self) -> list[Household]:
        """Make up all households; the first is the demonstration parent's, with two children."""
        plan = self._plan
        count = plan.families - plan.separated
        sizes = [2] + [1] * (count - 1)
        while sum(sizes) < plan.students:
            place = self.random.randrange(1, count)
            if sizes[place] < _MOST_CHILDREN:
                sizes[place] += 1
        separated = set(self.random.sample(range(1, count), plan.separated))
        return [
            self._household(size, separated=place in separated) for place, size in enumerate(sizes)
        ]

    def _household(self, size: int, *, separated: bool) -> Household:
        surname = self._surname()
        children = tuple(self._children(surname, size))
        if separated:
            shares = self.random.choice([(_HALF, _HALF), (6_000, 4_000)])
            homes = (
                self._home(surname, (self._parent(surname),), shares[0]),
                self._home(other := self._surname(), (self._parent(other),), shares[1]),
            )
            return Household(children, homes)
        return Household(children, (self._home(surname, tuple(self._couple(surname)), _WHOLE),))

    def _children(self, surname: str, size: int) -> Iterator[Child]:
        names = self.random.sample(self._words.first_names, size)
        years = self.random.sample(range(len(self._words.classes) // 2), size)
        for name, year in zip(names, years, strict=True):
            age_days = (_YOUNGEST + year) * _DAYS_A_YEAR + self.random.randrange(_DAYS_A_YEAR)
            yield Child(
                name,
                surname,
                self._today - timedelta(days=age_days),
                self.random.choice(self._words.classes[2 * year : 2 * year + 2]),
                f"{self._words.language.upper()}-{next(self._keys):04d}",
            )

    def _couple(self, surname: str) -> Iterator[Parent]:
        """Make up one or two parents; some couples have one e-mail address, a few have none.

        The first family's have one, for the demonstration parent logs in.
        """
        has_email = not self._addresses or self._happens(_WITH_EMAIL)
        first = self._parent(surname, has_email=has_email)
        yield first
        if self._happens(_TWO_PARENTS):
            second = self._parent(self._surname())
            shares = self._happens(_SHARED_EMAIL)
            yield replace(second, email=first.email) if shares else second

    def _happens(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def _parent(self, surname: str, *, has_email: bool = True) -> Parent:
        name = self.random.choice(self._words.first_names)
        return Parent(
            name,
            surname,
            self._address(name, surname) if has_email else None,
            f"+32 4{self.random.randrange(70, 100)} {self.random.randrange(10**6):06d}",
        )

    def _address(self, name: str, surname: str) -> str:
        stem = f"{plain(name)}.{plain(surname)}".lower().replace(" ", "")
        address, again = f"{stem}@example.org", 2
        while address in self._addresses:
            address, again = f"{stem}{again}@example.org", again + 1
        self._addresses.add(address)
        return address

    def _home(self, surname: str, parents: tuple[Parent, ...], share_bp: int) -> Home:
        postal_code, city = self.random.choice(self._words.places)
        payer = f"{parents[0].last_name} {parents[0].first_name}"
        return Home(
            name=self._words.family.format(surname),
            street=f"{self.random.choice(self._words.streets)} {self.random.randrange(1, 180)}",
            postal_code=postal_code,
            city=city,
            parents=parents,
            share_bp=share_bp,
            payer=Counterparty(self.account(), "EUR", _NO_BANKS_BIC, plain(payer).upper()),
        )

    def _surname(self) -> str:
        return self.random.choice(self._words.last_names)

    def account(self) -> str:
        """Make up an account at the bank that does not exist."""
        return _iban(_NO_BANK * 10**7 + self.random.randrange(10_000, 10**7))


def plain(text: str) -> str:
    """Write a text without accents, as banks do."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _iban(number: int) -> str:
    """Make an IBAN of ten digits: a Belgian account number ends like a reference."""
    bban = references.issue(number)
    return f"BE{98 - int(bban + '111400') % 97:02d}{bban}"
