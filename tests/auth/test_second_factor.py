"""The second factor: what it protects, what it does not shut, and what a guesser finds of it."""

import asyncio
import io
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api.auth import limits, proofs
from itschool_api.auth.caller import Role
from itschool_api.auth.repository import SecondFactors
from tests.auth.authenticator import (
    Person,
    Phone,
    Watch,
    begin,
    enrol,
    protected,
)
from tests.auth.ways_in import log_in, me, refresh, restricted_session
from tests.kit import PASSWORD, School, client_of, ok, problem
from tests.outbox.post import Mailbox, Post, plain

pytestmark = pytest.mark.anyio

HERE = "/v1/me/second-factor"
NEW_PASSWORD = "drie kleine kleutertjes"


def without_id(document: Any) -> Any:
    """Return a problem without what differs from request to request."""
    return {key: value for key, value in document.items() if key != "request_id"}


async def test_from_the_first_scan_to_the_next_login(
    app: FastAPI, school: School, watch: Watch
) -> None:
    _, name, client = await school.user(Role.TEACHER)
    async with client_of(app) as anonymous:
        elsewhere = ok(await log_in(anonymous, name))
        assert ok(await client.get(HERE)) == {
            "state": "none",
            "confirmed_at": None,
            "recovery_codes_left": 0,
            "required": False,
        }

        offered = await begin(client)
        phone = Phone.scanned(watch, offered["uri"])
        assert offered["secret"] in offered["uri"]
        assert offered["qr_code"].startswith("data:image/svg+xml")
        assert ok(await client.get(HERE))["state"] == "pending"
        assert (await log_in(anonymous, name)).status_code == 200  # it counts from the first code

        confirmed = await client.post(f"{HERE}/confirmation", json={"otp": phone.code()})
        codes = ok(confirmed)["recovery_codes"]
        assert len(set(codes)) == 10
        assert all(len(code.replace("-", "")) == 24 for code in codes)  # 120 bits
        found = ok(await client.get(HERE))
        assert (found["state"], found["recovery_codes_left"]) == ("confirmed", 10)
        assert found["confirmed_at"] == watch.at.isoformat().replace("+00:00", "Z")

        # The session that set it up goes on, the others end.
        assert (await me(app, elsewhere["access_token"])).status_code == 401
        problem(await refresh(anonymous, elsewhere["refresh_token"]), 400, "invalid-grant")

        asked = problem(await log_in(anonymous, name), 400, "second-factor-required")
        assert asked["error"] == "invalid_grant"
        assert "otp" in asked["error_description"]
        code = phone.next_code()
        pair = ok(await log_in(anonymous, name, otp=f"{code[:3]} {code[3:]}"))
        assert (await me(app, pair["access_token"])).status_code == 200
        assert (await refresh(anonymous, pair["refresh_token"])).status_code == 200


async def test_a_wrong_password_tells_nothing_of_a_second_factor(
    app: FastAPI, school: School, watch: Watch
) -> None:
    """SEC-11: with or without a code, right or wrong."""
    with_one = await protected(school, watch)
    _, without_one, _ = await school.user(Role.TEACHER)
    answers = []
    async with client_of(app) as guesser:
        for name in (with_one.name, without_one, "nobody-at-all"):
            for more in ({}, {"otp": with_one.phone.next_code()}, {"otp": "garbage"}):
                refused = await log_in(guesser, name, "not the password", **more)
                answers.append(without_id(problem(refused, 400, "invalid-grant")))

    assert all(answer == answers[0] for answer in answers)
    # The code that came with a wrong password was not used up, nor did it count as wrong.
    ok(await with_one.log_in(with_one.phone.code()))


