"""Logging in with a password, and what holds a guesser up (SEC-11, SEC-12, SEC-14, SEC-15, SEC-18)."""

import asyncio
import secrets
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response
from passlib.hash import argon2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from itschool_api import clock
from itschool_api.auth import limits, passwords
from itschool_api.auth.caller import Role
from tests.auth.ways_in import claims, log_in, me, refresh
from tests.kit import PASSWORD, School, client_of, ok, problem

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("within_a_window")]


async def bare(answer: Response) -> dict[str, object]:
    """Return a problem without what differs from request to request."""
    return {key: value for key, value in answer.json().items() if key != "request_id"}


async def test_a_password_opens_a_session_at_the_persons_school(
    app: FastAPI, school: School
) -> None:
    user_id, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        pair = ok(await log_in(client, f"  {name.upper()} "))

    assert (pair["token_type"], pair["expires_in"]) == ("bearer", 600)
    assert pair["school_id"] == str(school.id)
    assert set(pair["scope"].split()) >= {"wallets:read", "invoices:read"}
    mine = ok(await me(app, pair["access_token"]))
    assert (mine["user_id"], mine["school_id"]) == (str(user_id), str(school.id))
    assert claims(pair["access_token"])["school"] == str(school.id)


async def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(
    app: FastAPI, school: School
) -> None:
    """SEC-11."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        wrong = await log_in(client, name, "not the password")
        unknown = await log_in(client, f"nobody-{secrets.token_hex(6)}", "not the password")

    document = problem(wrong, 400, "invalid-grant")
    assert (document["error"], wrong.status_code) == ("invalid_grant", unknown.status_code)
    assert await bare(wrong) == await bare(unknown)


async def test_an_unknown_user_costs_a_hash_too(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-11: time tells nothing where the work is the same."""
    verified: list[str | None] = []
    real = passwords.verified

    def spy(password: str, stored: str | None) -> tuple[bool, str | None]:
        verified.append(stored)
        return real(password, stored)

    monkeypatch.setattr(passwords, "verified", spy)
    async with client_of(app) as client:
        await log_in(client, f"nobody-{secrets.token_hex(6)}", "not the password")

    assert verified == [None]
    assert passwords.verified("", None) == (False, None)


async def test_guessing_is_held_up_for_one_account_at_one_address(
    app: FastAPI, school: School
) -> None:
    """SEC-12."""
    _, name, _ = await school.user(Role.GUARDIAN)
    _, other, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as guesser, client_of(app) as elsewhere:
        for _ in range(limits.FAILURES_PER_ACCOUNT_AND_ADDRESS):
            problem(await log_in(guesser, name, "guess"), 400, "invalid-grant")
        refused = await log_in(guesser, name)
        problem(refused, 429, "too-many-attempts")
        assert int(refused.headers["retry-after"]) > 0
        assert (await log_in(guesser, other)).status_code == 200
        assert (await log_in(elsewhere, name)).status_code == 200


async def test_a_made_up_forwarded_address_changes_nothing(app: FastAPI, school: School) -> None:
    """SEC-12."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as guesser:
        for place in range(limits.FAILURES_PER_ACCOUNT_AND_ADDRESS):
            guesser.headers["X-Forwarded-For"] = f"198.51.100.{place}"
            guesser.headers["Forwarded"] = f"for=198.51.100.{place}"
            assert (await log_in(guesser, name, "guess")).status_code == 400
        guesser.headers["X-Forwarded-For"] = "198.51.100.99"
        assert (await log_in(guesser, name)).status_code == 429


async def test_addresses_of_one_ipv6_network_are_one(app: FastAPI, school: School) -> None:
    """SEC-12: whoever has one IPv6 address has 2^64 of them."""
    _, name, _ = await school.user(Role.GUARDIAN)
    network = f"2001:db8:{secrets.randbelow(65536):x}:{secrets.randbelow(65536):x}"

    async def attempt(host: str, password: str) -> int:
        transport = ASGITransport(app, client=(host, 1))
        async with AsyncClient(transport=transport, base_url="https://api.example.org") as client:
            return (await log_in(client, name, password)).status_code

    for place in range(limits.FAILURES_PER_ACCOUNT_AND_ADDRESS):
        assert await attempt(f"{network}::{place + 1:x}", "guess") == 400
    assert await attempt(f"{network}:a:b:c:d", PASSWORD) == 429
    assert await attempt("2001:db9::1", PASSWORD) == 200


async def test_one_address_cannot_go_through_all_accounts(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-12."""
    monkeypatch.setattr(limits, "FAILURES_PER_ADDRESS", 3)
    async with client_of(app) as guesser:
        for _ in range(3):
            answer = await log_in(guesser, f"nobody-{secrets.token_hex(6)}", "guess")
            assert answer.status_code == 400
        answer = await log_in(guesser, f"nobody-{secrets.token_hex(6)}", "guess")

    assert answer.status_code == 429


