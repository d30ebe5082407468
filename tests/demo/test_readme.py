"""The README's walk-through, run literally by a shell in a folder with a demonstration."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.demo.process import Demo
from tests.documents import README

pytestmark = pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl") and shutil.which("python3")),
    reason="the walk-through is for a shell with curl and python3",
)
BLOCK = re.compile(r"^<!-- walk-through -->\n```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def folder(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where somebody stands who typed `make demo` there."""
    folder = tmp_path_factory.mktemp("walk")
    (folder / ".demo").symlink_to(demo.folder / "data")
    return folder


@pytest.fixture(scope="module")
def printed(demo: Demo, folder: Path) -> list[str]:
    """What each block of the walk-through printed."""
    blocks = BLOCK.findall(README.read_text("utf-8"))
    script = "\necho '---'\n".join(["set -euo pipefail", *blocks])
    walked = subprocess.run(  # noqa: S603 - our own README
        ["bash", "-c", script],  # noqa: S607 - whichever bash a reader has
        cwd=folder,
        env=os.environ | {"API": demo.ready["url"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert walked.returncode == 0, walked.stdout + walked.stderr
    assert walked.stderr == ""
    _, *parts = walked.stdout.split("---\n")
    assert len(parts) == len(blocks) == 8
    return parts


def test_the_parent_logs_in_and_reads_wallets_and_invoices(printed: list[str]) -> None:
    log_in, wallets, invoices, *_ = printed
    assert log_in == ""
    assert len(wallets.splitlines()) == 4
    assert all(
        re.match(r"[0-9a-f-]{36}  \d+  \d{4}-\d\d-\d\d  ", line) for line in wallets.splitlines()
    )
    assert len(invoices.splitlines()) == 3


def test_what_there_is_to_pay_comes_as_json_picture_and_paper(
    printed: list[str], folder: Path
) -> None:
    payment = json.loads(printed[3])
    assert payment["amount_cents"] > 0
    assert payment["reference_display"].startswith("+++")
    assert b"<svg" in (folder / "top-up.svg").read_bytes()[:200]
    assert (folder / "invoice.pdf").read_bytes().startswith(b"%PDF-")


def test_the_banks_file_is_posted_and_its_report_adds_up(printed: list[str]) -> None:
    report = json.loads(printed[5])
    for unit in ("count", "cents"):
        parts = sum(report[state][unit] for state in ("paid", "suspense", "ignored"))
        assert parts == report["transactions"][unit]


def test_afterwards_one_invoice_is_left_to_pay(printed: list[str]) -> None:
    left = [line for line in printed[6].splitlines() if "  issued  " in line]
    assert len(left) == 1
    assert "  paid  0  " in printed[6]


def test_the_login_token_lies_in_the_mailbox(printed: list[str]) -> None:
    newest = json.loads(printed[7])["items"][0]
    assert newest["id"].startswith("login_token.")
    assert newest["url"] == f"/demo/mails/{newest['id']}"
