"""The auditor of `make faults`, who begins with the bank's files and not with the tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from faults import auditor
from itschool_api.banking.coda.builders import outgoing, payment, transfer
from itschool_api.money import Cents
from itschool_api.settings import Settings
from tests.kit import PAYER, School

pytestmark = pytest.mark.anyio

# Each is such that the tables agree with each other; only the bank's file tells.
HIDDEN = {
    "two amounts, with their transfers": """
        WITH changed AS (
            UPDATE bank_transactions SET amount_cents = 7_00 - amount_cents
            WHERE school_id = $1 AND state = 'suspense' RETURNING id, amount_cents)
        UPDATE transfers SET amount_cents = changed.amount_cents FROM changed
        WHERE school_id = $1 AND cause LIKE 'bank-transaction:' || changed.id || ':%'""",
    "who paid": """
        UPDATE bank_transactions SET counterparty_account = 'BE68539007547034'
        WHERE school_id = $1 AND ordinal = 1""",
    "the payer's name": """
        UPDATE bank_transactions SET counterparty_name = 'JAN MAES'
        WHERE school_id = $1 AND ordinal = 1""",
    "the records": """
        UPDATE bank_transactions SET raw = replace(raw, 'cadeau', 'tombola')
        WHERE school_id = $1 AND raw LIKE '%cadeau%'""",
    "what kind of movement": """
        UPDATE bank_transactions SET transaction_code = '00152000'
        WHERE school_id = $1 AND ordinal = 2""",
    "the order of movements": """
        UPDATE bank_transactions SET ordinal = ordinal + 1 WHERE school_id = $1 AND ordinal = 4""",
    "both balances of a statement": """
        UPDATE bank_statements SET opening_cents = opening_cents + 1,
            closing_cents = closing_cents + 1 WHERE school_id = $1""",
    "the day of a statement": """
        UPDATE bank_statements SET closing_on = closing_on + 1 WHERE school_id = $1""",
    "which file an import was made from": """
        UPDATE bank_files SET sha256 = repeat('0', 64) WHERE school_id = $1""",
    "where the file lies": """
        UPDATE bank_files SET storage_key = storage_key || '.old' WHERE school_id = $1""",
    "a file forgotten": "DELETE FROM bank_files WHERE school_id = $1",
    "the name of a statement": """
        UPDATE bank_statements SET key = key || 'x' WHERE school_id = $1""",
}


async def test_an_auditor_derives_the_books_from_the_banks_files(
    school: School, owner_url: str, settings: Settings
) -> None:
    """REL-23: every corruption is found, also where the tables agree with each other."""
    child = await school.child()
    await school.post_coda(
        school.coda(
            payment(child.reference, Cents(50_00), PAYER),
            transfer("cadeau", Cents(3_00), PAYER),
            transfer("encore", Cents(4_00), PAYER),
            outgoing("eau", Cents(9_00), PAYER),
        )
    )
    url = make_url(owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
    owner = await asyncpg.connect(url)
    folder = settings.data_dir / "files"

    assert await auditor.findings(owner, folder, school.id) == []
    for what, corruption in HIDDEN.items():
        change = owner.transaction()
        await change.start()
        done = await owner.execute(corruption, school.id)
        assert not done.endswith(" 0"), what
        assert await auditor.findings(owner, folder, school.id), what
        await change.rollback()
    kept = next((folder / str(school.id)).rglob("*.cod"))
    for content in (kept.read_bytes()[:-1], kept.read_bytes().replace(b"cadeau", b"CADEAU"), b""):
        with _instead(kept, content):
            assert await auditor.findings(owner, folder, school.id)
    assert await auditor.findings(owner, folder, school.id) == []
    await owner.close()


@contextmanager
def _instead(file: Path, content: bytes) -> Iterator[None]:
    before = file.read_bytes()
    file.write_bytes(content)
    yield
    file.write_bytes(before)
