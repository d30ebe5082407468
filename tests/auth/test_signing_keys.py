"""Signing keys change while the service runs, and no request fails (SEC-22)."""

import asyncio
import io
import subprocess
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from jose import jwk, jwt

from itschool_api import clock
from itschool_api.app import create_app
from itschool_api.auth import signing_keys, tokens
from itschool_api.auth.caller import Role
from itschool_api.database import create_engine, create_sessions
from itschool_api.settings import Settings
from tests.auth.ways_in import log_in, me, refresh
from tests.kit import client_of, counted_statements, ok, open_school, problem
from tests.served import ITSCHOOL, environment, served
from tests.spare import Spare

pytestmark = pytest.mark.anyio

LIFE = timedelta(minutes=10)


def kid_of(token: str) -> str:
    """Return the id of the key that signed a token."""
    return str(jwt.get_unverified_header(token)["kid"])


def with_kid(token: str, kid: str) -> str:
    """Return a token with another key's id, which no longer fits its signature."""
    header, rest = token.split(".", 1)
    del header
    head = {"alg": "ES256", "typ": "JWT", "kid": kid}
    forged = jwt.encode({}, "x" * 40, "HS256", headers=head)
    return f"{forged.split('.', 1)[0]}.{rest}"


async def keys_command(settings: Settings, url: str, folder: Path, *words: str) -> str:
    """Run `itschool keys …`, and return what it says."""

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own command
            [ITSCHOOL, "keys", *words],
            cwd=folder,
            env=environment(settings, url),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    ended = await asyncio.to_thread(run)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


class Crowd:
    """Apps that refresh at one server and ask at another, all the time."""

    def __init__(self, urls: list[str], pairs: list[Any]) -> None:
        self._clients = [AsyncClient(base_url=url, timeout=30) for url in urls]
        self._pairs = pairs
        self.statuses: Counter[int] = Counter()
        self.kids: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for place in range(len(self._pairs)):
            self._tasks.append(asyncio.create_task(self._go_on(place)))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self._clients:
            await client.aclose()

    async def _go_on(self, place: int) -> None:
        while True:
            for here, there in (self._clients, self._clients[::-1]):
                answer = await refresh(here, self._pairs[place]["refresh_token"])
                self.statuses[int(answer.status_code)] += 1
                self._pairs[place] = answer.json()
                token = self._pairs[place]["access_token"]
                self.kids[kid_of(token)] += 1
                for client in (there, here):
                    headers = {"Authorization": f"Bearer {token}"}
                    answer = await client.get("/v1/me", headers=headers)
                    self.statuses[int(answer.status_code)] += 1

    async def until(self, kid: str, times: int) -> None:
        """Wait until a key has signed that often."""
        async with asyncio.timeout(60):
            while self.kids[kid] < times:  # noqa: ASYNC110 - nobody signals it
                await asyncio.sleep(0.05)


async def test_keys_change_under_load_and_no_request_fails(
    settings: Settings, spare: Spare, tmp_path: Path
) -> None:
    """SEC-22: two processes, `itschool keys rotate`, then `retire`: the old key is refused."""
    app = create_app(settings, spare.url)
    async with app.router.lifespan_context(app), client_of(app) as client:
        school = await open_school(app)
        _, name, _ = await school.user(Role.MANAGER)
        pairs = [ok(await log_in(client, name)) for _ in range(2)]
    first = pairs[0]
    old = kid_of(first["access_token"])

    async def ask(url: str, token: str) -> int:
        async with AsyncClient(base_url=url, timeout=30) as client:
            headers = {"Authorization": f"Bearer {token}"}
            return int((await client.get("/v1/me", headers=headers)).status_code)

    async with (
        served(settings, spare.url, tmp_path) as here,
        served(settings, spare.url, tmp_path) as there,
    ):
        async with Crowd([here, there], pairs) as crowd:
            await crowd.until(old, 20)
            said = await keys_command(
                settings, spare.url, tmp_path, "rotate", "--lead-minutes", "0"
            )
            new = said.split()[2].rstrip(":")
            assert old in said
            # One process learns of it from a token that it does not know, here a made-up one; the
            # other from the tokens that the first signs from then on.
            assert await ask(here, with_kid(first["access_token"], "unknown")) == 401
            await crowd.until(new, 20)
            for url in (here, there):
                assert await ask(url, first["access_token"]) == 200
        assert set(crowd.statuses) == {200}, crowd.statuses
        assert crowd.statuses[200] > 100
        assert set(crowd.kids) == {old, new}

        last = pairs[-1]["access_token"]
        assert new in await keys_command(settings, spare.url, tmp_path, "retire", old)
        # What they have not heard of, they hear of soon: here by a key that they do not know.
        async with asyncio.timeout(90):
            while {await ask(url, first["access_token"]) for url in (here, there)} != {401}:
                for url in (here, there):
                    await ask(url, with_kid(first["access_token"], "unknown"))
                await asyncio.sleep(0.5)
        for url in (here, there):
            assert await ask(url, last) == 200
    listed = await keys_command(settings, spare.url, tmp_path, "list")
    assert [line.split()[:2] for line in listed.splitlines()] == [[old, "retired"], [new, "signs"]]