async def test_a_code_works_once(school: School, watch: Watch) -> None:
    person = await protected(school, watch)
    # That of the confirmation is used already.
    problem(await person.log_in(person.phone.code()), 400, "wrong-code")
    code = person.phone.next_code()
    ok(await person.log_in(code))
    problem(await person.log_in(code), 400, "wrong-code")
    # Nor does one of before, once a later one was used.
    early = person.phone.code(1)
    ok(await person.log_in(early))
    watch.forward(seconds=30)
    problem(await person.log_in(person.phone.code()), 400, "wrong-code")


@pytest.mark.parametrize(("steps", "status"), [(-2, 400), (-1, 200), (0, 200), (1, 200), (2, 400)])
async def test_a_clock_may_go_half_a_minute_wrong(
    school: School, watch: Watch, steps: int, status: int
) -> None:
    person = await protected(school, watch)
    watch.forward(minutes=5)

    assert (await person.log_in(person.phone.code(steps))).status_code == status


async def test_of_twenty_logins_with_one_code_one_succeeds(school: School, watch: Watch) -> None:
    """SEC-08."""
    person = await protected(school, watch)
    code = person.phone.next_code()

    answers = await asyncio.gather(*(person.log_in(code) for _ in range(20)))

    assert sorted({answer.status_code for answer in answers}) in ([200, 400], [200, 400, 429])
    assert [answer.status_code for answer in answers].count(200) == 1


async def test_a_step_of_time_is_used_up_by_one_of_many(school: School, watch: Watch) -> None:
    """SEC-08: by the row itself, whatever is locked around it."""
    person = await protected(school, watch)

    async def accept() -> bool:
        async with school.sessions.begin() as session:
            return await SecondFactors(session).accept(person.id, watch.step + 1)

    assert sum(await asyncio.gather(*(accept() for _ in range(20)))) == 1


async def test_each_recovery_code_works_once_and_for_its_owner(
    school: School, watch: Watch
) -> None:
    person, other = await protected(school, watch), await protected(school, watch)
    problem(await other.log_in(person.recovery_codes[0]), 400, "wrong-code")
    for code in person.recovery_codes[:-1]:
        ok(await person.log_in(code.lower().replace("-", " ")))
    problem(await person.log_in(person.recovery_codes[0]), 400, "wrong-code")
    assert ok(await person.client.get(HERE))["recovery_codes_left"] == 1

    answers = await asyncio.gather(*(person.log_in(person.recovery_codes[-1]) for _ in range(20)))

    assert [answer.status_code for answer in answers].count(200) == 1
    assert ok(await person.client.get(HERE))["recovery_codes_left"] == 0


async def test_new_recovery_codes_end_the_former_ones(school: School, watch: Watch) -> None:
    person = await protected(school, watch)
    proof = {"current_password": PASSWORD, "otp": person.phone.next_code()}
    renewed = ok(await person.client.post(f"{HERE}/recovery-codes", json=proof), 201)

    assert not set(renewed["recovery_codes"]) & set(person.recovery_codes)
    problem(await person.log_in(person.recovery_codes[0]), 400, "wrong-code")
    ok(await person.log_in(renewed["recovery_codes"][0]))


@pytest.mark.parametrize("form", [{}, {"otp": "000000"}])
async def test_nothing_of_it_changes_without_password_and_code(
    school: School, watch: Watch, form: dict[str, str]
) -> None:
    """Whoever finds a phone unlocked, or an open session, does not own the account."""
    person = await protected(school, watch)
    client, code = person.client, person.phone.next_code()
    for method, path in (("POST", ""), ("POST", "/recovery-codes"), ("DELETE", "")):
        wrong = {"current_password": "not the password", "otp": code}
        refused = await client.request(method, f"{HERE}{path}", json=wrong)
        problem(refused, 403, "wrong-password")
        answer = await client.request(
            method, f"{HERE}{path}", json={"current_password": PASSWORD, **form}
        )
        assert answer.status_code in {400, 422}, answer.text

    assert ok(await client.get(HERE))["state"] == "confirmed"
    ok(await person.log_in(code))
    ok(await person.log_in(person.recovery_codes[0]))