@pytest.mark.usefixtures("dear_hashing")
async def test_guesses_at_once_learn_no_more_than_guesses_in_a_row(
    app: FastAPI, school: School
) -> None:
    """SEC-12: and they neither starve the pool nor answer otherwise than by 400 or 429."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as guesser:
        answers = await asyncio.gather(*(log_in(guesser, name, "guess") for _ in range(40)))
        afterwards = await log_in(guesser, name)

    statuses = sorted(answer.status_code for answer in answers)
    wrong = statuses.count(400)
    assert set(statuses) <= {400, 429}
    assert wrong <= limits.FAILURES_PER_ACCOUNT_AND_ADDRESS
    assert afterwards.status_code == 429


async def test_a_right_guess_among_too_many_at_once_opens_nothing(
    app: FastAPI, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-12: it was let in before the others had failed, and counts after them."""
    monkeypatch.setattr(limits, "FAILURES_PER_ACCOUNT_AND_ADDRESS", 3)
    _, name, _ = await school.user(Role.GUARDIAN)
    real, was_let_in, others_failed = passwords.verified, threading.Event(), threading.Event()

    def last(password: str, stored: str | None) -> tuple[bool, str | None]:
        if password == PASSWORD:
            was_let_in.set()
            others_failed.wait(20)
        return real(password, stored)

    monkeypatch.setattr(passwords, "verified", last)
    async with client_of(app) as guesser:
        right = asyncio.create_task(log_in(guesser, name))
        assert await asyncio.to_thread(was_let_in.wait, 20)
        wrong = await asyncio.gather(*(log_in(guesser, name, "guess") for _ in range(4)))
        others_failed.set()

        assert sorted(int(answer.status_code) for answer in wrong) == [400, 400, 400, 429]
        problem(await right, 429, "too-many-attempts")


