"""What people do, and what happens, while messages are on their way."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response

from itschool_api.database import school_transaction, update_many
from itschool_api.webhooks import sending, service, telling
from itschool_api.webhooks.payloads import WebhookTest
from tests.kit import ANY_STATE, School, ok, problem
from tests.outbox.post import Mailbox, Post
from tests.webhooks.receiver import receiving
from tests.webhooks.test_webhooks import hooked

pytestmark = pytest.mark.anyio


async def test_an_endpoint_is_removed_while_a_round_is_noted(
    school: School, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both hold the endpoint first, so neither waits for the other for ever."""
    removals: list[asyncio.Task[Response]] = []
    async with receiving() as receiver:
        receiver.answer = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
        hook = await hooked(school, post, receiver.url())
        await hook.test()

        async def note_slowly(*arguments: Any) -> None:
            await update_many(*arguments)
            removal = school.manager.delete(f"/v1/webhook-endpoints/{hook.id}")
            removals.append(asyncio.create_task(removal))
            await asyncio.sleep(0.2)

        monkeypatch.setattr(sending, "update_many", note_slowly)
        await hook.deliver()
    assert [(await each).status_code for each in removals] == [204]


@pytest.mark.parametrize(
    ("end", "status", "code"),
    [
        ("remove", 404, "webhook-endpoint-not-found"),
        ("disable", 409, "webhook-endpoint-disabled"),
    ],
)
async def test_nothing_is_told_to_an_endpoint_that_ends_meanwhile(
    school: School, post: Post, end: str, status: int, code: str
) -> None:
    hook = await hooked(school, post, "https://hooks.example.org/")
    async with school_transaction(school.sessions, school.id) as session:
        if end == "remove":
            await service.remove_endpoint(session, school.id, UUID(hook.id))
        else:
            await service.disable(session, school.id, UUID(hook.id), "gone")
        asked = asyncio.create_task(school.manager.post(f"/v1/webhook-endpoints/{hook.id}/test"))
        await asyncio.sleep(0.2)
    problem(await asked, status, code)


async def test_who_answers_at_the_former_address_says_nothing_about_the_new_one(
    school: School, post: Post
) -> None:
    async with receiving() as former, receiving() as new:
        hook = await hooked(school, post, former.url())
        made = await hook.test()

        async def move(_: Any) -> None:
            url = f"/v1/webhook-endpoints/{hook.id}"
            for form in ({"enabled": False}, {"enabled": True, "url": new.url()}):
                ok(await school.manager.patch(url, json=form, headers=ANY_STATE))
            again = f"/v1/webhook-deliveries/{made['id']}/redelivery"
            ok(await school.manager.post(again), 202)

        former.meanwhile = move
        former.answer = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"
        await hook.deliver()
        shown = await hook.shown()
        assert (shown["enabled"], shown["failing_since"]) == (True, None)
        assert await hook.deliver() is None
    assert [each.id for each in new.received] == [made["event_id"]]
    (arrived,) = await hook.log()
    assert (arrived["status"], arrived["attempts"]) == ("succeeded", 1)


async def test_a_receiver_that_lets_us_wait_holds_up_one_job(
    school: School, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One job is left to it, and not all that there can be, whatever happens meanwhile."""
    running = most = 0
    send = sending._send  # noqa: SLF001

    async def counted(*arguments: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await send(*arguments)
        finally:
            running -= 1

    async def slow(_: Any) -> None:
        await asyncio.sleep(0.2)

    monkeypatch.setattr(sending, "_send", counted)
    async with receiving() as receiver:
        receiver.meanwhile = slow
        hook = await hooked(school, post, receiver.url())

        async def happen(job_id: int) -> None:
            await asyncio.sleep(0.05 * job_id)
            await hook.test()
            assert await hook.deliver(job_id) is None

        await asyncio.gather(*(happen(job_id) for job_id in range(1, 5)))
    assert (most, len(receiver.received)) == (1, 4)


async def test_who_is_told_much_leaves_a_turn_to_others(
    school: School, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_ROUND", 1)
    monkeypatch.setattr(sending, "_MOST_ROUNDS", 1)
    async with receiving() as receiver:
        hooks = [UUID((await hooked(school, post, receiver.url())).id) for _ in range(6)]
        async with school_transaction(school.sessions, school.id) as session:
            for hook in hooks:
                audience = telling.Audience(school.id, [(hook, frozenset([WebhookTest.type]))])
                await telling.tell(session, audience, [WebhookTest(endpoint_id=hook)] * 5)
        await post.collect(Mailbox())
    bodies = b"\n".join(each.body for each in receiver.received)
    assert len(receiver.received) == 30
    firsts = [bodies[: bodies.index(str(hook).encode())].count(b"\n") for hook in hooks]
    assert max(firsts) < 15