async def test_setting_one_up_needs_the_password(school: School) -> None:
    _, _, client = await school.user(Role.TEACHER)
    for _ in range(limits.FAILURES_PER_ACCOUNT_AND_ADDRESS):
        wrong = await client.post(HERE, json={"current_password": "not the password"})
        problem(wrong, 403, "wrong-password")
    right = await client.post(HERE, json={"current_password": PASSWORD})
    problem(right, 429, "too-many-attempts")

    assert ok(await client.get(HERE))["state"] == "none"


async def test_a_secret_waits_an_hour_for_its_first_code(school: School, watch: Watch) -> None:
    _, _, client = await school.user(Role.TEACHER)
    first = Phone.scanned(watch, (await begin(client))["uri"])
    second = Phone.scanned(watch, (await begin(client))["uri"])
    confirmation = f"{HERE}/confirmation"
    problem(await client.post(confirmation, json={"otp": first.code()}), 400, "wrong-code")
    problem(await client.post(confirmation, json={"otp": "ABCD-EFGH"}), 400, "wrong-code")

    watch.forward(hours=1, seconds=1)
    late = await client.post(confirmation, json={"otp": second.code()})
    problem(late, 409, "nothing-to-confirm")

    await enrol(client, watch)
    again = await client.post(confirmation, json={"otp": second.next_code()})
    problem(again, 409, "nothing-to-confirm")


async def test_a_new_phone_takes_over_with_its_first_code(school: School, watch: Watch) -> None:
    person = await protected(school, watch)
    offered = await begin(person.client, otp=person.phone.next_code())
    new = Phone.scanned(watch, offered["uri"])
    # Until then, the old one is asked for, and the new one not known.
    problem(await person.log_in(new.next_code()), 400, "wrong-code")
    ok(await person.log_in(person.phone.code()))

    confirmed = await person.client.post(f"{HERE}/confirmation", json={"otp": new.next_code()})
    codes = ok(confirmed)["recovery_codes"]

    problem(await person.log_in(person.phone.next_code()), 400, "wrong-code")
    problem(await person.log_in(person.recovery_codes[0]), 400, "wrong-code")
    ok(await person.log_in(new.code()))
    ok(await person.log_in(codes[0]))


async def test_a_lost_phone_is_replaced_with_a_recovery_code(school: School, watch: Watch) -> None:
    person = await protected(school, watch)
    pair = ok(await person.log_in(person.recovery_codes[0]))
    async with client_of(school.app, pair["access_token"]) as client:
        offered = await begin(client, otp=person.recovery_codes[1])
        new = Phone.scanned(watch, offered["uri"])
        ok(await client.post(f"{HERE}/confirmation", json={"otp": new.code()}))

    # Who finds the old phone finds a session that has ended.
    assert (await person.client.get(HERE)).status_code == 401
    ok(await person.log_in(new.next_code()))


async def test_without_one_the_password_is_enough_again(school: School, watch: Watch) -> None:
    person = await protected(school, watch)
    proof = {"current_password": PASSWORD, "otp": person.phone.next_code()}
    ok(await person.client.request("DELETE", HERE, json=proof), 204)

    ok(await person.log_in())
    assert ok(await person.client.get(HERE))["state"] == "none"
    assert ok(await person.client.get(HERE))["recovery_codes_left"] == 0
    problem(await person.client.request("DELETE", HERE, json=proof), 409, "no-second-factor")


