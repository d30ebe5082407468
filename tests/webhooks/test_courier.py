"""Nothing is sent to an address that is not public, whatever a URL or a name says (SSRF)."""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import pytest

from itschool_api.webhooks import courier as couriers
from itschool_api.webhooks import destinations
from itschool_api.webhooks.addresses import Address, is_public
from itschool_api.webhooks.courier import Answer, Courier
from itschool_api.webhooks.destinations import NotADestination, Rules
from tests.webhooks.receiver import receiving

pytestmark = pytest.mark.anyio

STRICT = Rules(frozenset({443, 8443}), loopback=False)

NOT_PUBLIC = (
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.254"),  # noqa: S104
    *("127.0.0.1", "127.255.0.9", "169.254.169.254", "172.16.0.1", "172.31.255.255"),
    *("192.0.0.1", "192.0.0.170", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1"),
    *("198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255"),
    *("240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "::ffff:0:8.8.8.8"),
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1", "100::1", "fc00::1", "fd12::1"),
    *("fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff05::1:3", "2001::1", "2001:10::1"),
    *("2001:db8::1", "2002:7f00:1::1", "2002:808:808::1", "3fff::1", "5f00::1", "4000::1"),
)
PUBLIC = ("8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.32.0.1", "193.190.1.1")
PUBLIC_6 = ("2001:4860:4860::8888", "2a02:a000::1", "2606:4700::1111")


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_what_is_not_public_is_refused(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", [*PUBLIC, *PUBLIC_6])
def test_what_is_public_is_not(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",
        "ftp://hooks.example.org/",
        "https://hooks.example.org:22/",
        "https://hooks.example.org:8080/",
        "https://hooks.example.org:99999/",
        "https://user@hooks.example.org/",
        "https://user:secret@hooks.example.org/",
        "https://hooks.example.org@127.0.0.1/",
        "https://hooks.example.org\\@127.0.0.1/",
        "https://hooks.example.org#@127.0.0.1/",
        "https://hooks.example.org/#part",
        "https://hooks.example.org/\r\nHost: x",
        "https://localhost/",
        "https://intranet/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://0177.0.0.01/",
        "https://127.0.0.1/",
        "https://127.0.0.1./",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[fe80::1%25eth0]/",
        "https://169.254.169.254/latest/meta-data",
        "https://hooks%2eexample.org/",
        "https:///hook",
        "https://",
        "hooks.example.org",
        "https://hooks..example.org/",
        "https://-hooks.example.org/",
        "https://hooks.example.org/" + "a" * 500,
    ],
)
def test_a_url_that_is_no_destination_is_refused(url: str) -> None:
    with pytest.raises(NotADestination):
        destinations.read(url, STRICT)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org",
        "https://Hooks.Example.ORG/itschool?token=1&a[]=b",
        "https://hooks.example.org:8443/",
        "https://xn--tst-qla.example/x",
        "https://8.8.8.8/",
        "https://[2001:4860:4860::8888]:443/",
    ],
)
def test_a_url_on_the_internet_is_a_destination(url: str) -> None:
    assert destinations.read(url, STRICT).port in {443, 8443}