@pytest.fixture
async def own(settings: Settings, spare: Spare) -> Any:
    """An application with keys of its own."""
    app = create_app(settings, spare.url)
    async with app.router.lifespan_context(app):
        yield app


async def rotate(app: FastAPI, lead: timedelta) -> signing_keys.Rotation:
    """Rotate as the command does."""
    secret = app.state.settings.secret_key.get_secret_value()
    async with app.state.sessions.begin() as session:
        return await signing_keys.rotate(session, secret, lead=lead, access_life=LIFE)


async def test_a_new_key_is_published_before_it_signs_and_the_old_one_outlives_its_tokens(
    own: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-22."""
    school = await open_school(own)
    _, name, _ = await school.user(Role.GUARDIAN)
    began = clock.now()
    rotation = await rotate(own, timedelta(minutes=10))
    (old,) = rotation.replaced
    await own.state.keys.reload()
    async with client_of(own) as client:

        async def published() -> set[str]:
            return {key["kid"] for key in ok(await client.get("/.well-known/jwks.json"))["keys"]}

        async def signing() -> str:
            return kid_of(ok(await log_in(client, name))["access_token"])

        assert await published() == {old, rotation.kid}
        for minutes, signs, verifies in (
            (0, old, {old, rotation.kid}),
            (9.9, old, {old, rotation.kid}),
            (10.1, rotation.kid, {old, rotation.kid}),
            (20.9, rotation.kid, {old, rotation.kid}),
            (21.1, rotation.kid, {rotation.kid}),
        ):
            now = began + timedelta(minutes=minutes)
            monkeypatch.setattr(clock, "now", lambda now=now: now)
            assert await signing() == signs, minutes
            assert await published() == verifies, minutes
        # Its last token had expired by then.
        assert rotation.verify_until - LIFE > rotation.signs_from


async def test_a_retired_keys_tokens_are_refused_to_the_second(
    own: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-22: also in a process that has heard of nothing since."""
    school = await open_school(own)
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(own) as client:
        token = ok(await log_in(client, name))["access_token"]
    monkeypatch.setattr(signing_keys, "_CLOCKS", timedelta(0))
    secret = own.state.settings.secret_key.get_secret_value()
    async with own.state.sessions.begin() as session:
        rotation = await signing_keys.rotate(
            session, secret, lead=timedelta(0), access_life=timedelta(minutes=5)
        )
    await own.state.keys.reload()
    for seconds, status in ((-1, 200), (0, 401)):
        now = rotation.verify_until + timedelta(seconds=seconds)
        monkeypatch.setattr(clock, "now", lambda now=now: now)
        assert (await me(own, token)).status_code == status


async def test_made_up_keys_do_not_make_us_ask_the_database(own: FastAPI) -> None:
    """SEC-22: one look in five seconds, however many ids are tried."""
    school = await open_school(own)
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(own) as client:
        token = ok(await log_in(client, name))["access_token"]
    looks = 0
    real = own.state.keys.reload

    async def counted() -> None:
        nonlocal looks
        looks += 1
        await real()

    own.state.keys.reload = counted
    with counted_statements(own) as statements:
        answers = await asyncio.gather(
            *(me(own, with_kid(token, f"made-up-{place}")) for place in range(50))
        )

    assert {int(answer.status_code) for answer in answers} == {401}
    assert looks == 1
    assert statements == []
    for answer in answers:
        problem(answer, 401, "invalid-access-token")


async def test_a_process_learns_of_a_key_from_its_first_token(
    own: FastAPI, settings: Settings, spare: Spare
) -> None:
    """SEC-22: and all that ask at once wait for the same look."""
    other = create_app(settings, spare.url)
    async with other.router.lifespan_context(other):
        school = await open_school(own)
        _, name, _ = await school.user(Role.GUARDIAN)
        rotation = await rotate(own, timedelta(0))
        await own.state.keys.reload()
        async with client_of(own) as client:
            token = ok(await log_in(client, name))["access_token"]
        assert kid_of(token) == rotation.kid
        answers = await asyncio.gather(*(me(other, token) for _ in range(20)))

    assert {int(answer.status_code) for answer in answers} == {200}


async def test_a_running_process_looks_by_itself(
    own: FastAPI, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    """SEC-22: nobody restarts it; and a database that is away for a while does not end it."""
    monkeypatch.setattr(signing_keys, "RELOAD_EVERY", timedelta(seconds=0.05))
    real = own.state.keys.reload
    failures = 2

    async def failing() -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise ConnectionRefusedError
        await real()

    own.state.keys.reload = failing
    task = asyncio.create_task(own.state.keys.keep_up())
    rotation = await rotate(own, timedelta(0))
    async with asyncio.timeout(20):
        while not own.state.keys.ring.knows(rotation.kid):  # noqa: ASYNC110 - nobody signals it
            await asyncio.sleep(0.02)
    task.cancel()

    assert log.getvalue().count('"keys.not_reloaded"') == 2


async def test_the_key_set_verifies_tokens_and_holds_nothing_private(own: FastAPI) -> None:
    """SEC-22: as another program would, from what is published alone."""
    school = await open_school(own)
    user_id, name, _ = await school.user(Role.GUARDIAN)
    await rotate(own, timedelta(minutes=10))
    await own.state.keys.reload()
    async with client_of(own) as client:
        token = ok(await log_in(client, name))["access_token"]
        answer = await client.get("/.well-known/jwks.json")
    keys = ok(answer)["keys"]

    assert answer.headers["cache-control"] == "public, max-age=300"
    assert signing_keys.LEAD > signing_keys.CACHED_FOR + signing_keys.RELOAD_EVERY
    assert len(keys) == 2
    for key in keys:
        assert set(key) == {"kid", "kty", "crv", "alg", "use", "x", "y"}
        assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
    (own_key,) = [key for key in keys if key["kid"] == kid_of(token)]
    claims = jwt.decode(
        token, jwk.construct(own_key), algorithms=["ES256"], audience="itschool-api"
    )
    assert claims["sub"] == str(user_id)


async def test_a_key_that_leaked_goes_at_once_and_another_signs(own: FastAPI) -> None:
    """SEC-22: the one that signs, the only one, the one to come, and one that never was."""
    secret = own.state.settings.secret_key.get_secret_value()

    async def retire(kid: str) -> str:
        async with own.state.sessions.begin() as session:
            successor = await signing_keys.retire(session, secret, kid)
        await own.state.keys.reload()
        assert not own.state.keys.ring.knows(kid)
        async with own.state.sessions.begin() as session:
            keys = await signing_keys.all_keys(session)
        now = clock.now()
        assert tokens.signer(keys, now).kid == successor
        assert tokens.is_alive(tokens.signer(keys, now), now)
        assert tokens.signer(keys, now).signs_from <= now
        return successor

    first = own.state.keys.ring.public(clock.now())[0]["kid"]
    second = await retire(first)
    third = (await rotate(own, timedelta(minutes=10))).kid
    assert await retire(second) == third
    fourth = (await rotate(own, timedelta(minutes=10))).kid
    assert await retire(fourth) not in {first, second, third, fourth}
    with pytest.raises(signing_keys.SigningKeyNotFound):
        await retire("never-was")


async def test_retired_keys_are_deleted_in_the_end(
    own: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-22: a private key that nothing needs is only a danger."""
    (old,) = (await rotate(own, timedelta(minutes=10))).replaced
    for days, kept in ((29, True), (32, False)):
        now = clock.now() + timedelta(days=days if kept else 3)
        monkeypatch.setattr(clock, "now", lambda now=now: now)
        await rotate(own, timedelta(minutes=10))
        async with own.state.sessions.begin() as session:
            kids = {key.kid for key in await signing_keys.all_keys(session)}
        assert (old in kids) is kept


async def test_keys_under_another_secret_are_not_taken(own: FastAPI) -> None:
    """SEC-36: a process with another secret does not start, and says why."""
    engine = create_engine(
        own.state.sessions.kw["bind"].url.render_as_string(hide_password=False), pool_size=1
    )
    with pytest.raises(tokens.WrongSecretKey, match="another secret key"):
        await signing_keys.load(create_sessions(engine), "another secret" * 4, "https://x")
    await engine.dispose()


async def test_an_empty_table_leaves_a_running_process_its_keys(own: FastAPI, spare: Spare) -> None:
    """A mishap in the database is no reason to refuse everybody."""
    known = own.state.keys.ring.public(clock.now())
    await spare.run("DELETE FROM signing_keys")
    await own.state.keys.reload()

    assert own.state.keys.ring.public(clock.now()) == known