async def test_neither_mailbox_nor_password_alone_changes_the_password(
    app: FastAPI, school: School, watch: Watch
) -> None:
    """A login token proves the mailbox: it is not a way around the second factor."""
    person = await protected(school, watch)
    form: dict[str, str] = {"new_password": NEW_PASSWORD}
    by_mail = await restricted_session(app, person.id)
    for client, more in ((by_mail, {}), (person.client, {"current_password": PASSWORD})):
        without = await client.put("/v1/me/password", json=form | more)
        problem(without, 400, "second-factor-required")
        wrong = await client.put(
            "/v1/me/password", json=form | more | {"otp": person.phone.wrong_code()}
        )
        problem(wrong, 400, "wrong-code")
    # Nor does such a session set up, confirm or remove one.
    for method, path in (("POST", ""), ("POST", "/confirmation"), ("DELETE", "")):
        proof = {"current_password": PASSWORD, "otp": person.phone.code()}
        answer = await by_mail.request(method, f"{HERE}{path}", json=proof)
        problem(answer, 403, "password-not-set")

    # A code that came with a password that is refused for itself is not used up.
    code = person.phone.next_code()
    common = await by_mail.put("/v1/me/password", json={"new_password": "password", "otp": code})
    problem(common, 422, "common-password")
    ok(await by_mail.put("/v1/me/password", json=form | {"otp": code}))
    problem(await person.log_in(password=NEW_PASSWORD), 400, "second-factor-required")
    ok(await person.log_in(person.phone.next_code(), NEW_PASSWORD))


async def test_codes_are_not_guessed_from_many_addresses(school: School, watch: Watch) -> None:
    """SEC-12: who knows the password does not get at the code by patience."""
    person = await protected(school, watch)
    wrong = person.phone.wrong_code()
    watch.forward(seconds=30)
    for _ in range(proofs.WRONG_CODES_PER_WINDOW):
        problem(await person.log_in(wrong), 400, "wrong-code")

    refused = await person.log_in(person.phone.code())
    problem(refused, 429, "too-many-codes")
    assert int(refused.headers["retry-after"]) > 0
    # Nobody else is held up, and what cannot be guessed is a way out.
    other = await protected(school, watch)
    ok(await other.log_in(other.phone.next_code()))
    ok(await person.log_in(person.recovery_codes[0]))
    watch.at += limits.WINDOW
    ok(await person.log_in(person.phone.code()))


async def test_codes_guessed_at_once_are_no_more_than_codes_guessed_in_a_row(
    school: School, watch: Watch
) -> None:
    """SEC-12."""
    person = await protected(school, watch)
    wrong = person.phone.wrong_code()

    answers = await asyncio.gather(*(person.log_in(wrong) for _ in range(40)))

    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {400, 429}
    assert statuses.count(400) <= proofs.WRONG_CODES_PER_WINDOW