@dataclass
class Names:
    """A resolver that answers what it is told to, each time the next."""

    answers: list[Sequence[str]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        del port
        self.asked.append(host)
        if not self.answers:
            raise OSError("no such name")
        return self.answers.pop(0)


@dataclass(frozen=True, slots=True)
class Pretending(Rules):
    """Rules that take some addresses of this machine for public ones, so that tests need no other."""

    public: frozenset[str] = frozenset()

    def allow(self, address: Address) -> bool:
        return str(address) in self.public or is_public(address)


async def sent(courier: Courier, url: str) -> Answer:
    async with courier:
        return await courier.send(url, {"webhook-id": "1"}, b"{}")


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:127.0.0.1"], ["fe80::1%2"], ["::1"], []],
)
async def test_a_name_that_leads_to_a_private_address_is_not_connected_to(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def connect(*arguments: Any, **_: Any) -> None:
        raise AssertionError(f"connected to {arguments}")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", connect)
    names = Names([addresses])
    answer = await sent(Courier(STRICT, resolver=names), "https://hooks.example.org/")
    assert answer.status is None
    assert answer.reason == "Its name leads to an address that is not public."


async def test_a_name_that_nobody_has_is_told() -> None:
    answer = await sent(Courier(STRICT, resolver=Names([])), "https://hooks.example.org/")
    assert answer.reason == "Its name cannot be resolved."


async def test_a_second_answer_of_the_name_server_is_never_asked_for(
    certificate_of_name: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    """DNS rebinding: the connection goes to the address that was checked, not to the name's next."""
    async with (
        receiving(tls=certificate_of_name) as public,
        # At the same port: only the address tells them apart.
        receiving(tls=certificate_of_name, host="127.0.0.2", port=public.port) as private,
    ):
        names = Names([["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]])
        rules = Pretending(
            frozenset({public.port}), loopback=False, public=frozenset({"127.0.0.1"})
        )
        courier = Courier(rules, resolver=names, tls=trusting)
        url = f"https://hooks.example.org:{public.port}/hook"
        async with courier:
            first = await courier.send(url, {"webhook-id": "1"}, b"{}")
            second = await courier.send(url, {"webhook-id": "2"}, b"{}")

    assert (first.status, first.reason) == (204, None)
    assert names.asked == ["hooks.example.org"] * 2  # once for each try
    assert second.reason == "Its name leads to an address that is not public."
    assert [each.id for each in public.received] == ["1"]
    assert private.received == []
    # The name is what TLS and HTTP speak of, although the connection went to its address.
    assert public.received[0].headers["host"] == f"hooks.example.org:{public.port}"


async def test_a_certificate_of_another_name_is_refused(
    certificate_of_name: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async with receiving(tls=certificate_of_name) as receiver:
        rules = Pretending(
            frozenset({receiver.port}), loopback=False, public=frozenset({"127.0.0.1"})
        )
        courier = Courier(rules, resolver=Names([["127.0.0.1"]]), tls=trusting)
        answer = await sent(courier, f"https://other.example.org:{receiver.port}/")
    assert answer.status is None
    assert receiver.received == []


async def test_an_address_that_does_not_answer_is_passed_over(
    certificate_of_name: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async with receiving(tls=certificate_of_name) as receiver:
        both = frozenset({"127.0.0.1", "127.0.0.3"})
        rules = Pretending(frozenset({receiver.port}), loopback=False, public=both)
        names = Names([["127.0.0.3", "127.0.0.1"]])
        courier = Courier(rules, resolver=names, tls=trusting)
        answer = await sent(courier, f"https://hooks.example.org:{receiver.port}/")
    assert answer.status == 204


LOOPBACK = Rules(frozenset({443}), loopback=True)


async def test_a_redirect_is_not_followed() -> None:
    async with receiving() as inner, receiving() as receiver:
        location = f"http://127.0.0.1:{inner.port}/admin".encode()
        receiver.answer = (
            b"HTTP/1.1 307 Temporary Redirect\r\ncontent-length: 0\r\nlocation: "
            + location
            + b"\r\nset-cookie: a=b\r\n\r\n"
        )
        async with Courier(LOOPBACK) as courier:
            first = await courier.send(receiver.url(), {"webhook-id": "1"}, b"{}")
            await courier.send(receiver.url(), {"webhook-id": "2"}, b"{}")
    assert (first.status, first.reason) == (307, "It answered 307: redirects are not followed.")
    assert inner.received == []
    assert "cookie" not in receiver.received[1].headers


async def test_no_more_of_an_answer_is_read_than_its_beginning() -> None:
    async with receiving() as receiver:
        receiver.answer = (
            b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n" + b"x\x00\x1b" * 100_000
        )
        answer = await sent(Courier(LOOPBACK), receiver.url())
    assert answer.status == 200
    assert answer.reply is not None
    assert len(answer.reply) == 1000
    assert answer.reply.startswith("x  x  ")


@pytest.mark.parametrize("rest", [b"", b"content-length: 9\r\n", b"transfer-encoding: chunked\r\n"])
async def test_a_status_counts_whatever_comes_late_after_it(
    rest: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else who thanked us in time is told again for three days."""
    monkeypatch.setattr(couriers, "_REPLY_SECONDS", 0.1)
    monkeypatch.setattr(couriers, "MOST_SECONDS", 1.0)
    async with receiving() as receiver:
        receiver.answer = b"HTTP/1.1 200 OK\r\n" + rest + b"\r\n" + (b"" if rest else b"Thanks")
        answer = await sent(Courier(LOOPBACK), receiver.url())
    assert (answer.status, answer.reason) == (200, None)
    assert answer.reply == ("" if rest else "Thanks")


async def test_whoever_lets_us_wait_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(couriers, "MOST_SECONDS", 0.3)
    async with receiving() as receiver:
        receiver.answer = b"HTTP/1.1 200 OK\r\nx-slow: "
        answer = await sent(Courier(LOOPBACK), receiver.url())
    assert answer.reason is not None
    assert answer.reason.startswith("It took longer")


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.9\r\n", b"", b"HTTP/1.1 abc\r\n\r\n"])
async def test_what_is_not_http_is_told(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(couriers, "MOST_SECONDS", 0.5)
    async with receiving() as receiver:
        receiver.answer = answer
        told = await sent(Courier(LOOPBACK), receiver.url())
    assert told.status is None
    assert told.reason


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        answer = await sent(Courier(LOOPBACK), receiver.url())
    assert answer.status == 204
    assert proxy.received == []
