"""The demonstration as people start it: a process, a port, a folder."""

import email
import json
import os
import stat
import subprocess
import time
from email.policy import default as default_policy
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from typer.testing import CliRunner

from itschool_api.banking import coda
from itschool_api.banking.matching import Cause
from itschool_api.cli import app
from itschool_api.cli import client as api_client
from itschool_api.demo.folder import FolderRefused, held
from tests.demo.process import ITSCHOOL, PATIENCE_SECONDS, START_SECONDS, Demo
from tests.outbox.post import token_in


def get(client: httpx2.Client, path: str, **parameters: str) -> Any:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_when_it_is_ready_it_says_in_one_line_where_and_for_whom(demo: Demo) -> None:
    assert demo.ready.keys() == {
        "url",
        "mails",
        "api_key",
        "coda_file",
        "parent",
        "teacher",
        "manager",
        "accountant",
        "admin",
    }
    assert demo.ready["url"] == f"http://127.0.0.1:{demo.port}"
    assert Path(demo.ready["coda_file"]) == demo.folder / "data" / "next.cod"
    for path in ("/health/ready", "/docs"):
        answer = httpx2.get(demo.ready["url"] + path, timeout=PATIENCE_SECONDS)
        assert answer.status_code == 200


def test_its_secrets_are_for_its_owner_only(demo: Demo) -> None:
    for name in ("secret", "filled.json"):
        assert stat.S_IMODE((demo.folder / "data" / name).stat().st_mode) == 0o600


def test_it_has_two_schools_with_300_families_400_students_and_600_invoices(demo: Demo) -> None:
    counts = demo.count(
        "SELECT (SELECT count(*) FROM schools), (SELECT count(*) FROM families),"
        " (SELECT count(*) FROM students),"
        " (SELECT count(*) FROM invoices WHERE number IS NOT NULL)"
    )
    assert counts == ["2", "300", "400", "600"]


@pytest.mark.parametrize(
    ("who", "scope"),
    [
        ("parent", "invoices:pay"),
        ("teacher", "events:read"),
        ("manager", "people:write"),
        ("accountant", "bank-statements:write"),
        ("admin", "audit:read"),
    ],
)
def test_who_is_told_to_can_log_in(demo: Demo, who: str, scope: str) -> None:
    with demo.as_(who) as client:
        me = get(client, "/v1/me")
    assert me["user_name"] == demo.ready[who]["username"]
    assert scope in me["scopes"]


def test_the_accountant_finds_500_movements_with_every_outcome(demo: Demo) -> None:
    with demo.as_("accountant") as client:
        statements = get(client, "/v1/bank-statements")["items"]
        details = [get(client, f"/v1/bank-statements/{each['id']}") for each in statements]
    first = [each for each in details if each["import_id"] == details[-1]["import_id"]]
    assert sum(each["transactions"] for each in first) == 500
    for each in first:
        sums = (each["paid"], each["suspense"], each["ignored"])
        assert sum(each["count"] for each in sums) == each["transactions"]
        if each["separate_application"] == "00000":
            cents = sum(total["cents"] for total in sums)
            assert each["opening_cents"] + cents == each["closing_cents"]
    causes = {
        cause["cause"]
        for each in first
        for state in ("suspense", "ignored")
        for cause in each[state]["by_cause"]
    }
    # Details of another file's total are in files for a separate application only.
    assert causes == set(Cause) - {Cause.DETAIL_OF_ANOTHER_FILE}


def test_some_invoices_are_overdue_partially_paid_or_drafts(demo: Demo) -> None:
    with demo.as_("manager") as client:
        for filters in ({"status": "partially_paid"}, {"status": "draft"}, {"overdue": "true"}):
            assert get(client, "/v1/invoices", **filters)["items"]


def test_the_next_file_tops_up_the_parents_wallet_and_pays_an_invoice(demo: Demo) -> None:
    data = Path(demo.ready["coda_file"]).read_bytes()
    with demo.as_("parent") as parent, demo.bearer(demo.ready["api_key"]) as office:
        before = get(parent, "/v1/dashboard")
        assert before["invoices"]["count"] == 2
        assert before["events"]

        answer = office.post(
            "/v1/bank-statements", content=data, headers={"Content-Type": "text/plain"}
        )

        assert answer.status_code == 201, answer.text
        assert [each["findings"] for each in answer.json()["statements"]] == [[]]
        after = get(parent, "/v1/dashboard")
    assert after["invoices"]["count"] == 1
    assert after["imported_until"] > before["imported_until"]
    assert balance(after) == balance(before) + 45_00


def balance(dashboard: Any) -> int:
    return sum(wallet["balance_cents"] for wallet in dashboard["wallets"])


def test_its_mailbox_shows_the_way_in_and_nothing_runs_in_it(demo: Demo) -> None:
    """A newcomer plays the forgotten password: asks, opens the mail, types the token."""
    with demo.as_("parent") as parent:
        address = get(parent, "/v1/me")["email"]
    with httpx2.Client(base_url=demo.ready["url"], timeout=PATIENCE_SECONDS) as anyone:
        before = len(get(anyone, "/demo/mails")["items"])
        anyone.post("/v1/auth/login-tokens", json={"email": address})
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(kept := get(anyone, "/demo/mails")["items"]) == before:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        newest = kept[0]
        assert newest["to"] == address
        shown = anyone.get(newest["url"])
        assert shown.headers["content-type"].startswith("text/html")
        policy = shown.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "sandbox" in policy
        assert "allow-scripts" not in policy
        source = anyone.get(f"{newest['url']}.eml")
        assert source.headers["content-type"] == "message/rfc822"
        message = email.message_from_bytes(source.content, policy=default_policy)
        assert message["To"] == address
        token = token_in(message)
        assert token in shown.text
        pair = anyone.post("/v1/auth/login-tokens/redeem", json={"token": token})
        assert pair.json()["scope"] == "password:write"
        for name in ("nothing", "..%2Fsecret", "%2e%2e", newest["id"] + "x"):
            assert anyone.get(f"/demo/mails/{name}").status_code == 404


