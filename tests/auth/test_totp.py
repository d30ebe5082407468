"""Time-based codes, held against RFC 6238 and a scanner."""

import base64
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import zxingcpp
from cryptography.fernet import InvalidToken
from defusedxml import ElementTree
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from itschool_api.auth import totp
from tests.auth.authenticator import code_of

# RFC 6238, appendix B: the secret of SHA-1, and its codes (there of 8 digits; ours are the last 6).
SECRET = b"12345678901234567890"
VECTORS = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]
NOW = datetime(2026, 11, 24, 8, 0, 12, tzinfo=UTC)
STEP = int(NOW.timestamp()) // 30


@pytest.mark.parametrize(("seconds", "code"), VECTORS)
def test_the_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)

    assert totp.matched_counter(SECRET, code[-6:], at, None) == seconds // 30
    assert code_of(SECRET, seconds // 30) == code[-6:]


@pytest.mark.parametrize("steps", range(-4, 5))
def test_a_code_is_right_one_step_early_and_one_step_late(steps: int) -> None:
    matched = totp.matched_counter(SECRET, code_of(SECRET, STEP + steps), NOW, None)

    assert matched == (STEP + steps if abs(steps) <= 1 else None)


@pytest.mark.parametrize(("after", "right"), [(STEP - 1, True), (STEP, False), (STEP + 1, False)])
def test_a_code_is_refused_once_it_or_a_later_one_was_used(after: int, right: bool) -> None:
    matched = totp.matched_counter(SECRET, code_of(SECRET, STEP), NOW, after)

    assert matched == (STEP if right else None)


@given(st.text())
def test_only_six_plain_digits_are_a_code(typed: str) -> None:
    assert totp.is_code(typed) == (re.fullmatch("[0-9]{6}", typed, re.ASCII) is not None)


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "12345a", "१२३४५६", "+12345", "1234 5"])
def test_what_is_no_code_is_not_right(typed: str) -> None:
    assert not totp.is_code(typed)
    assert totp.matched_counter(SECRET, typed, NOW, None) is None


def test_a_secret_is_160_random_bits() -> None:
    secrets = {totp.new_secret() for _ in range(100)}

    assert len(secrets) == 100
    assert {len(secret) for secret in secrets} == {20}
    assert base64.b32decode(totp.as_text(SECRET)) == SECRET


def test_the_address_says_all_that_an_app_needs() -> None:
    parts = urlsplit(totp.uri(SECRET, issuer="École: test", account="an.peeters"))
    asked = parse_qs(parts.query)

    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    # One colon, between issuer and account: another would end a name.
    assert unquote(parts.path) == "/École  test:an.peeters"
    assert asked["secret"] == [totp.as_text(SECRET)]
    assert asked["issuer"] == ["École  test"]
    # What is left out is what every app takes: SHA-1, 6 digits, 30 seconds.
    assert asked.get("digits", ["6"]) == ["6"]
    assert asked.get("period", ["30"]) == ["30"]
    assert asked.get("algorithm", ["SHA1"]) == ["SHA1"]


def test_a_camera_reads_the_qr_code() -> None:
    address = totp.uri(SECRET, issuer="iT-School", account="an.peeters" * 10)
    drawn = totp.qr_code(address)
    assert drawn.startswith("data:image/svg+xml;")

    (found,) = zxingcpp.read_barcodes(_painted(unquote(drawn.split(",", 1)[1])))

    assert found.text == address


def _painted(svg: str) -> Image.Image:
    """Paint the dark modules of segno's path: runs of a row, `M x y h n m dx dy h n …`."""
    root = ElementTree.fromstring(svg)
    paths = [each.get("d", "") for each in root.iter() if each.get("stroke")]
    moves = re.findall(r"([Mmh])(-?[\d.]+)(?: (-?[\d.]+))?", "".join(paths))
    runs, x, y = [], 0.0, 0.0
    for kind, first, second in moves:
        if kind == "h":
            runs.append((int(x), int(y), int(float(first))))
            x += float(first)
        elif kind == "M":
            x, y = float(first), float(second)
        else:
            x, y = x + float(first), y + float(second)
    side = max(y for _, y, _ in runs) + 5
    image = Image.new("L", (side, side), 255)
    for x, y, length in runs:
        image.paste(0, (x, y, x + length, y + 1))
    return image.resize((side * 4, side * 4), Image.Resampling.NEAREST)


def test_a_stored_secret_opens_with_its_key_only() -> None:
    key, other = b"k" * 32, b"o" * 32
    stored = totp.sealed(key, SECRET)

    assert SECRET not in stored
    assert stored != totp.sealed(key, SECRET)
    assert totp.opened(key, stored) == SECRET
    with pytest.raises(InvalidToken):
        totp.opened(other, stored)


def test_an_old_code_stays_old_whenever_it_is_asked() -> None:
    """What was right once is never right again."""
    code = code_of(SECRET, STEP)
    for seconds in range(0, 3600, 30):
        later = NOW + timedelta(seconds=seconds)
        assert totp.matched_counter(SECRET, code, later, STEP) is None