async def test_in_a_day_no_more_than_thirty_codes_are_tried(
    school: School, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-12: five in a quarter of an hour would be 480 a day."""
    assert proofs.WRONG_CODES_PER_DAY <= 30
    monkeypatch.setattr(proofs, "WRONG_CODES_PER_DAY", 7)
    person = await protected(school, watch)
    tried = 0
    for _ in range(3):
        watch.at += limits.WINDOW
        while (await person.log_in(person.phone.wrong_code())).status_code == 400:
            tried += 1
    assert tried == 7

    watch.at += limits.WINDOW
    problem(await person.log_in(person.phone.code()), 429, "too-many-codes")
    watch.at += timedelta(days=1)
    ok(await person.log_in(person.phone.code()))


async def test_nobody_shuts_the_owner_out_for_good(
    app: FastAPI, school: School, watch: Watch
) -> None:
    """SEC-12: who knows the password cannot keep the owner from setting another."""
    person = await protected(school, watch)
    for _ in range(proofs.WRONG_CODES_PER_WINDOW):
        await person.log_in(person.phone.wrong_code())
    problem(await person.log_in(person.phone.next_code()), 429, "too-many-codes")

    by_mail = await restricted_session(app, person.id)
    form = {"new_password": NEW_PASSWORD, "otp": person.phone.next_code()}
    ok(await by_mail.put("/v1/me/password", json=form))
    # Who guessed after the former password guesses no more, and keeps nobody out.
    ok(await person.log_in(person.phone.next_code(), NEW_PASSWORD))

    # And the other way round: who reads the mails cannot keep the owner from logging in.
    by_mail = await restricted_session(app, person.id)
    for _ in range(proofs.WRONG_CODES_PER_WINDOW):
        form = {"new_password": PASSWORD, "otp": person.phone.wrong_code()}
        problem(await by_mail.put("/v1/me/password", json=form), 400, "wrong-code")
    form = {"new_password": PASSWORD, "otp": person.phone.next_code()}
    problem(await by_mail.put("/v1/me/password", json=form), 429, "too-many-codes")
    ok(await person.log_in(person.phone.code(), NEW_PASSWORD))


async def test_strangers_who_guess_hold_up_nobody_at_home(
    app: FastAPI, school: School, watch: Watch
) -> None:
    """SEC-12: where the owner got in before, and in a session, their codes count apart."""
    person = await protected(school, watch)
    async with client_of(app) as home:
        ok(await log_in(home, person.name, otp=person.phone.next_code()))
        wrong = person.phone.wrong_code()
        for _ in range(proofs.WRONG_CODES_PER_WINDOW):
            await person.log_in(wrong)
        problem(await person.log_in(person.phone.next_code()), 429, "too-many-codes")
        ok(await log_in(home, person.name, otp=person.phone.next_code()))
        proof = {"current_password": PASSWORD, "otp": person.phone.next_code()}
        ok(await person.client.post(f"{HERE}/recovery-codes", json=proof), 201)

        # At home, one may be wrong as often.
        for _ in range(proofs.WRONG_CODES_PER_WINDOW):
            problem(await log_in(home, person.name, otp=wrong), 400, "wrong-code")
        refused = await log_in(home, person.name, otp=person.phone.next_code())
        problem(refused, 429, "too-many-codes")
    # And so in the session.
    proof = {"current_password": PASSWORD, "otp": wrong}
    for _ in range(proofs.WRONG_CODES_PER_WINDOW):
        answer = await person.client.post(f"{HERE}/recovery-codes", json=proof)
        problem(answer, 400, "wrong-code")
    proof["otp"] = person.phone.next_code()
    answer = await person.client.post(f"{HERE}/recovery-codes", json=proof)
    problem(answer, 429, "too-many-codes")


async def test_wrong_codes_count_for_their_address(
    app: FastAPI, school: School, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-12: as wrong passwords do."""
    monkeypatch.setattr(limits, "FAILURES_PER_ADDRESS", 2)
    first, second = await protected(school, watch), await protected(school, watch)
    async with client_of(app) as guesser:
        for person in (first, second):
            wrong = person.phone.wrong_code()
            problem(await log_in(guesser, person.name, otp=wrong), 400, "wrong-code")
        refused = await log_in(guesser, first.name, otp=first.phone.next_code())

    problem(refused, 429, "too-many-attempts")


async def test_first_codes_are_not_guessed_either(school: School, watch: Watch) -> None:
    """SEC-12."""
    _, _, client = await school.user(Role.TEACHER)
    phone = Phone.scanned(watch, (await begin(client))["uri"])
    confirmation = f"{HERE}/confirmation"
    for _ in range(proofs.WRONG_CODES_PER_WINDOW):
        wrong = await client.post(confirmation, json={"otp": phone.wrong_code()})
        problem(wrong, 400, "wrong-code")

    right = await client.post(confirmation, json={"otp": phone.code()})
    problem(right, 429, "too-many-codes")


@pytest.mark.usefixtures("dear_hashing")
async def test_logging_in_and_setting_the_password_at_once_wait_for_each_other(
    app: FastAPI, school: School, watch: Watch
) -> None:
    """Both touch user, factor and sessions: in one order, or they would wait crosswise."""
    person = await protected(school, watch)
    by_mail = await restricted_session(app, person.id)
    codes = [person.phone.code(1), *person.recovery_codes[:8]]

    form = {"new_password": NEW_PASSWORD, "otp": person.recovery_codes[9]}
    answers = await asyncio.gather(
        *(person.log_in(code) for code in codes),
        by_mail.put("/v1/me/password", json=form),
    )

    assert answers[-1].status_code == 200
    assert {answer.status_code for answer in answers} <= {200, 400}


async def test_no_secret_is_kept_in_clear(
    school: School, watch: Watch, owner: AsyncEngine, log: io.StringIO
) -> None:
    """SEC-10, SEC-34: neither in a row, nor in the log, nor in the audit trail."""
    _, name, client = await school.user(Role.TEACHER)
    offered = await begin(client)
    phone = Phone.scanned(watch, offered["uri"])
    said = [phone.next_code()]
    confirmed = await client.post(f"{HERE}/confirmation", json={"otp": said[0]})
    codes = ok(confirmed)["recovery_codes"]
    person = Person(school, UUID(int=0), name, client, phone, codes)
    said += [phone.wrong_code(), phone.next_code()]
    problem(await person.log_in(said[1]), 400, "wrong-code")
    ok(await person.log_in(said[2]))
    ok(await person.log_in(codes[0]))
    said.append(phone.next_code())
    proof = {"current_password": PASSWORD, "otp": said[-1]}
    renewed = ok(await client.post(f"{HERE}/recovery-codes", json=proof), 201)["recovery_codes"]
    rows = ""
    async with owner.connect() as connection:
        for table in ("second_factors", "recovery_codes", "audit_events", "pgqueuer"):
            found = await connection.scalars(text(f"SELECT t::text FROM {table} t"))  # noqa: S608
            rows += "\n".join(found)
    said.append(phone.next_code())
    proof = {"current_password": PASSWORD, "otp": said[-1]}
    ok(await client.request("DELETE", HERE, json=proof), 204)

    written = log.getvalue()
    events = [json.loads(line)["event"] for line in written.splitlines()]
    assert {
        "second_factor.enrolled",
        "second_factor.failed",
        "recovery_code.used",
        "recovery_codes.renewed",
        "second_factor.removed",
    } <= set(events)
    secrets = [offered["secret"], phone.secret.hex(), *codes, *renewed]
    for canary in [*secrets, *(code.replace("-", "") for code in codes)]:
        assert canary not in written
        assert canary not in rows
    # Six digits may stand in any number; as a value of their own they stand nowhere.
    for code in said:
        assert f'"{code}"' not in written
    assert "confirm_second_factor" in rows


async def test_no_answer_is_kept_by_a_cache(school: School) -> None:
    """SEC-30."""
    _, _, client = await school.user(Role.TEACHER)
    answer = await client.post(HERE, json={"current_password": PASSWORD})

    assert answer.status_code == 201
    assert "no-store" in answer.headers["cache-control"]


async def test_its_owner_is_told_of_every_change(
    school: School, watch: Watch, post: Post, owner: AsyncEngine
) -> None:
    """SEC-34: whoever is robbed of it hears of it."""
    person = await protected(school, watch)
    async with owner.connect() as connection:
        address = await connection.scalar(
            text("SELECT email FROM users WHERE id = :id"), {"id": person.id}
        )
    problem(await person.log_in(person.phone.wrong_code()), 400, "wrong-code")
    ok(await person.log_in(person.recovery_codes[0]))
    proof = {"current_password": PASSWORD, "otp": person.phone.next_code()}
    ok(await person.client.post(f"{HERE}/recovery-codes", json=proof), 201)
    proof["otp"] = person.phone.next_code()
    ok(await person.client.request("DELETE", HERE, json=proof), 204)

    await post.collect(box := Mailbox())

    told = ["double authentification" in plain(each) for each in box.to(str(address))]
    assert sorted(told) == [False, True, True, True]
    assert sum("codes de secours" in plain(each) for each in box.to(str(address))) == 1