def run_import(demo: Demo, *arguments: str | Path) -> Any:
    access = {"ITSCHOOL_URL": demo.ready["url"], "ITSCHOOL_API_KEY": demo.ready["api_key"]}
    return CliRunner().invoke(app, ["coda", "import", *map(str, arguments)], env=access)


def test_coda_import_knows_a_file_again_and_goes_on_after_a_bad_one(
    demo: Demo, tmp_path: Path
) -> None:
    good = Path(demo.ready["coda_file"])
    bad = tmp_path / "bad.cod"
    bad.write_bytes(coda.plant(good.read_bytes(), coda.Fault.WRONG_TRAILER_COUNT))

    assert run_import(demo, good).exit_code == 0
    again = run_import(demo, good)
    assert again.exit_code == 0
    assert again.stdout.startswith(f"{good}: imported before: 18 (")
    both = run_import(demo, bad, tmp_path / "missing.cod", good)
    assert both.exit_code == 1
    assert len(both.stdout.splitlines()) == 1
    assert [line.split(": ")[1] for line in both.stderr.splitlines()] == ["refused"] * 2


def test_coda_import_prints_one_json_line_for_each_file(demo: Demo) -> None:
    good = demo.ready["coda_file"]
    previewed = run_import(demo, good, "--preview", "--json")
    assert previewed.exit_code == 0
    (line,) = previewed.stdout.splitlines()
    result = json.loads(line)
    assert (result["file"], result["outcome"], result["problem"]) == (good, "preview", None)
    assert result["report"]["preview"] is True


def test_coda_import_does_not_echo_a_wrong_key(demo: Demo) -> None:
    tried = run_import(demo, demo.ready["coda_file"], "--api-key", "its_very_wrong")
    assert tried.exit_code == 2
    assert "very_wrong" not in tried.output


def test_coda_import_gives_up_on_a_server_that_is_not_there(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_client, "WAITS_SECONDS", [0, 0])
    tried = run_import(demo, demo.ready["coda_file"], "--url", "http://127.0.0.1:1")
    assert tried.exit_code == 3


def test_families_export_is_read_again_and_changes_nothing(demo: Demo, tmp_path: Path) -> None:
    """Everybody of the demonstration, most of them without a key of their own."""
    school = str(UUID(demo.ready["api_key"].split("_")[1]))
    scopes = ("people:write", "people:read", "students:read", "invoices:write")
    asked = [part for scope in scopes for part in ("--scope", scope)]
    made = itschool("school", "create-api-key", school, "--label", "Roll", *asked, cwd=demo.folder)
    access = {"ITSCHOOL_URL": demo.ready["url"], "ITSCHOOL_API_KEY": made.stdout.strip()}
    file = tmp_path / "roll.xlsx"

    def families(*arguments: str | Path) -> Any:
        return CliRunner().invoke(app, ["families", *map(str, arguments)], env=access)

    assert families("export", file).exit_code == 0, made.stderr
    assert file.stat().st_mode & 0o077 == 0
    assert "--force" in families("export", file).stderr
    again = families("import", file, "--school", school)
    assert (again.exit_code, again.stdout.splitlines()[0]) == (
        0,
        f"{file}: nothing new: 0 students new, 0 changed, 0 guardians new, 0 changed",
    )
    (tmp_path / "new.csv").write_text(_NEW_STUDENT)
    assert families("import", tmp_path / "new.csv").exit_code == 0
    (tmp_path / "bad.csv").write_text(_NEW_STUDENT.replace("010/8068", "010/8069"))
    bad = families("import", tmp_path / "bad.csv", "--preview", "--json")
    assert bad.exit_code == 1
    assert json.loads(bad.stdout)["report"]["findings"][0]["code"] == "invalid-reference"


_NEW_STUDENT = """\
matricule;prénom;nom;ogm;solde
9999;Zoë;Dubois;+++010/8068/17183+++;12,50
"""


def itschool(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [ITSCHOOL, *arguments]
    return subprocess.run(  # noqa: S603
        command,
        cwd=cwd,
        env=os.environ | {"ITSCHOOL_DATA_DIR": "data"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_its_books_are_clean(demo: Demo) -> None:
    verified = itschool("ledger", "verify", "--data-dir", "data", cwd=demo.folder)
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("data", "another demonstration"),
        ("stderr", "cannot be written to"),
        (".", "holds something else"),
    ],
)
def test_it_refuses_a_folder_that_is_not_its_own(demo: Demo, name: str, reason: str) -> None:
    with pytest.raises(FolderRefused, match=reason), held(demo.folder / name):
        pass


def test_it_refuses_a_port_that_is_taken(demo: Demo, tmp_path: Path) -> None:
    refused = itschool("demo", "--port", str(demo.port), cwd=tmp_path)
    assert refused.returncode == 1
    assert f"port {demo.port} is taken" in refused.stderr


def test_it_stops_at_once_with_its_database_and_starts_again_with_its_data(demo: Demo) -> None:
    before = dict(demo.ready)
    marker = demo.folder / "data" / "postgres" / "postmaster.pid"
    assert marker.exists()

    assert demo.stop() == 0

    assert demo.stdout == ""
    assert not marker.exists()
    assert demo.start() < START_SECONDS
    assert demo.ready == before
    with demo.as_("parent") as parent:
        assert get(parent, "/v1/invoices/summary")["count"] == 1