async def test_a_lock_out_ends_by_itself(
    app: FastAPI, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-12: nobody can lock a person out for good."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        for _ in range(limits.FAILURES_PER_ACCOUNT_AND_ADDRESS):
            await log_in(client, name, "guess")
        assert (await log_in(client, name)).status_code == 429
        later = clock.now() + limits.WINDOW
        monkeypatch.setattr(clock, "now", lambda: later)
        assert (await log_in(client, name)).status_code == 200


@pytest.mark.parametrize(
    ("form", "code", "error"),
    [
        ({"grant_type": "client_credentials"}, "unsupported-grant-type", "unsupported_grant_type"),
        ({"grant_type": "password", "username": "x"}, "incomplete-token-request", None),
        ({"grant_type": "password", "password": "x"}, "incomplete-token-request", None),
        ({"grant_type": "refresh_token"}, "incomplete-token-request", None),
    ],
)
async def test_a_token_request_that_lacks_something_says_so_as_oauth2_does(
    app: FastAPI, form: dict[str, str], code: str, error: str | None
) -> None:
    async with client_of(app) as client:
        document = problem(await client.post("/v1/auth/token", data=form), 400, code)

    assert document["error"] == (error or "invalid_request")
    assert document["error_description"]


@pytest.mark.parametrize("name", ["\x00", "a\x00b", "😀", "x" * 254, "'; --", "%"])
async def test_no_user_name_breaks_the_login(app: FastAPI, name: str) -> None:
    async with client_of(app) as client:
        assert (await log_in(client, name, "guess")).status_code in {400, 422}


async def test_a_disabled_user_is_out_at_once(
    app: FastAPI, school: School, owner: AsyncEngine
) -> None:
    """SEC-18."""
    user_id, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        pair = ok(await log_in(client, name))
        async with owner.begin() as connection:
            await connection.execute(
                text("UPDATE users SET disabled_at = now() WHERE id = :id"), {"id": user_id}
            )

        assert (await me(app, pair["access_token"])).status_code == 401
        problem(await refresh(client, pair["refresh_token"]), 400, "invalid-grant")
        problem(await log_in(client, name), 400, "invalid-grant")


async def test_a_lost_role_counts_from_the_next_request(school: School, owner: AsyncEngine) -> None:
    """SEC-06, SEC-18: roles are read each time, not carried in the token."""
    user_id, _, client = await school.user(Role.MANAGER, Role.TEACHER)
    assert (await client.get("/v1/families")).status_code == 200
    async with owner.begin() as connection:
        await connection.execute(
            text("DELETE FROM memberships WHERE user_id = :id AND role = 'manager'"),
            {"id": user_id},
        )
    assert (await client.get("/v1/families")).status_code == 403
    assert (await client.get("/v1/events")).status_code == 200
    async with owner.begin() as connection:
        await connection.execute(
            text("DELETE FROM memberships WHERE user_id = :id"), {"id": user_id}
        )

    assert (await client.get("/v1/events")).status_code == 401


async def test_logging_out_counts_at_once(app: FastAPI, school: School) -> None:
    """SEC-18."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        pair, other = ok(await log_in(client, name)), ok(await log_in(client, name))
        async with client_of(app, pair["access_token"]) as session:
            ok(await session.post("/v1/auth/logout"), 204)
            assert (await session.get("/v1/me")).status_code == 401
        problem(await refresh(client, pair["refresh_token"]), 400, "invalid-grant")
        assert (await me(app, other["access_token"])).status_code == 200


async def test_a_new_password_ends_all_other_sessions(app: FastAPI, school: School) -> None:
    """SEC-18."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        here, there = ok(await log_in(client, name)), ok(await log_in(client, name))
        async with client_of(app, here["access_token"]) as session:
            form = {"new_password": "drie kleine kleutertjes", "current_password": PASSWORD}
            fresh = ok(await session.put("/v1/me/password", json=form))

        for old in (here, there):
            assert (await me(app, old["access_token"])).status_code == 401
            problem(await refresh(client, old["refresh_token"]), 400, "invalid-grant")
        assert (await me(app, fresh["access_token"])).status_code == 200
        assert (await refresh(client, fresh["refresh_token"])).status_code == 200
        problem(await log_in(client, name), 400, "invalid-grant")
        assert (await log_in(client, name, "drie kleine kleutertjes")).status_code == 200


async def test_the_present_password_is_asked_for_and_cannot_be_guessed(school: School) -> None:
    """SEC-12: whoever finds a phone unlocked does not own the account."""
    _, _, client = await school.user(Role.GUARDIAN)
    new = {"new_password": "drie kleine kleutertjes"}

    problem(await client.put("/v1/me/password", json=new), 403, "wrong-password")
    for _ in range(limits.FAILURES_PER_ACCOUNT_AND_ADDRESS - 1):
        wrong = await client.put("/v1/me/password", json=new | {"current_password": "guess guess"})
        problem(wrong, 403, "wrong-password")
    right = await client.put("/v1/me/password", json=new | {"current_password": PASSWORD})
    problem(right, 429, "too-many-attempts")


@pytest.mark.parametrize(
    ("password", "status"),
    [
        ("short77", 422),
        ("zq7gh2kd", 200),
        ("a" * 127 + "é", 200),
        ("a" * 128 + "é", 422),
        ("password", 422),
        ("PassWord1", 422),
        ("iloveyou1", 422),
        ("passwordpassword", 422),
        ("  blanks at both ends  ", 200),
        (" " * 12, 422),
        (" \t\u00a0\u3000 \u2003  ", 422),
        ("ouistiti ouistiti", 200),
        ("密码密码密码密码", 200),
        ("tab\tand\x00nul and more", 200),
    ],
)
async def test_passwords_are_judged_by_length_and_by_how_common_they_are(
    school: School, app: FastAPI, password: str, status: int
) -> None:
    """SEC-14, SEC-15."""
    _, name, client = await school.user(Role.GUARDIAN)
    answer = await client.put(
        "/v1/me/password", json={"new_password": password, "current_password": PASSWORD}
    )

    assert answer.status_code == status, answer.text
    if status == 200:
        async with client_of(app) as anonymous:
            assert (await log_in(anonymous, name, password)).status_code == 200
            # Nothing is cut off and nothing trimmed.
            assert (await log_in(anonymous, name, password[:-1])).status_code == 400
            assert (await log_in(anonymous, name, password + " ")).status_code == 400


async def test_the_user_name_is_no_password(school: School) -> None:
    """SEC-15."""
    _, name, client = await school.user(Role.GUARDIAN)
    answer = await client.put(
        "/v1/me/password", json={"new_password": name, "current_password": PASSWORD}
    )

    problem(answer, 422, "common-password")


@pytest.mark.parametrize(
    ("password", "guessable"),
    [
        ("lea.vandenbossche", True),
        ("Vandenbossche1", True),
        ("vandenbossche2018", True),
        ("Léa-vandenBossche!", True),
        ("lea12345", True),
        ("iT-School2026", True),
        ("bienvenue2026", True),
        ("vandenbossche84729163", False),
        ("lea mange une pomme", False),
        ("school bus in the rain", False),
        ("trois petits chats", False),
    ],
)
def test_a_password_made_of_ones_own_name_or_the_platforms_is_refused(
    password: str, *, guessable: bool
) -> None:
    """SEC-15: what a stranger tries first (6.2.11)."""
    known = ("lea.vandenbossche", "Léa", "Van den Bossche", "lea@example.org")

    assert passwords.is_guessable(password, known) is guessable


async def test_a_password_made_of_the_user_name_is_refused(school: School) -> None:
    """SEC-15."""
    _, name, client = await school.user(Role.GUARDIAN)
    answer = await client.put(
        "/v1/me/password", json={"new_password": f"{name}2026", "current_password": PASSWORD}
    )

    problem(answer, 422, "common-password")


def test_the_3000_commonest_passwords_are_refused() -> None:
    """SEC-15."""
    ranked = FREQUENCY_LISTS["passwords"]
    commonest = list(ranked)[:3000]

    assert len(commonest) == 3000
    assert all(
        len(password) < passwords.SHORTEST or passwords.is_common(password)
        for password in commonest
    )


@pytest.mark.usefixtures("dear_hashing")
async def test_a_weaker_hash_is_renewed_at_login(
    app: FastAPI, school: School, owner: AsyncEngine
) -> None:
    """SEC-14: stored as argon2id; when the cost rises, the next login pays it."""
    user_id, name, _ = await school.user(Role.GUARDIAN)
    weak = argon2.using(type="ID", memory_cost=1024, rounds=1, parallelism=1).hash(PASSWORD)
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE users SET password_hash = :hash WHERE id = :id"),
            {"hash": weak, "id": user_id},
        )
    async with client_of(app) as client:
        ok(await log_in(client, name))
        async with owner.connect() as connection:
            stored = await connection.scalar(
                text("SELECT password_hash FROM users WHERE id = :id"), {"id": user_id}
            )
        ok(await log_in(client, name))

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_session_ends_when_its_time_is_over(
    app: FastAPI, school: School, owner: AsyncEngine
) -> None:
    user_id, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        pair = ok(await log_in(client, name))
        async with owner.begin() as connection:
            await connection.execute(
                text("UPDATE sessions SET expires_at = :then WHERE user_id = :id"),
                {"then": datetime.now(UTC) - timedelta(seconds=1), "id": user_id},
            )
        assert (await me(app, pair["access_token"])).status_code == 401
        problem(await refresh(client, pair["refresh_token"]), 400, "invalid-grant")


