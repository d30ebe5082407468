"""Every column is classified, and everything personal has its rules (SEC-35)."""

from sqlalchemy import Column, MetaData, Table, Text, Uuid

from itschool_api import schema
from itschool_api.privacy import inventory, traces
from itschool_api.privacy.inventory import TABLES, Fate
from itschool_api.settings import Settings
from tests import documents


def unclassified(metadata: MetaData) -> set[str]:
    """Return the columns that the inventory does not know, and those that only it knows."""
    there = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if not isinstance(column.type, Uuid)  # ids: what they point to is classified
    }
    told = {
        f"{name}.{column}"
        for name, table in TABLES.items()
        for column in (*table.personal, *table.plain.split())
    }
    return there ^ told


def test_every_column_of_every_table_is_classified() -> None:
    """SEC-35."""
    assert unclassified(schema.metadata) == set()
    assert set(schema.metadata.tables) == set(TABLES)


def test_no_column_is_both_personal_and_not() -> None:
    for table in TABLES.values():
        assert not set(table.personal) & set(table.plain.split())


def test_a_new_column_is_found() -> None:
    """The gate above, seen to fail."""
    metadata = MetaData()
    for table in schema.metadata.tables.values():
        table.to_metadata(metadata)
    metadata.tables["students"].append_column(Column("allergies", Text))
    Table("photos", metadata, Column("id", Uuid, primary_key=True), Column("caption", Text))

    assert unclassified(metadata) == {"students.allergies", "photos.caption"}


def test_everything_personal_that_is_no_secret_has_its_rows_in_an_export() -> None:
    """SEC-35."""
    exported = {model.__tablename__ for model in traces.ROWS}

    assert {name for name in TABLES if inventory.exported(name)} <= exported


# Written by hand: a wrong "secret" in the inventory would hide it from whom it tells of.
TOLD = """
    students.first_name students.last_name students.external_key students.birth_date
    students.left_on families.name families.language families.street families.postal_code
    families.city family_students.share_bp guardians.first_name guardians.last_name
    guardians.email guardians.phone guardians.language guardianships.sees_money
    guardianships.starts_on guardianships.ends_on events.title events.text events.place
    mails.kind mails.recipient mails.status mails.queued_at users.user_name users.email
    users.last_login_at memberships.role membership_offers.offered_at sessions.label
    sessions.last_used_at login_token_requests.email known_origins.last_seen_at
    second_factors.confirmed_at audit_events.action audit_events.at accounts.balance_cents
    transfers.amount_cents payment_references.reference invoices.label invoices.number
    invoices.issued_to invoices.total_cents invoice_lines.label invoice_lines.unit_cents
    bank_transactions.amount_cents bank_transactions.communication
    bank_transactions.counterparty_name bank_transactions.counterparty_account
"""


def test_what_tells_a_person_something_is_in_their_export() -> None:
    """SEC-35: only keys and hashes are secrets."""
    exported = {f"{name}.{column}" for name in TABLES for column in inventory.exported(name)}

    assert set(TOLD.split()) - exported == set()


def test_what_goes_by_itself_names_a_setting_or_a_time() -> None:
    for name, table in TABLES.items():
        words = table.expires.split()
        settings = [word for word in words if word.startswith("retention_")]
        assert all(word in Settings.model_fields for word in settings), name
        if any(column.fate is Fate.EXPIRES for column in table.personal.values()):
            assert table.expires, name


def test_the_page_on_privacy_tells_the_whole_inventory_and_every_setting() -> None:
    page = documents.PRIVACY.read_text("utf-8")

    assert documents.with_inventory(page) == page, "rewrite it: python -m tests.documents"
    for name in Settings.model_fields:
        if name.startswith("retention_"):
            assert f"ITSCHOOL_{name.upper()}" in page, name
