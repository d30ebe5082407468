"""The refresh token in a browser's cookie, and other sites' forms that cannot use it."""

from http.cookies import SimpleCookie

import pytest
from fastapi import FastAPI
from httpx2 import Response

from itschool_api.auth.caller import Role
from itschool_api.auth.refresh_cookie import NAME
from tests.auth.ways_in import (
    SCRIPTED,
    grant,
    log_in,
    log_in_browser,
    me,
    redeem,
    refresh,
    refresh_browser,
)
from tests.kit import PASSWORD, School, client_of, ok, problem

pytestmark = pytest.mark.anyio


def morsel(answer: Response) -> dict[str, str]:
    """Return the cookie that an answer sets, with its attributes."""
    (header,) = answer.headers.get_list("set-cookie")
    (found,) = SimpleCookie(header).values()
    assert found.key == NAME
    return {"value": found.value} | {key: value for key, value in found.items() if value}


async def test_the_cookie_is_out_of_reach(app: FastAPI, school: School) -> None:
    """SEC-16: for scripts, for other hosts, without TLS, and in the answer's body."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as browser:
        for answer in (await log_in_browser(browser, name), await refresh_browser(browser)):
            cookie = morsel(answer)
            token = cookie.pop("value")
            age = int(cookie.pop("max-age"))
            assert cookie == {"path": "/", "secure": True, "httponly": True, "samesite": "strict"}
            assert 29 * 86_400 < age <= 30 * 86_400
            assert len(token) == 43
            assert token not in answer.text
            assert ok(answer)["refresh_token"] is None
            assert answer.headers["cache-control"] == "no-store"


async def test_a_session_of_one_way_is_not_refreshed_the_other(
    app: FastAPI, school: School
) -> None:
    """SEC-16: a token that a script read is of no use, nor one that a form planted."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as browser, client_of(app) as phone:
        ok(await log_in_browser(browser, name))
        pair = ok(await log_in(phone, name))
        problem(await refresh(phone, browser.cookies[NAME]), 400, "invalid-grant")
        phone.cookies.set(NAME, pair["refresh_token"])
        problem(await refresh_browser(phone), 400, "invalid-grant")

        # And neither was hurt by it.
        ok(await refresh_browser(browser))
        assert ok(await refresh(phone, pair["refresh_token"]))["refresh_token"]


async def test_a_token_in_the_body_goes_before_the_cookie(app: FastAPI, school: School) -> None:
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        ok(await log_in_browser(client, name))
        kept = client.cookies[NAME]
        pair = ok(await log_in(client, name))
        assert pair["refresh_token"]
        answer = await refresh(client, pair["refresh_token"])

        assert ok(answer)["refresh_token"]
        assert "set-cookie" not in answer.headers
        assert client.cookies[NAME] == kept


async def test_a_form_of_another_site_can_neither_use_nor_set_the_cookie(
    app: FastAPI, school: School
) -> None:
    """SEC-31: it cannot send the header, also where the browser sends the cookie along."""
    _, name, _ = await school.user(Role.GUARDIAN)
    form = {"grant_type": "refresh_token"}
    login = {"grant_type": "password", "username": name, "password": PASSWORD}
    async with client_of(app) as browser:
        ok(await log_in_browser(browser, name))
        before = browser.cookies[NAME]
        for headers in ({}, {"X-Requested-With": ""}, {"Origin": "https://api.example.org"}):
            for data in (form, login | {"transport": "cookie"}):
                answer = await browser.post("/v1/auth/token", data=data, headers=headers)
                document = problem(answer, 400, "incomplete-token-request")
                assert document["error"] == "invalid_request"
                assert "X-Requested-With" in document["detail"]
                assert "set-cookie" not in answer.headers
        # What a form can send in other encodings is not taken at all.
        multipart = await browser.post(
            "/v1/auth/token", files={"grant_type": (None, "refresh_token")}
        )
        text = await browser.post(
            "/v1/auth/token",
            content="grant_type=refresh_token",
            headers={"Content-Type": "text/plain"},
        )
        assert {multipart.status_code, text.status_code} <= {400, 422}

        assert browser.cookies[NAME] == before
        ok(await refresh_browser(browser))


async def test_logging_out_clears_the_cookie_of_its_own_session(
    app: FastAPI, school: School
) -> None:
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as browser:
        phone = ok(await log_in(browser, name))
        pair = ok(await log_in_browser(browser, name))
        for_phone = {"Authorization": f"Bearer {phone['access_token']}"}
        answer = await browser.post("/v1/auth/logout", headers=for_phone)
        assert "set-cookie" not in answer.headers

        for_browser = {"Authorization": f"Bearer {pair['access_token']}"}
        answer = await browser.post("/v1/auth/logout", headers=for_browser)
        ok(answer, 204)
        cookie = morsel(answer)
        assert (cookie["value"], cookie["max-age"], cookie["path"]) == ("", "0", "/")
        assert cookie["secure"]
        assert NAME not in browser.cookies
        problem(await refresh_browser(browser), 400, "incomplete-token-request")


async def test_who_sets_a_password_chooses_the_way(app: FastAPI, school: School) -> None:
    """The first login of all begins with a login token."""
    user_id, _, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as browser:
        pair = ok(await redeem(browser, await grant(app, user_id)))
        browser.headers["Authorization"] = f"Bearer {pair['access_token']}"
        form = {"new_password": "sept petits lapins", "transport": "cookie", "label": "Library"}
        answer = await browser.put("/v1/me/password", json=form)
        assert ok(answer)["refresh_token"] is None
        assert morsel(answer)["value"]
        del browser.headers["Authorization"]
        again = ok(await refresh_browser(browser))
        assert (await me(app, again["access_token"])).status_code == 200


@pytest.mark.parametrize("cookie", ["", "x", "A" * 43, "A" * 201, '"quoted"', "a=b", "%00"])
async def test_what_is_no_refresh_token_renews_nothing(app: FastAPI, cookie: str) -> None:
    async with client_of(app) as browser:
        answer = await browser.post(
            "/v1/auth/token",
            data={"grant_type": "refresh_token"},
            headers=SCRIPTED | {"Cookie": f"{NAME}={cookie}"},
        )

    assert answer.status_code in {400, 422}, answer.text


async def test_a_transport_that_is_none_is_refused(app: FastAPI, school: School) -> None:
    _, name, client = await school.user(Role.GUARDIAN)
    async with client_of(app) as anonymous:
        assert (await log_in(anonymous, name, transport="pigeon")).status_code == 422
    form = {"new_password": "sept petits lapins", "current_password": PASSWORD}
    answer = await client.put("/v1/me/password", json=form | {"transport": "pigeon"})
    assert answer.status_code == 422