async def test_no_connection_is_held_while_a_password_is_hashed(
    app: FastAPI, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People who log in all at once keep nobody from reading."""
    _, name, client = await school.user(Role.GUARDIAN)
    pool = app.state.sessions.kw["bind"].pool
    held: list[int] = []
    verified, hashed = passwords.verified, passwords.hashed

    def spy(password: str, stored: str | None) -> tuple[bool, str | None]:
        held.append(pool.checkedout())
        return verified(password, stored)

    def spy_on_hash(password: str) -> str:
        held.append(pool.checkedout())
        return hashed(password)

    monkeypatch.setattr(passwords, "verified", spy)
    monkeypatch.setattr(passwords, "hashed", spy_on_hash)
    async with client_of(app) as anonymous:
        assert (await log_in(anonymous, name)).status_code == 200
        assert (await log_in(anonymous, name, "not the password")).status_code == 400
    form = {"new_password": "drie kleine kleutertjes", "current_password": PASSWORD}
    ok(await client.put("/v1/me/password", json=form))

    assert held == [0, 0, 0, 0]


async def test_few_passwords_are_hashed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the threads that hash would starve the one that answers everybody."""
    lock, running, most = threading.Lock(), 0, 0

    def slow(_: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return ""

    monkeypatch.setattr(passwords, "hashed", slow)
    await asyncio.gather(*(passwords.in_thread(passwords.hashed, "x") for _ in range(12)))

    assert most == 2
