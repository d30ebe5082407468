"""User names: readable, unique, and none that looks like another."""

import asyncio
import re
from itertools import pairwise

import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter, ValidationError

from itschool_api import clock
from itschool_api.auth import service as auth
from itschool_api.auth import user_names
from itschool_api.auth.caller import Role
from itschool_api.auth.repository import Users
from itschool_api.database import Sessions, enter_school, new_id
from tests.kit import School, counted_statements

pytestmark = pytest.mark.anyio
_FORM: TypeAdapter[str] = TypeAdapter(user_names.NewUserName)


def people(count: int, first_name: str, last_name: str) -> list[auth.NewPerson]:
    return [
        auth.NewPerson(first_name=first_name, last_name=last_name, email=None, language="fr")
    ] * count


@pytest.mark.parametrize(
    ("first_name", "last_name", "stem"),
    [
        ("An", "Peeters", "an.peeters"),
        ("Jean-Noël", "d'Hondt", "jeannoel.dhondt"),
        ("Søren", "Łęcki", "soren.lecki"),
        ("Ömer", "Y\N{LATIN SMALL LETTER DOTLESS I}lmaz", "omer.yilmaz"),
        ("Änne", "Groß", "anne.gross"),
        ("Олена", "Peeters", "peeters"),
        ("Олена", "Шевченко", "user"),
        ("محمد", "", "user"),
        ("", "", "user"),
        ("O", "", "user"),
        ("A" * 120, "B" * 120, "a" * 28 + "." + "b" * 28),
    ],
)
def test_a_user_name_is_made_of_the_latin_letters_of_the_names(
    first_name: str, last_name: str, stem: str
) -> None:
    assert user_names.stem(first_name, last_name) == stem
    for attempt in range(5):
        for name in user_names.candidates(first_name, last_name, attempt):
            assert _FORM.validate_python(name) == name
            assert name.startswith(stem)


@pytest.mark.parametrize(
    "typed",
    [
        "an",
        "a" * 65,
        "an peeters",
        "an.peeters@example.org",
        "\N{CYRILLIC SMALL LETTER A}n.peeters",
        "an.peeters\n",
        "\N{KELVIN SIGN}im.peeters",
        "\N{FULLWIDTH LATIN SMALL LETTER K}im.peeters",
        ".an",
        "an..peeters",
        "an.peeters-",
        "an\u200bpeeters",
    ],
)
def test_what_would_look_like_another_name_is_no_user_name(typed: str) -> None:
    with pytest.raises(ValidationError):
        _FORM.validate_python(typed)


def test_a_user_name_is_lower_case() -> None:
    assert _FORM.validate_python("An.Peeters_2") == "an.peeters_2"


async def test_many_users_take_no_more_statements_than_few(app: FastAPI, school: School) -> None:
    """The parents of a whole school are one step of an import."""
    counts = []
    for count in (3, 500):
        async with school.sessions.begin() as session:
            await enter_school(session, school.id)
            with counted_statements(app) as statements:
                made = await auth.create_users(
                    session, school.id, [Role.GUARDIAN], people(count, f"Many{count}", "Same")
                )
        counts.append(len(statements))
        assert len({user.user_name for user in made}) == count
        assert all(re.fullmatch(rf"many{count}\.same\d*", user.user_name) for user in made)

    assert abs(counts[1] - counts[0]) <= 4  # a second round of names, should many have met


async def test_names_are_given_in_the_order_of_the_people(school: School) -> None:
    async with school.sessions.begin() as session:
        await enter_school(session, school.id)
        made = await auth.create_users(
            session,
            school.id,
            [Role.GUARDIAN],
            [*people(1, "Zoë", "Ordered"), *people(1, "Adam", "Ordered")],
        )

    assert [user.user_name.split(".")[0] for user in made] == ["zoe", "adam"]
    assert [user.first_name for user in made] == ["Zoë", "Adam"]


async def test_of_two_made_at_once_the_second_gets_another_name(
    sessions: Sessions, school: School
) -> None:
    async def make() -> str:
        async with sessions.begin() as session:
            await enter_school(session, school.id)
            user = await auth.create_user(
                session,
                school.id,
                [Role.GUARDIAN],
                first_name="At",
                last_name="Once",
                email=None,
                language="fr",
            )
            await asyncio.sleep(0.05)  # the others look for a name before this one is kept
            return user.user_name

    names = await asyncio.gather(*(make() for _ in range(8)))

    assert "at.once" in names
    assert len(set(names)) == 8


async def test_a_name_that_is_taken_ten_thousand_times_is_made_all_the_same(
    school: School,
) -> None:
    """No search for a free number goes on for ever."""
    async with school.sessions() as session:
        await enter_school(session, school.id)
        every = [f"ten.thousand{number:04}" for number in range(10_000)] + ["ten.thousand"]
        rows = [
            {
                "id": new_id(),
                "user_name": name,
                "first_name": "Ten",
                "last_name": "Thousand",
                "language": "fr",
                "created_at": clock.now(),
            }
            for name in every
        ]
        await Users(session).add_unless_taken(rows)
        names = await auth.free_user_names(session, [("Ten", "Thousand")] * 3)
        await session.rollback()

    assert all(re.fullmatch(r"ten\.thousand\d{5}", name) for name in names)
    assert all(one != other for one, other in pairwise(sorted(names)))
